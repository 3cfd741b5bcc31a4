//! What the engine holds in memory, and that it is as the store has it.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use shadowline_error::chain;
use shadowline_evaluation::{Changes, SpecEntry, SpecId, SpecSet, SpecState};
use shadowline_service::health::Component;
use shadowline_service::traces::{self, SpanContext};
use shadowline_store::{
    AlertEvent, Batch, NewState, Progress, Revision, Store, StoreError, StoredSpec,
};
use shadowline_stream::TopicId;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::info;

use super::effects::{self, CheckpointKey};
use super::handle::{SpecStatus, StoreRegressed};
use crate::alert_traces::AlertTraces;
use crate::metrics::MetricSpecsMetrics;

/// How long after the last use of the store it is asked for an answer. Scores that wait are tried again sooner, and
/// say more.
pub(super) const PROBE_AFTER: Duration = Duration::from_secs(6);

/// Signals to those who send things that there is something new in an outbox.
#[derive(Debug, Clone)]
pub(crate) struct Wakers {
    pub(crate) specs: watch::Sender<()>,
    pub(crate) alerts: watch::Sender<()>,
    /// And to which traces the alerts belong.
    pub(crate) traces: AlertTraces,
}

/// What is known of a spec besides its evaluation.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    pub(super) stored: StoredSpec,
    /// What of the alert's state is stored; a write over another revision is refused.
    pub(super) revision: Revision,
    /// When a check last moved the spec's clock: event time passes on from there, however late the events are.
    pub(super) observed: Instant,
    /// The trace of the last breach, to which a timer's alert belongs; forgotten with this process.
    pub(super) breach: Option<SpanContext>,
}

impl Tracked {
    pub(super) fn new(stored: StoredSpec, revision: Revision) -> Self {
        Self { stored, revision, observed: Instant::now(), breach: None }
    }
}

/// The owner of the state of all specs.
pub(crate) struct Engine {
    pub(super) store: Store,
    pub(super) consumer_group: String,
    pub(super) topic: String,
    pub(super) specs: SpecSet,
    /// The same specs.
    pub(super) tracked: BTreeMap<SpecId, Tracked>,
    pub(super) checkpoints: HashMap<CheckpointKey, u64>,
    pub(super) offsets: BTreeMap<u32, u64>,
    /// What is here may differ from what is stored, because a transaction failed: somebody else may have written.
    pub(super) stale: bool,
    /// When timers may run; none until there are partitions to read. What waits in them may end what a timer would
    /// fire or resolve, so it is read first.
    pub(super) timers_from: Option<Instant>,
    /// The database was found to be older than what it had confirmed.
    pub(super) regressed: Option<StoreRegressed>,
    /// When the store is asked for an answer, unless it is used before.
    pub(super) probe_at: Instant,
    pub(super) wakers: Wakers,
    pub(super) metrics: MetricSpecsMetrics,
    pub(super) health: Component,
}

