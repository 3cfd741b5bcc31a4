//! Growing trees.

use ndarray::{ArrayBase, ArrayView2, Data, Ix2};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

use super::{
    IsolationForestValidParams,
    forest::{Tree, depth_limit},
};
use crate::{FitError, parallel};

/// Grows the trees of a forest; each has a random stream of its own, so that no tree depends on another.
pub(super) fn grow<D: Data<Elem = f64>>(
    params: &IsolationForestValidParams,
    records: &ArrayBase<D, Ix2>,
) -> Result<Vec<Tree>, FitError> {
    let n_samples = params.n_samples(records.nrows());
    let n_features = params.n_features(records.ncols())?;
    let records = records.view();
    let grow_one = |tree_idx| {
        let random = Random::stream(params.random_state, tree_idx);
        Grower::new(records, n_samples, n_features, params.bootstrap, random).grow()
    };
    Ok(parallel::map(params.n_estimators, 4, parallel::n_threads(params.n_threads), grow_one))
}

/// What a 64-bit value is as a 32-bit one. Values beyond the range become its ends, which keeps the side of
/// every cut.
#[expect(clippy::cast_possible_truncation, reason = "scikit-learn compares in 32 bits as well")]
pub(super) fn narrow(value: f64) -> f32 {
    (value as f32).clamp(f32::MIN, f32::MAX)
}

struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of one tree.
    fn stream(random_state: u64, tree_idx: usize) -> Self {
        // An odd multiplier keeps the streams of a seed apart; the generator's own seeding mixes the bits.
        let offset = (tree_idx as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(Xoshiro256PlusPlus::seed_from_u64(random_state ^ offset))
    }

    /// A number below `n`, which is at least 1.
    ///
    /// Source: Lemire, *Fast Random Integer Generation in an Interval* (2019),
    /// <https://doi.org/10.1145/3230636>.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is taken on purpose")]
    fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(n);
            let low = product as u64;
            if n <= low || n.wrapping_neg() % n <= low {
                return (product >> 64) as usize;
            }
        }
    }

    /// A number from 0 to below 1 in steps of 2^-53.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

/// One tree while it grows.
struct Grower {
    random: Random,
    /// The features this tree may cut, by their index in the records.
    features: Vec<u16>,
    /// The sampled values, one column after the other.
    values: Vec<f32>,
    n_samples: usize,
    /// The samples, so ordered that those of a node are neighbours.
    order: Vec<u32>,
    tree: Tree,
}

/// A node whose samples, `order[start..end]`, may still be cut.
struct Open {
    node_idx: usize,
    start: usize,
    end: usize,
    depth: usize,
}

