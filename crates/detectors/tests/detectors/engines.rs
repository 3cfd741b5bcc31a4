//! Every way to walk a forest gives the same bits.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use crate::support::{Random, normal};
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array2, Axis, s};
use shadowline_detectors::{
    Detector, IsolationForest, IsolationForestParams,
    isolation_forest::{
        Engine, MaxSamples, PlainCut, PlainForest, PlainNode, PlainTree, average_path_length,
    },
};

/// Records with all that is odd: values beyond 32 bits, the ends of the range, missing ones, and those of the
/// reference data, which lie on thresholds.
fn odd_records(reference: &Array2<f64>, seed: u64) -> Array2<f64> {
    let odd = [
        0.0,
        -0.0,
        1e300,
        -1e300,
        f64::MAX,
        f64::MIN,
        f64::from(f32::MAX),
        f64::MIN_POSITIVE,
        f64::NAN,
        -f64::NAN,
    ];
    let mut random = Random::new(seed);
    let mut records = normal((200, reference.ncols()), seed) * 2.0;
    for (record_idx, mut record) in records.rows_mut().into_iter().enumerate() {
        for (feature_idx, value) in record.iter_mut().enumerate() {
            match random.below(8) {
                // Some blocks of records have no missing value.
                0 if 100 <= record_idx => *value = odd[random.below(odd.len())],
                0 => *value = odd[random.below(odd.len() - 2)],
                1 => *value = reference[[random.below(reference.nrows()), feature_idx]],
                _ => {}
            }
        }
    }
    records
}

/// The score by its definition, from the plain lists.
fn score_by_definition(forest: &PlainForest, record: &[f64]) -> f64 {
    let mut sum = 0.0;
    for tree in &forest.trees {
        let (mut at, mut depth) = (0, 0.0);
        while let Some(cut) = tree.nodes[at].cut {
            let value = (record[cut.feature] as f32).clamp(f32::MIN, f32::MAX);
            let left = value <= cut.threshold || (value.is_nan() && cut.missing_goes_left);
            at = if left { cut.left } else { cut.right };
            depth += 1.0;
        }
        sum += depth + average_path_length(tree.nodes[at].n_samples as usize);
    }
    let average = forest.trees.len() as f64 * average_path_length(forest.n_samples);
    // Trees of one sample say nothing of a record, which has the middling score.
    if average == 0.0 { 0.5 } else { (-sum / average).exp2() }
}

/// Scores by both engines, in batches and alone, in rows and in columns, and by definition.
#[track_caller]
fn check(forest: &IsolationForest, records: &Array2<f64>) {
    let bits = |scores: ndarray::Array1<f64>| scores.mapv(f64::to_bits);
    let expected = bits(forest.score_with(Engine::Portable, records.view()).unwrap());
    for engine in [Engine::Portable, Engine::Avx512, Engine::fastest()] {
        assert_eq!(bits(forest.score_with(engine, records.view()).unwrap()), expected);
        let by_columns = records.t().as_standard_layout().into_owned();
        assert_eq!(bits(forest.score_with(engine, by_columns.t()).unwrap()), expected);
        for n in [1, 2, 63, 65] {
            let mut parts = Vec::new();
            for some in records.axis_chunks_iter(Axis(0), n) {
                parts.extend(bits(forest.score_with(engine, some).unwrap()));
            }
            assert_eq!(parts, expected.to_vec(), "{n} at a time, {engine:?}");
        }
    }
    assert_eq!(bits(forest.score(records.view()).unwrap()), expected);
    if let Ok(plain) = forest.to_plain() {
        for (record, bits) in records.rows().into_iter().zip(&expected) {
            let by_definition = score_by_definition(&plain, &record.to_vec());
            assert!((by_definition - f64::from_bits(*bits)).abs() < 1e-13);
        }
        let again = IsolationForest::from_plain(plain).unwrap();
        assert_eq!(bits(again.score(records.view()).unwrap()), expected);
    }
    // Rows in another order have their scores in that order.
    let reversed = records.slice(s![..;-1, ..]);
    let mut backwards = bits(forest.score(reversed).unwrap());
    backwards.invert_axis(Axis(0));
    assert_eq!(backwards, expected);
}

