//! The kinds of artefacts: what is in the container.
//!
//! A kind stands in the header of every artefact. All of them are listed here, so that no two contents can
//! be given the same name.

/// An isolation forest with its preprocessing and its training scores.
pub const ISOLATION_FOREST: &str = "isolation-forest";
/// A KNN outlier detector with its preprocessing and its reference data.
pub const KNN: &str = "knn";
/// A logistic regression with its preprocessing.
pub const LOGISTIC_REGRESSION: &str = "logistic-regression";
