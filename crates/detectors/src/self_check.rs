//! What a detector finds out about itself when it has been trained: whether its scores tell records apart, whether its
//! neighbours are the nearest, whether another seed says the same, and what its threshold lets through of records that it
//! has not seen.

use ndarray::{Array2, ArrayView2, Axis};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

use crate::rank::spearman;
use crate::train::{TrainError, fit};
use crate::{
    BudgetError, Detector, DetectorArtefact, DetectorKind, DetectorParams, FittedDetector, Share,
    ThresholdRule, TrainingScores,
};

/// The most records that detectors are fitted on again: enough for every figure here, and a fraction of a second.
const MOST_RECORDS: usize = 6_000;
/// The fewest records that are parted into folds.
const FEWEST_RECORDS: usize = 60;
/// The detectors that are fitted again, and the folds.
const N_SEEDS: usize = 3;
/// The records whose neighbours are looked for one by one.
const N_NEIGHBOUR_CHECKS: usize = 32;
/// The highest training scores that are taken apart.
const N_EXPLAINED: usize = 50;
/// A feature that has this share of what the highest scores are made of decides everything.
const DECIDES: f64 = 0.95;
/// Below this correlation of the ranks, another seed puts other records first.
const STABLE: f64 = 0.8;
/// With this share of records at one score, the ranks of most mean nothing.
const MOSTLY_ALIKE: f64 = 0.8;

/// What a detector found out about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfCheck {
    /// The training records.
    pub n_records: usize,
    /// How many different scores they have.
    pub n_distinct: usize,
    /// The least and the greatest of them.
    pub range: (f64, f64),
    /// The distance of their quartiles.
    pub interquartile_range: f64,
    /// The share of records that have the most frequent score.
    pub share_of_most_frequent: f64,
    /// Of KNN: on how many records neighbours were looked for one by one, and on how many the tree found others.
    pub neighbours: Option<(usize, usize)>,
    /// The least rank correlation of the scores of three detectors with seeds of their own, on records that were sampled;
    /// none where nothing is random or there are too few records.
    pub stability: Option<f64>,
    /// What was above the threshold among records that were held out: three detectors, each fitted on two thirds and
    /// asked about the last. None where there are too few records for the threshold's rule.
    pub held_out: Option<Share>,
    /// What is expected above the threshold among records like the training records, by their scores alone.
    pub expected: Share,
    /// Which field has most of what the highest scores are made of, and its share. None of a detector of one field.
    pub decisive: Option<(String, f64)>,
    /// What is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// Something that a person should know of a detector before it watches anything.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Finding {
    /// It tells nothing apart.
    #[error(
        "all {n_records} training rows have the score {score}: this detector tells nothing apart"
    )]
    AllAlike {
        /// The training records.
        n_records: usize,
        /// Their score.
        score: f64,
    },
    /// Of KNN: every record has as many like it as are looked for, or all are as far apart.
    #[error(
        "all {n_records} training rows have the score {score}, so there is no share to set the threshold by: whatever is further off is above it"
    )]
    AllAsFar {
        /// The training records.
        n_records: usize,
        /// Their score.
        score: f64,
    },
    /// Most records have one score.
    #[error(
        "{:.0} % of the training rows have one and the same score, so most rows cannot be ranked; there are {n_distinct} different scores",
        share * 100.0
    )]
    MostlyAlike {
        /// Their share.
        share: f64,
        /// The different scores.
        n_distinct: usize,
    },
    /// One field has all the say.
    #[error(
        "`{field}` has {:.0} % of what the highest scores are made of, so the other columns hardly count: scale the columns, or leave it out",
        share * 100.0
    )]
    OneFieldDecides {
        /// The field.
        field: String,
        /// Its share.
        share: f64,
    },
    /// Another seed ranks the records otherwise.
    #[error(
        "detectors with three seeds rank the rows differently: the least rank correlation is {correlation:.2}, and at least {STABLE} is expected; use more trees or clusters"
    )]
    Unstable {
        /// Spearman's.
        correlation: f64,
    },
    /// The tree does not find the nearest.
    #[error(
        "of {n_wrong} of {n_checked} rows the neighbours are not those that measuring every distance finds; report this as a fault of the program"
    )]
    WrongNeighbours {
        /// The records checked.
        n_checked: usize,
        /// Those with other neighbours.
        n_wrong: usize,
    },
    /// More is above the threshold than the budget.
    #[error(
        "of rows that were held out, {:.3} % are above the threshold ({:.3} to {:.3} % with 95 % confidence): more than the alert budget of {:.3} %, because the detector has seen the rows that set it",
        held_out.share * 100.0, held_out.low * 100.0, held_out.high * 100.0, budget * 100.0
    )]
    OverBudget {
        /// What was measured.
        held_out: Share,
        /// What was asked for.
        budget: f64,
    },
}

