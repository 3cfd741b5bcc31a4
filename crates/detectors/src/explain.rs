//! Explanations in terms of fields: what people know a record by.

use ndarray::ArrayView1;
use shadowline_features::FieldSource;

use crate::{DetectorArtefact, Explain, Explanation, FittedDetector, RecordScoreError, ScoreError};

/// Why a record of named fields has its score.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordExplanation {
    /// The record's score.
    pub score: f64,
    /// The score that the contributions start from.
    pub expected: f64,
    /// Each field the detector reads and what it adds, in their order; together `score - expected`, but for
    /// rounding. A field that became several features adds what they add.
    pub contributions: Vec<(String, f64)>,
}

impl Explain for FittedDetector {
    fn explain(&self, record: ArrayView1<'_, f64>) -> Result<Explanation, ScoreError> {
        match self {
            Self::IsolationForest(forest) => forest.explain(record),
            Self::Knn(knn) => knn.explain(record),
        }
    }
}

impl DetectorArtefact {
    /// Takes the scores of records apart.
    ///
    /// # Errors
    /// [`RecordScoreError`] for the first record that cannot be encoded or scored.
    pub fn explain(
        &self,
        source: &impl FieldSource,
    ) -> Result<Vec<RecordExplanation>, RecordScoreError> {
        let rows = self.preprocessing.transform(source)?.values;
        let explain = |row: ArrayView1<'_, f64>| self.explain_features(row);
        rows.rows().into_iter().map(explain).collect::<Result<_, _>>().map_err(Into::into)
    }

    /// Takes the score of one record apart that [`DetectorArtefact::preprocessing`] has turned into features.
    ///
    /// # Shapes
    /// `features` is `(n_features,)`.
    ///
    /// # Errors
    /// As [`crate::Detector::score`]; the record is number 0.
    pub fn explain_features(
        &self,
        features: ArrayView1<'_, f64>,
    ) -> Result<RecordExplanation, ScoreError> {
        let Explanation { score, expected, contributions: by_feature } =
            self.detector.explain(features)?;
        let mut contributions: Vec<(String, f64)> = Vec::new();
        for (field, part) in self.preprocessing.fields_of_columns().zip(by_feature) {
            match contributions.last_mut() {
                Some((last, sum)) if last == field => *sum += part,
                _ => contributions.push((field.to_owned(), part)),
            }
        }
        Ok(RecordExplanation { score, expected, contributions })
    }
}
