use serde::{Deserialize, Serialize};

/// What sets a detector's threshold.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// The contamination among the detector's parameters, as scikit-learn and pyod set it.
    #[default]
    Contamination,
    /// At most this share of records like the training records is to be called an anomaly: see
    /// [`threshold_of_budget`](crate::TrainingScores::threshold_of_budget).
    AlertBudget(f64),
}
