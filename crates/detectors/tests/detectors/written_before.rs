//! Artefacts that an earlier build wrote, byte for byte: they are read, and score the same bits.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use shadowline_detectors::{DetectorArtefact, DetectorKind};
use shadowline_features::{Table, TableBuilder};

/// The bytes of a file of hexadecimal digits.
fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/artefacts");
    let text = std::fs::read_to_string(folder.join(format!("{name}.hex"))).unwrap();
    let digits: Vec<u32> = text.chars().filter_map(|it| it.to_digit(16)).collect();
    digits.as_chunks().0.iter().map(|[high, low]| u8::try_from(high * 16 + low).unwrap()).collect()
}

/// The rows that they were trained on.
fn table() -> Table {
    let mut rows = TableBuilder::new(["age", "hours", "job"]).unwrap();
    for row in 0..24 {
        let job = ["clerk", "cook", "?"][row % 3];
        rows.push_row([(20 + row % 17).to_string().as_str(), &format!("{}.5", 30 + row % 7), job])
            .unwrap();
    }
    rows.finish()
}

#[track_caller]
fn check(name: &str, kind: DetectorKind, first_scores: [u64; 3]) {
    let written = bytes(name);
    let artefact = DetectorArtefact::from_bytes(&written).unwrap();
    assert_eq!((artefact.name(), artefact.detector().kind()), ("ages", kind));
    let scores = artefact.score(&table()).unwrap().scores;
    assert_eq!(scores.len(), 24);
    assert_eq!(scores.iter().take(3).map(|it| it.to_bits()).collect::<Vec<_>>(), first_scores);
    assert!(artefact.to_bytes().unwrap() == written, "{name} is written otherwise than before");
}

#[test]
fn a_forest_is_read_as_it_was_written() {
    check(
        "isolation-forest",
        DetectorKind::IsolationForest,
        [0x3fdf_1947_d6cd_d9a1, 0x3fdf_1947_d6cd_d9a1, 0x3fe1_c9d3_5ea8_c00a],
    );
}

#[test]
fn an_extended_forest_is_read_as_it_was_written() {
    check(
        "extended-forest",
        DetectorKind::IsolationForest,
        [0x3fe3_584c_afa2_e71f, 0x3fe2_2a55_2d30_58a6, 0x3fdb_04f4_e3da_c1cf],
    );
}

#[test]
fn a_knn_detector_is_read_as_it_was_written() {
    check(
        "knn",
        DetectorKind::Knn,
        [0x3ff5_6a78_379e_9e47, 0x3ff5_6a78_379e_9e47, 0x3fea_7fdf_7374_dbc8],
    );
}
