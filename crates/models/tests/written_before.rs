//! A model that an earlier build wrote, byte for byte: it is read, and predicts the same bits.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::Path;

use shadowline_features::TableBuilder;
use shadowline_models::LogisticRegression;

/// The bytes of a file of hexadecimal digits.
fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/artefacts");
    let text = std::fs::read_to_string(folder.join(format!("{name}.hex"))).unwrap();
    let digits: Vec<u32> = text.chars().filter_map(|it| it.to_digit(16)).collect();
    digits.as_chunks().0.iter().map(|[high, low]| u8::try_from(high * 16 + low).unwrap()).collect()
}

#[test]
fn a_logistic_regression_is_read_as_it_was_written() {
    let written = bytes("logistic-regression");
    let model = LogisticRegression::from_bytes(&written).unwrap();
    assert_eq!(model.name(), "letters");
    assert_eq!(model.classes(), ["a", "b", "d"]);
    let mut rows = TableBuilder::new(["x", "colour"]).unwrap();
    for row in [["0", "green"], ["0.1", "red"], ["0.2", "red"]] {
        rows.push_row(row).unwrap();
    }
    let predictions = model.predict(&rows.finish()).unwrap();
    assert_eq!(predictions.labels, ["d", "a", "a"]);
    let probabilities: Vec<u64> = predictions.probabilities.iter().map(|it| it.to_bits()).collect();
    assert_eq!(
        probabilities,
        [0x3fef_4d8c_0794_d3e3, 0x3fef_ffff_fffd_a790, 0x3fef_ffff_fff5_6746]
    );
    assert!(model.to_bytes().unwrap() == written, "the model is written otherwise than before");
}
