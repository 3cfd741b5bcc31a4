//! Which features a score comes from, and which records it is a distance to.

use ndarray::{Array1, ArrayView1};

use super::{
    KnnOutlier, KnnValidParams, Method, Metric,
    tree::{Scratch, Tree},
};
use crate::{Explain, Explanation, ScoreError};

/// A neighbour of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbor {
    /// Which reference record it is, counted from 0; which centroid, with
    /// [`KnnParams::clusters`](super::KnnParams::clusters).
    pub record_idx: usize,
    /// How far it is.
    pub distance: f64,
}

impl KnnOutlier {
    /// The `n_neighbors` nearest neighbours of one record, nearest first.
    ///
    /// A record of the reference data is its own neighbour here. Of several neighbours at the last distance, any.
    ///
    /// # Shapes
    /// `record` is `(n_features,)`.
    ///
    /// # Errors
    /// As [`Detector::score`](crate::Detector::score); the record is number 0.
    pub fn nearest(&self, record: ArrayView1<'_, f64>) -> Result<Vec<Neighbor>, ScoreError> {
        let mut scratch = Scratch::new(self.params.n_neighbors, self.n_features);
        self.find(record, &mut scratch)?;
        let found = scratch.nearest.found().iter();
        Ok(found
            .map(|(reduced, place)| Neighbor {
                record_idx: self.record_idx(*place as usize),
                distance: self.params.metric.finish(*reduced),
            })
            .collect())
    }

    /// The features of a reference record, or of a centroid, as [`Neighbor::record_idx`] counts them; none if
    /// there is no such record or it was trimmed.
    ///
    /// # Shapes
    /// The result is `(n_features,)`.
    pub fn reference_record(&self, record_idx: usize) -> Option<Array1<f64>> {
        let place = (0..self.tree.len()).find(|place| self.record_idx(*place) == record_idx)?;
        let mut record = vec![0.0; self.n_features];
        self.tree.values.record(place, &mut record);
        Some(record.into())
    }

    /// Which record of the reference data is at a place of the tree.
    fn record_idx(&self, place: usize) -> usize {
        let record = self.tree.record_at(place);
        self.kept.as_ref().map_or(record, |kept| kept[record] as usize)
    }
}

impl Explain for KnnOutlier {
    /// Takes the score of one record apart into its features' contributions.
    ///
    /// A neighbour at distance d differs by some `x_j` in feature j, whose part of the distance is
    /// `d · (x_j / d)^p`; these parts add up to d. With Chebyshev's metric the feature with the largest difference
    /// has all of d, or several share it evenly. Parts are combined over neighbours as the method combines the
    /// distances. A contribution is the part less its mean over the reference records' training scores, so that a
    /// feature in which records are far apart anyway is not to blame for it; `expected` is the mean training score.
    fn explain(&self, record: ArrayView1<'_, f64>) -> Result<Explanation, ScoreError> {
        let mut scratch = Scratch::new(self.params.n_neighbors, self.n_features);
        let score = self.find(record, &mut scratch)?;
        let mut contributions = vec![0.0; self.n_features];
        let query = record.to_vec();
        let found = scratch.nearest.found();
        add_parts(&self.params, &self.tree, &query, found, 1.0, &mut contributions);
        for (part, expected) in contributions.iter_mut().zip(&self.expected) {
            *part -= expected;
        }
        Ok(Explanation { score, expected: self.expected.iter().sum(), contributions })
    }
}

/// Adds each feature's part of a score, times `share`.
pub(super) fn add_parts(
    params: &KnnValidParams,
    tree: &Tree,
    query: &[f64],
    found: &[(f64, u32)],
    share: f64,
    parts: &mut [f64],
) {
    let k = params.n_neighbors.min(found.len());
    let (counted, share) = match params.method {
        Method::Largest => (k.saturating_sub(1)..k, share),
        Method::Mean => (0..k, share / count(k)),
        Method::Median if k % 2 == 1 => (k / 2..k / 2 + 1, share),
        Method::Median => ((k / 2).saturating_sub(1)..(k / 2 + 1).min(k), share / 2.0),
    };
    for (reduced, place) in &found[counted] {
        let distance = params.metric.finish(*reduced);
        // At distance 0 there is nothing to share out, and an overflowing one is refused as a score.
        if 0.0 < distance && distance.is_finite() {
            add_parts_of(params.metric, tree, query, *place as usize, distance, share, parts);
        }
    }
}

fn add_parts_of(
    metric: Metric,
    tree: &Tree,
    query: &[f64],
    place: usize,
    distance: f64,
    share: f64,
    parts: &mut [f64],
) {
    let places = tree.values.places(tree.values.leaf_of(place));
    let offset = place - places.start;
    // In shares of the distance, whose powers never overflow.
    let for_each = |take: &mut dyn FnMut(usize, f64)| {
        tree.values.for_each(&places, offset, |feature, value| {
            take(feature, metric.part((value - query[feature]).abs() / distance));
        });
    };
    // It is 1 but for rounding, or with Chebyshev's metric the number of features with the largest difference.
    let mut sum = 0.0;
    for_each(&mut |_, part| sum += part);
    if 0.0 < sum {
        let unit = distance * share / sum;
        for_each(&mut |feature, part| parts[feature] += part * unit);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of neighbours is far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}