#[test]
fn engines_agree_on_grown_forests() {
    for (case, n_features) in [1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 130].into_iter().enumerate() {
        let seed = case as u64;
        let reference = normal((600, n_features), seed);
        let records = odd_records(&reference, seed + 50);
        let (n_trees, n_samples) =
            [(1, 256), (15, 2), (16, 1), (17, 40), (33, 100), (100, 256), (37, 600)][case % 7];
        let params = IsolationForest::params()
            .n_estimators(n_trees)
            .max_samples(MaxSamples::Count(n_samples))
            .random_state(seed);
        let mut with_missing = reference.clone();
        with_missing.slice_mut(s![..;3, ..;2]).fill(f64::NAN);
        for reference in [&reference, &with_missing] {
            check(&params.fit(&DatasetBase::from(reference.view())).unwrap(), &records);
        }
    }
}

#[test]
fn engines_agree_on_trees_too_deep_to_complete() {
    let reference = normal((3_000, 5), 1);
    let params = IsolationForest::params().n_estimators(21).max_samples(MaxSamples::Count(3_000));
    let forest = params.fit(&DatasetBase::from(reference.view())).unwrap();
    check(&forest, &odd_records(&reference, 2));
}

#[test]
fn engines_agree_on_extended_forests() {
    let reference = normal((500, 20), 3);
    let fit =
        |params: IsolationForestParams| params.fit(&DatasetBase::from(reference.view())).unwrap();
    let records = odd_records(&reference, 4);
    let finite = records.mapv(|it| if it.is_nan() { 0.5 } else { it });
    for level in [1, 7, 19] {
        check(&fit(IsolationForest::params().extension_level(level)), &finite);
    }
    check(&fit(IsolationForest::params().extension_level(0)), &records);
}

/// A tree of random shape, up to `depth` deep on one side.
fn grown(random: &mut Random, n_features: usize, depth: usize) -> PlainTree {
    let mut nodes = vec![PlainNode { n_samples: 1, cut: None }];
    let mut open = vec![(0, depth)];
    while let Some((node_idx, depth)) = open.pop() {
        if depth == 0 {
            nodes[node_idx].n_samples = 1 + random.below(5) as u32;
            continue;
        }
        let (left, right) = (nodes.len(), nodes.len() + 1);
        nodes.extend([PlainNode { n_samples: 1, cut: None }; 2]);
        let threshold = match random.below(12) {
            0 => f32::INFINITY,
            1 => f32::NEG_INFINITY,
            2 => f32::MAX,
            3 => 0.0,
            _ => random.share() as f32 * 4.0 - 2.0,
        };
        nodes[node_idx].cut = Some(PlainCut {
            feature: random.below(n_features),
            threshold,
            left,
            right,
            missing_goes_left: random.below(2) == 0,
        });
        let other = random.below(depth.min(3));
        let sides = if random.below(2) == 0 { [left, right] } else { [right, left] };
        open.push((sides[0], depth - 1));
        open.push((sides[1], other));
    }
    for node_idx in (0..nodes.len()).rev() {
        if let Some(cut) = nodes[node_idx].cut {
            nodes[node_idx].n_samples = nodes[cut.left].n_samples + nodes[cut.right].n_samples;
        }
    }
    PlainTree { nodes }
}

#[test]
fn engines_agree_on_forests_from_elsewhere() {
    for (case, deepest) in [0, 1, 3, 4, 5, 9, 10, 11, 40, 400].into_iter().enumerate() {
        let mut random = Random::new(case as u64);
        let n_features = 1 + random.below(40);
        let n_trees = 1 + random.below(50);
        // Of uneven depth, in one forest.
        let trees = (0..n_trees)
            .map(|tree_idx| {
                let depth = if tree_idx == 0 { deepest } else { random.below(deepest + 1) };
                grown(&mut random, n_features, depth)
            })
            .collect();
        let forest = PlainForest { n_features, n_samples: 100_000, offset: -0.5, trees };
        let forest = IsolationForest::from_plain(forest).unwrap();
        check(&forest, &odd_records(&normal((100, n_features), 9), case as u64));
    }
}

#[test]
fn a_forest_of_the_usual_size_takes_less_than_a_megabyte_and_a_half() {
    let reference = normal((2_000, 15), 5);
    let forest = IsolationForest::params().fit(&DatasetBase::from(reference.view())).unwrap();
    let size_bytes = forest.size_bytes();
    println!("{size_bytes} bytes");
    assert!((500_000..1_500_000).contains(&size_bytes), "{size_bytes} bytes");
}
