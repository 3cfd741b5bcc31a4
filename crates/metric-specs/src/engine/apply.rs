//! Scores: judged on a draft, stored in one transaction, and only then taken over.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use jiff::Timestamp;
use shadowline_evaluation::{Changes, Draft, Outcome, SpecId};
use shadowline_service::clock;
use shadowline_service::traces::SpanContext;
use shadowline_store::{AlertEvent, Batch, NewCheck, OffsetStep, Progress, StoreError};
use tokio::time::Instant;

use super::effects::{self, CheckpointKey};
use super::handle::{PartitionedScore, Scores};
use super::state::Engine;

/// What a batch causes, before it is stored.
#[derive(Default)]
struct Judged {
    checkpoints: HashMap<CheckpointKey, u64>,
    checks: Vec<NewCheck>,
    events: Vec<AlertEvent>,
    /// Whose each of the events is.
    alerts: Vec<SpecId>,
    counts: BTreeMap<(SpecId, Outcome), u64>,
    n_repeated: u64,
    /// The trace of each spec's last breach.
    breaches: BTreeMap<SpecId, Option<SpanContext>>,
    traced: Vec<TracedCheck>,
}

/// A check whose request is traced, and what it changed, among the checks and events of its batch.
pub(super) struct TracedCheck {
    pub(super) trace: SpanContext,
    pub(super) check_idx: usize,
    pub(super) spec: SpecId,
    pub(super) events: Range<usize>,
}

impl Engine {
    /// Judges scores and stores everything that follows. After an error, memory is as it was.
    pub(super) async fn apply(&mut self, batch: Scores) -> Result<(), StoreError> {
        let started = Instant::now();
        if self.stale {
            self.reload().await?;
        }
        if self.regressed.is_some() {
            return Ok(());
        }
        let now = clock::now();
        let (judged, changes) = self.judge(&batch.scores, now);
        let observed = Instant::now();
        let step = |(partition, to): (&u32, &u64)| OffsetStep {
            partition: *partition,
            from: self.offsets.get(partition).copied(),
            to: *to,
        };
        let transaction = Batch {
            progress: Progress {
                offsets: batch.next_offsets.iter().map(step).collect(),
                checkpoints: judged.checkpoints.iter().map(effects::checkpoint_row).collect(),
                ..self.no_progress()
            },
            states: self.new_states(&changes, now),
            checks: judged.checks,
            events: judged.events,
        };
        self.commit(&transaction).await?;
        self.checkpoints.extend(judged.checkpoints);
        self.offsets.extend(batch.next_offsets);
        self.count(&judged.counts);
        self.note_observed(&changes, observed, judged.breaches);
        self.trace_checks(&judged.traced, &transaction, now);
        self.take_over(changes, &judged.alerts, &transaction.events);
        self.metrics.applied(started.elapsed().as_secs_f64(), judged.n_repeated);
        Ok(())
    }

    fn judge(&self, scores: &[PartitionedScore], now: Timestamp) -> (Judged, Changes) {
        let (mut judged, mut draft) = (Judged::default(), self.specs.draft());
        for scored in scores {
            self.judge_one(scored, now, &mut draft, &mut judged);
        }
        (judged, draft.into_changes())
    }

    /// Judges one score by the specs that it concerns, unless it was applied before.
    fn judge_one(
        &self,
        scored: &PartitionedScore,
        now: Timestamp,
        draft: &mut Draft<'_>,
        judged: &mut Judged,
    ) {
        let (key, sequence) = (effects::checkpoint_key(scored), scored.score.origin.sequence);
        let applied = judged.checkpoints.get(&key).or_else(|| self.checkpoints.get(&key)).copied();
        if sequence <= applied.unwrap_or(0) {
            judged.n_repeated += 1;
            return;
        }
        judged.checkpoints.insert(key, sequence);
        let subject = scored.score.subject_id();
        for check in draft.apply(&effects::observation(&scored.score, &subject), now).checks {
            let Some(tracked) = self.tracked.get(&check.spec) else { continue };
            if check.outcome == Outcome::Breach {
                judged.breaches.insert(check.spec, scored.trace.clone());
            }
            let n_events = judged.events.len();
            for step in check.steps {
                judged.alerts.push(check.spec);
                judged.events.push(effects::alert_event(&tracked.stored, step, now));
            }
            *judged.counts.entry((check.spec, check.outcome)).or_default() += 1;
            if let Some(trace) = scored.trace.as_ref().filter(|it| it.is_sampled()) {
                judged.traced.push(TracedCheck {
                    trace: trace.clone(),
                    check_idx: judged.checks.len(),
                    spec: check.spec,
                    events: n_events..judged.events.len(),
                });
            }
            let verdict = (check.outcome, check.condition);
            judged.checks.push(effects::new_check(scored, &tracked.stored, verdict));
        }
    }

    fn count(&self, counts: &BTreeMap<(SpecId, Outcome), u64>) {
        for ((id, outcome), n_checks) in counts {
            if let Some(tracked) = self.tracked.get(id) {
                self.metrics.checks(&tracked.stored.spec, *outcome, *n_checks);
            }
        }
    }

    /// Since then the clocks of the specs that were touched go on by themselves.
    fn note_observed(
        &mut self,
        changes: &Changes,
        observed: Instant,
        mut breaches: BTreeMap<SpecId, Option<SpanContext>>,
    ) {
        for (id, _, _) in changes.iter() {
            let Some(tracked) = self.tracked.get_mut(&id) else { continue };
            tracked.observed = observed;
            if let Some(breach) = breaches.remove(&id) {
                tracked.breach = breach;
            }
        }
    }
}
