//! One measured value, as specs judge it.

use jiff::Timestamp;

use crate::metric_kind::MetricKind;

/// One measured value of a model version's traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// When the measured thing happened: the request arrived, or the window ended.
    pub at: Timestamp,
    /// The value, where there is one.
    pub value: Option<f64>,
    /// The threshold of whatever measured it, for specs that take theirs from there.
    pub threshold: Option<f64>,
    /// The id of what was measured: an inference or a window. Alerts name it as an example.
    pub subject: &'a str,
    /// The name of the model whose traffic it is.
    pub model: &'a str,
    /// The model's version.
    pub model_version: &'a str,
    /// What was measured.
    pub metric: ObservedMetric<'a>,
}

/// One value to be judged, as the state machine of one spec sees it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// When the judged thing happened.
    pub at: Timestamp,
    /// The value, where there is one.
    pub value: Option<f64>,
    /// The threshold of whatever measured it.
    pub threshold: Option<f64>,
    /// The id of the judged inference or window.
    pub subject: &'a str,
}

/// What was measured, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObservedMetric<'a> {
    /// The kind.
    pub kind: MetricKind,
    /// The name of the detector, statistic or figure.
    pub name: &'a str,
    /// The version of whatever measured it.
    pub version: &'a str,
    /// Whether that is the default version: the newest, unless it was rolled back.
    pub is_newest: bool,
}
