//! What must hold of isolation forests: determinism, missing values, oblique cuts, odd reference data.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]
#![expect(clippy::float_cmp, reason = "equal bits are what is tested")]

use std::{
    num::NonZeroUsize,
    sync::{Mutex, atomic::AtomicUsize, atomic::Ordering},
};

use crate::support::{Random, normal};
use linfa::{
    DatasetBase, ParamGuard,
    traits::{Fit, Predict},
};
use ndarray::{Array1, Array2, Axis, array, concatenate, s};
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, FitError, IsolationForest, IsolationForestParams,
    ScoreError, TrainOptions,
    isolation_forest::{Contamination, MaxFeatures, MaxSamples, PlainForest, PlainForestError},
};
use shadowline_features::{Scale, TableBuilder};

const NAN: f64 = f64::NAN;

fn fit(params: IsolationForestParams, records: &Array2<f64>) -> IsolationForest {
    params.fit(&DatasetBase::from(records.view())).unwrap()
}

/// A checksum of numbers, by Fowler, Noll and Vo.
fn checksum(numbers: impl IntoIterator<Item = u64>) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, number| {
        number
            .to_le_bytes()
            .into_iter()
            .fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

fn checksum_of(forest: &PlainForest) -> u64 {
    checksum(forest.trees.iter().flat_map(|it| &it.nodes).flat_map(|node| {
        let cut = node.cut.map_or([0; 4], |it| {
            [
                it.feature as u64,
                u64::from(it.threshold.to_bits()),
                it.left as u64,
                u64::from(it.missing_goes_left),
            ]
        });
        [vec![u64::from(node.n_samples)], cut.to_vec()].concat()
    }))
}

/// Continuous, whole, constant and repeated values, some of them missing.
fn mixed() -> Array2<f64> {
    let mut random = Random::new(99);
    Array2::from_shape_fn((700, 6), |(row, column)| match column {
        0 => random.normal(),
        1 => random.below(4) as f64,
        2 => 7.0,
        3 if row % 3 == 0 => NAN,
        3 => random.share() * 1e6,
        4 if row % 50 == 0 => NAN,
        4 => -2.5,
        _ => (row % 10) as f64 * 1e-3,
    })
}

/// Of the trees grown on `mixed`, of the scores there, and of the scores of an extended forest. A change of one of
/// these breaks the promise that a seed and data give the same bits in every version.
const PLAIN_CHECKSUM: u64 = 0xf3de_b29a_9a63_c65c;
const SCORES_CHECKSUM: u64 = 0x4a9e_7dcf_6901_64e6;
const EXTENDED_CHECKSUM: u64 = 0xefe8_863e_09d2_d892;

#[test]
fn a_seed_and_data_make_the_same_forest_everywhere() {
    for n_threads in [1, 2, 7] {
        let params = IsolationForest::params()
            .random_state(42)
            .n_threads(NonZeroUsize::new(n_threads).unwrap());
        let forest = fit(params.clone(), &mixed());
        assert_eq!(checksum_of(&forest.to_plain().unwrap()), PLAIN_CHECKSUM);
        let scores = forest.score(mixed().view()).unwrap();
        assert_eq!(checksum(scores.iter().map(|it| it.to_bits())), SCORES_CHECKSUM);
        // Slopes are normally distributed: logarithm and cosine are the same bits everywhere as well.
        let extended = fit(params.extension_level(2), &normal((500, 5), 1));
        let scores = extended.score(normal((50, 5), 2).view()).unwrap();
        assert_eq!(checksum(scores.iter().map(|it| it.to_bits())), EXTENDED_CHECKSUM);
    }
}

#[test]
fn a_value_that_training_never_missed_goes_with_most_samples() {
    let forest = fit(IsolationForest::params(), &normal((1_000, 4), 3)).to_plain().unwrap();
    let mut n_left = 0;
    for tree in &forest.trees {
        for cut in tree.nodes.iter().filter_map(|it| it.cut) {
            let [left, right] = [cut.left, cut.right].map(|it| tree.nodes[it].n_samples);
            assert_eq!(cut.missing_goes_left, right < left);
            n_left += usize::from(cut.missing_goes_left);
        }
    }
    assert!(0 < n_left);
}

#[test]
fn missing_values_travel_one_way() {
    let mut reference = normal((1_000, 4), 4);
    // A third of feature 0 is missing, all of feature 1, and some of feature 2, which is constant.
    reference.slice_mut(s![..;3, 0]).fill(NAN);
    reference.slice_mut(s![.., 1]).fill(NAN);
    reference.slice_mut(s![.., 2]).fill(5.0);
    reference.slice_mut(s![..;10, 2]).fill(NAN);
    let forest = fit(IsolationForest::params(), &reference).to_plain().unwrap();
    let mut counts = [0.0; 4];
    let mut n_left = [0.0; 4];
    for cut in forest.trees.iter().flat_map(|it| &it.nodes).filter_map(|it| it.cut) {
        counts[cut.feature] += 1.0;
        n_left[cut.feature] += f64::from(u8::from(cut.missing_goes_left));
        if cut.feature == 2 {
            // All that this cut can do is to set the missing ones apart.
            assert_eq!((cut.threshold, cut.missing_goes_left), (5.0, false));
        }
    }
    assert_eq!(counts[1], 0.0);
    assert!(counts.iter().enumerate().all(|(it, n)| it == 1 || 100.0 < *n), "{counts:?}");
    // A coin is tossed where samples miss the value.
    let share = n_left[0] / counts[0];
    assert!((0.3..0.7).contains(&share), "{share}");
}

#[test]
fn a_record_that_alone_misses_a_value_is_an_anomaly() {
    let reference = normal((1_000, 3), 5);
    let mut missing = reference.clone();
    missing[[0, 1]] = NAN;
    let forest = fit(IsolationForest::params().max_samples(MaxSamples::Share(1.0)), &missing);
    let scores = forest.score(missing.view()).unwrap();
    let n_above = scores.iter().filter(|it| scores[0] < **it).count();
    // Others are far out; but it is far above the middle.
    assert!(n_above < 500, "{n_above} of 1,000 score higher");
    assert!(scores.iter().all(|it| (0.0..1.0).contains(it)));
}

#[test]
fn infinity_is_refused() {
    for value in [f64::INFINITY, f64::NEG_INFINITY] {
        let reference = array![[0.0, NAN], [1.0, value]];
        let error = IsolationForest::params().fit(&DatasetBase::from(reference)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("feature 1 of record 1 is {value}; a finite number expected")
        );
        let forest = fit(IsolationForest::params(), &normal((50, 2), 6));
        let mut records = Array2::zeros((90, 2));
        records[[3, 1]] = NAN;
        records[[77, 0]] = value;
        assert_eq!(
            forest.score(records.view()),
            Err(ScoreError::NotFinite { record_idx: 77, feature_idx: 0, value })
        );
    }
}

#[test]
fn level_0_is_the_ordinary_forest() {
    let reference = normal((400, 3), 7);
    let ordinary = fit(IsolationForest::params(), &reference);
    let level_0 = fit(IsolationForest::params().extension_level(0), &reference);
    assert_eq!(ordinary.to_plain().unwrap(), level_0.to_plain().unwrap());
    let records = normal((100, 3), 8);
    assert_eq!(ordinary.score(records.view()).unwrap(), level_0.score(records.view()).unwrap());
}

#[test]
fn levels_that_the_features_cannot_fill_are_refused() {
    let reference = DatasetBase::from(normal((50, 3), 9));
    let level = |level| IsolationForest::params().extension_level(level);
    level(2).fit(&reference).unwrap();
    for (params, n) in [
        (level(3), 3),
        (level(usize::MAX), 3),
        (level(2).max_features(MaxFeatures::Count(2)), 2),
        (level(1).max_features(MaxFeatures::Share(0.5)), 1),
    ] {
        let error = params.fit(&reference).unwrap_err();
        assert!(matches!(error, FitError::ExtensionLevel { n_features, .. } if n_features == n));
    }
    assert_eq!(
        level(3).fit(&reference).unwrap_err().to_string(),
        "extension_level is 3 with 3 features to a tree; at most one less than those expected"
    );
    assert_eq!(
        level(1).fit(&reference).unwrap().to_plain(),
        Err(PlainForestError::Extended { level: 1 })
    );
}

#[test]
fn oblique_cuts_leave_no_ghosts_of_two_clusters() {
    // Hariri, Kind and Brunner (2019), figures 1 and 2: cuts along the axes make the corners beside two clusters look like
    // clusters.
    let mut reference = normal((1_000, 2), 10);
    reference.slice_mut(s![..500, 0]).mapv_inplace(|it| it + 10.0);
    reference.slice_mut(s![500.., 1]).mapv_inplace(|it| it + 10.0);
    let ghosts = array![[0.0, 0.0], [10.0, 10.0]];
    let clusters = array![[10.0, 0.0], [0.0, 10.0]];
    let mean_score = |level, records: &Array2<f64>| {
        let scores = (0..5).map(|seed| {
            let params = IsolationForest::params().extension_level(level).random_state(seed);
            fit(params, &reference).score(records.view()).unwrap().mean().unwrap()
        });
        scores.sum::<f64>() / 5.0
    };
    let [plain, oblique] = [0, 1].map(|level| mean_score(level, &ghosts));
    let [plain_cluster, oblique_cluster] = [0, 1].map(|level| mean_score(level, &clusters));
    println!(
        "ghosts: {plain:.3} plain, {oblique:.3} oblique; clusters: {plain_cluster:.3}, {oblique_cluster:.3}"
    );
    assert!(plain + 0.05 < oblique, "{plain}, {oblique}");
    assert!(plain - plain_cluster < oblique - oblique_cluster);
}

#[test]
fn an_extended_forest_comes_back_from_its_artefact() {
    let mut rows = TableBuilder::new(["a", "b", "c"]).unwrap();
    let values = normal((300, 3), 11);
    for row in values.rows() {
        let cells: Vec<String> = row.iter().map(f64::to_string).collect();
        rows.push_row(cells.iter().map(String::as_str)).unwrap();
    }
    let table = rows.finish();
    for level in [0, 1, 2] {
        let params = IsolationForest::params().extension_level(level).n_estimators(20);
        let artefact = DetectorArtefact::train(
            "forest",
            &DetectorParams::IsolationForest(params),
            &TrainOptions::scaled(Scale::Standard),
            &table,
        )
        .unwrap();
        let bytes = artefact.to_bytes().unwrap();
        let loaded = DetectorArtefact::from_bytes(&bytes).unwrap();
        assert_eq!(loaded.to_bytes().unwrap(), bytes);
        assert_eq!(loaded.score(&table).unwrap(), artefact.score(&table).unwrap());
    }
}

#[test]
fn linfa_labels_what_cannot_be_scored_an_anomaly() {
    let reference = normal((300, 2), 12);
    let params = IsolationForest::params().contamination(Contamination::Share(0.1));
    let forest = fit(params.clone(), &reference);
    let labels: Array1<i8> = Predict::predict(&forest, &reference);
    assert_eq!(labels, forest.predict(reference.view()).unwrap());
    assert_eq!(labels.iter().filter(|it| **it == -1).count(), 30);
    let dataset = Predict::predict(&forest, DatasetBase::from(reference.clone()));
    assert_eq!(dataset.targets, labels);
    let odd = array![[0.0, 0.0], [f64::INFINITY, 0.0], [0.0, 0.0], [0.0, NAN]];
    let labels: Array1<i8> = Predict::predict(&forest, &odd);
    assert_eq!(labels.slice(s![..3]), array![1, -1, 1]);
    let extended = fit(params.extension_level(1), &reference);
    let labels: Array1<i8> = Predict::predict(&extended, &odd);
    assert_eq!(labels, array![1, -1, 1, -1]);
}

#[test]
fn the_observer_is_told_of_trees_and_scores() {
    let reference = DatasetBase::from(normal((1_000, 2), 13));
    for (contamination, n_items) in [(Contamination::Auto, 100), (Contamination::Share(0.1), 1_100)]
    {
        let params = IsolationForest::params().contamination(contamination).check().unwrap();
        let (most, of) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let observed = params
            .fit_observed(&reference, &|done, n| {
                most.fetch_max(done, Ordering::Relaxed);
                of.lock().unwrap().push(n);
            })
            .unwrap();
        assert_eq!(most.into_inner(), n_items);
        let of = of.into_inner().unwrap();
        assert!(10 < of.len() && of.iter().all(|it| *it == n_items));
        assert_eq!(observed.offset(), params.fit(&reference).unwrap().offset());
    }
}

#[test]
fn odd_reference_data_has_a_stated_score() {
    let point = array![[3.0, 4.0]];
    let duplicates = concatenate![Axis(0), point, point, point, point];
    for level in [0, 1] {
        let params = || IsolationForest::params().extension_level(level);
        for reference in [&point, &duplicates] {
            let forest = fit(params(), reference);
            let records = array![[3.0, 4.0], [0.0, 0.0], [1e300, -1e300]];
            // No cut is possible: every path is as long as the average one.
            assert_eq!(forest.score(records.view()).unwrap(), array![0.5, 0.5, 0.5]);
        }
        // A constant column is never cut, and what a record has there does not matter.
        let mut constant = normal((300, 3), 14);
        constant.slice_mut(s![.., 1]).fill(-1.0);
        let forest = fit(params(), &constant);
        let score = |value| forest.score(array![[0.1, value, 0.2]].view()).unwrap()[0];
        assert_eq!(score(-1.0), score(1e9));
    }
    // Reference data without any value has no cut either.
    let forest = fit(IsolationForest::params(), &Array2::from_elem((9, 2), NAN));
    assert_eq!(forest.score(array![[NAN, 1.0]].view()).unwrap(), array![0.5]);
}

#[test]
fn ten_thousand_columns_fit_and_score() {
    let mut reference = Array2::zeros((300, 10_000));
    reference.slice_mut(s![.., 7_777]).assign(&normal((300, 1), 15).column(0));
    let mut records = Array2::zeros((2, 10_000));
    records[[1, 7_777]] = 9.0;
    let params = || IsolationForest::params().n_estimators(20);
    for params in
        [params(), params().max_features(MaxFeatures::Count(10_000)), params().extension_level(1)]
    {
        let scores = fit(params, &reference).score(records.view()).unwrap();
        assert!(scores[0] < scores[1], "{scores}");
    }
    // Of trees with one feature each, none but a lucky one can cut.
    let one = params().max_features(MaxFeatures::Share(1e-9));
    let scores = fit(one, &reference).score(records.view()).unwrap();
    assert!(scores.iter().all(|it| (it - 0.5).abs() < 0.05), "{scores}");
}
