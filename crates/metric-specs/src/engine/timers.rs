//! Timers: alerts that fire or resolve because time has passed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shadowline_error::chain;
use shadowline_evaluation::SpecId;
use shadowline_service::clock;
use shadowline_store::Batch;
use tokio::time::Instant;
use tracing::warn;

use super::effects;
use super::state::Engine;

/// The wait before a timer's step that could not be stored is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How long after partitions were assigned no timer runs, so that what waits in them is read first.
const SETTLE: Duration = Duration::from_secs(1);

impl Engine {
    /// Lets timers run once what waits in the assigned partitions had time to be read.
    pub(super) fn settle(&mut self) {
        self.timers_from = Some(Instant::now() + SETTLE);
    }

    /// When the next timer is due.
    pub(super) fn next_timer(&self) -> Option<Instant> {
        let timers = self.specs.timers();
        let first = timers.filter_map(|(due, id)| self.due_at(id, due)).min()?;
        self.timers_from.map(|it| it.max(first))
    }

    /// When a timer that is due by the spec's clock is due by ours.
    fn due_at(&self, id: SpecId, due: Timestamp) -> Option<Instant> {
        let clock = self.specs.get(id)?.state.evaluation.clock()?;
        let wait = Duration::try_from(due.duration_since(clock).max(SignedDuration::ZERO)).ok()?;
        self.tracked.get(&id)?.observed.checked_add(wait)
    }

    /// Moves every alert whose timer is due.
    pub(super) async fn run_timers(&mut self) {
        if self.stale {
            let result = self.reload().await;
            if self.noted(result).is_err() {
                self.timers_from = Some(Instant::now() + RETRY_AFTER);
                return;
            }
        }
        let (now, instant) = (clock::now(), Instant::now());
        let (mut draft, mut alerts, mut events) = (self.specs.draft(), Vec::new(), Vec::new());
        for (due, id) in self.specs.timers() {
            let is_due = self.due_at(id, due).is_some_and(|it| it <= instant);
            let Some(tracked) = self.tracked.get(&id).filter(|_| is_due) else { continue };
            if let Some(step) = draft.tick_spec(id, due) {
                alerts.push(id);
                events.push(effects::alert_event(&tracked.stored, step, now));
            }
        }
        if events.is_empty() {
            return;
        }
        let changes = draft.into_changes();
        let batch = Batch {
            progress: self.no_progress(),
            states: self.new_states(&changes, now),
            events,
            ..Batch::default()
        };
        let result = self.commit(&batch).await;
        match self.noted(result) {
            Ok(()) => {
                self.trace_timers(&alerts, &batch.events, now);
                self.take_over(changes, &alerts, &batch.events);
            }
            Err(error) => {
                warn!(error = chain(&error), "a timer's step was not stored, it is tried again");
                self.timers_from = Some(Instant::now() + RETRY_AFTER);
            }
        }
    }
}