impl Engine {
    /// Reads everything from the store.
    pub(crate) async fn open(
        store: Store,
        consumer_group: String,
        topic: String,
        wakers: Wakers,
        metrics: MetricSpecsMetrics,
        health: Component,
    ) -> Result<Self, StoreError> {
        let mut engine = Self {
            store,
            consumer_group,
            topic,
            specs: SpecSet::default(),
            tracked: BTreeMap::new(),
            checkpoints: HashMap::new(),
            offsets: BTreeMap::new(),
            stale: true,
            timers_from: None,
            regressed: None,
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

    /// Asks the store for an answer, so that its health is known also when nothing is to be kept.
    pub(super) async fn probe(&mut self) {
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

    /// Reads everything from the store.
    ///
    /// The offsets come first: should another process write in between, then they are too old, and the transaction
    /// that names them is refused. The states come before the specs for the same reason: a change of a spec writes
    /// its state.
    ///
    /// What has not moved since is observed since when it was: a timer does not wait anew because something else was
    /// read again.
    pub(super) async fn reload(&mut self) -> Result<(), StoreError> {
        self.stale = true;
        let offsets = self.store.offsets(&self.consumer_group, &self.topic).await?;
        let checkpoints = self.store.checkpoints(&self.consumer_group).await?;
        let states = self.store.states().await?;
        let stored_specs = self.store.specs(None).await?;
        self.forget_others(&stored_specs);
        let mut states: BTreeMap<_, _> = states.into_iter().map(|it| (it.spec_no, it)).collect();
        let (mut specs, mut tracked) = (SpecSet::default(), BTreeMap::new());
        for stored in stored_specs {
            let state = states.remove(&stored.no);
            let incident = state.as_ref().map_or(0, |it| it.incident);
            let revision = state.as_ref().map_or(Revision::NOT_STORED, |it| it.revision);
            let mut entry = SpecEntry::new(stored.version, stored.spec.clone(), incident);
            if let Some((version, evaluation)) = state.and_then(|it| it.evaluation)
                && version == stored.version
            {
                entry.state.evaluation = evaluation;
            }
            self.metrics.spec(&entry.spec, &entry.state.evaluation);
            let id = stored.id;
            let mut known = Tracked::new(stored, revision);
            if let Some(before) = self.unmoved(id, &entry) {
                known.observed = before.observed;
                known.breach.clone_from(&before.breach);
            }
            specs.insert(id, entry);
            tracked.insert(id, known);
        }
        self.metrics.specs(specs.len());
        (self.specs, self.tracked) = (specs, tracked);
        self.checkpoints = checkpoints.into_iter().map(effects::checkpoint).collect();
        // What was confirmed here must be there. A database that was restored, or failed over to a copy that lagged,
        // has less, and what it lost was read already.
        let regressed = self.offsets.iter().find_map(|(partition, confirmed)| {
            let stored = offsets.get(partition).copied().unwrap_or(0);
            let found = StoreRegressed { partition: *partition, stored, confirmed: *confirmed };
            (stored < *confirmed).then_some(found)
        });
        self.regressed = self.regressed.or(regressed);
        self.offsets = offsets;
        self.stale = false;
        Ok(())
    }

    /// Stops showing what another process has changed or deleted.
    fn forget_others(&self, stored_specs: &[StoredSpec]) {
        for (id, before) in &self.tracked {
            let before = &before.stored.spec;
            match stored_specs.iter().find(|it| it.id == *id).map(|it| &it.spec) {
                Some(now) if now == before => {}
                Some(now)
                    if (now.name(), &now.model().name) == (before.name(), &before.model().name) =>
                {
                    self.metrics.changed(before);
                }
                Some(_) | None => self.metrics.forget(before),
            }
        }
    }

    /// Begins with a topic where the store says: at the start of one that is another one than was read before.
    pub(super) async fn begin_topic(&mut self, topic: Option<TopicId>) -> Result<(), StoreError> {
        if let Some(id) = topic {
            self.stale = true;
            let (group, name, id) = (&self.consumer_group, &self.topic, id.to_string());
            if self.store.begin_topic(group, name, &id).await? {
                info!(topic = name, id, "the scores are those of another topic than before");
                // The database has lost nothing that it should have.
                self.offsets.clear();
            }
        }
        self.reload().await
    }

    /// What is known of a spec, if its version and its clock are those that were read now.
    fn unmoved(&self, id: SpecId, read: &SpecEntry) -> Option<&Tracked> {
        let clock = read.state.evaluation.clock();
        let here = self.specs.get(id).filter(|it| it.version == read.version)?;
        self.tracked.get(&id).filter(|_| here.state.evaluation.clock() == clock)
    }

    /// Whose the effects are, without a step forward.
    pub(super) fn no_progress(&self) -> Progress {
        Progress {
            consumer_group: self.consumer_group.clone(),
            topic: self.topic.clone(),
            ..Progress::default()
        }
    }

    /// Stores a batch. After a failure nothing in memory is relied on until it is read again.
    pub(super) async fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let result = self.store.apply(batch).await;
        self.stale |= result.is_err();
        result
    }

    /// Keeps the health of the store: consumption waits while it fails. One that says that another process was faster
    /// is well.
    pub(super) fn noted<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.probe_at = Instant::now() + PROBE_AFTER;
        match &result {
            Ok(_) => self.health.ok(),
            Err(error) if error.is_lost_race() => self.health.ok(),
            Err(error) => self.health.failing(chain(error)),
        }
        result
    }

    /// The rows of the states that are to be stored.
    pub(super) fn new_states(&self, changes: &Changes, now: Timestamp) -> Vec<NewState> {
        let row = |(id, _, state): (SpecId, _, &SpecState)| {
            let tracked = self.tracked.get(&id)?;
            Some(effects::new_state(&tracked.stored, tracked.revision, state, now))
        };
        changes.iter().filter_map(row).collect()
    }

    /// Takes over what was committed, shows it, and wakes those who send it. `alerts` says whose each event is.
    pub(super) fn take_over(&mut self, changes: Changes, alerts: &[SpecId], events: &[AlertEvent]) {
        for (id, _, state) in changes.iter() {
            if let Some(tracked) = self.tracked.get_mut(&id) {
                tracked.revision = tracked.revision.next();
                self.metrics.spec(&tracked.stored.spec, &state.evaluation);
            }
        }
        self.specs.commit(changes);
        for (id, event) in alerts.iter().zip(events) {
            if let Some(tracked) = self.tracked.get(id) {
                self.report(&tracked.stored, event);
            }
        }
        if !events.is_empty() {
            self.wakers.alerts.send_replace(());
        }
    }

    /// Counts and logs a step of an alert that was stored.
    pub(super) fn report(&self, stored: &StoredSpec, event: &AlertEvent) {
        let transition = &event.transition;
        let delay = event.recorded_at.duration_since(transition.at).as_secs_f64();
        let trace = self.wakers.traces.of(&event.id);
        let exemplar = traces::exemplar(trace.as_ref());
        self.metrics.transition(&stored.spec, transition.to, delay, exemplar);
        let trace_id = trace.as_ref().map(|it| tracing::field::display(it.trace_id()));
        let span_id = trace.as_ref().map(|it| tracing::field::display(it.span_id()));
        let (from, to, reason) = (transition.from, transition.to, transition.reason.name());
        info!(spec = %stored.spec.name(), incident = event.incident, %from, %to, reason, value = transition.value, trace_id, span_id, "alert");
    }

    /// The status of every spec, by name.
    pub(super) fn statuses(&self) -> Vec<SpecStatus> {
        let status = |(id, entry): (SpecId, &SpecEntry)| {
            Some(SpecStatus {
                spec: self.tracked.get(&id)?.stored.clone(),
                evaluation: entry.state.evaluation.clone(),
                incident: entry.state.incident,
            })
        };
        let mut statuses: Vec<_> = self.specs.iter().filter_map(status).collect();
        statuses.sort_by(|a, b| a.spec.spec.name().cmp(b.spec.spec.name()));
        statuses
    }
}
