//! Statistics of tables and scores, and the pages that show them.
//!
//! [`TableProfile`] is what can be said of a table column by column; [`exploration_page`] and [`training_page`] make one
//! HTML page each that works from disk: its data, its script and the chart library are all inside, and nothing is
//! fetched. Tables and numbers come in, text goes out: this crate reads and writes no file, asks no server and knows no
//! detector.
//!
//! Start at [`TableProfile::of`] for the figures and at [`exploration_page`] for a page.

#![warn(missing_docs)]

mod exploration;
mod page;
mod profile;
mod training;

pub use exploration::{ExploredTable, exploration_page};
pub use page::PageError;
pub use profile::{
    BoxPlot, ColumnProfile, Histogram, NumberProfile, Summary, TableProfile, TextProfile,
};
pub use training::{
    Boundary, BoundaryPanel, Grid, GridError, Marked, ScoreHistogram, Scores, TrainingReport,
    training_page,
};
