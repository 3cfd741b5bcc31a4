//! What every service that reads or writes the log shares: its settings of topics and group, preparing the topics,
//! the health of the log, following a compacted topic as a table, and the order in which a service starts and ends.
//!
//! It knows the log and a service's health, and nothing of what the records mean. A service keeps what is its own:
//! which topics it reads, and what it does with a record.
//!
//! Start reading at [`Lifetime`] for the order of start and end, then [`prepare_topics`] and [`follow_table`] for the
//! steps before a service consumes.

mod lag;
mod lifetime;
mod log_health;
mod lost;
mod settings;
mod table;
mod topics;

pub use lag::group_lag;
pub use lifetime::Lifetime;
pub use log_health::{LastError, watch_log, watch_needed_log};
pub use lost::{LOST_RECORDS, LostRecords, lost_score};
pub use settings::{EmptyGroup, GroupName, TopicSettings, local_kafka};
pub use shadowline_stream::Backoff;
pub use table::{TableChange, follow_table, read_table};
pub use topics::prepare_topics;

/// The wait before the log is asked again for something that it could not give.
const RETRY_AFTER: std::time::Duration = std::time::Duration::from_millis(500);
