//! The state of alerts, their history, and the outbox of their changes.

mod events;
mod states;

pub use events::{AlertEvent, AlertHistoryQuery, RecordedAlertEvent};
pub(crate) use states::end_evaluation;
pub use states::{NewState, Revision, StoredState};
