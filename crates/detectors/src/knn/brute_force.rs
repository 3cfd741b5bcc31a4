//! The score without the search tree: the distance to every neighbour, measured one by one.

use ndarray::ArrayView1;

use super::{KnnOutlier, Metric};

impl KnnOutlier {
    /// The score of one record by measuring its distance to every neighbour there is, which takes as long as there are
    /// neighbours. It is what [`Detector::score`](crate::Detector::score) finds by its tree, but for rounding.
    ///
    /// # Shapes
    /// `record` is `(n_features,)`.
    pub fn score_by_brute_force(&self, record: ArrayView1<'_, f64>) -> f64 {
        let metric = self.params.metric;
        let mut neighbour = vec![0.0; self.n_features];
        let mut found: Vec<(f64, u32)> = (0..self.tree.len())
            .map(|place| {
                self.tree.values.record(place, &mut neighbour);
                let differences = record.iter().zip(&neighbour).map(|(a, b)| (a - b).abs());
                let reduced = match metric {
                    Metric::Chebyshev => differences.fold(0.0, f64::max),
                    Metric::Manhattan | Metric::Euclidean | Metric::Minkowski(_) => {
                        differences.map(|it| metric.part(it)).sum()
                    }
                };
                (reduced, u32::try_from(place).unwrap_or(u32::MAX))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        self.params.score_of(&found)
    }
}
