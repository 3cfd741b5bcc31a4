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
    /// What the table of services says of it beside that.
    pub row: Row,
}

/// What a monitor's [`Descriptor`](shadowline_program::Descriptor) holds that is not the same for all of them.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name of its program: `shadowline-monitor-knn`.
    pub program: &'static str,
    /// Its name in a sentence: `the KNN monitor`.
    pub title: &'static str,
    /// One sentence for `--help`.
    pub about: &'static str,
    /// Its default settings, as TOML.
    pub defaults: &'static str,
    /// The default port.
    pub http: u16,
    /// Where its packages are below a directory for all services.
    pub place: &'static str,
    /// What its packages are, for `--help`: `KNN outlier detectors`.
    pub packages: &'static str,
}
