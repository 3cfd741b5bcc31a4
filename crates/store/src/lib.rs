//! The only crate that knows SQL.
//!
//! A [`Store`] has four parts: how far each consumer group of a log has come ([`Progress`]), metric specs with all their
//! versions ([`StoredSpec`]), scores judged by them ([`Check`]), and the state of alerts with their history
//! ([`StoredState`], [`AlertEvent`]). The effects of what was read are kept with its progress in one [`Transaction`]: they
//! are there as a whole or not at all, however the process ends. [`Store::apply`] does so with what a batch of scores
//! causes; a caller with other effects begins a transaction of its own and lets the parts write to it.
//!
//! Nothing is overwritten unseen: an offset moves only from where its consumer group believes it is, and the state of an
//! alert is written only over the [`Revision`] that its writer has read.
//!
//! The database is a file of SQLite or a server of PostgreSQL, as the [`StoreUrl`] says. The statements are the same
//! for both; what differs is in the module `database` and in the migrations. On PostgreSQL there are also views for
//! other programs, whose names begin with `report_`.
//!
//! It deliberately does not know how a score is judged, or where changes are sent: it keeps outboxes of what is not
//! sent yet. Start reading at [`Store`], then [`Transaction`].

mod alerts;
mod batch;
mod checks;
mod database;
mod error;
mod options;
mod progress;
mod spec_changes;
mod specs;
mod store;
mod transaction;
mod url;

pub use alerts::{
    AlertEvent, AlertHistoryQuery, NewState, RecordedAlertEvent, Revision, StoredState,
};
pub use batch::Batch;
pub use checks::{
    Check, CheckCounts, CheckExplanation, CheckFilter, CheckMetric, CheckPage, CheckSubject,
    Cursor, Explanation, NewCheck,
};
pub use error::StoreError;
pub use options::StoreOptions;
pub use progress::{Checkpoint, OffsetStep, Progress};
pub use spec_changes::Ending;
pub use specs::{SpecChange, SpecKey, SpecNo, StoredSpec};
pub use store::Store;
pub use transaction::Transaction;
pub use url::StoreUrl;
