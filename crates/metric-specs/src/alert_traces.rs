//! Which trace an alert's change belongs to, from the transaction that keeps the change until the topic has it.
//!
//! In memory only: the change itself is in the outbox of the database, and after a restart it is sent without its trace.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use shadowline_service::traces::SpanContext;

/// How many changes may wait for the topic with their traces; an outage of the log must not fill the memory.
const MAX_KEPT: usize = 1024;

/// Traces by the id of the change; clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertTraces(Arc<Mutex<BTreeMap<String, SpanContext>>>);

impl AlertTraces {
    /// Keeps the trace of a change, unless too many are waiting.
    pub(crate) fn keep(&self, event_id: &str, trace: SpanContext) {
        let mut kept = self.0.lock();
        if kept.len() < MAX_KEPT {
            kept.insert(event_id.to_owned(), trace);
        }
    }

    /// The trace of a change; none if it has none.
    pub(crate) fn of(&self, event_id: &str) -> Option<SpanContext> {
        self.0.lock().get(event_id).cloned()
    }

    /// Forgets the trace of a change that the topic has.
    pub(crate) fn forget(&self, event_id: &str) {
        self.0.lock().remove(event_id);
    }
}
