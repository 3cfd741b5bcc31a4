//! KNN on reference data that is not kept as it is: summarised by clusters, trimmed; and data without an answer.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::float_cmp, reason = "equal bits are what is tested")]

use crate::random::{normal, uniform};
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array2, Axis, array, concatenate, s};
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, Explain, FitError, IsolationForest, KnnOutlier,
    KnnParams, ScoreError, TrainOptions,
    knn::{Method, Metric},
};
use shadowline_features::{Scale, Table, TableColumn};

fn fit(params: KnnParams, reference: &Array2<f64>) -> KnnOutlier {
    params.fit(&DatasetBase::from(reference.view())).unwrap()
}

#[track_caller]
fn check_refused(params: KnnParams, reference: &Array2<f64>, expected: &str) {
    let error = params.fit(&DatasetBase::from(reference.view())).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn clusters_stand_for_their_records() {
    // Three far clusters of 200 records.
    let mut reference = normal((600, 3), 1);
    for (row, mut record) in reference.rows_mut().into_iter().enumerate() {
        record += [0.0, 100.0, -100.0][row % 3];
    }
    let params = || KnnOutlier::params().clusters(3).n_neighbors(1).random_state(4);
    let knn = fit(params(), &reference);
    assert_eq!((knn.n_records(), knn.training_scores().len()), (3, 600));
    let means: Vec<f64> =
        (0..3).map(|it| knn.reference_record(it).unwrap().mean().unwrap().round()).collect();
    assert_eq!(
        {
            let mut sorted = means;
            sorted.sort_by(f64::total_cmp);
            sorted
        },
        [-100.0, 0.0, 100.0]
    );
    // A record is no centroid, so its training score is its score.
    let scores = knn.score(reference.view()).unwrap();
    assert_eq!(scores.to_vec(), knn.training_scores());
    assert!(scores.iter().all(|it| *it < 6.0));
    assert!(40.0 < knn.score(array![[50.0, 50.0, 50.0]].view()).unwrap()[0]);
    assert_eq!(fit(params(), &reference).score(reference.view()).unwrap(), scores);
}

#[test]
fn clusters_of_mostly_equal_records_still_score() {
    // Nine of ten records are one point, and there are fewer distinct ones than clusters.
    let mut reference = Array2::zeros((500, 2));
    for (row, mut record) in reference.rows_mut().into_iter().enumerate().step_by(10) {
        record.fill((row % 7) as f64);
    }
    for metric in [Metric::Euclidean, Metric::Minkowski(5.0)] {
        for seed in 0..5 {
            let params = KnnOutlier::params().clusters(40).n_neighbors(1).random_state(seed);
            let knn = fit(params.metric(metric), &reference);
            assert!(knn.training_scores().iter().all(|it| it.is_finite()));
            let scores = knn.score(array![[0.0, 0.0], [60.0, 60.0]].view()).unwrap();
            assert!(scores[0] < 0.5 && 50.0 < scores[1], "{scores}");
        }
    }
    let constant = Array2::from_elem((50, 3), 2.5);
    let knn = fit(KnnOutlier::params().clusters(7), &constant);
    assert!(knn.training_scores().iter().all(|it| *it < 1e-12));
}

#[test]
fn clusters_that_cannot_be_are_refused() {
    let reference = normal((20, 2), 2);
    check_refused(
        KnnOutlier::params().clusters(20),
        &reference,
        "20 clusters of 20 records; at least 1 and fewer than the records expected",
    );
    check_refused(
        KnnOutlier::params().clusters(4),
        &reference,
        "n_neighbors is 5 of 4 clusters; at least 1 and at most the clusters expected",
    );
    check_refused(
        KnnOutlier::params().clusters(0).n_neighbors(1),
        &reference,
        "n_neighbors is 1 of 0 clusters; at least 1 and at most the clusters expected",
    );
    fit(KnnOutlier::params().clusters(5), &reference);
    let far = array![[1e200], [-1e200], [0.0]];
    let error = KnnOutlier::params().clusters(2).n_neighbors(1).fit(&DatasetBase::from(far));
    assert!(matches!(error, Err(FitError::KMeans)), "{error:?}");
}

/// 400 normal records, and then 12 anomalies that lie close together.
fn contaminated() -> Array2<f64> {
    let anomalies = normal((12, 4), 4) * 0.05 + 6.0;
    concatenate![Axis(0), normal((400, 4), 3), anomalies]
}

#[test]
fn a_trimmed_reference_leaves_the_anomalies_out() {
    let reference = contaminated();
    let anomaly = array![[6.0, 6.0, 6.0, 6.0]];
    let score = |params: KnnParams| {
        let knn = fit(params, &reference);
        (knn.score(anomaly.view()).unwrap()[0], knn)
    };
    let (whole, _) = score(KnnOutlier::params());
    let (trimmed, knn) = score(KnnOutlier::params().trim(0.1));
    assert!(whole < 1.0 && 5.0 < trimmed, "{whole}, {trimmed}");
    assert_eq!((knn.n_records(), knn.training_scores().len()), (371, 412));
    // All anomalies are among those left out, so they score high, and contamination still counts all records.
    assert!(knn.training_scores()[400..].iter().all(|it| 4.0 < *it));
    let n_above = knn.training_scores().iter().filter(|it| knn.threshold() < **it).count();
    assert!(n_above.abs_diff(41) <= 1, "{n_above}");
    assert!(knn.training_scores()[400..].iter().all(|it| knn.threshold() < *it));
    for neighbor in knn.nearest(anomaly.row(0)).unwrap() {
        assert!(neighbor.record_idx < 400);
        let record = knn.reference_record(neighbor.record_idx).unwrap();
        assert_eq!(record, reference.row(neighbor.record_idx));
    }
    assert_eq!(knn.reference_record(405), None);
    let (again, other) = score(KnnOutlier::params().trim(0.1));
    assert_eq!((again, other.training_scores()), (trimmed, knn.training_scores()));
    // Records that stay leave themselves out, records that go are scored as any other.
    let kept: Vec<usize> = (0..412).filter(|it| knn.reference_record(*it).is_some()).collect();
    let alone = fit(KnnOutlier::params(), &reference.select(Axis(0), &kept));
    for (place, record) in kept.iter().enumerate() {
        assert_eq!(knn.training_scores()[*record], alone.training_scores()[place]);
    }
    let scores = alone.score(reference.slice(s![400.., ..])).unwrap();
    assert_eq!(knn.training_scores()[400..], scores.to_vec());
}

#[test]
fn a_trim_leaves_enough_records() {
    let reference = normal((10, 2), 5);
    fit(KnnOutlier::params().trim(0.4), &reference);
    check_refused(
        KnnOutlier::params().trim(0.5),
        &reference,
        "n_neighbors is 5 of 5 records; at least 1 and fewer than the records expected",
    );
    check_refused(
        KnnOutlier::params().trim(0.5).clusters(5),
        &reference,
        "5 clusters of 5 records; at least 1 and fewer than the records expected",
    );
}

#[test]
fn clusters_and_trimmed_references_survive_an_artefact() {
    let reference = contaminated();
    let columns = reference.columns().into_iter().enumerate();
    let table = Table::new(
        columns.map(|(idx, it)| (format!("f{idx}"), TableColumn::Numbers(it.to_vec()))).collect(),
    )
    .unwrap();
    let base = || KnnOutlier::params().method(Method::Mean).random_state(9);
    for params in [base().clusters(30), base().trim(0.1), base().trim(0.1).clusters(30)] {
        let params = DetectorParams::Knn(params);
        let artefact =
            DetectorArtefact::train("knn", &params, &TrainOptions::scaled(Scale::Standard), &table)
                .unwrap();
        let bytes = artefact.to_bytes().unwrap();
        let loaded = DetectorArtefact::from_bytes(&bytes).unwrap();
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        assert_eq!(loaded.score(&table).unwrap(), artefact.score(&table).unwrap());
        assert_eq!(loaded.training_scores(), artefact.training_scores());
    }
}

#[test]
fn data_without_an_answer_is_refused_with_any_parameters() {
    for params in
        [KnnOutlier::params(), KnnOutlier::params().trim(0.1), KnnOutlier::params().clusters(6)]
    {
        let refused = |reference: &Array2<f64>, expected: &str| {
            check_refused(params.clone(), reference, expected);
        };
        refused(&Array2::zeros((0, 3)), "no records");
        refused(&Array2::zeros((3, 0)), "no features");
        refused(
            &array![[0.0, 1.0], [f64::NAN, 1.0]],
            "feature 0 of record 1 is NaN; a finite number expected",
        );
        refused(
            &array![[0.0, f64::NEG_INFINITY]],
            "feature 1 of record 0 is -inf; a finite number expected",
        );
        let one = params.fit(&DatasetBase::from(array![[1.0, 2.0]])).unwrap_err();
        assert!(matches!(one, FitError::NNeighbors { .. } | FitError::Clusters { .. }), "{one}");
    }
}

#[test]
fn constant_columns_and_equal_records_have_stated_scores() {
    let mut reference = normal((100, 3), 6);
    reference.column_mut(1).fill(7.0);
    let knn = fit(KnnOutlier::params(), &reference);
    let without = fit(KnnOutlier::params(), &reference.select(Axis(1), &[0, 2]));
    assert_eq!(knn.training_scores(), without.training_scores());
    // A value that a constant column never had counts by its difference.
    let mut record = reference.slice(s![..1, ..]).to_owned();
    record[[0, 1]] = 107.0;
    assert!(100.0 <= knn.score(record.view()).unwrap()[0]);

    // More equal records than a leaf holds, than there are neighbours, and all of them.
    for n_equal in [70, 300, 1_000] {
        let mut reference = uniform((1_000, 2), 5.0, 9.0, 7);
        reference.slice_mut(s![..n_equal, ..]).fill(1.0);
        for k in [1, 5, 64, 200] {
            let knn = fit(KnnOutlier::params().n_neighbors(k), &reference);
            let equal_score = knn.training_scores()[0];
            assert_eq!(k < n_equal, equal_score == 0.0, "{n_equal} equal, k {k}: {equal_score}");
            let own = knn.score(array![[1.0, 1.0]].view()).unwrap()[0];
            assert_eq!(k <= n_equal, own == 0.0, "{n_equal} equal, k {k}: {own}");
        }
    }
}

#[test]
fn ten_thousand_columns_are_scored() {
    let reference = uniform((60, 10_000), 0.0, 1.0, 8);
    let mut record = reference.slice(s![..1, ..]).to_owned();
    record[[0, 9_999]] = 50.0;
    let knn = fit(KnnOutlier::params().n_neighbors(1), &reference);
    assert!((knn.score(record.view()).unwrap()[0] - 49.5).abs() < 0.6);
    let explanation = knn.explain(record.row(0)).unwrap();
    let first = (0..10_000)
        .max_by(|a, b| explanation.contributions[*a].total_cmp(&explanation.contributions[*b]));
    assert_eq!(first, Some(9_999));
}

#[test]
fn distances_that_overflow_are_refused() {
    let reference = normal((20, 1), 9);
    let knn = fit(KnnOutlier::params().p(5.0), &reference);
    let far = array![[1e62]];
    assert_eq!(knn.score(far.view()), Err(ScoreError::TooFar { record_idx: 0 }));
    assert_eq!(knn.nearest(far.row(0)), Err(ScoreError::TooFar { record_idx: 0 }));
    assert!(knn.explain(far.row(0)).is_err());
    // The sum of differences has room for more.
    let manhattan = fit(KnnOutlier::params().p(1.0), &reference);
    assert!(manhattan.score(far.view()).unwrap()[0] > 9e61);
    let error = KnnOutlier::params()
        .n_neighbors(1)
        .fit(&DatasetBase::from(array![[0.0], [1.0], [1e200]]))
        .unwrap_err();
    assert!(matches!(error, FitError::TooFar { record_idx: 2 }), "{error}");
}

#[test]
fn a_trimmed_reference_takes_the_forest_of_the_seed() {
    let reference = contaminated();
    let forest =
        IsolationForest::params().random_state(5).fit(&DatasetBase::from(reference.view()));
    let scores = forest.unwrap().score(reference.view()).unwrap();
    let knn = fit(KnnOutlier::params().trim(0.05).random_state(5), &reference);
    let left_out = |record: &usize| knn.reference_record(*record).is_none();
    let lowest = (0..412).filter(left_out).map(|it| scores[it]).fold(1.0, f64::min);
    assert_eq!((0..412).filter(left_out).count(), 20);
    assert!((0..412).filter(|it| !left_out(it)).all(|it| scores[it] <= lowest));
}
