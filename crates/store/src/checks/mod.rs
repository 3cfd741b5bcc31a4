//! Scores judged by metric specs.

mod explanation;
mod insert;
mod read;
mod subject;

pub use explanation::{CheckExplanation, Explanation};
pub use insert::NewCheck;
pub use read::{Check, CheckCounts, CheckFilter, CheckPage, Cursor};
pub use subject::{CheckMetric, CheckSubject};
