//! Explanations of a forest's scores: they add up, and they name what is wrong with a record.

use crate::support::{Random, normal};
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array2, array, s};
use shadowline_detectors::{Detector, Explain, IsolationForest, ScoreError};

#[test]
fn contributions_add_up_to_the_score_less_the_expected_one() {
    let reference = normal((800, 7), 1);
    let mut missing = reference.clone();
    missing.slice_mut(s![..;4, 2..4]).fill(f64::NAN);
    let mut records = normal((300, 7), 2) * 2.5;
    records[[0, 0]] = 1e300;
    let mut with_missing = records.clone();
    with_missing.slice_mut(s![..;2, 3]).fill(f64::NAN);
    let fit = |level, reference: &Array2<f64>| {
        let params = IsolationForest::params().extension_level(level);
        params.fit(&DatasetBase::from(reference.view())).unwrap()
    };
    for (forest, records) in [
        (fit(0, &reference), &with_missing),
        (fit(0, &missing), &with_missing),
        (fit(1, &reference), &records),
        (fit(6, &reference), &records),
    ] {
        let scores = forest.score(records.view()).unwrap();
        for (record, score) in records.rows().into_iter().zip(scores) {
            let explanation = forest.explain(record).unwrap();
            assert_eq!(explanation.score.to_bits(), score.to_bits());
            let sum: f64 = explanation.contributions.iter().sum();
            let error = explanation.expected + sum - explanation.score;
            assert!(error.abs() < 1e-9, "{error}");
            assert_eq!(explanation.contributions.len(), 7);
        }
    }
}

#[test]
fn records_that_cannot_be_scored_cannot_be_explained() {
    let reference = normal((100, 2), 3);
    let forest = IsolationForest::params().fit(&DatasetBase::from(reference.view())).unwrap();
    assert_eq!(
        forest.explain(array![1.0].view()),
        Err(ScoreError::FeatureCount { expected: 2, got: 1 })
    );
    let value = f64::INFINITY;
    assert_eq!(
        forest.explain(array![1.0, value].view()),
        Err(ScoreError::NotFinite { record_idx: 0, feature_idx: 1, value })
    );
}

/// Features that three hidden causes move together, each with mean 0 and about standard deviation 1; every third
/// one is rounded to steps.
fn correlated(n: usize, n_features: usize, seed: u64) -> Array2<f64> {
    let mut random = Random::new(seed);
    let mut records = Array2::zeros((n, n_features));
    for mut record in records.rows_mut() {
        let causes = [random.normal(), random.normal(), random.normal()];
        for (feature_idx, value) in record.iter_mut().enumerate() {
            let sum = 0.7 * causes[feature_idx % 3] + 0.7 * random.normal();
            *value = if feature_idx % 3 == 1 { (sum * 3.0).round() / 3.0 } else { sum };
        }
    }
    records
}

#[test]
fn a_planted_feature_is_named_first() {
    for (n_features, level) in [(8, 0), (10, 0), (8, 1), (8, 7)] {
        let reference = correlated(2_000, n_features, 4);
        let forest = IsolationForest::params()
            .extension_level(level)
            .random_state(5)
            .fit(&DatasetBase::from(reference))
            .unwrap();
        let mut random = Random::new(6);
        let mut n_named = 0;
        for record in correlated(200, n_features, 7).rows() {
            let mut record = record.to_owned();
            let planted = random.below(n_features);
            record[planted] = if random.below(2) == 0 { 6.0 } else { -6.0 };
            let contributions = forest.explain(record.view()).unwrap().contributions;
            let named =
                (0..n_features).max_by(|a, b| contributions[*a].total_cmp(&contributions[*b]));
            n_named += usize::from(named == Some(planted));
        }
        println!("{n_features} features, level {level}: {n_named} of 200 named first");
        assert!(180 <= n_named, "{n_named} of 200");
    }
}
