//! KNN scores taken apart into features, and the neighbours they are distances to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::random::{normal, uniform};
use anyhow::Result;
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array2, ArrayView1, array, s};
use shadowline_detectors::{
    Detector, Explain, KnnOutlier, KnnParams,
    knn::{Method, Metric, Neighbor},
};
use shadowline_features::{CategoryEncoding, Preprocessing, Scale};

const METRICS: [Metric; 7] = [
    Metric::Manhattan,
    Metric::Euclidean,
    Metric::Chebyshev,
    Metric::Minkowski(1.5),
    Metric::Minkowski(3.0),
    Metric::Minkowski(5.0),
    Metric::Minkowski(8.5),
];

fn fit(params: KnnParams, reference: &Array2<f64>) -> KnnOutlier {
    params.fit(&DatasetBase::from(reference.view())).unwrap()
}

#[test]
fn contributions_match_hand_calculation() {
    let reference = array![[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]];
    let params = || KnnOutlier::params().n_neighbors(2);
    // Each record's second neighbour: 4 away in feature 1; 5 away, 9/25 in feature 0; the same.
    let knn = fit(params(), &reference);
    let explanation = knn.explain(array![0.0, 0.0].view()).unwrap();
    // The record is in the reference data; its second neighbour is 3 away.
    let expected = [(0.0 + 1.8 + 1.8) / 3.0, (4.0 + 3.2 + 3.2) / 3.0];
    assert!((explanation.score - 3.0).abs() < 1e-12);
    assert!((explanation.expected - 14.0 / 3.0).abs() < 1e-12);
    assert!((explanation.contributions[0] - (3.0 - expected[0])).abs() < 1e-12);
    assert!((explanation.contributions[1] + expected[1]).abs() < 1e-12);
    // With Chebyshev's metric the records are 3, 3 and 4 from their nearest, each in one feature. Equal largest
    // differences share the distance.
    let knn = fit(KnnOutlier::params().n_neighbors(1).metric(Metric::Chebyshev), &reference);
    let explanation = knn.explain(array![6.0, 3.0].view()).unwrap();
    assert!((explanation.score - 3.0).abs() < 1e-12);
    assert!((explanation.contributions[0] - (1.5 - 2.0)).abs() < 1e-12);
    assert!((explanation.contributions[1] - (1.5 - 4.0 / 3.0)).abs() < 1e-12);
}

#[track_caller]
fn check_sum(knn: &KnnOutlier, record: ArrayView1<'_, f64>) {
    let explanation = knn.explain(record).unwrap();
    let score = knn.score(record.insert_axis(ndarray::Axis(0))).unwrap()[0];
    assert_eq!(explanation.score.to_bits(), score.to_bits());
    let sum: f64 = explanation.contributions.iter().sum();
    let gap = (sum - (explanation.score - explanation.expected)).abs();
    assert!(gap <= 1e-9, "{:?}: {gap}", knn.fitted_with());
}

#[test]
fn contributions_add_up_for_every_metric_and_method() {
    let mut reference = normal((400, 6), 1);
    // Whole numbers, and so ties and equal records.
    reference.slice_mut(s![..200, ..]).mapv_inplace(f64::round);
    let records = uniform((30, 6), -4.0, 4.0, 2);
    for metric in METRICS {
        for method in [Method::Largest, Method::Mean, Method::Median] {
            for k in [1, 4, 5] {
                let params = KnnOutlier::params().metric(metric).method(method).n_neighbors(k);
                for params in [params.clone(), params.clone().trim(0.1), params.clusters(20)] {
                    let knn = fit(params, &reference);
                    let mean: f64 = knn.training_scores().iter().sum::<f64>() / 400.0;
                    let expected = knn.explain(records.row(0)).unwrap().expected;
                    assert!((expected - mean).abs() <= 1e-9, "{expected}, {mean}");
                    for record in records.rows() {
                        check_sum(&knn, record);
                    }
                    check_sum(&knn, reference.row(0));
                }
            }
        }
    }
}

#[test]
fn contributions_add_up_on_the_census() -> Result<()> {
    let Some(folder) = shadowline_testkit::data_set("adult") else { return Ok(()) };
    // The twelve-feature coding, and every feature of the census by its code.
    let train = crate::support::numbers(&folder.join("adult_train_enc12.csv"), 12)?;
    let test = crate::support::numbers(&folder.join("adult_test_enc12.csv"), 12)?;
    check_census(&train, &test);
    let tables = ["adult.data", "adult.test"].map(|it| crate::support::census(&folder.join(it)));
    let [train, test] = tables;
    let (train, test) = (train?, test?);
    let codes = Preprocessing::fit(&train, CategoryEncoding::Code, Scale::Standard)?;
    check_census(&codes.transform(&train)?.values, &codes.transform(&test)?.values);
    Ok(())
}

#[track_caller]
fn check_census(train: &Array2<f64>, test: &Array2<f64>) {
    let reference = train.slice(s![..4_000, ..]).to_owned();
    for metric in METRICS {
        for method in [Method::Largest, Method::Mean, Method::Median] {
            let knn =
                fit(KnnOutlier::params().metric(metric).method(method).n_neighbors(6), &reference);
            for record in test.rows().into_iter().step_by(200) {
                check_sum(&knn, record);
            }
        }
    }
}

#[test]
fn planted_anomalies_are_named_first() {
    let n_features = 8;
    let reference = normal((1_500, n_features), 3);
    let normal_records = normal((200, n_features), 4);
    for (metric, method) in [
        (Metric::Euclidean, Method::Largest),
        (Metric::Minkowski(5.0), Method::Mean),
        (Metric::Manhattan, Method::Median),
    ] {
        let knn = fit(KnnOutlier::params().metric(metric).method(method), &reference);
        let mut n_first = 0;
        for (case, record) in normal_records.rows().into_iter().enumerate() {
            let mut record = record.to_owned();
            let planted = case % n_features;
            record[planted] += if case % 2 == 0 { 6.0 } else { -6.0 };
            let contributions = knn.explain(record.view()).unwrap().contributions;
            let first = (0..n_features)
                .max_by(|a, b| contributions[*a].total_cmp(&contributions[*b]))
                .unwrap();
            n_first += usize::from(first == planted);
        }
        println!("{metric:?}, {method:?}: {n_first} of 200 planted features are named first");
        assert!(180 <= n_first, "{metric:?}, {method:?}: {n_first} of 200");
    }
}

#[test]
fn the_nearest_records_are_named_with_their_distances() {
    let reference = normal((300, 4), 5);
    let knn = fit(KnnOutlier::params().n_neighbors(6).p(3.0), &reference);
    for record in uniform((20, 4), -3.0, 3.0, 6).rows() {
        let neighbors = knn.nearest(record).unwrap();
        assert_eq!(neighbors.len(), 6);
        assert!(neighbors.is_sorted_by(|a, b| a.distance <= b.distance));
        for Neighbor { record_idx, distance } in &neighbors {
            let row = knn.reference_record(*record_idx).unwrap();
            assert_eq!(row, reference.row(*record_idx));
            let cubes = row.iter().zip(record).map(|(a, b)| (a - b).abs().powi(3));
            assert!((cubes.sum::<f64>().cbrt() - distance).abs() < 1e-12);
        }
        let score = knn.explain(record).unwrap().score;
        assert_eq!(neighbors[5].distance.to_bits(), score.to_bits());
    }
    // A reference record is its own nearest one.
    assert_eq!(knn.nearest(reference.row(7)).unwrap()[0].record_idx, 7);
    assert_eq!(knn.reference_record(300), None);
}
