//! The only crate that knows SQL.
//!
//! A [`Store`] keeps metric specs with all their versions, checks, the state of alerts and their history, and how
//! far each reader of a log has come. What one batch of scores causes is one transaction ([`Store::apply`]):
//! it is there as a whole or not at all, however the process ends.
//!
//! It deliberately does not know how a score is judged, or where changes are sent: it keeps outboxes of what is not
//! sent yet. Start reading at [`Store`], then [`Batch`].

mod alerts;
mod apply;
mod checks;
mod columns;
mod error;
mod open;
mod specs;

pub use alerts::{AlertEvent, AlertHistoryQuery, RecordedAlertEvent, StoredState};
pub use apply::{AppliedMark, Batch, NewCheck, NewState, OffsetStep};
pub use checks::{Check, CheckCounts, CheckFilter, CheckPage, Cursor};
pub use error::StoreError;
pub use open::{Store, StoreUrl};
pub use specs::{SpecChange, SpecKey, SpecNo, StoredSpec};
