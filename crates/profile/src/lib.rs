//! The statistics of a table, column by column: what pages show and what reference data is compared by.
//!
//! [`TableProfile`] describes every column: count, moments, quartiles, box plot and histogram of numbers
//! ([`NumberProfile`]), categories of text ([`TextProfile`]). [`Histogram`] also counts values between ends that
//! the caller chooses, [`axis_ends`] says between which, and [`differences`] tells two tables apart. Every figure is the one that pandas or numpy would give.
//!
//! A table comes in and figures come out; this crate draws nothing and reads no file. Start at
//! [`TableProfile::of`].

#![warn(missing_docs)]

mod difference;
mod histogram;
mod numbers;
mod table;
mod text;

pub use difference::{Difference, Statistic, differences};
pub use histogram::{Histogram, axis_ends};
pub use numbers::{BoxPlot, NumberProfile, Summary};
pub use table::{ColumnProfile, TableProfile};
pub use text::TextProfile;