impl Grower {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "check_reference bounds records and features"
    )]
    fn new(
        records: ArrayView2<'_, f64>,
        n_samples: usize,
        n_features: usize,
        bootstrap: bool,
        mut random: Random,
    ) -> Self {
        let sample = if bootstrap {
            (0..n_samples).map(|_| random.below(records.nrows())).collect()
        } else {
            distinct(&mut random, n_samples, records.nrows())
        };
        let features: Vec<u16> = if n_features == records.ncols() {
            (0..n_features as u16).collect()
        } else {
            distinct(&mut random, n_features, records.ncols())
                .into_iter()
                .map(|it| it as u16)
                .collect()
        };
        let mut values = Vec::with_capacity(n_samples * n_features);
        for feature in &features {
            let column = records.column(usize::from(*feature));
            values.extend(sample.iter().map(|record_idx| narrow(column[*record_idx])));
        }
        let order = (0..n_samples as u32).collect();
        Self { random, features, values, n_samples, order, tree: Tree::default() }
    }

    fn grow(mut self) -> Tree {
        let limit = depth_limit(self.n_samples);
        self.tree.push(count(self.n_samples));
        let mut open = vec![Open { node_idx: 0, start: 0, end: self.n_samples, depth: 0 }];
        while let Some(Open { node_idx, start, end, depth }) = open.pop() {
            if depth == limit || end - start < 2 {
                continue;
            }
            let Some((place, threshold)) = self.draw_cut(start, end) else { continue };
            let middle = self.split(start, end, place, threshold);
            let left = self.tree.push(count(middle - start));
            let right = self.tree.push(count(end - middle));
            self.tree.cut(node_idx, self.features[place], threshold, left);
            open.push(Open { node_idx: right, start: middle, end, depth: depth + 1 });
            open.push(Open { node_idx: left, start, end: middle, depth: depth + 1 });
        }
        self.tree
    }

    /// Draws a feature that is not constant among the samples, and a threshold from its range; none if every
    /// feature is constant.
    fn draw_cut(&mut self, start: usize, end: usize) -> Option<(usize, f32)> {
        // The places not yet tried are kept at the front, as in a shuffle that stops early.
        let mut places: Vec<usize> = (0..self.features.len()).collect();
        while !places.is_empty() {
            let drawn = self.random.below(places.len());
            let place = places.swap_remove(drawn);
            let column = &self.values[place * self.n_samples..(place + 1) * self.n_samples];
            let mut low = f32::INFINITY;
            let mut high = f32::NEG_INFINITY;
            for sample in &self.order[start..end] {
                let value = column[*sample as usize];
                low = low.min(value);
                high = high.max(value);
            }
            if low < high {
                let wide =
                    f64::from(low) + self.random.share() * (f64::from(high) - f64::from(low));
                return Some((place, round_down(wide).clamp(low, high.next_down())));
            }
        }
        None
    }

    /// Orders the samples of a node by their side of the cut; answers where the right side starts.
    fn split(&mut self, start: usize, end: usize, place: usize, threshold: f32) -> usize {
        let column = &self.values[place * self.n_samples..(place + 1) * self.n_samples];
        let mut middle = start;
        for at in start..end {
            if column[self.order[at] as usize] <= threshold {
                self.order.swap(at, middle);
                middle += 1;
            }
        }
        middle
    }
}

#[expect(clippy::cast_possible_truncation, reason = "check_reference bounds the records")]
fn count(n: usize) -> u32 {
    n as u32
}

/// The greatest 32-bit float that is not above a value within their range.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what this is about")]
fn round_down(value: f64) -> f32 {
    let nearest = value as f32;
    if value < f64::from(nearest) { nearest.next_down() } else { nearest }
}

/// Draws `count` distinct numbers below `n`, every set equally likely.
///
/// Source: Floyd's algorithm in Bentley, *Programming Pearls: A Sample of Brilliance* (1987),
/// <https://doi.org/10.1145/30401.315746>.
fn distinct(random: &mut Random, count: usize, n: usize) -> Vec<usize> {
    let mut taken = vec![false; n];
    let mut drawn = Vec::with_capacity(count);
    for last in n - count..n {
        let candidate = random.below(last + 1);
        let chosen = if taken[candidate] { last } else { candidate };
        taken[chosen] = true;
        drawn.push(chosen);
    }
    drawn
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_cover_the_range() {
        let mut random = Random::stream(1, 2);
        for (count, n) in [(0, 0), (1, 1), (5, 5), (3, 100)] {
            let mut drawn = distinct(&mut random, count, n);
            drawn.sort_unstable();
            drawn.dedup();
            assert_eq!(drawn.len(), count);
            assert!(drawn.iter().all(|it| *it < n));
        }
    }

    #[test]
    fn numbers_below_n_are_even() {
        let mut random = Random::stream(7, 0);
        let mut counts = [0; 3];
        for _ in 0..30_000 {
            counts[random.below(3)] += 1;
        }
        assert!(counts.iter().all(|it| (9_700..10_300).contains(it)), "{counts:?}");
    }

    #[test]
    fn narrowing_keeps_the_order_at_the_ends() {
        assert_eq!(narrow(1e300), f32::MAX);
        assert_eq!(narrow(-1e300), f32::MIN);
        assert_eq!(round_down(0.1), 0.099_999_994);
        assert!(f64::from(round_down(0.1)) <= 0.1);
    }
}
