//! The alert budget on records that training never saw: kept, and not by silence.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::normal;
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, IsolationForest, KnnOutlier, ThresholdRule,
    TrainOptions,
};
use shadowline_features::{Table, TableColumn};

const N_TRAINED: usize = 999;
const N_FRESH: usize = 4_000;
const N_SEEDS: u64 = 12;

fn table(seed: u64, n_records: usize) -> Table {
    let records = normal((n_records, 6), seed);
    let column = |idx| (format!("x{idx}"), TableColumn::Numbers(records.column(idx).to_vec()));
    Table::new((0..6).map(column).collect()).unwrap()
}

/// The share of fresh records above a threshold that was set by a budget, mean of all seeds.
fn share_above(params: &DetectorParams, budget: f64) -> f64 {
    let options =
        TrainOptions { threshold: ThresholdRule::AlertBudget(budget), ..TrainOptions::default() };
    let mut n_above = 0;
    for seed in 0..N_SEEDS {
        let artefact =
            DetectorArtefact::train("it", params, &options, &table(2 * seed, N_TRAINED)).unwrap();
        assert_eq!(artefact.threshold_rule(), ThresholdRule::AlertBudget(budget));
        let fresh = artefact.score(&table(2 * seed + 1, N_FRESH)).unwrap();
        let threshold = artefact.detector().threshold();
        for (score, p_value) in fresh.scores.iter().zip(&fresh.p_values) {
            // The p-value says the same as the threshold.
            assert_eq!(threshold < *score, *p_value <= budget, "{score} {p_value}");
            n_above += usize::from(threshold < *score);
        }
    }
    n_above as f64 / (N_SEEDS as usize * N_FRESH) as f64
}

#[test]
fn fresh_records_keep_an_alert_budget() {
    let detectors = [
        ("knn", DetectorParams::Knn(KnnOutlier::params())),
        ("forest", DetectorParams::IsolationForest(IsolationForest::params())),
    ];
    for (name, params) in &detectors {
        for budget in [0.01, 0.05] {
            let share = share_above(params, budget);
            println!("{name}: a budget of {budget} lets {share:.4} of fresh records through");
            // The thresholds of 12 trainings spread; what is looked for is a systematic excess.
            assert!(share < 1.3 * budget, "{name}: {share} for a budget of {budget}");
            assert!(0.6 * budget < share, "{name}: {share} for a budget of {budget}");
        }
    }
}
