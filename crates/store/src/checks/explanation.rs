//! What a judged score came from.

use serde::{Deserialize, Serialize};

use crate::database::to_json;
use crate::error::StoreError;

/// The features that are kept of one score: those that moved it most.
const MOST_FEATURES: usize = 32;

/// What a score came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the contributions start from.
    pub expected: Option<f64>,
    /// How much each feature moved the score, the most first.
    pub contributions: Vec<(String, f64)>,
}

/// An explanation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckExplanation(String);

impl CheckExplanation {
    /// Keeps the features that moved the score most.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn new(expected: Option<f64>, contributions: &[(String, f64)]) -> Result<Self, StoreError> {
        let mut most: Vec<(String, f64)> = contributions.to_vec();
        most.retain(|(_, it)| it.is_finite());
        most.sort_by(|(_, a), (_, b)| b.abs().total_cmp(&a.abs()));
        most.truncate(MOST_FEATURES);
        let expected = expected.filter(|it| it.is_finite());
        to_json("an explanation", &Explanation { expected, contributions: most }).map(Self)
    }

    pub(super) fn as_json(&self) -> &str {
        &self.0
    }
}
