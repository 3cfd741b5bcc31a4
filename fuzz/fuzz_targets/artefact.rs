//! Bytes as an artefact: refused with a reason, or scored without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shadowline_contract::{Batch, Column, Tensor, TensorData};
use shadowline_detectors::DetectorArtefact;

/// What an artefact starts with: its mark and the format's version.
const START: [u8; 12] = *b"\x89SLA\r\n\x1a\n\x01\x00\x00\x00";

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    if START.len() + 8 <= bytes.len() {
        // With the right start and checksum, so that the checks behind these are reached.
        let mut sealed = bytes.to_vec();
        sealed[..START.len()].copy_from_slice(&START);
        let end = sealed.len() - 4;
        let checksum = crc32fast::hash(&sealed[..end]);
        sealed[end..].copy_from_slice(&checksum.to_le_bytes());
        read(&sealed);
    }
});

fn read(bytes: &[u8]) {
    let Ok(artefact) = DetectorArtefact::from_bytes(bytes) else { return };
    for value in [0.0, 1e308, f64::NAN] {
        let fields = artefact.preprocessing().features();
        let columns = fields.iter().enumerate().map(|(idx, it)| Column {
            name: it.field.clone(),
            tensor: Tensor::vector(if idx % 2 == 0 {
                TensorData::Float64(vec![value])
            } else {
                TensorData::String(vec!["cook".to_owned()])
            }),
        });
        let Ok(batch) = Batch::new(1, columns.collect()) else { return };
        let _answer = artefact.score(&batch);
        let _answer = artefact.explain(&batch);
    }
}
