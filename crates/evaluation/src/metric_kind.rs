//! The kinds of values that can be judged.

use std::fmt;

/// What kind of thing was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// The score of a detector.
    Monitor,
    /// A statistic of how far a window is from the reference data.
    Drift,
    /// A figure of a window's data, such as the share of missing values.
    Quality,
    /// A figure of how a window was served, such as the share of errors.
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

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