impl Finding {
    /// Whether a detector of which this is true is of no use at all.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::AllAlike { .. } | Self::WrongNeighbours { .. } => true,
            Self::AllAsFar { .. }
            | Self::MostlyAlike { .. }
            | Self::OneFieldDecides { .. }
            | Self::Unstable { .. }
            | Self::OverBudget { .. } => false,
        }
    }
}

impl DetectorArtefact {
    /// Checks a detector that was trained with these parameters on these records, which its preprocessing has turned into
    /// features. The same detector and records give the same answer.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`.
    ///
    /// # Errors
    /// [`TrainError`] if a part of the records cannot be fitted or scored, where all of them could.
    pub fn self_check(
        &self,
        params: &DetectorParams,
        records: ArrayView2<'_, f64>,
    ) -> Result<SelfCheck, TrainError> {
        let scores = self.training_scores().sorted();
        let tied = scores.chunk_by(|a, b| a.total_cmp(b).is_eq());
        let (n_distinct, most) = tied.fold((0, 0), |(n, most), it| (n + 1, most.max(it.len())));
        let order = shuffled(records.nrows(), 0);
        let sample = records.select(Axis(0), &order[..records.nrows().min(MOST_RECORDS)]);
        let mut check = SelfCheck {
            n_records: scores.len(),
            n_distinct,
            range: (scores[0], scores[scores.len() - 1]),
            interquartile_range: at(scores, 0.75) - at(scores, 0.25),
            share_of_most_frequent: Share::of(most, scores.len()).share,
            neighbours: self.neighbours(&sample),
            stability: None,
            held_out: None,
            expected: self.training_scores().expected_share_above(self.detector().threshold()),
            decisive: None,
            findings: Vec::new(),
        };
        if 1 < n_distinct {
            check.decisive = self.decisive(sample.view())?;
            if FEWEST_RECORDS <= sample.nrows() {
                check.stability = stability(params, &sample)?;
                check.held_out = held_out(params, self.threshold_rule(), &sample)?;
            }
        }
        check.findings = self.findings(&check);
        Ok(check)
    }

    /// How many records were checked, and on how many the tree's score is not that of the nearest.
    fn neighbours(&self, sample: &Array2<f64>) -> Option<(usize, usize)> {
        let FittedDetector::Knn(knn) = self.detector() else { return None };
        let some = sample.rows().into_iter().take(N_NEIGHBOUR_CHECKS);
        let is_wrong = |row: ndarray::ArrayView1<'_, f64>| {
            let expected = knn.score_by_brute_force(row);
            let found = knn.score(row.insert_axis(Axis(0)));
            let near = |it: f64| (it - expected).abs() <= 1e-9 * expected.abs();
            !found.is_ok_and(|it| it.iter().all(|it| near(*it)))
        };
        let n = sample.nrows().min(N_NEIGHBOUR_CHECKS);
        Some((n, some.filter(|it| is_wrong(*it)).count()))
    }

    /// The field that the highest scores come from most, and its share of all contributions that made them high.
    fn decisive(&self, records: ArrayView2<'_, f64>) -> Result<Option<(String, f64)>, TrainError> {
        let scores = self.detector().score(records)?;
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        let n_top = N_EXPLAINED.min(scores.len().div_ceil(20));
        let mut shares: Vec<(String, f64)> = Vec::new();
        for row_idx in &order[..n_top] {
            let explained = self.explain_features(records.row(*row_idx))?.contributions;
            let total: f64 = explained.iter().map(|(_, it)| it.max(0.0)).sum();
            for (idx, (field, contribution)) in explained.into_iter().enumerate() {
                if shares.len() <= idx {
                    shares.push((field, 0.0));
                }
                if 0.0 < total {
                    shares[idx].1 += contribution.max(0.0) / total;
                }
            }
        }
        if shares.len() < 2 {
            return Ok(None);
        }
        let sum: f64 = shares.iter().map(|(_, it)| it).sum();
        let most = shares.into_iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        Ok(most.filter(|_| 0.0 < sum).map(|(field, it)| (field, it / sum)))
    }

    fn findings(&self, check: &SelfCheck) -> Vec<Finding> {
        let SelfCheck { n_records, n_distinct, share_of_most_frequent, .. } = *check;
        let mut findings = Vec::new();
        if n_distinct == 1 && 1 < n_records {
            let score = check.range.0;
            // A distance still tells what is new; a forest says the same of everything.
            findings.push(match self.detector().kind() {
                DetectorKind::IsolationForest => Finding::AllAlike { n_records, score },
                DetectorKind::Knn => Finding::AllAsFar { n_records, score },
            });
        } else if MOSTLY_ALIKE < share_of_most_frequent {
            findings.push(Finding::MostlyAlike { share: share_of_most_frequent, n_distinct });
        }
        if let Some((n_checked, n_wrong)) = check.neighbours.filter(|(_, n_wrong)| 0 < *n_wrong) {
            findings.push(Finding::WrongNeighbours { n_checked, n_wrong });
        }
        if let Some((field, share)) = check.decisive.clone().filter(|(_, it)| DECIDES < *it) {
            findings.push(Finding::OneFieldDecides { field, share });
        }
        if let Some(correlation) = check.stability.filter(|it| *it < STABLE) {
            findings.push(Finding::Unstable { correlation });
        }
        if let (ThresholdRule::AlertBudget(budget), Some(held_out)) =
            (self.threshold_rule(), check.held_out)
            && budget < held_out.low
        {
            findings.push(Finding::OverBudget { held_out, budget });
        }
        findings
    }
}

