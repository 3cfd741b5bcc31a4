//! What tells one monitor from another.

use shadowline_detectors::DetectorKind;

use crate::extension::Extension;

/// Which monitor it is: what tells one monitor's program from another's.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The service's name, for example `monitor-knn`.
    pub service: &'static str,
    /// The detectors it hosts; packages of another runtime are refused.
    pub detector: DetectorKind,
    /// Version of the program.
    pub version: &'static str,
    /// What its REST API is called, and one sentence about it.
    pub api: (&'static str, &'static str),
    /// What only monitors of this kind have on REST; it answers predictions.
    pub extension: Option<Extension>,
}
