//! Isolation forest and KNN outlier: detectors that say how unlike its reference data a record is.
//!
//! Arrays in, arrays out: this crate reads no file, knows no clock and no service. Parameters are linfa's
//! kind, `X::params()` then `fit`; every [`Detector`] scores, and a higher score is more anomalous. A fitted
//! detector travels with its preprocessing and its training scores as a [`DetectorArtefact`].
//!
//! Start at [`IsolationForest`] or [`KnnOutlier`], then [`DetectorArtefact::train`].

#![warn(missing_docs)]

mod artefact;
mod detector;
mod error;
mod explain;
pub mod isolation_forest;
pub mod knn;
pub mod parallel;
mod rank;
mod roc;
mod self_check;
mod share;
mod threshold_rule;
mod train;
mod training_scores;

pub use artefact::{
    DetectorArtefact, DetectorKind, DetectorParams, FittedDetector, RecordScoreError, RecordScores,
};
pub use detector::{Detector, Explain, Explanation, Observe, ScoreError};
pub use error::FitError;
pub use explain::RecordExplanation;
pub use isolation_forest::{IsolationForest, IsolationForestParams, IsolationForestValidParams};
pub use knn::{KnnOutlier, KnnParams, KnnValidParams};
pub use rank::spearman;
pub use roc::{RocError, roc_auc};
pub use self_check::{Finding, SelfCheck};
pub use share::Share;
pub use threshold_rule::ThresholdRule;
pub use train::{TrainError, TrainOptions};
pub use training_scores::{BudgetError, Histogram, TrainingScores};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
