//! Which features a score comes from.

use ndarray::ArrayView1;

use super::{IsolationForest, LANES, planes::Planes};
use crate::{Explain, Explanation, ScoreError};

impl Explain for IsolationForest {
    /// Takes a score apart along the record's paths.
    ///
    /// At each cut of a path, the mean path length of the training samples changes from that of the node to that
    /// of the child; the change belongs to the feature that was cut. All changes together lead from the mean path
    /// length of the training samples to the record's own. The score is `2^(-path / c)`, and the contributions
    /// are the changes times the slope of the score between the two, so that they add up on its scale.
    ///
    /// The change at an oblique cut is shared among its features as their parts of its side are,
    /// `|normal · (value - intercept)|`.
    ///
    /// Source: Palczewska et al., *Interpreting Random Forest Classification Models Using a Feature
    /// Contribution Method* (2013), <https://arxiv.org/abs/1312.1121>, for the changes along a path.
    fn explain(&self, record: ArrayView1<'_, f64>) -> Result<Explanation, ScoreError> {
        if record.len() != self.n_features {
            return Err(ScoreError::FeatureCount { expected: self.n_features, got: record.len() });
        }
        let mut narrowed = vec![0.0; self.n_features];
        self.narrow_record(0, record, &mut narrowed)?;
        let mut changes = vec![0.0; self.n_features];
        let mut expected = [0.0; LANES];
        let mut path = [0.0; LANES];
        for (tree_idx, tree) in self.trees.ranges().enumerate() {
            expected[tree_idx % LANES] += self.path_lengths[tree.start];
            let leaf = self.follow(tree_idx, tree.start, &narrowed, &mut changes);
            path[tree_idx % LANES] += self.path_lengths[leaf];
        }
        let [expected, path] = [expected, path].map(super::scorer::sum_of_lanes);
        let slope = self.slope(expected, path);
        Ok(Explanation {
            score: self.score_of_path(path),
            expected: self.score_of_path(expected),
            contributions: changes.into_iter().map(|it| it * slope).collect(),
        })
    }
}

impl IsolationForest {
    /// Follows a record through a tree to its leaf, adding the change at each cut to the cut's features.
    fn follow(&self, tree_idx: usize, root: usize, record: &[f32], changes: &mut [f64]) -> usize {
        let mut at = root;
        while !self.trees.is_leaf(at) {
            let node = self.trees.nodes[at];
            let child = node.child as usize;
            let next = match &self.trees.planes {
                None => {
                    let feature = usize::from(node.feature);
                    let next = child + usize::from(node.goes_right(record[feature]));
                    changes[feature] += self.path_lengths[next] - self.path_lengths[at];
                    next
                }
                Some(planes) => {
                    let plane_idx = Planes::plane_idx(child, tree_idx);
                    let next = child + usize::from(planes.goes_right(plane_idx, record));
                    let change = self.path_lengths[next] - self.path_lengths[at];
                    planes.share(plane_idx, record, change, changes);
                    next
                }
            };
            at = next;
        }
        at
    }

    /// The change of the score per change of the sum of path lengths, on the straight line between two.
    fn slope(&self, from: f64, to: f64) -> f64 {
        // Trees of one record: no path has a cut, and there is nothing to share.
        if self.average_path <= 0.0 {
            return 0.0;
        }
        // (2^-b - 2^-a) / (b - a), without the loss of digits that the difference has where both are near.
        let (a, b) = (from / self.average_path, to / self.average_path);
        let exponent = (a - b) * std::f64::consts::LN_2;
        let share = if exponent.abs() < 1e-300 { 1.0 } else { libm::expm1(exponent) / exponent };
        -libm::exp2(-a) * share * std::f64::consts::LN_2 / self.average_path
    }
}

#[cfg(test)]
mod tests {
    use approx::assert_abs_diff_eq;
    use linfa::{DatasetBase, traits::Fit};
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn contributions_match_hand_calculation() {
        // One tree: feature 0 sets one of three apart, then feature 1 the other two.
        use super::super::{PlainCut, PlainForest, PlainNode, PlainTree, average_path_length};
        let cut = |n_samples, feature, left| PlainNode {
            n_samples,
            cut: Some(PlainCut {
                feature,
                threshold: 0.0,
                left,
                right: left + 1,
                missing_goes_left: false,
            }),
        };
        let leaf = PlainNode { n_samples: 1, cut: None };
        let nodes = vec![cut(3, 0, 1), leaf, cut(2, 1, 3), leaf, leaf];
        let forest = IsolationForest::from_plain(PlainForest {
            n_features: 2,
            n_samples: 3,
            offset: -0.5,
            trees: vec![PlainTree { nodes }],
        })
        .unwrap();
        let c = average_path_length(3);
        let explanation = forest.explain(array![1.0, 1.0].view()).unwrap();
        // The mean path is 5/3; to the right of feature 0 it is 2, and feature 1 leaves it so.
        let [expected, score] = [5.0 / 3.0, 2.0].map(|path: f64| (-path / c).exp2());
        assert_abs_diff_eq!(explanation.expected, expected, epsilon = 1e-15);
        assert_abs_diff_eq!(explanation.score, score, epsilon = 1e-15);
        assert_abs_diff_eq!(explanation.contributions[0], score - expected, epsilon = 1e-15);
        assert_abs_diff_eq!(explanation.contributions[1], 0.0, epsilon = 1e-15);
    }

    #[test]
    fn a_record_that_is_just_as_expected_has_no_contributions() {
        let forest =
            IsolationForest::params().fit(&DatasetBase::from(Array2::zeros((9, 2)))).unwrap();
        let explanation = forest.explain(array![0.0, 0.0].view()).unwrap();
        assert_abs_diff_eq!(explanation.score, explanation.expected, epsilon = 1e-15);
        assert!(explanation.contributions.iter().all(|it| *it == 0.0));
    }
}
