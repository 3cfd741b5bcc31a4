//! What detectors find out about themselves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use shadowline_detectors::{
    DetectorArtefact, DetectorParams, Finding, IsolationForest, KnnOutlier, SelfCheck,
    ThresholdRule, TrainOptions,
};
use shadowline_features::{Table, TableColumn};

fn forest() -> DetectorParams {
    DetectorParams::IsolationForest(IsolationForest::params())
}

fn knn() -> DetectorParams {
    DetectorParams::Knn(KnnOutlier::params())
}

/// A number from 0 to below 1 for each row and column, the same on every machine.
fn share(row: u32, column: u32) -> f64 {
    let mut bits = u64::from(row) << 32 | u64::from(column + 1);
    for _ in 0..3 {
        bits ^= bits >> 33;
        bits = bits.wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn table(n_rows: u32, columns: &[(&str, &dyn Fn(u32) -> f64)]) -> Table {
    let columns = columns.iter().map(|(name, value)| {
        ((*name).to_owned(), TableColumn::Numbers((0..n_rows).map(value).collect()))
    });
    Table::new(columns.collect()).unwrap()
}

fn checked(params: &DetectorParams, threshold: ThresholdRule, table: &Table) -> SelfCheck {
    let options = TrainOptions { threshold, ..TrainOptions::default() };
    let artefact = DetectorArtefact::train("d", params, &options, table).unwrap();
    let records = artefact.preprocessing().transform(table).unwrap().values;
    let check = artefact.self_check(params, records.view()).unwrap();
    assert_eq!(artefact.self_check(params, records.view()).unwrap(), check);
    check
}

fn ordinary() -> Table {
    table(900, &[("a", &|it| share(it, 0)), ("b", &|it| share(it, 1)), ("c", &|it| share(it, 2))])
}

#[test]
fn an_ordinary_detector_has_nothing_to_say() {
    for params in [forest(), knn()] {
        let check = checked(&params, ThresholdRule::AlertBudget(0.02), &ordinary());
        assert_eq!(check.findings, []);
        assert!(800 < check.n_distinct && check.share_of_most_frequent < 0.01, "{check:?}");
        let held_out = check.held_out.unwrap();
        assert_eq!(held_out.n, 900);
        assert!(held_out.low < 0.02 && 0.02 < held_out.high, "{held_out:?}");
        assert!((check.expected.share - 0.02).abs() < 0.002, "{:?}", check.expected);
        match params {
            DetectorParams::IsolationForest(_) => {
                assert!(0.8 < check.stability.unwrap(), "{check:?}");
                assert_eq!(check.neighbours, None);
            }
            DetectorParams::Knn(_) => {
                assert_eq!((check.stability, check.neighbours), (None, Some((32, 0))));
            }
        }
    }
}

#[test]
fn a_forest_that_tells_nothing_apart_is_of_no_use() {
    let same = table(100, &[("a", &|_| 1.0), ("b", &|_| 2.0)]);
    let check = checked(&forest(), ThresholdRule::Contamination, &same);
    assert!(matches!(check.findings[..], [Finding::AllAlike { n_records: 100, .. }]));
    assert!(check.findings[0].is_fatal());
    // A distance still tells what is new.
    let check = checked(&knn(), ThresholdRule::Contamination, &same);
    assert!(matches!(check.findings[..], [Finding::AllAsFar { n_records: 100, .. }]));
    assert!(!check.findings[0].is_fatal());
}

#[test]
fn a_column_that_decides_everything_is_named() {
    let wide = table(
        900,
        &[
            ("salary", &|it| 1e6 * share(it, 0)),
            ("age", &|it| share(it, 1)),
            ("c", &|it| share(it, 2)),
        ],
    );
    let check = checked(&knn(), ThresholdRule::Contamination, &wide);
    let [Finding::OneFieldDecides { field, share }] = &check.findings[..] else {
        panic!("{check:?}")
    };
    assert!(field == "salary" && 0.99 < *share, "{check:?}");
}

#[test]
fn a_forest_of_two_trees_is_unstable() {
    let few = DetectorParams::IsolationForest(IsolationForest::params().n_estimators(2));
    let check = checked(&few, ThresholdRule::Contamination, &ordinary());
    let is_unstable = |it: &Finding| matches!(it, Finding::Unstable { .. });
    assert!(check.findings.iter().any(is_unstable), "{check:?}");
}