/// The least rank correlation of the scores of detectors with three seeds, fitted on the same records.
fn stability(params: &DetectorParams, sample: &Array2<f64>) -> Result<Option<f64>, TrainError> {
    if !params.is_random() {
        return Ok(None);
    }
    let mut scores = Vec::with_capacity(N_SEEDS);
    for seed in 1..=N_SEEDS as u64 {
        // A part of the records may be too few for a parameter that all of them were enough for.
        let Ok((detector, _)) = fit(&params.with_more_seed(seed), sample.view(), &|_, _| {}) else {
            return Ok(None);
        };
        scores.push(detector.score(sample.view())?.to_vec());
    }
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let correlations = pairs.iter().filter_map(|(a, b)| spearman(&scores[*a], &scores[*b]));
    Ok(correlations.reduce(f64::min))
}

/// What is above the threshold among records that a detector has not seen, in three folds.
fn held_out(
    params: &DetectorParams,
    rule: ThresholdRule,
    sample: &Array2<f64>,
) -> Result<Option<Share>, TrainError> {
    let n = sample.nrows();
    let (mut n_above, mut n_held_out) = (0, 0);
    for fold in 0..N_SEEDS {
        let (seen, unseen): (Vec<usize>, Vec<usize>) = (0..n).partition(|it| it % N_SEEDS != fold);
        let (seen, unseen) = (sample.select(Axis(0), &seen), sample.select(Axis(0), &unseen));
        let params = params.with_more_seed(fold as u64);
        // A part of the records may be too few for a parameter that all of them were enough for.
        let Ok((mut detector, scores)) = fit(&params, seen.view(), &|_, _| {}) else {
            return Ok(None);
        };
        if let ThresholdRule::AlertBudget(share) = rule {
            let Some(scores) = TrainingScores::new(scores) else { return Ok(None) };
            match scores.threshold_of_budget(share) {
                Ok(threshold) => detector.set_threshold(threshold),
                Err(BudgetError::TooFew { .. }) => return Ok(None),
                Err(refused @ BudgetError::Share(_)) => return Err(refused.into()),
            }
        }
        let threshold = detector.threshold();
        let scores = detector.score(unseen.view())?;
        n_above += scores.iter().filter(|it| threshold < **it).count();
        n_held_out += scores.len();
    }
    Ok(Some(Share::of_folds(n_above, n_held_out)))
}

impl DetectorParams {
    /// Whether another seed gives another detector.
    fn is_random(&self) -> bool {
        match self {
            Self::IsolationForest(_) => true,
            Self::Knn(knn) => knn.is_random(),
        }
    }

    /// The same with another seed.
    fn with_more_seed(&self, more: u64) -> Self {
        match self.clone() {
            Self::IsolationForest(forest) => Self::IsolationForest(forest.more_random_state(more)),
            Self::Knn(knn) => Self::Knn(knn.more_random_state(more)),
        }
    }

    /// Which algorithm they are of.
    pub fn kind(&self) -> DetectorKind {
        match self {
            Self::IsolationForest(_) => DetectorKind::IsolationForest,
            Self::Knn(_) => DetectorKind::Knn,
        }
    }
}

/// A value at a share of the way through sorted ones.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place within the values"
)]
fn at(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// The numbers below `n` in an order of chance.
///
/// Source: Fisher, Yates, in the form of Durstenfeld, *Algorithm 235* (1964), <https://doi.org/10.1145/364520.364540>.
#[expect(clippy::cast_possible_truncation, reason = "a remainder by a count is one")]
fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        // The remainder prefers low numbers by less than one part in 2^40, which no figure here shows.
        order.swap(last, (random.next_u64() % (last as u64 + 1)) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KnnOutlier;

    #[test]
    fn a_sample_that_is_too_small_for_a_parameter_says_nothing_of_stability() {
        let values = (0..100).map(|it| f64::from(it) / 100.0).collect();
        let sample = Array2::from_shape_vec((100, 1), values).unwrap();
        // Of 100 records 90 are left, and of more than the sample there would be enough.
        let params = |k| DetectorParams::Knn(KnnOutlier::params().n_neighbors(k).trim(0.1));
        assert_eq!(stability(&params(95), &sample).unwrap(), None);
        assert!(stability(&params(5), &sample).unwrap().is_some());
    }
}
