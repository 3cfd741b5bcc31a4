//! Random numbers with the same bits on every platform.

use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

/// The random numbers of one tree.
#[derive(Debug)]
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The stream of one tree.
    pub(super) fn stream(random_state: u64, tree_idx: usize) -> Self {
        // Odd multipliers keep the streams of trees and of seeds apart; the generator's own seeding mixes the bits.
        let of_seed = random_state.wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let of_tree = (tree_idx as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self(Xoshiro256PlusPlus::seed_from_u64(of_seed ^ of_tree))
    }

    /// A number below `n`, which is at least 1.
    ///
    /// Source: Lemire, *Fast Random Integer Generation in an Interval* (2019),
    /// <https://doi.org/10.1145/3230636>.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is taken on purpose")]
    #[inline]
    pub(super) fn below(&mut self, n: usize) -> usize {
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
    #[inline]
    pub(super) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Heads or tails.
    #[inline]
    pub(super) fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// A normally distributed number, mean 0 and standard deviation 1.
    ///
    /// Source: Box, Muller, *A Note on the Generation of Random Normal Deviates* (1958),
    /// <https://doi.org/10.1214/aoms/1177706645>.
    pub(super) fn normal(&mut self) -> f64 {
        // 1 - share is above 0, where the logarithm is finite.
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.share()));
        radius * libm::cos(std::f64::consts::TAU * self.share())
    }

    /// Draws `count` distinct numbers below `n`, every set equally likely.
    ///
    /// Source: Floyd's algorithm in Bentley, *Programming Pearls: A Sample of Brilliance* (1987),
    /// <https://doi.org/10.1145/30401.315746>.
    pub(super) fn distinct(&mut self, count: usize, n: usize) -> Vec<usize> {
        // One bit each: there may be many more records than are drawn.
        let mut taken = vec![0_u64; n.div_ceil(64)];
        let mut drawn = Vec::with_capacity(count);
        for last in n - count..n {
            let candidate = self.below(last + 1);
            let is_taken = taken[candidate / 64] >> (candidate % 64) & 1 == 1;
            let chosen = if is_taken { last } else { candidate };
            taken[chosen / 64] |= 1 << (chosen % 64);
            drawn.push(chosen);
        }
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_numbers_are_distinct_and_cover_the_range() {
        let mut random = Random::stream(1, 2);
        for (count, n) in [(0, 0), (1, 1), (5, 5), (3, 100)] {
            let mut drawn = random.distinct(count, n);
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
    fn normal_numbers_have_mean_0_and_variance_1() {
        let mut random = Random::stream(9, 0);
        let drawn: Vec<f64> = (0..40_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / 40_000.0;
        let variance = drawn.iter().map(|it| it * it).sum::<f64>() / 40_000.0;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean}, {variance}");
    }
}
