//! Growing trees.

use ndarray::ArrayView2;

use super::{
    IsolationForestValidParams,
    nodes::{Tree, index},
    planes::Planes,
    random::Random,
};
use crate::{FitError, Observe, parallel};

/// Grows the trees of a forest; each has a random stream of its own, so that no tree depends on another.
pub(super) fn grow(
    params: &IsolationForestValidParams,
    records: ArrayView2<'_, f64>,
    observe: Observe<'_>,
) -> Result<Vec<Tree>, FitError> {
    let n_samples = params.n_samples(records.nrows());
    let n_features = params.n_features(records.ncols())?;
    let extension_level = params.extension_level_of(n_features)?;
    let grow_one = |tree_idx| {
        let random = Random::stream(params.random_state, tree_idx);
        Grower::new(records, n_samples, n_features, extension_level, params.bootstrap, random)
            .grow()
    };
    let n_threads = parallel::n_threads(params.n_threads);
    Ok(parallel::map_observed(params.n_estimators, 4, n_threads, grow_one, observe))
}

/// The most cuts that a tree of some samples makes: the height of a balanced one.
pub(super) fn depth_limit(n_samples: usize) -> usize {
    usize::BITS.saturating_sub(n_samples.max(2).saturating_sub(1).leading_zeros()) as usize
}

/// What a 64-bit value is as a 32-bit one. Values beyond the range become its ends, which keeps the side of
/// every cut; NaN stays.
#[expect(clippy::cast_possible_truncation, reason = "scikit-learn compares in 32 bits as well")]
#[inline]
pub(super) fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

/// The greatest 32-bit float that is not above a value.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what this is about")]
#[inline]
pub(super) fn round_down(value: f64) -> f32 {
    let nearest = value as f32;
    if value < f64::from(nearest) { nearest.next_down() } else { nearest }
}

/// One tree while it grows.
pub(super) struct Grower<'a> {
    pub(super) random: Random,
    records: ArrayView2<'a, f64>,
    extension_level: usize,
    /// The features this tree may cut. Those that are constant in the node at hand come first.
    pub(super) features: Vec<u16>,
    /// The records of this tree, so ordered that those of a node are neighbours.
    order: Vec<u32>,
    /// The values of one feature in a node, in that order.
    pub(super) values: Vec<f32>,
    pub(super) tree: Tree,
}

/// A node whose samples, `order[start..end]`, may still be cut.
pub(super) struct Open {
    node_idx: usize,
    pub(super) start: usize,
    pub(super) end: usize,
    depth: usize,
    /// How many features are known to be constant among the samples. Their places in `features` are kept until
    /// both sides of the node are done, because a node only moves what comes after its own constant ones.
    pub(super) n_constant: usize,
}

/// Where a feature's values lie in a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    pub(super) low: f32,
    pub(super) high: f32,
    pub(super) n_missing: usize,
}

