//! The pages that show tables, scores and trainings.
//!
//! [`exploration_page`] and [`training_page`] make one HTML page each that works from disk: its data, its script and
//! the chart library are all inside, and nothing is fetched. Tables and figures come in, text goes out: this crate
//! reads and writes no file, asks no server and knows no detector, and the statistics of a table are those of
//! `shadowline-profile`.
//!
//! Start at [`exploration_page`].

#![warn(missing_docs)]

mod exploration;
mod page;
mod training;

pub use exploration::{ExploredTable, exploration_page};
pub use page::PageError;
pub use training::{
    Boundary, BoundaryPanel, Grid, GridError, Marked, Reason, ScoreHistogram, Scores,
    TrainingReport, WorstRow, WorstRows, training_page,
};
