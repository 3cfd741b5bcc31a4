//! The one task that owns the state of all specs: it judges scores, changes specs and watches timers, one after the
//! other.
//!
//! Nothing of its state changes before the transaction that says so is committed. A command that fails leaves
//! everything as it was.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shadowline_error::chain;
use shadowline_evaluation::{
    AlertState, Evaluation, MetricKind, MetricSelector, MetricSpec, Observation, Outcome,
    SpecError, SpecId, Transition, TransitionReason, VersionSelector,
};
use shadowline_service::clock;
use shadowline_service::health::Component;
use shadowline_service::traces::{self, KeyValue, SpanContext};
use shadowline_store::{
    AlertEvent, Batch, CheckMetric, CheckSubject, Checkpoint, Ending, NewCheck, NewState,
    OffsetStep, Progress, Revision, SpecKey, SpecNo, Store, StoreError, StoredSpec,
};
use shadowline_wire::{Score, Subject};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use crate::alert_traces::AlertTraces;
use crate::metrics::MetricSpecsMetrics;

/// The wait before a timer's step that could not be kept is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long after partitions were assigned no timer runs, so that what waits in them is read first.
const SETTLE: Duration = Duration::from_secs(1);
/// How long after the last use of the store it is asked for an answer. Scores that wait are tried again sooner, and
/// say more.
const PROBE_AFTER: Duration = Duration::from_secs(6);

/// A score and the partition that it was read from.
#[derive(Debug, Clone)]
pub(crate) struct PartitionedScore {
    pub(crate) partition: u32,
    pub(crate) score: Score,
    /// The span of its processing.
    pub(crate) trace: Option<SpanContext>,
}

/// Scores to apply, and where reading goes on after them.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    pub(crate) scores: Vec<PartitionedScore>,
    pub(crate) next_offsets: BTreeMap<u32, u64>,
}

/// What happened to a spec that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Updated,
    Unchanged,
}

/// Where one spec stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) spec: StoredSpec,
    pub(crate) evaluation: Evaluation,
    pub(crate) incident: u64,
}

/// Why a spec was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("there is no metric spec `{key}`")]
    NotFound { key: String },
    #[error("a metric spec named `{name}` exists already")]
    NameTaken { name: String },
    #[error(
        "`name` is `{name}`, but the address names `{key}`, which does not exist; expected the same name"
    )]
    OtherName { key: String, name: String },
    #[error(
        "`metric.{kind}` is not yet available; expected `metric.monitor`, the name of a detector"
    )]
    NotAvailable { kind: &'static str },
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error("keep the change")]
    Store(#[source] StoreError),
    #[error("the service is stopping")]
    Stopped,
}

/// Why scores were not applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplyError {
    #[error("keep the effects of scores")]
    Store(#[source] StoreError),
    #[error(
        "the database has lost what it had confirmed: it is at offset {stored} of partition {partition} and was at \
         {confirmed}, so the service must start again and read from there"
    )]
    WentBack { partition: u32, stored: u64, confirmed: u64 },
    #[error("the service is stopping")]
    Stopped,
}

type Reply<T> = oneshot::Sender<T>;

/// What the engine is asked to do.
pub(crate) enum Command {
    Assigned(Reply<Result<BTreeMap<u32, u64>, ApplyError>>),
    Apply(Scores, Reply<Result<(), ApplyError>>),
    Create(MetricSpec, Reply<Result<StoredSpec, ChangeError>>),
    Put(String, MetricSpec, Reply<Result<(StoredSpec, Change), ChangeError>>),
    Patch(String, Patch, Reply<Result<(StoredSpec, Change), ChangeError>>),
    Delete(String, Reply<Result<StoredSpec, ChangeError>>),
    Standings(Reply<Vec<Standing>>),
}

/// What can be changed of a spec without writing the whole of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Patch {
    pub(crate) threshold: Option<f64>,
    pub(crate) enabled: Option<bool>,
}

/// How everybody else reaches the engine.
#[derive(Debug, Clone)]
pub(crate) struct Handle(mpsc::Sender<Command>);

