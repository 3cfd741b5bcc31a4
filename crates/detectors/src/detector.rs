use ndarray::{Array1, ArrayView1, ArrayView2};

/// A fitted model of reference data that says how unlike it a record is.
pub trait Detector {
    /// The number of features of the reference data.
    fn n_features(&self) -> usize;

    /// The score above which a record is called an anomaly.
    fn threshold(&self) -> f64;

    /// Scores each record; a higher score is more anomalous.
    ///
    /// One record alone has the same score, bit for bit, as among others.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// `FeatureCount` if the reference data had other features; `NotFinite` for infinity, and for NaN unless the
    /// detector takes it as a missing value, as an isolation forest without oblique cuts does; `TooFar` if
    /// a distance is beyond 64-bit floats.
    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError>;
}

/// Why a record has its score: what each feature adds to what a record of the reference data is expected to
/// score.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The record's score, as [`Detector::score`] gives it.
    pub score: f64,
    /// The score that the contributions start from.
    pub expected: f64,
    /// Shape `(n_features,)`, in the unit of the score: above 0 makes the record more anomalous. They add up to
    /// `score - expected`, but for rounding.
    pub contributions: Vec<f64>,
}

/// A detector that can say which features a score comes from.
pub trait Explain: Detector {
    /// Takes the score of one record apart into its features' contributions.
    ///
    /// # Shapes
    /// `record` is `(n_features,)`.
    ///
    /// # Errors
    /// As [`Detector::score`]; the record is number 0.
    fn explain(&self, record: ArrayView1<'_, f64>) -> Result<Explanation, ScoreError>;
}

/// Told by a long fit how far it is: items done, of how many.
pub type Observe<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// Why a record has no score.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ScoreError {
    /// The records have more or fewer features than the reference data.
    #[error("records have {got} features; the reference data had {expected}")]
    FeatureCount {
        /// The features of the reference data.
        expected: usize,
        /// The features of the records.
        got: usize,
    },
    /// A feature is infinite, or NaN where no value may be missing.
    #[error("feature {feature_idx} of record {record_idx} is {value}; a finite number expected")]
    NotFinite {
        /// The record, counted from 0.
        record_idx: usize,
        /// The feature, counted from 0.
        feature_idx: usize,
        /// The value that came.
        value: f64,
    },
    /// The record is so far from the reference data that the distance overflows.
    #[error(
        "record {record_idx} is too far from the reference data for a distance in 64-bit floats"
    )]
    TooFar {
        /// The record, counted from 0.
        record_idx: usize,
    },
}

/// Scores records row by row, each checked first.
pub(crate) fn score_rows(
    records: ArrayView2<'_, f64>,
    n_features: usize,
    mut score: impl FnMut(&[f64]) -> f64,
) -> Result<Array1<f64>, ScoreError> {
    if records.ncols() != n_features {
        return Err(ScoreError::FeatureCount { expected: n_features, got: records.ncols() });
    }
    let mut scores = Array1::zeros(records.nrows());
    let mut copy = Vec::new();
    for (record_idx, row) in records.rows().into_iter().enumerate() {
        let record = match row.to_slice() {
            Some(record) => record,
            None => {
                copy.clear();
                copy.extend(row.iter());
                copy.as_slice()
            }
        };
        if let Some((feature_idx, &value)) =
            record.iter().enumerate().find(|(_, it)| !it.is_finite())
        {
            return Err(ScoreError::NotFinite { record_idx, feature_idx, value });
        }
        let value = score(record);
        if !value.is_finite() {
            return Err(ScoreError::TooFar { record_idx });
        }
        scores[record_idx] = value;
    }
    Ok(scores)
}
