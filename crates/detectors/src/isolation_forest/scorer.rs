//! How a forest walks its trees.

use ndarray::{Array1, ArrayView1, ArrayView2};

use super::{
    IsolationForest, LANES,
    build::narrow,
    linked::{Linked, add_oblique_paths},
    nodes::Trees,
};
use crate::{Detector, Observe, ScoreError, parallel};

/// What scoring walks, made of a forest's trees.
#[derive(Debug, Clone)]
pub(super) enum Scorer {
    /// From node to node.
    Linked(Linked),
    /// From node to node, by oblique cuts.
    Oblique,
}

impl Scorer {
    pub(super) fn new(trees: &Trees) -> Self {
        if trees.planes.is_some() { Self::Oblique } else { Self::Linked(Linked::new(trees)) }
    }

    pub(super) fn size_bytes(&self) -> usize {
        0
    }
}

impl IsolationForest {
    /// Scores the records it is fitted on, on several threads.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`, checked.
    pub(crate) fn score_reference(
        &self,
        records: ArrayView2<'_, f64>,
        observe: Observe<'_>,
    ) -> Vec<f64> {
        let n_threads = parallel::n_threads(self.params.n_threads);
        let score_one = |record_idx| {
            let row: Vec<f32> = records.row(record_idx).iter().map(|it| narrow(*it)).collect();
            self.score_narrow(&row)
        };
        parallel::map_observed(records.nrows(), 256, n_threads, score_one, observe)
    }

    /// The score of one record of `n_features` values that are in range or missing.
    fn score_narrow(&self, record: &[f32]) -> f64 {
        debug_assert_eq!(record.len(), self.n_features);
        let mut lanes = [0.0; LANES];
        match (&self.scorer, &self.trees.planes) {
            (Scorer::Linked(linked), _) => {
                linked.add_paths(&self.trees, &self.path_lengths, record, &mut lanes);
            }
            (Scorer::Oblique, Some(planes)) => {
                add_oblique_paths(&self.trees, planes, &self.path_lengths, record, &mut lanes);
            }
            (Scorer::Oblique, None) => {}
        }
        self.score_of_path(sum_of_lanes(lanes))
    }

    /// Narrows a record; none of its values may be infinite, nor missing if cuts are oblique.
    fn narrow_record(
        &self,
        record_idx: usize,
        row: ArrayView1<'_, f64>,
        narrowed: &mut Vec<f32>,
    ) -> Result<(), ScoreError> {
        narrowed.clear();
        for (feature_idx, value) in row.iter().enumerate() {
            if value.is_infinite() || (value.is_nan() && self.trees.planes.is_some()) {
                return Err(ScoreError::NotFinite { record_idx, feature_idx, value: *value });
            }
            narrowed.push(narrow(*value));
        }
        Ok(())
    }
}

/// Adds the lanes in pairs, halving them: the one order of addition that every layout keeps to.
fn sum_of_lanes(mut lanes: [f64; LANES]) -> f64 {
    let mut n = LANES;
    while 1 < n {
        n /= 2;
        for lane in 0..n {
            lanes[lane] += lanes[lane + n];
        }
    }
    lanes[0]
}

impl Detector for IsolationForest {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn threshold(&self) -> f64 {
        -self.offset
    }

    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        if records.ncols() != self.n_features {
            return Err(ScoreError::FeatureCount {
                expected: self.n_features,
                got: records.ncols(),
            });
        }
        let mut narrowed = Vec::with_capacity(self.n_features);
        let mut scores = Array1::zeros(records.nrows());
        for (record_idx, row) in records.rows().into_iter().enumerate() {
            self.narrow_record(record_idx, row, &mut narrowed)?;
            scores[record_idx] = self.score_narrow(&narrowed);
        }
        Ok(scores)
    }
}