impl<'a> Grower<'a> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "validate_reference bounds records and features"
    )]
    fn new(
        records: ArrayView2<'a, f64>,
        n_samples: usize,
        n_features: usize,
        extension_level: usize,
        bootstrap: bool,
        mut random: Random,
    ) -> Self {
        let sample = if bootstrap {
            (0..n_samples).map(|_| random.below(records.nrows())).collect()
        } else {
            random.distinct(n_samples, records.nrows())
        };
        let features = if n_features == records.ncols() {
            (0..n_features as u16).collect()
        } else {
            let drawn = random.distinct(n_features, records.ncols());
            drawn.into_iter().map(|it| it as u16).collect()
        };
        let planes = (0 < extension_level).then(|| Planes::new(extension_level + 1));
        Self {
            random,
            records,
            extension_level,
            features,
            order: sample.into_iter().map(|it| it as u32).collect(),
            values: vec![0.0; n_samples],
            tree: Tree { planes, ..Tree::default() },
        }
    }

    fn grow(mut self) -> Tree {
        let n_samples = self.order.len();
        let limit = depth_limit(n_samples);
        self.tree.push(index(n_samples));
        let mut open =
            vec![Open { node_idx: 0, start: 0, end: n_samples, depth: 0, n_constant: 0 }];
        while let Some(mut node) = open.pop() {
            let Open { node_idx, start, end, depth, .. } = node;
            if depth == limit || end - start < 2 {
                continue;
            }
            let cut = if self.extension_level == 0 {
                self.draw_cut(&mut node)
            } else {
                self.draw_plane(&mut node, self.extension_level + 1)
            };
            let Some(Cut { feature, threshold, missing_goes_left, middle }) = cut else { continue };
            let counts = [middle - start, end - middle].map(index);
            let left = self.tree.cut(node_idx, feature, threshold, missing_goes_left, counts);
            let (depth, n_constant) = (depth + 1, node.n_constant);
            open.push(Open { node_idx: left + 1, start: middle, end, depth, n_constant });
            open.push(Open { node_idx: left, start, end: middle, depth, n_constant });
        }
        self.tree
    }

    /// Draws a feature that is not constant among the samples, and a threshold from its range; none if every
    /// feature is constant.
    ///
    /// Missing values go to a side drawn at random. If all others are equal, the cut can only part them from
    /// the missing ones: it is made if the missing ones are to go right, and else another feature is drawn, as
    /// in scikit-learn.
    fn draw_cut(&mut self, node: &mut Open) -> Option<Cut> {
        let mut end = self.features.len();
        while node.n_constant < end {
            let drawn = node.n_constant + self.random.below(end - node.n_constant);
            let feature = self.features[drawn];
            let Range { low, high, n_missing } = self.read(feature, node);
            let n_present = node.end - node.start - n_missing;
            let all_equal = high <= low;
            if n_present == 0 || (all_equal && n_missing == 0) {
                self.features.swap(drawn, node.n_constant);
                node.n_constant += 1;
                continue;
            }
            let threshold = self.between(low, high);
            let missing_goes_left = 0 < n_missing && self.random.coin();
            if all_equal && missing_goes_left {
                end -= 1;
                self.features.swap(drawn, end);
                continue;
            }
            let middle = self
                .split(node, |value| value <= threshold || (missing_goes_left && value.is_nan()));
            // A record without a value that no training sample here was without goes with most of them.
            let most_go_left = node.end - middle < middle - node.start;
            let missing_goes_left = if n_missing == 0 { most_go_left } else { missing_goes_left };
            return Some(Cut { feature, threshold, missing_goes_left, middle });
        }
        None
    }

    /// A threshold from the range of some values, below the highest unless all are equal.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        if high <= low {
            return low;
        }
        let wide = f64::from(low) + self.random.share() * (f64::from(high) - f64::from(low));
        round_down(wide).clamp(low, high.next_down())
    }

    /// Reads the values of a feature in a node.
    pub(super) fn read(&mut self, feature: u16, node: &Open) -> Range {
        let column = self.records.column(usize::from(feature));
        let mut range = Range { low: f32::INFINITY, high: f32::NEG_INFINITY, n_missing: 0 };
        let samples = self.order[node.start..node.end].iter();
        for (sample, place) in samples.zip(&mut self.values[node.start..node.end]) {
            let value = narrow(column[*sample as usize]);
            *place = value;
            range.low = range.low.min(value);
            range.high = range.high.max(value);
            range.n_missing += usize::from(value.is_nan());
        }
        range
    }

    /// The value of a sample of a node.
    #[inline]
    pub(super) fn value(&self, at: usize, feature: usize) -> f32 {
        narrow(self.records[[self.order[at] as usize, feature]])
    }

    /// Orders the samples of a node by their side; answers where the right side starts.
    pub(super) fn split(&mut self, node: &Open, goes_left: impl Fn(f32) -> bool) -> usize {
        let mut middle = node.start;
        for at in node.start..node.end {
            // Without a branch: what lies from `middle` on goes right, in whatever order.
            self.order.swap(at, middle);
            middle += usize::from(goes_left(self.values[at]));
        }
        middle
    }
}

/// How a node is cut, and where its right side starts.
pub(super) struct Cut {
    pub(super) feature: u16,
    pub(super) threshold: f32,
    pub(super) missing_goes_left: bool,
    pub(super) middle: usize,
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn narrowing_keeps_the_order_at_the_ends() {
        assert_eq!(narrow(1e300), f32::MAX);
        assert_eq!(narrow(-1e300), f32::MIN);
        assert!(narrow(f64::NAN).is_nan());
        assert_eq!(round_down(0.1), 0.099_999_994);
        assert!(f64::from(round_down(0.1)) <= 0.1);
    }

    #[test]
    fn the_depth_limit_is_the_height_of_a_balanced_tree() {
        assert_eq!([1, 2, 3, 4, 5, 255, 256, 257].map(depth_limit), [1, 1, 2, 2, 3, 8, 8, 9]);
    }
}