/// What an engine will be asked, also before there is one.
pub(crate) fn channel() -> (Handle, mpsc::Receiver<Command>) {
    let (sender, commands) = mpsc::channel(64);
    (Handle(sender), commands)
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Command")
    }
}

impl Handle {
    async fn call<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Reads from the store again how far each partition was applied, and returns where to begin.
    pub(crate) async fn assigned(&self) -> Result<BTreeMap<u32, u64>, ApplyError> {
        self.call(Command::Assigned).await.unwrap_or(Err(ApplyError::Stopped))
    }

    /// Judges scores and keeps everything that follows, in one transaction.
    pub(crate) async fn apply(&self, scores: Scores) -> Result<(), ApplyError> {
        self.call(|it| Command::Apply(scores, it)).await.unwrap_or(Err(ApplyError::Stopped))
    }

    pub(crate) async fn create(&self, spec: MetricSpec) -> Result<StoredSpec, ChangeError> {
        self.call(|it| Command::Create(spec, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn put(
        &self,
        key: String,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        self.call(|it| Command::Put(key, spec, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn patch(
        &self,
        key: String,
        patch: Patch,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        self.call(|it| Command::Patch(key, patch, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    pub(crate) async fn delete(&self, key: String) -> Result<StoredSpec, ChangeError> {
        self.call(|it| Command::Delete(key, it)).await.unwrap_or(Err(ChangeError::Stopped))
    }

    /// Returns where every spec stands, by name; `None` when the service is stopping.
    pub(crate) async fn standings(&self) -> Option<Vec<Standing>> {
        self.call(Command::Standings).await
    }
}

/// What the engine tells those who send things: that there is something new in an outbox.
#[derive(Debug, Clone)]
pub(crate) struct Wakers {
    pub(crate) specs: watch::Sender<()>,
    pub(crate) alerts: watch::Sender<()>,
    /// And to which traces the alerts belong.
    pub(crate) traces: AlertTraces,
}

#[derive(Debug, Clone)]
struct Tracked {
    stored: StoredSpec,
    evaluation: Evaluation,
    incident: u64,
    /// What of its state is stored.
    revision: Revision,
    /// When a check last moved the spec's clock: event time passes on from there, however late the events are.
    observed: Instant,
    /// The trace of the last breach, to which a timer's alert belongs; forgotten with this process.
    breach: Option<SpanContext>,
}

impl Tracked {
    fn new(stored: StoredSpec, incident: u64, revision: Revision) -> Self {
        let evaluation = Evaluation::new(&stored.spec);
        Self { stored, evaluation, incident, revision, observed: Instant::now(), breach: None }
    }

    /// Turns a step of the state machine into what is kept and sent.
    fn event(&mut self, transition: Transition, now: Timestamp) -> AlertEvent {
        if transition.from == AlertState::Inactive {
            self.incident += 1;
        }
        AlertEvent {
            // Within an incident every state is entered once.
            id: format!("{}/{}/{}", self.stored.id, self.incident, transition.to),
            spec_no: self.stored.no,
            spec_version: self.stored.version,
            incident: self.incident,
            transition,
            recorded_at: now,
        }
    }

    fn new_state(&self, now: Timestamp) -> NewState {
        NewState {
            spec_no: self.stored.no,
            revision: self.revision,
            spec_version: self.stored.version,
            incident: self.incident,
            evaluation: self.evaluation.clone(),
            updated_at: now,
        }
    }

    /// When the spec's running timer is due: by the spec's clock, and by ours.
    fn timer(&self) -> Option<(Timestamp, Instant)> {
        let due = self.evaluation.next_timer(&self.stored.spec)?;
        let clock = self.evaluation.clock()?;
        let wait = Duration::try_from(due.duration_since(clock).max(SignedDuration::ZERO)).ok()?;
        Some((due, self.observed.checked_add(wait)?))
    }
}

type MarkKey = (u32, String, Uuid);

/// The owner of the state of all specs.
pub(crate) struct Engine {
    store: Store,
    reader: String,
    topic: String,
    specs: BTreeMap<SpecNo, Tracked>,
    marks: HashMap<MarkKey, u64>,
    offsets: BTreeMap<u32, u64>,
    /// What is here may differ from what is stored, because a transaction failed: somebody else may have written.
    stale: bool,
    /// When timers may run; none until there are partitions to read. What waits in them may end what a timer would
    /// fire or resolve, so it is read first.
    timers_from: Option<Instant>,
    /// The database was found to be older than what it had confirmed.
    went_back: Option<WentBack>,
    /// When the store is asked for an answer, unless it is used before.
    probe_at: Instant,
    wakers: Wakers,
    metrics: MetricSpecsMetrics,
    health: Component,
}

#[derive(Debug, Clone, Copy)]
struct WentBack {
    partition: u32,
    stored: u64,
    confirmed: u64,
}

impl Engine {
    /// Reads everything from the store.
    pub(crate) async fn open(
        store: Store,
        reader: String,
        topic: String,
        wakers: Wakers,
        metrics: MetricSpecsMetrics,
        health: Component,
    ) -> Result<Self, StoreError> {
        let mut engine = Self {
            store,
            reader,
            topic,
            specs: BTreeMap::new(),
            marks: HashMap::new(),
            offsets: BTreeMap::new(),
            stale: true,
            timers_from: None,
            went_back: None,
            probe_at: Instant::now() + PROBE_AFTER,
            wakers,
            metrics,
            health,
        };
        engine.reload().await?;
        info!(n_specs = engine.specs.len(), "metric specs loaded");
        engine.health.ok();
        Ok(engine)
    }

    /// Starts the task. It ends when `ending` is cancelled.
    pub(crate) fn start(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        ending: CancellationToken,
    ) {
        tokio::spawn(async move {
            loop {
                let (timer, probe_at) = (self.next_timer(), self.probe_at);
                tokio::select! {
                    () = ending.cancelled() => return,
                    command = commands.recv() => match command {
                        Some(command) => self.obey(command).await,
                        None => return,
                    },
                    () = sleep_until(timer.unwrap_or_else(Instant::now)), if timer.is_some() => self.run_timers().await,
                    () = sleep_until(probe_at) => self.probe().await,
                }
            }
        });
    }

    /// Asks the store for an answer, so that its health is known also when nothing is to be kept.
    async fn probe(&mut self) {
        let result = if self.stale { self.recover().await } else { self.store.ping().await };
        if self.noted(result).is_err() {
            self.stale = true;
        }
    }

    /// Reads everything again once the store takes changes.
    async fn recover(&mut self) -> Result<(), StoreError> {
        self.store.probe().await?;
        self.reload().await
    }

    async fn obey(&mut self, command: Command) {
        match command {
            Command::Assigned(reply) => {
                let result = self.reload().await;
                let result = self.noted(result).map(|()| self.offsets.clone());
                self.timers_from = Some(Instant::now() + SETTLE);
                answer(reply, result.map_err(ApplyError::Store));
            }
            Command::Apply(scores, reply) => {
                let result = self.apply(scores).await;
                let result = self.noted(result).map_err(ApplyError::Store);
                answer(reply, self.went_back.map_or(result, |it| Err(it.into())));
            }
            Command::Create(spec, reply) => {
                self.refresh().await;
                let result = self.create(spec).await;
                answer(reply, self.changed(result));
            }
            Command::Put(key, spec, reply) => {
                self.refresh().await;
                let result = self.put(key, spec).await;
                answer(reply, self.changed(result));
            }
            Command::Patch(key, patch, reply) => {
                self.refresh().await;
                let result = self.patch(key, patch).await;
                answer(reply, self.changed(result));
            }
            Command::Delete(key, reply) => {
                self.refresh().await;
                let result = self.delete(key).await;
                answer(reply, self.changed(result));
            }
            Command::Standings(reply) => answer(reply, self.standings()),
        }
    }

    /// Reads everything again if it may differ from what is stored, before something is changed by hand. Where that
    /// fails the change does, too, and says why.
    async fn refresh(&mut self) {
        if self.stale {
            let result = self.reload().await;
            if let Err(error) = self.noted(result) {
                warn!(error = chain(&error), "read the specs again");
            }
        }
    }

    /// After a failed change nobody knows what is stored; after a kept one the store is well.
    fn changed<T>(&mut self, result: Result<T, ChangeError>) -> Result<T, ChangeError> {
        self.probe_at = Instant::now() + PROBE_AFTER;
        match &result {
            Ok(_) => self.health.ok(),
            Err(ChangeError::Store(_)) => self.stale = true,
            Err(_) => {}
        }
        result
    }

    /// Keeps the health of the store: consumption waits while it fails.
    fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.probe_at = Instant::now() + PROBE_AFTER;
        match &result {
            Ok(_) => self.health.ok(),
            Err(error) => self.health.failing(chain(error)),
        }
        result
    }

    /// Reads everything from the store.
    ///
    /// The offsets come first: should another process write in between, then they are too old, and the transaction
    /// that names them is refused. The states come before the specs for the same reason: whoever changes a spec writes
    /// its state.
    async fn reload(&mut self) -> Result<(), StoreError> {
        self.stale = true;
        let offsets = self.store.offsets(&self.reader, &self.topic).await?;
        let marks = self.store.checkpoints(&self.reader).await?;
        let states = self.store.states().await?;
        let specs = self.store.specs(None).await?;
        let mut specs: BTreeMap<_, _> = specs
            .into_iter()
            .map(|it| (it.no, Tracked::new(it, 0, Revision::NOT_STORED)))
            .collect();
        for state in states {
            let Some(tracked) = specs.get_mut(&state.spec_no) else { continue };
            tracked.incident = state.incident;
            tracked.revision = state.revision;
            if let Some((version, evaluation)) = state.evaluation
                && version == tracked.stored.version
            {
                tracked.evaluation = evaluation;
            }
        }
        for tracked in specs.values() {
            self.metrics.spec(&tracked.stored.spec, &tracked.evaluation);
        }
        self.metrics.specs(specs.len());
        self.specs = specs;
        self.marks = marks
            .into_iter()
            .map(|it| ((it.partition, it.producer, it.instance), it.sequence))
            .collect();
        // What was confirmed here must be there. A database that was restored, or failed over to a copy that lagged, has
        // less, and what it lost was read already.
        let lost = self.offsets.iter().find_map(|(partition, confirmed)| {
            let stored = offsets.get(partition).copied().unwrap_or(0);
            let lost = WentBack { partition: *partition, stored, confirmed: *confirmed };
            (stored < *confirmed).then_some(lost)
        });
        self.went_back = self.went_back.or(lost);
        self.offsets = offsets;
        self.stale = false;
        Ok(())
    }

    /// Keeps a batch; after a failure, nothing is taken for granted any more.
    async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let result = self.store.apply(batch).await;
        self.stale |= result.is_err();
        result
    }

    /// Of whom what is kept is, without a step forward.
    fn no_progress(&self) -> Progress {
        Progress {
            consumer_group: self.reader.clone(),
            topic: self.topic.clone(),
            ..Progress::default()
        }
    }

    async fn apply(&mut self, batch: Scores) -> Result<(), StoreError> {
        let started = Instant::now();
        if self.stale {
            self.reload().await?;
        }
        if self.went_back.is_some() {
            return Ok(());
        }
        let now = clock::now();
        let mut effects = Effects::default();
        for scored in &batch.scores {
            self.judge(scored, now, &mut effects);
        }
        let step = |(partition, to): (&u32, &u64)| OffsetStep {
            partition: *partition,
            from: self.offsets.get(partition).copied(),
            to: *to,
        };
        let checkpoint =
            |((partition, producer, instance), sequence): (&MarkKey, &u64)| Checkpoint {
                partition: *partition,
                producer: producer.clone(),
                instance: *instance,
                sequence: *sequence,
            };
        let transaction = Batch {
            progress: Progress {
                offsets: batch.next_offsets.iter().map(step).collect(),
                checkpoints: effects.marks.iter().map(checkpoint).collect(),
                ..self.no_progress()
            },
            states: effects.touched.values().map(|it| it.new_state(now)).collect(),
            checks: effects.checks,
            events: effects.events,
        };
        self.commit(&transaction).await?;
        self.marks.extend(effects.marks);
        self.offsets.extend(batch.next_offsets);
        for ((spec_no, outcome), n_checks) in effects.counts {
            if let Some(tracked) = effects.touched.get(&spec_no) {
                self.metrics.checks(&tracked.stored.spec, outcome, n_checks);
            }
        }
        self.trace_checks(&effects.traced, &transaction, now);
        self.keep(effects.touched, &transaction.events);
        self.metrics.applied(started.elapsed().as_secs_f64(), effects.n_repeated);
        Ok(())
    }

    /// Judges one score by every spec that asks for it, on copies of their states.
    fn judge(&self, scored: &PartitionedScore, now: Timestamp, effects: &mut Effects) {
        let PartitionedScore { partition, score, trace } = scored;
        let metric = &score.metric;
        let key = (*partition, metric.producer(), score.origin.instance);
        let applied =
            effects.marks.get(&key).or_else(|| self.marks.get(&key)).copied().unwrap_or(0);
        if score.origin.sequence <= applied {
            effects.n_repeated += 1;
            return;
        }
        effects.marks.insert(key, score.origin.sequence);
        let (value, reason) = match &score.result {
            Ok(score) => (Some(score.value), None),
            Err(unscored) => (None, Some(format!("{}: {}", unscored.code, unscored.message))),
        };
        let subject_id = score.subject_id();
        for (spec_no, tracked) in &self.specs {
            let spec = &tracked.stored.spec;
            let judges = spec.judges(
                (&score.model.name, &score.model.version),
                metric.kind,
                (&metric.name, &metric.version),
            );
            // An older version speaks because another spec names it.
            let is_old = metric.kind == MetricKind::Monitor && !score.is_newest;
            if !judges || (is_old && !names_a_version(spec)) {
                continue;
            }
            let tracked = effects.touched.entry(*spec_no).or_insert_with(|| tracked.clone());
            tracked.observed = Instant::now();
            // A clock that runs ahead must not pull the spec's clock with it.
            let at = score.received_at.min(now);
            let observation = Observation { at, value, inference_id: &subject_id };
            let (outcome, transitions) = tracked.evaluation.observe(spec, observation);
            if outcome == Outcome::Breach {
                tracked.breach.clone_from(trace);
            }
            let n_events = effects.events.len();
            for transition in transitions {
                let event = tracked.event(transition, now);
                effects.events.push(event);
            }
            *effects.counts.entry((*spec_no, outcome)).or_default() += 1;
            if let Some(trace) = trace.as_ref().filter(|it| it.is_sampled()) {
                effects.traced.push(TracedCheck {
                    trace: trace.clone(),
                    check_idx: effects.checks.len(),
                    spec: spec.name().to_string(),
                    events: n_events..effects.events.len(),
                });
            }
            let not_compared = outcome == Outcome::Unscored;
            effects.checks.push(NewCheck {
                spec_no: *spec_no,
                spec_version: tracked.stored.version,
                condition: *spec.condition(),
                subject: check_subject(&score.subject),
                model: (score.model.name.clone(), score.model.version.clone()),
                metric: CheckMetric {
                    kind: metric.kind,
                    name: metric.name.clone(),
                    version: metric.version.clone(),
                },
                value: value.filter(|_| !not_compared),
                outcome,
                reason: reason.clone(),
                event_at: score.received_at,
                partition: *partition,
                origin: (score.origin.instance, score.origin.sequence),
            });
        }
    }

    /// Writes down the spans of checks that were kept, and below them those of the alerts that they changed.
    fn trace_checks(&self, traced: &[TracedCheck], kept: &Batch, now: Timestamp) {
        for TracedCheck { trace, check_idx, spec, events } in traced {
            let check = &kept.checks[*check_idx];
            let below = traces::step("check", Some(trace), now, || {
                let mut attributes = vec![
                    KeyValue::new("shadowline.spec.name", spec.clone()),
                    KeyValue::new("shadowline.check.outcome", check.outcome.name()),
                    KeyValue::new("shadowline.check.condition", check.condition.to_string()),
                ];
                let inference_id = check.subject.inference_id().map(str::to_owned);
                attributes
                    .extend(inference_id.map(|it| KeyValue::new("shadowline.inference.id", it)));
                attributes
                    .extend(check.value.map(|it| KeyValue::new("shadowline.check.value", it)));
                attributes
            });
            for event in &kept.events[events.clone()] {
                self.trace_alert(spec, event, below.as_ref().or(Some(trace)), now);
            }
        }
    }

    /// Writes down the span of an alert's change, and keeps it for the record that tells of it.
    fn trace_alert(
        &self,
        spec: &str,
        event: &AlertEvent,
        below: Option<&SpanContext>,
        now: Timestamp,
    ) {
        let transition = &event.transition;
        let step = traces::step("alert", below, now, || {
            vec![
                KeyValue::new("shadowline.spec.name", spec.to_owned()),
                KeyValue::new("shadowline.alert.from", transition.from.name()),
                KeyValue::new("shadowline.alert.to", transition.to.name()),
                KeyValue::new("shadowline.alert.reason", transition.reason.name()),
                KeyValue::new(
                    "shadowline.alert.incident",
                    i64::try_from(event.incident).unwrap_or(i64::MAX),
                ),
            ]
        });
        if let Some(trace) = step.or_else(|| below.cloned()) {
            self.wakers.traces.keep(&event.id, trace);
        }
    }

    /// Takes over what was committed, shows it, and wakes those who send it.
    fn keep(&mut self, touched: BTreeMap<SpecNo, Tracked>, events: &[AlertEvent]) {
        for (spec_no, mut tracked) in touched {
            tracked.revision = tracked.revision.next();
            self.metrics.spec(&tracked.stored.spec, &tracked.evaluation);
            self.specs.insert(spec_no, tracked);
        }
        for event in events {
            if let Some(tracked) = self.specs.get(&event.spec_no) {
                self.tell(&tracked.stored.spec, event);
            }
        }
        if !events.is_empty() {
            self.wakers.alerts.send_replace(());
        }
    }

    fn tell(&self, spec: &MetricSpec, event: &AlertEvent) {
        let transition = &event.transition;
        let delay = event.recorded_at.duration_since(transition.at).as_secs_f64();
        let trace = self.wakers.traces.of(&event.id);
        self.metrics.transition(spec, transition.to, delay, traces::exemplar(trace.as_ref()));
        let trace_id = trace.as_ref().map(|it| tracing::field::display(it.trace_id()));
        let span_id = trace.as_ref().map(|it| tracing::field::display(it.span_id()));
        let (from, to, reason) = (transition.from, transition.to, transition.reason.name());
        info!(spec = %spec.name(), incident = event.incident, %from, %to, reason, value = transition.value, trace_id, span_id, "alert");
    }

    fn next_timer(&self) -> Option<Instant> {
        let first = self.specs.values().filter_map(|it| it.timer().map(|(_, at)| at)).min()?;
        self.timers_from.map(|it| it.max(first))
    }

    async fn run_timers(&mut self) {
        if self.stale
            && let Err(error) = self.reload().await
        {
            self.health.failing(chain(&error));
            self.timers_from = Some(Instant::now() + RETRY_AFTER);
            return;
        }
        let (now, instant) = (clock::now(), Instant::now());
        let mut touched = BTreeMap::new();
        let mut batch = Batch { progress: self.no_progress(), ..Batch::default() };
        for (spec_no, tracked) in &self.specs {
            let Some((due, _)) = tracked.timer().filter(|(_, at)| *at <= instant) else { continue };
            let mut tracked = tracked.clone();
            if let Some(transition) = tracked.evaluation.tick(&tracked.stored.spec, due) {
                let event = tracked.event(transition, now);
                batch.events.push(event);
                batch.states.push(tracked.new_state(now));
                touched.insert(*spec_no, tracked);
            }
        }
        if touched.is_empty() {
            return;
        }
        let result = self.commit(&batch).await;
        match self.noted(result) {
            Ok(()) => {
                self.trace_timers(&touched, &batch.events, now);
                self.keep(touched, &batch.events);
            }
            Err(error) => {
                warn!(error = chain(&error), "a timer's step was not kept, it is tried again");
                self.timers_from = Some(Instant::now() + RETRY_AFTER);
            }
        }
    }

    /// An alert that fires by a timer belongs to the trace of the last breach; one that resolves belongs to none.
    fn trace_timers(
        &self,
        touched: &BTreeMap<SpecNo, Tracked>,
        events: &[AlertEvent],
        now: Timestamp,
    ) {
        for event in events.iter().filter(|it| it.transition.to == AlertState::Firing) {
            let Some(tracked) = touched.get(&event.spec_no) else { continue };
            let below = tracked.breach.as_ref();
            self.trace_alert(tracked.stored.spec.name().as_str(), event, below, now);
        }
    }

    async fn create(&mut self, spec: MetricSpec) -> Result<StoredSpec, ChangeError> {
        available(&spec)?;
        let id = SpecId(Uuid::now_v7());
        let stored = self.store.create_spec(id, &spec, clock::now()).await;
        let stored = stored.map_err(|it| self.change_error(it))?;
        info!(spec = %spec.name(), %id, "metric spec created");
        self.replace(Tracked::new(stored.clone(), 0, Revision::NOT_STORED));
        Ok(stored)
    }

    async fn put(
        &mut self,
        key: String,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        available(&spec)?;
        let found = match (self.find(&key), SpecKey::parse(&key)) {
            (Some(found), _) => found.clone(),
            (None, SpecKey::Id(_)) => return Err(ChangeError::NotFound { key }),
            (None, SpecKey::Name(name)) if name == spec.name().as_str() => {
                return Ok((self.create(spec).await?, Change::Created));
            }
            (None, SpecKey::Name(_)) => {
                return Err(ChangeError::OtherName { key, name: spec.name().to_string() });
            }
        };
        self.update(found, spec).await
    }

    async fn patch(
        &mut self,
        key: String,
        patch: Patch,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        let Some(found) = self.find(&key).cloned() else {
            return Err(ChangeError::NotFound { key });
        };
        let spec = found.stored.spec.with(patch.threshold, patch.enabled)?;
        self.update(found, spec).await
    }

    async fn update(
        &mut self,
        mut found: Tracked,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        if found.stored.spec == spec {
            return Ok((found.stored, Change::Unchanged));
        }
        let now = clock::now();
        let reason = if spec.enabled() {
            TransitionReason::SpecChanged
        } else {
            TransitionReason::SpecDisabled
        };
        let closing = self.close(&mut found, now, reason);
        let ending = Ending { revision: found.revision, event: closing.as_ref() };
        let stored = self.store.replace_spec(&found.stored, &spec, now, ending).await;
        let stored = stored.map_err(|it| self.change_error(it))?;
        info!(spec = %spec.name(), id = %stored.id, version = %stored.version, "metric spec changed");
        self.ended(&found.stored.spec, closing.as_ref());
        self.metrics.changed(&found.stored.spec);
        if found.stored.spec.name() != spec.name()
            || found.stored.spec.model().name != spec.model().name
        {
            self.metrics.forget(&found.stored.spec);
        }
        self.replace(Tracked::new(stored.clone(), found.incident, found.revision.next()));
        Ok((stored, Change::Updated))
    }

    async fn delete(&mut self, key: String) -> Result<StoredSpec, ChangeError> {
        let Some(mut found) = self.find(&key).cloned() else {
            return Err(ChangeError::NotFound { key });
        };
        let now = clock::now();
        let closing = self.close(&mut found, now, TransitionReason::SpecDeleted);
        let ending = Ending { revision: found.revision, event: closing.as_ref() };
        let deleted = self.store.delete_spec(&found.stored, now, ending).await;
        deleted.map_err(|it| self.change_error(it))?;
        info!(spec = %found.stored.spec.name(), id = %found.stored.id, "metric spec deleted");
        self.ended(&found.stored.spec, closing.as_ref());
        self.metrics.forget(&found.stored.spec);
        self.specs.remove(&found.stored.no);
        self.metrics.specs(self.specs.len());
        self.wakers.specs.send_replace(());
        Ok(StoredSpec { deleted_at: Some(now), ..found.stored })
    }

    fn close(
        &self,
        tracked: &mut Tracked,
        now: Timestamp,
        reason: TransitionReason,
    ) -> Option<AlertEvent> {
        let transition = tracked.evaluation.close(&tracked.stored.spec, now, reason)?;
        Some(tracked.event(transition, now))
    }

    fn ended(&self, spec: &MetricSpec, closing: Option<&AlertEvent>) {
        if let Some(event) = closing {
            self.tell(spec, event);
            self.wakers.alerts.send_replace(());
        }
    }

    fn replace(&mut self, tracked: Tracked) {
        self.metrics.spec(&tracked.stored.spec, &tracked.evaluation);
        self.specs.insert(tracked.stored.no, tracked);
        self.metrics.specs(self.specs.len());
        self.wakers.specs.send_replace(());
    }

    fn find(&self, key: &str) -> Option<&Tracked> {
        let key = SpecKey::parse(key);
        self.specs.values().find(|it| match &key {
            SpecKey::Id(id) => it.stored.id == *id,
            SpecKey::Name(name) => it.stored.spec.name().as_str() == name,
        })
    }

    fn standings(&self) -> Vec<Standing> {
        let mut standings: Vec<_> = self
            .specs
            .values()
            .map(|it| Standing {
                spec: it.stored.clone(),
                evaluation: it.evaluation.clone(),
                incident: it.incident,
            })
            .collect();
        standings.sort_by(|a, b| a.spec.spec.name().cmp(b.spec.spec.name()));
        standings
    }

    fn change_error(&self, error: StoreError) -> ChangeError {
        match error {
            StoreError::NameTaken { name } => ChangeError::NameTaken { name },
            // Somebody else was faster, and the store is well.
            moved @ (StoreError::SpecMoved { .. } | StoreError::StateMoved { .. }) => {
                ChangeError::Store(moved)
            }
            other => {
                self.health.failing(chain(&other));
                ChangeError::Store(other)
            }
        }
    }
}

impl From<WentBack> for ApplyError {
    fn from(it: WentBack) -> Self {
        let WentBack { partition, stored, confirmed } = it;
        Self::WentBack { partition, stored, confirmed }
    }
}

/// What a batch causes, before it is kept.
#[derive(Default)]
struct Effects {
    touched: BTreeMap<SpecNo, Tracked>,
    marks: HashMap<MarkKey, u64>,
    checks: Vec<NewCheck>,
    events: Vec<AlertEvent>,
    counts: BTreeMap<(SpecNo, Outcome), u64>,
    n_repeated: u64,
    traced: Vec<TracedCheck>,
}

/// A check whose request is traced, and what it changed, among the checks and events of its batch.
struct TracedCheck {
    trace: SpanContext,
    check_idx: usize,
    spec: String,
    events: std::ops::Range<usize>,
}

fn check_subject(subject: &Subject) -> CheckSubject {
    match subject {
        Subject::Inference(id) => CheckSubject::Inference(id.clone()),
        Subject::Window(window) => CheckSubject::Window {
            from: window.from(),
            to: window.to(),
            segment: window.segment().map(str::to_owned),
        },
    }
}

/// Whether a spec says which version of a detector it judges; otherwise it judges the newest.
fn names_a_version(spec: &MetricSpec) -> bool {
    matches!(spec.metric(), MetricSelector::Monitor { version: VersionSelector::Exactly(_), .. })
}

fn available(spec: &MetricSpec) -> Result<(), ChangeError> {
    match spec.metric() {
        MetricSelector::Monitor { .. } => Ok(()),
        other @ (MetricSelector::Drift { .. }
        | MetricSelector::Quality { .. }
        | MetricSelector::Service { .. }
        | MetricSelector::Performance { .. }) => {
            Err(ChangeError::NotAvailable { kind: other.kind() })
        }
    }
}

fn answer<T>(reply: Reply<T>, result: T) {
    if reply.send(result).is_err() {
        // What was done is done; whoever asked does not want to know any more.
        tracing::debug!("nobody waits for the answer any more");
    }
}
