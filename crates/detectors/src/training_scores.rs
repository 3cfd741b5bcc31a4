use serde::{Deserialize, Serialize};

/// The scores of the records that a detector was fitted on, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingScores(Vec<f64>);

/// Counts of values in bins of equal width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The lower edge of the first bin.
    pub low: f64,
    /// The upper edge of the last bin, which belongs to it.
    pub high: f64,
    /// How many values each bin holds.
    pub counts: Vec<u64>,
}

/// Why no threshold keeps an alert budget.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum BudgetError {
    /// The budget is no share.
    #[error("alert budget is {0}; a share above 0 and below 1 expected")]
    Share(f64),
    /// There are too few training records to tell scores as rare as the budget asks for.
    #[error(
        "an alert budget of {share} needs at least {needed} training records to be set by; there are {got}"
    )]
    TooFew {
        /// The budget.
        share: f64,
        /// The least number of training records for it.
        needed: usize,
        /// The training records there are.
        got: usize,
    },
}

impl TrainingScores {
    /// Takes scores in any order; none if one is not finite or there are none.
    pub fn new(mut scores: Vec<f64>) -> Option<Self> {
        if scores.is_empty() || !scores.iter().all(|it| it.is_finite()) {
            return None;
        }
        scores.sort_by(f64::total_cmp);
        Some(Self(scores))
    }

    /// The scores in ascending order; there is at least one.
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// How many scores are above a threshold.
    pub fn n_above(&self, threshold: f64) -> usize {
        self.0.len() - self.0.partition_point(|it| *it <= threshold)
    }

    /// The share of records like the training records that would score at least as high.
    ///
    /// It is `(1 + training scores at or above) / (1 + training scores)`, between 0 and 1, and never 0.
    /// Source: the conformal p-value in Vovk et al., *Algorithmic Learning in a Random World* (2005),
    /// <https://doi.org/10.1007/b106715>.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    pub fn p_value(&self, score: f64) -> f64 {
        let n_at_or_above = self.0.len() - self.0.partition_point(|it| *it < score);
        (1 + n_at_or_above) as f64 / (1 + self.0.len()) as f64
    }

    /// The least threshold that at most `share` of records like the training records are above.
    ///
    /// It is the training score with rank `n + 1 - floor(share (n + 1))` of `n`: a new record that is exchangeable
    /// with the training records is above it with at most that probability, and so has a p-value of at most
    /// `share`. The records of a detector's own reference data are so only nearly: a forest has seen them, which
    /// matters when there are few of them for its trees, and KNN scores each against one record fewer.
    /// Source: Vovk et al. (2005), as in [`TrainingScores::p_value`].
    ///
    /// # Errors
    /// [`BudgetError::Share`] for what is no share; [`BudgetError::TooFew`] where even the largest training score
    /// would let more than the share through.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, rounded on purpose; a huge quotient becomes the largest count"
    )]
    pub fn threshold_of_budget(&self, share: f64) -> Result<f64, BudgetError> {
        let usable = 0.0 < share && share < 1.0;
        if !usable {
            return Err(BudgetError::Share(share));
        }
        let got = self.0.len();
        // A share such as 0.001 is not a whole number of parts in binary: 1,000 times it must still be 1.
        let rounding = 1.0 + 4.0 * f64::EPSILON;
        let n_above = (share * (got + 1) as f64 * rounding).floor() as usize;
        if n_above == 0 {
            let needed = (1.0 / (share * rounding)).ceil() as usize - 1;
            return Err(BudgetError::TooFew { share, needed, got });
        }
        Ok(self.0[got - n_above.min(got)])
    }

    /// Counts the scores in `n_bins` bins of equal width, at least one.
    #[expect(clippy::cast_precision_loss, reason = "a number of bins is small")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the range, not negative"
    )]
    pub fn histogram(&self, n_bins: usize) -> Histogram {
        let n_bins = n_bins.max(1);
        let (low, high) = (self.0[0], self.0[self.0.len() - 1]);
        let mut counts = vec![0; n_bins];
        for score in &self.0 {
            let share = if low < high { (score - low) / (high - low) } else { 0.0 };
            counts[((share * n_bins as f64) as usize).min(n_bins - 1)] += 1;
        }
        Histogram { low, high, counts }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn counts_and_p_values_match_hand_calculation() {
        let scores = TrainingScores::new(vec![3.0, 1.0, 2.0, 2.0]).unwrap();
        assert_eq!(scores.n_above(2.0), 1);
        assert_eq!(scores.p_value(2.0), 0.8);
        assert_eq!(scores.p_value(9.0), 0.2);
        assert_eq!(scores.p_value(0.0), 1.0);
        assert_eq!(scores.histogram(2), Histogram { low: 1.0, high: 3.0, counts: vec![1, 3] });
    }

    fn ascending(n: usize) -> TrainingScores {
        TrainingScores::new((1..=n).map(|it| it as f64).collect()).unwrap()
    }

    #[test]
    fn a_budget_is_kept_by_the_order_statistic() {
        // 1 in 1,000 of 999 records: only what is above the largest; of 1,999, one record may be as high.
        assert_eq!(ascending(999).threshold_of_budget(0.001), Ok(999.0));
        assert_eq!(ascending(1_999).threshold_of_budget(0.001), Ok(1_998.0));
        assert_eq!(ascending(9).threshold_of_budget(0.1), Ok(9.0));
        assert_eq!(ascending(9).threshold_of_budget(0.99), Ok(1.0));
        for (n, share) in [(999, 0.001), (1_500, 0.01), (77, 0.05), (3, 0.5)] {
            let scores = ascending(n);
            let threshold = scores.threshold_of_budget(share).unwrap();
            assert!(scores.p_value(threshold + 0.5) <= share * (1.0 + 1e-12), "{n} {share}");
            assert!(share < scores.p_value(threshold), "{n} {share}");
        }
    }

    #[test]
    fn a_budget_that_the_reference_cannot_support_is_refused() {
        assert_eq!(
            ascending(998).threshold_of_budget(0.001).unwrap_err().to_string(),
            "an alert budget of 0.001 needs at least 999 training records to be set by; there are 998"
        );
        for share in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(matches!(ascending(9).threshold_of_budget(share), Err(BudgetError::Share(_))));
        }
        assert!(matches!(
            ascending(9).threshold_of_budget(1e-300),
            Err(BudgetError::TooFew { got: 9, .. })
        ));
    }

    #[test]
    fn equal_scores_share_a_bin() {
        let scores = TrainingScores::new(vec![0.5; 3]).unwrap();
        assert_eq!(scores.histogram(4).counts, [3, 0, 0, 0]);
    }

    #[test]
    fn scores_that_are_none_are_refused() {
        assert!(TrainingScores::new(vec![]).is_none());
        assert!(TrainingScores::new(vec![1.0, f64::NAN]).is_none());
    }
}
