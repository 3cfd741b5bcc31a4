//! One measured value, as specs judge it.

use std::fmt;

use jiff::Timestamp;

/// What kind of thing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// The score of a detector, for one inference.
    Monitor,
    /// A drift statistic of a window.
    Drift,
    /// A data-quality figure of a window.
    Quality,
    /// A service-health figure of a window.
    Service,
    /// A figure of a window that needs the true outcomes.
    Performance,
}

impl MetricKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Monitor, Self::Drift, Self::Quality, Self::Service, Self::Performance];

    /// Returns the name, as the key in a document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Drift => "drift",
            Self::Quality => "quality",
            Self::Service => "service",
            Self::Performance => "performance",
        }
    }

    /// Returns the kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One measured value of a model version's traffic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation<'a> {
    /// When the measured thing happened: the request arrived, or the window ended.
    pub at: Timestamp,
    /// The value, where there is one.
    pub value: Option<f64>,
    /// The id of what was measured: an inference or a window. Alerts name it as an example.
    pub subject: &'a str,
    /// The name of the model whose traffic it is.
    pub model: &'a str,
    /// The model's version.
    pub model_version: &'a str,
    /// What was measured.
    pub metric: ObservedMetric<'a>,
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
    /// Whether that is the newest version.
    pub is_newest: bool,
}
