//! A share that was counted, and how far the true one may be from it.

use crate::TrainingScores;

/// The 97.5th percentile of the normal distribution: two sides of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// A counted share with the interval that holds the true one in 95 % of cases.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many were counted.
    pub n_hits: usize,
    /// Of how many.
    pub n: usize,
    /// The share itself.
    pub share: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Share {
    /// Takes a count, of one at least, with Wilson's interval, which stays within 0 and 1 and holds for rare hits too.
    ///
    /// Source: Wilson, *Probable Inference, the Law of Succession, and Statistical Inference* (1927),
    /// <https://doi.org/10.1080/01621459.1927.10502953>; recommended for small counts by Brown, Cai, DasGupta (2001),
    /// <https://doi.org/10.1214/ss/1009213286>.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    pub fn of(n_hits: usize, n: usize) -> Self {
        Self::of_size(n_hits, n, n.max(1) as f64)
    }

    /// Takes a count of records that were held out, each above a threshold that was set by the others. The count is off
    /// by chance, and so is each threshold, by as much again: the interval is that of half as many records.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    pub(crate) fn of_folds(n_hits: usize, n: usize) -> Self {
        Self::of_size(n_hits, n, n.max(1) as f64 / 2.0)
    }

    /// The share, and the interval of a count of `size` records.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    fn of_size(n_hits: usize, n: usize, size: f64) -> Self {
        let share = n_hits as f64 / n.max(1) as f64;
        let spread = Z * Z / size;
        let middle = (share + spread / 2.0) / (1.0 + spread);
        let half =
            Z / (1.0 + spread) * (share * (1.0 - share) / size + spread / (4.0 * size)).sqrt();
        let (low, high) = ((middle - half).max(0.0), (middle + half).min(1.0));
        // Rounding must not put the share itself outside.
        Self { n_hits, n, share, low: low.min(share), high: high.max(share) }
    }
}

impl TrainingScores {
    /// The share of records like the training records that will be above a threshold, with its uncertainty.
    ///
    /// A new record that is exchangeable with the `n` training records, of which `a` are above the threshold, is above
    /// it with probability at most `(a + 1) / (n + 1)`. That is so before the training records are drawn; once they are, the
    /// share is off by what another draw would have given, and the interval says by how much. It does not cover that a
    /// detector has seen its training records: [`SelfCheck::held_out`](crate::SelfCheck::held_out) measures that.
    pub fn expected_share_above(&self, threshold: f64) -> Share {
        Share::of(self.n_above(threshold) + 1, self.sorted().len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `statsmodels.stats.proportion.proportion_confint(count, nobs, method="wilson")` of statsmodels 0.15.0.
    #[test]
    fn the_interval_is_that_of_statsmodels() {
        for (n_hits, n, low, high) in [
            (250, 50_000, 0.004418639, 0.005657416),
            (0, 10, 0.0, 0.277533),
            (3, 10, 0.107791, 0.603222),
            (10, 10, 0.722467, 1.0),
        ] {
            let share = Share::of(n_hits, n);
            assert!(
                (share.low - low).abs() < 1e-6 && (share.high - high).abs() < 1e-6,
                "{share:?}"
            );
        }
    }

    #[test]
    fn what_is_expected_is_what_the_budget_asks_for() {
        let scores = TrainingScores::new((1..=1_999).map(f64::from).collect()).unwrap();
        let threshold = scores.threshold_of_budget(0.001).unwrap();
        let expected = scores.expected_share_above(threshold);
        assert_eq!((expected.n_hits, expected.n), (2, 2_000));
        assert!((expected.share - 0.001).abs() < 1e-12 && 0.001 < expected.high, "{expected:?}");
    }
}
