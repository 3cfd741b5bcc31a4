//! A forest of somebody else as JSON: refused with a reason, or scored without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ndarray::Array2;
use shadowline_detectors::{Detector, Explain, IsolationForest};

fuzz_target!(|text: &str| {
    let Ok(forest) = IsolationForest::from_json(text) else { return };
    let records = Array2::from_elem((2, forest.n_features().min(1 << 16)), 0.5);
    let _answer = forest.score(records.view());
    let _answer = forest.explain(records.row(0));
    assert!(forest.to_json().is_ok(), "what was read can be written");
});
