//! What must hold of both detectors, whatever their parameters.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::float_cmp, reason = "equal bits are what is tested")]

use std::num::NonZeroUsize;

use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array1, Array2, ArrayView2, Axis, array, concatenate, s};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use shadowline_detectors::{
    Detector, FitError, IsolationForest, KnnOutlier, KnnParams, ScoreError,
    isolation_forest::{Contamination, MaxFeatures, MaxSamples},
    knn::Method,
};

/// Even numbers between `low` and `high`.
fn uniform(shape: (usize, usize), low: f64, high: f64, seed: u64) -> Array2<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array2::from_shape_simple_fn(shape, || {
        low + (high - low) * (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// Numbers around 0 with standard deviation 1, as the sum of twelve even ones.
fn normal(shape: (usize, usize), seed: u64) -> Array2<f64> {
    (0..12)
        .fold(Array2::zeros(shape), |sum, part| sum + uniform(shape, -0.5, 0.5, seed * 100 + part))
}

fn forest(records: &Array2<f64>) -> IsolationForest {
    IsolationForest::params().random_state(7).fit(&DatasetBase::from(records.view())).unwrap()
}

fn knn(params: KnnParams, records: &Array2<f64>) -> KnnOutlier {
    params.fit(&DatasetBase::from(records.view())).unwrap()
}

/// The share of pairs of an anomaly and a normal record in which the anomaly scores higher; ties count half.
fn auc(normal: &Array1<f64>, anomalous: &Array1<f64>) -> f64 {
    let wins: f64 = anomalous
        .iter()
        .flat_map(|a| {
            normal.iter().map(move |n| {
                if n < a {
                    1.0
                } else if n == a {
                    0.5
                } else {
                    0.0
                }
            })
        })
        .sum();
    wins / (normal.len() * anomalous.len()) as f64
}

#[test]
fn planted_anomalies_score_highest() {
    let reference = normal((2_000, 6), 1);
    let fresh = normal((500, 6), 2);
    let planted = uniform((100, 6), -6.0, 6.0, 3);
    for detector in [&forest(&reference) as &dyn Detector, &knn(KnnOutlier::params(), &reference)] {
        let auc =
            auc(&detector.score(fresh.view()).unwrap(), &detector.score(planted.view()).unwrap());
        assert!(0.97 < auc, "{auc}");
    }
}

/// Every distance by definition, without a tree.
fn knn_by_definition(
    reference: &Array2<f64>,
    query: &[f64],
    k: usize,
    p: f64,
    method: Method,
) -> f64 {
    let mut distances: Vec<f64> = reference
        .rows()
        .into_iter()
        .map(|row| {
            let differences = row.iter().zip(query).map(|(a, b)| (a - b).abs());
            if p.is_infinite() {
                differences.fold(0.0, f64::max)
            } else {
                differences.map(|it| it.powf(p)).sum::<f64>().powf(1.0 / p)
            }
        })
        .collect();
    distances.sort_by(f64::total_cmp);
    let nearest = &distances[..k];
    match method {
        Method::Largest => nearest[k - 1],
        Method::Mean => nearest.iter().sum::<f64>() / k as f64,
        Method::Median if k % 2 == 1 => nearest[k / 2],
        Method::Median => (nearest[k / 2 - 1] + nearest[k / 2]) / 2.0,
    }
}

#[test]
fn knn_scores_are_those_of_the_definition() {
    // Half of the features are whole numbers, so that there are ties, and a hundred records are one point.
    let mut reference = uniform((900, 5), -3.0, 3.0, 4);
    reference.slice_mut(s![.., ..2]).mapv_inplace(f64::round);
    let reference = concatenate![Axis(0), reference, Array2::zeros((100, 5))];
    let queries =
        concatenate![Axis(0), uniform((40, 5), -5.0, 5.0, 5), reference.slice(s![..10, ..])];
    for p in [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, f64::INFINITY] {
        for k in [1, 4, 5, 150] {
            for method in [Method::Largest, Method::Mean, Method::Median] {
                let knn = knn(KnnOutlier::params().n_neighbors(k).p(p).method(method), &reference);
                let scores = knn.score(queries.view()).unwrap();
                for (query, score) in queries.rows().into_iter().zip(scores) {
                    let expected = knn_by_definition(&reference, &query.to_vec(), k, p, method);
                    assert!(
                        (score - expected).abs() <= 1e-9,
                        "p {p}, k {k}, {method:?}: {score}, {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn training_scores_leave_the_row_itself_out() {
    let reference = array![[0.0], [1.0], [3.0], [7.0], [7.0]];
    let knn = knn(KnnOutlier::params().n_neighbors(1).contamination(0.25), &reference);
    assert_eq!(knn.training_scores(), [1.0, 1.0, 2.0, 0.0, 0.0]);
    // Between the 4th and the 5th of 0, 0, 1, 1, 2, at place 3.
    assert_eq!(knn.threshold(), 1.0);
    assert_eq!(knn.predict(array![[5.0], [8.0]].view()).unwrap(), array![1, 0]);
}

#[test]
fn no_bit_depends_on_the_number_of_threads() {
    let reference = normal((700, 4), 6);
    let bits = |n_threads| {
        let n_threads = NonZeroUsize::new(n_threads).unwrap();
        let dataset = DatasetBase::from(reference.view());
        let contamination = Contamination::Share(0.1);
        let forest = IsolationForest::params()
            .contamination(contamination)
            .n_threads(n_threads)
            .fit(&dataset)
            .unwrap();
        let knn = KnnOutlier::params().n_threads(n_threads).fit(&dataset).unwrap();
        let scores = forest.score(reference.view()).unwrap();
        let bits =
            scores.iter().chain(knn.training_scores()).map(|it| it.to_bits()).collect::<Vec<_>>();
        (bits, forest.threshold().to_bits(), knn.threshold().to_bits())
    };
    assert_eq!(bits(1), bits(2));
    assert_eq!(bits(1), bits(7));
}

#[test]
fn another_seed_is_another_forest() {
    let reference = normal((300, 3), 8);
    let score = |seed| {
        let forest = IsolationForest::params()
            .random_state(seed)
            .fit(&DatasetBase::from(reference.view()))
            .unwrap();
        forest.score(reference.view()).unwrap()
    };
    assert_eq!(score(1), score(1));
    assert_ne!(score(1), score(2));
}

#[test]
fn a_score_depends_neither_on_its_batch_nor_on_memory_order() {
    let reference = normal((400, 5), 9);
    let records = uniform((30, 5), -4.0, 4.0, 10);
    for detector in
        [&forest(&reference) as &dyn Detector, &knn(KnnOutlier::params().p(3.0), &reference)]
    {
        let together = detector.score(records.view()).unwrap();
        for (record_idx, row) in records.rows().into_iter().enumerate() {
            let alone = detector.score(row.insert_axis(Axis(0))).unwrap();
            assert_eq!(alone[0].to_bits(), together[record_idx].to_bits());
        }
        let by_columns = records.t().as_standard_layout().into_owned();
        assert_eq!(detector.score(by_columns.t()).unwrap(), together);
    }
}

#[test]
fn knn_does_not_depend_on_the_order_of_rows() {
    let reference = normal((300, 4), 11);
    let reversed = reference.slice(s![..;-1, ..]).to_owned();
    let (knn, other) =
        (knn(KnnOutlier::params(), &reference), knn(KnnOutlier::params(), &reversed));
    let backwards: Vec<f64> = other.training_scores().iter().rev().copied().collect();
    assert_eq!(knn.training_scores(), backwards);
    assert_eq!(knn.threshold(), other.threshold());
}

#[test]
fn contamination_sets_the_share_of_flagged_training_records() {
    let reference = normal((1_000, 3), 12);
    let dataset = DatasetBase::from(reference.view());
    for share in [0.01, 0.1, 0.5] {
        let forest = IsolationForest::params()
            .contamination(Contamination::Share(share))
            .fit(&dataset)
            .unwrap();
        let knn = KnnOutlier::params().contamination(share).fit(&dataset).unwrap();
        let n_flagged =
            forest.predict(reference.view()).unwrap().iter().filter(|it| **it == -1).count();
        let n_above = knn.training_scores().iter().filter(|it| knn.threshold() < **it).count();
        for n in [n_flagged, n_above] {
            assert!((n as f64 - 1_000.0 * share).abs() <= 1.0, "{n} of 1,000 at {share}");
        }
    }
}

#[test]
fn the_views_of_scikit_learn_agree_with_the_score() {
    let reference = normal((200, 2), 13);
    let forest = IsolationForest::params()
        .contamination(Contamination::Share(0.05))
        .fit(&DatasetBase::from(reference.view()))
        .unwrap();
    let records = uniform((50, 2), -5.0, 5.0, 14);
    let scores = forest.score(records.view()).unwrap();
    assert_eq!(forest.score_samples(records.view()).unwrap(), scores.mapv(|it| -it));
    assert_eq!(forest.offset(), -forest.threshold());
    for (score, label) in scores.iter().zip(forest.predict(records.view()).unwrap()) {
        assert_eq!(forest.threshold() < *score, label == -1);
    }
}

#[test]
fn parameters_of_the_forest_do_what_they_say() {
    let reference = normal((1_000, 4), 15);
    let dataset = DatasetBase::from(reference.view());
    let fit = |params: shadowline_detectors::IsolationForestParams| params.fit(&dataset).unwrap();
    assert_eq!(fit(IsolationForest::params()).n_samples(), 256);
    assert_eq!(fit(IsolationForest::params().max_samples(MaxSamples::Count(10))).n_samples(), 10);
    assert_eq!(
        fit(IsolationForest::params().max_samples(MaxSamples::Count(9_999))).n_samples(),
        1_000
    );
    assert_eq!(fit(IsolationForest::params().max_samples(MaxSamples::Share(0.5))).n_samples(), 500);
    assert_eq!(fit(IsolationForest::params().n_estimators(3)).n_estimators(), 3);
    let drawn = fit(IsolationForest::params().bootstrap(true)).score(reference.view()).unwrap();
    assert_ne!(drawn, forest(&reference).score(reference.view()).unwrap());
    // Each tree may cut one feature only, and the last three are constant.
    let mut constant = reference.clone();
    constant.slice_mut(s![.., 1..]).fill(1.0);
    let one = IsolationForest::params()
        .max_features(MaxFeatures::Count(1))
        .fit(&DatasetBase::from(constant))
        .unwrap();
    assert!(one.score(reference.view()).unwrap().iter().all(|it| (0.0..1.0).contains(it)));
}

#[test]
fn data_without_variety_has_a_stated_score() {
    for reference in [Array2::zeros((50, 3)), array![[1.0, 2.0, 3.0]]] {
        let forest = forest(&reference);
        let scores = forest.score(reference.view()).unwrap();
        // No cut is possible: every path is as long as the average one.
        assert!(scores.iter().all(|it| (it - 0.5).abs() < 1e-12), "{scores}");
    }
    let knn = knn(KnnOutlier::params(), &Array2::zeros((50, 3)));
    assert_eq!(knn.threshold(), 0.0);
    assert_eq!(
        knn.score(array![[0.0, 0.0, 0.0], [0.0, 3.0, 4.0]].view()).unwrap(),
        array![0.0, 5.0]
    );
}

#[test]
fn a_chain_of_single_outliers_makes_no_deep_tree() {
    // Each feature sets one record apart, which would make a tree of uneven cuts as deep as it has records.
    let reference = Array2::from_diag(&Array1::from_shape_fn(600, |it| 1e3 + it as f64));
    let knn = knn(KnnOutlier::params().n_neighbors(1), &reference);
    assert_eq!(knn.score(reference.view()).unwrap(), Array1::<f64>::zeros(600));
}

#[track_caller]
fn check_fit(records: &Array2<f64>, expected: &str) {
    let dataset = DatasetBase::from(records.view());
    assert_eq!(IsolationForest::params().fit(&dataset).unwrap_err().to_string(), expected);
    assert_eq!(KnnOutlier::params().fit(&dataset).unwrap_err().to_string(), expected);
}

#[test]
fn reference_data_without_an_answer_is_refused() {
    check_fit(&Array2::zeros((0, 3)), "no records");
    check_fit(&Array2::zeros((3, 0)), "no features");
    // A value may be missing for a forest of plain cuts only.
    let missing = DatasetBase::from(array![[0.0, 1.0], [f64::NAN, 1.0]]);
    let expected = "feature 0 of record 1 is NaN; a finite number expected";
    assert_eq!(KnnOutlier::params().fit(&missing).unwrap_err().to_string(), expected);
    let extended = IsolationForest::params().extension_level(1);
    assert_eq!(extended.fit(&missing).unwrap_err().to_string(), expected);
    IsolationForest::params().fit(&missing).unwrap();
    check_fit(
        &array![[0.0, f64::INFINITY]],
        "feature 1 of record 0 is inf; a finite number expected",
    );
    check_fit(
        &Array2::zeros((1, 65_536)),
        "1 records of 65536 features; at most 2^31 records of 65,535 features expected",
    );
}

#[test]
fn parameters_that_the_data_cannot_satisfy_are_refused() {
    let dataset = DatasetBase::from(normal((5, 2), 16));
    for k in [5, 6, usize::MAX] {
        let error = KnnOutlier::params().n_neighbors(k).fit(&dataset).unwrap_err();
        assert!(matches!(error, FitError::NNeighbors { n_records: 5, .. }), "{error}");
    }
    KnnOutlier::params().n_neighbors(4).fit(&dataset).unwrap();
    let error =
        IsolationForest::params().max_features(MaxFeatures::Count(3)).fit(&dataset).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_features is 3 of 2 features; a count within them, or a share above 0 and at most 1 expected"
    );
    let error = KnnOutlier::params()
        .n_neighbors(1)
        .fit(&DatasetBase::from(array![[1e200], [-1e200]]))
        .unwrap_err();
    assert!(matches!(error, FitError::TooFar { .. }), "{error}");
}

#[track_caller]
fn check_score(detector: &dyn Detector, records: ArrayView2<'_, f64>, expected: ScoreError) {
    assert_eq!(detector.score(records), Err(expected));
}

#[test]
fn records_without_a_score_are_refused() {
    let reference = normal((50, 2), 17);
    for detector in [&forest(&reference) as &dyn Detector, &knn(KnnOutlier::params(), &reference)] {
        check_score(
            detector,
            Array2::zeros((1, 3)).view(),
            ScoreError::FeatureCount { expected: 2, got: 3 },
        );
        let value = f64::NEG_INFINITY;
        let records = array![[0.0, 0.0], [0.0, value]];
        check_score(
            detector,
            records.view(),
            ScoreError::NotFinite { record_idx: 1, feature_idx: 1, value },
        );
        assert!(detector.score(Array2::zeros((0, 2)).view()).unwrap().is_empty());
    }
    let missing = array![[f64::NAN, 0.0]];
    let extended = IsolationForest::params()
        .extension_level(1)
        .fit(&DatasetBase::from(reference.view()))
        .unwrap();
    assert!(knn(KnnOutlier::params(), &reference).score(missing.view()).is_err());
    assert!(extended.score(missing.view()).is_err());
    assert!(forest(&reference).score(missing.view()).unwrap()[0] < 1.0);
    let far = array![[0.0, 0.0], [1e200, 0.0]];
    check_score(
        &knn(KnnOutlier::params(), &reference),
        far.view(),
        ScoreError::TooFar { record_idx: 1 },
    );
    // A forest only asks on which side of a cut a record lies.
    assert!(forest(&reference).score(far.view()).unwrap()[1] <= 1.0);
}
