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
