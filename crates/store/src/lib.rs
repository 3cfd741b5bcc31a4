//! The only crate that knows SQL.
//!
//! A [`Store`] keeps metric specs with all their versions, checks, the state of alerts and their history, and how
//! far each reader of a log has come. What one batch of scores causes is one transaction ([`Store::apply`]):
//! it is there as a whole or not at all, however the process ends.
//!
//! The database is a file of SQLite or a server of PostgreSQL, as the [`StoreUrl`] says. The statements are the same
//! for both; what differs is in the module `database` and in the migrations. On PostgreSQL there are also views for
//! other programs, whose names begin with `report_`.
//!
//! It deliberately does not know how a score is judged, or where changes are sent: it keeps outboxes of what is not
//! sent yet. Start reading at [`Store`], then [`Batch`].

mod alerts;
mod apply;
mod checks;
mod database;
mod error;
mod specs;
mod store;
mod url;

pub use alerts::{AlertEvent, AlertHistoryQuery, RecordedAlertEvent, StoredState};
pub use apply::{AppliedMark, Batch, NewCheck, NewState, OffsetStep};
pub use checks::{Check, CheckCounts, CheckFilter, CheckPage, Cursor};
pub use error::StoreError;
pub use specs::{SpecChange, SpecKey, SpecNo, StoredSpec};
pub use store::{Store, StoreOptions};
pub use url::StoreUrl;

/// A value as JSON text, for a column.
fn json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable(what, error))
}
