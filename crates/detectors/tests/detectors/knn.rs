//! The KNN outlier detector: known answers of pyod, and what holds whatever the data.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::{num::NonZeroUsize, sync::Mutex};

use crate::random::{normal, uniform};
use approx::assert_abs_diff_eq;
use linfa::{
    DatasetBase,
    traits::{Fit, Predict},
};
use ndarray::{Array1, Array2, Axis, array, s};
use serde::Deserialize;
use shadowline_detectors::{
    Detector, KnnOutlier, KnnParams,
    knn::{Method, Metric},
};

/// Written by `known/pyod_knn.py`, which names the data; pyod 3.6.7 with scikit-learn 1.9.1.
const KNOWN: &str = include_str!("../known/pyod_knn.json");

#[derive(Deserialize)]
struct Known {
    data: KnownData,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct KnownData {
    reference: Vec<Vec<f64>>,
    records: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    metric: String,
    method: Method,
    n_neighbors: usize,
    contamination: f64,
    threshold: f64,
    training_scores: Vec<f64>,
    training_scores_sum: f64,
    n_flagged: usize,
    scores: Vec<f64>,
    labels: Vec<usize>,
}

fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn metric_of(name: &str) -> Metric {
    match name.split_once('-') {
        Some((_, p)) => Metric::Minkowski(p.parse().unwrap()),
        None => serde_json::from_value(name.into()).unwrap(),
    }
}

fn fit(params: KnnParams, reference: &Array2<f64>) -> KnnOutlier {
    params.fit(&DatasetBase::from(reference.view())).unwrap()
}

#[test]
fn every_metric_and_method_answers_as_pyod() {
    let Known { data, cases } = serde_json::from_str(KNOWN).unwrap();
    let (reference, records) = (matrix(&data.reference), matrix(&data.records));
    assert_eq!(cases.len(), 8 * 3 * 2);
    for case in cases {
        let params = KnnOutlier::params()
            .metric(metric_of(&case.metric))
            .method(case.method)
            .n_neighbors(case.n_neighbors)
            .contamination(case.contamination);
        let knn = fit(params, &reference);
        let scores = knn.score(records.view()).unwrap();
        assert_abs_diff_eq!(scores, Array1::from(case.scores), epsilon = 1e-9);
        assert_abs_diff_eq!(knn.threshold(), case.threshold, epsilon = 1e-9);
        assert_abs_diff_eq!(
            Array1::from(knn.training_scores()[..8].to_vec()),
            Array1::from(case.training_scores),
            epsilon = 1e-9
        );
        let sum: f64 = knn.training_scores().iter().sum();
        assert_abs_diff_eq!(sum, case.training_scores_sum, epsilon = 1e-7);
        // Many scores are equal to the threshold but for the last bit, in which pyod's powers differ from ours.
        let n_above =
            |threshold: f64| knn.training_scores().iter().filter(|it| threshold < **it).count();
        let near = n_above(case.threshold + 1e-9)..=n_above(case.threshold - 1e-9);
        assert!(near.contains(&case.n_flagged), "{}: {} of {near:?}", case.metric, case.n_flagged);
        let labels: Array1<usize> = Predict::predict(&knn, &records);
        for ((label, expected), score) in labels.iter().zip(case.labels).zip(scores) {
            assert!(*label == expected || (score - case.threshold).abs() < 1e-9);
        }
    }
}

/// Data of each kind that the search treats in its own way: fractions, whole numbers, numbers that 32 bits do not
/// hold, far from zero and close together, many equal records, and too large for 32 bits.
fn kinds() -> Vec<(&'static str, Array2<f64>, Array2<f64>)> {
    let reference = uniform((700, 6), -3.0, 3.0, 1);
    let queries = uniform((60, 6), -4.0, 4.0, 2);
    let of =
        |name, change: &dyn Fn(f64) -> f64| (name, reference.mapv(change), queries.mapv(change));
    let mut kinds = vec![
        of("fractions", &|it| it),
        of("whole", &f64::round),
        of("large whole", &|it| (it * 1e8).round()),
        of("close together", &|it| 1e6 + it * 1e-3),
        of("closer than 32 bits tell", &|it| 1.0 + it * 1e-12),
        of("tiny", &|it| it * 1e-42),
        of("tiny among others", &|it| if it < 0.0 { it * 1e-45 } else { it }),
        of("huge", &|it| it * 1e45),
    ];
    let mut equal = reference.mapv(f64::round);
    equal.slice_mut(s![..500, ..]).fill(1.0);
    kinds.push(("equal", equal, queries.mapv(f64::round)));
    let mut far = queries.clone();
    far *= 1e30;
    kinds.push(("queries from afar", reference.clone(), far));
    kinds
}

/// The scores by definition: all distances, added up as the detector does.
fn by_definition(metric: Metric, k: usize, reference: &Array2<f64>, query: &[f64]) -> f64 {
    let p = metric.power();
    let mut distances: Vec<f64> = reference
        .rows()
        .into_iter()
        .map(|row| {
            let differences: Vec<f64> = row.iter().zip(query).map(|(a, b)| (a - b).abs()).collect();
            let largest = differences.iter().copied().fold(0.0, f64::max);
            if p.is_infinite() || largest <= 0.0 {
                return largest;
            }
            // In shares of the largest difference, so that no power overflows or vanishes.
            let sum: f64 = differences.iter().map(|it| (it / largest).powf(p)).sum();
            largest * sum.powf(1.0 / p)
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    distances[k - 1]
}

#[test]
fn scores_are_exact_on_data_of_every_kind() {
    let metrics = [
        Metric::Manhattan,
        Metric::Euclidean,
        Metric::Chebyshev,
        Metric::Minkowski(1.5),
        Metric::Minkowski(2.5),
        Metric::Minkowski(3.0),
        Metric::Minkowski(3.5),
        Metric::Minkowski(4.0),
        Metric::Minkowski(5.0),
        Metric::Minkowski(6.0),
        Metric::Minkowski(9.0),
    ];
    for (name, reference, queries) in kinds() {
        for metric in metrics {
            // Beyond these the powers leave the range of 64-bit floats, which is refused or is 0.
            let extreme =
                ["tiny", "tiny among others", "huge", "queries from afar"].contains(&name);
            if extreme && 6.0 < metric.power() && metric.power().is_finite() {
                continue;
            }
            let knn = fit(KnnOutlier::params().metric(metric).n_neighbors(7), &reference);
            let scores = knn.score(queries.view()).unwrap();
            for (query, score) in queries.rows().into_iter().zip(scores) {
                let expected = by_definition(metric, 7, &reference, &query.to_vec());
                // Differences of nearly equal numbers are exact, so the distance is right in all its digits.
                let close = (score - expected).abs() <= 1e-11 * expected;
                assert!(close, "{name}, {metric:?}: {score}, {expected} expected");
            }
        }
    }
}

#[test]
fn a_score_is_the_same_in_small_batches_in_large_ones_and_alone() {
    let reference = normal((500, 4), 3);
    let records = uniform((2_500, 4), -3.0, 3.0, 4);
    for n_threads in [1, 3] {
        let n_threads = NonZeroUsize::new(n_threads).unwrap();
        let knn = fit(KnnOutlier::params().n_threads(n_threads), &reference);
        let together = knn.score(records.view()).unwrap();
        for (start, few) in records.axis_chunks_iter(Axis(0), 700).enumerate() {
            let scores = knn.score(few).unwrap();
            for (idx, score) in scores.iter().enumerate() {
                assert_eq!(score.to_bits(), together[start * 700 + idx].to_bits());
            }
        }
        for record_idx in (0..2_500).step_by(50) {
            let alone = knn.score(records.slice(s![record_idx..=record_idx, ..])).unwrap();
            assert_eq!(alone[0].to_bits(), together[record_idx].to_bits());
        }
    }
}

#[test]
fn a_large_batch_names_the_first_record_without_a_score() {
    let knn = fit(KnnOutlier::params(), &normal((100, 2), 5));
    let mut records = Array2::zeros((3_000, 2));
    records[[2_000, 1]] = f64::NAN;
    records[[2_500, 0]] = f64::INFINITY;
    let error = knn.score(records.view()).unwrap_err();
    assert_eq!(error.to_string(), "feature 1 of record 2000 is NaN; a finite number expected");
    records[[1_999, 0]] = 1e200;
    let error = knn.score(records.view()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "record 1999 is too far from the reference data for a distance in 64-bit floats"
    );
}

#[test]
fn neither_the_order_of_rows_nor_of_features_changes_a_score() {
    let reference = normal((400, 5), 6);
    let records = uniform((50, 5), -3.0, 3.0, 7);
    for metric in [Metric::Manhattan, Metric::Euclidean, Metric::Chebyshev, Metric::Minkowski(5.0)]
    {
        let params = || KnnOutlier::params().metric(metric).method(Method::Mean);
        let scores = fit(params(), &reference).score(records.view()).unwrap();
        let rows: Vec<usize> = (0..400).map(|it| it * 171 % 400).collect();
        let shuffled = fit(params(), &reference.select(Axis(0), &rows));
        assert_eq!(shuffled.score(records.view()).unwrap(), scores);
        let features = [3, 0, 4, 2, 1];
        let permuted = fit(params(), &reference.select(Axis(1), &features));
        let other = permuted.score(records.select(Axis(1), &features).view()).unwrap();
        assert_abs_diff_eq!(other, scores, epsilon = 1e-12);
    }
}

#[test]
fn scores_scale_with_the_features() {
    let reference = normal((300, 4), 8);
    let records = uniform((40, 4), -3.0, 3.0, 9);
    for metric in [Metric::Manhattan, Metric::Euclidean, Metric::Chebyshev, Metric::Minkowski(3.0)]
    {
        let params = || KnnOutlier::params().metric(metric);
        let scores = fit(params(), &reference).score(records.view()).unwrap();
        for factor in [1e-6, 0.1, 3.0, 1e9] {
            let knn = fit(params(), &(&reference * factor));
            let scaled = knn.score((&records * factor).view()).unwrap() / factor;
            assert_abs_diff_eq!(scaled, scores, epsilon = 1e-12);
        }
    }
}

#[test]
fn linfa_predicts_as_the_detector_and_calls_what_has_no_score_an_anomaly() {
    let knn = fit(KnnOutlier::params(), &normal((200, 2), 10));
    let records =
        array![[0.0, 0.0], [f64::NAN, 0.0], [9.0, 9.0], [0.0, f64::INFINITY], [1e200, 0.0]];
    let labels: Array1<usize> = Predict::predict(&knn, &records);
    assert_eq!(labels, array![0, 1, 1, 1, 1]);
    let finite = records.select(Axis(0), &[0, 2]);
    assert_eq!(knn.predict(finite.view()).unwrap(), array![0, 1]);
    let wrong = std::panic::catch_unwind(|| -> Array1<usize> {
        Predict::predict(&knn, &Array2::zeros((1, 3)))
    });
    assert!(wrong.is_err());
}

#[test]
fn the_observer_sees_every_training_score_and_changes_none() {
    let reference = DatasetBase::from(normal((1_000, 3), 11));
    let seen = Mutex::new(Vec::new());
    let params = KnnOutlier::params().n_threads(NonZeroUsize::MIN);
    let observed =
        params.fit_observed(&reference, &|done, of| seen.lock().unwrap().push((done, of))).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted() && seen.iter().all(|(_, of)| *of == 1_000), "{seen:?}");
    assert_eq!(seen.last(), Some(&(1_000, 1_000)));
    let fitted = KnnOutlier::params().fit(&reference).unwrap();
    assert_eq!(observed.training_scores(), fitted.training_scores());
    assert_eq!(observed.threshold().to_bits(), fitted.threshold().to_bits());
}

#[test]
fn a_detector_takes_at_most_1_3_times_its_data() {
    for (n_records, n_features) in [(4_000, 15), (4_001, 12), (2_600, 40), (300, 10_000)] {
        let reference = uniform((n_records, n_features), 0.0, 1.0, 12);
        let share =
            fit(KnnOutlier::params(), &reference).n_bytes() as f64 / (8 * reference.len()) as f64;
        assert!((1.0..=1.3).contains(&share), "{n_records} x {n_features}: {share}");
    }
}
