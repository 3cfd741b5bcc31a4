//! Which value a spec judges.

use crate::error::SpecError;
use crate::metric_kind::MetricKind;
use crate::model::VersionSelector;
use crate::observation::ObservedMetric;
use crate::raw::RawMetric;
use crate::validate;

/// Which value is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricSelector {
    /// The score of a detector.
    Monitor {
        /// The detector's name.
        name: String,
        /// Which of its versions.
        version: VersionSelector,
    },
    /// A drift statistic of a window.
    Drift {
        /// The statistic's name.
        statistic: String,
    },
    /// A data-quality figure of a window.
    Quality {
        /// The figure's name.
        figure: String,
    },
    /// A service-health figure of a window.
    Service {
        /// The figure's name.
        figure: String,
    },
    /// A figure of a window that needs the true outcomes.
    Performance {
        /// The figure's name.
        figure: String,
    },
}

impl MetricSelector {
    /// Returns the kind of metric.
    pub const fn kind(&self) -> MetricKind {
        match self {
            Self::Monitor { .. } => MetricKind::Monitor,
            Self::Drift { .. } => MetricKind::Drift,
            Self::Quality { .. } => MetricKind::Quality,
            Self::Service { .. } => MetricKind::Service,
            Self::Performance { .. } => MetricKind::Performance,
        }
    }

    /// Returns the name of the detector, statistic or figure.
    pub fn name(&self) -> &str {
        match self {
            Self::Monitor { name, .. } => name,
            Self::Drift { statistic } => statistic,
            Self::Quality { figure } | Self::Service { figure } | Self::Performance { figure } => {
                figure
            }
        }
    }

    /// Returns whether this measurement is judged.
    ///
    /// A detector of which no version is named is judged by its newest: an older version scores only because another
    /// spec names it. Whatever measures the other kinds has no version that a spec could name.
    pub fn matches(&self, metric: &ObservedMetric<'_>) -> bool {
        let version = match self {
            Self::Monitor { version: VersionSelector::Any, .. } => metric.is_newest,
            Self::Monitor { version, .. } => version.matches(metric.version),
            Self::Drift { .. }
            | Self::Quality { .. }
            | Self::Service { .. }
            | Self::Performance { .. } => true,
        };
        version && self.kind() == metric.kind && self.name() == metric.name
    }
}

impl TryFrom<RawMetric> for MetricSelector {
    type Error = SpecError;

    fn try_from(raw: RawMetric) -> Result<Self, SpecError> {
        let kinds = [
            ("metric.monitor", raw.monitor),
            ("metric.drift", raw.drift),
            ("metric.quality", raw.quality),
            ("metric.service", raw.service),
            ("metric.performance", raw.performance),
        ];
        let mut named: Vec<_> =
            kinds.into_iter().filter_map(|(field, name)| Some((field, name?))).collect();
        let (field, name) = match (named.pop(), named.len()) {
            (Some(only), 0) => only,
            (_, others) => {
                let got = if others == 0 {
                    "without a kind".to_owned()
                } else {
                    format!("of {} kinds", others + 1)
                };
                return Err(SpecError::new(
                    "metric",
                    got,
                    "exactly one of monitor, drift, quality, service, performance",
                ));
            }
        };
        validate::name(field, &name)?;
        if field == "metric.monitor" {
            let version = VersionSelector::parse("metric.version", raw.version.as_ref())?;
            return Ok(Self::Monitor { name, version });
        }
        if let Some(version) = raw.version {
            return Err(SpecError::new(
                "metric.version",
                validate::quoted(&version.0),
                "a version only beside `monitor`",
            ));
        }
        Ok(match field {
            "metric.drift" => Self::Drift { statistic: name },
            "metric.quality" => Self::Quality { figure: name },
            "metric.service" => Self::Service { figure: name },
            _ => Self::Performance { figure: name },
        })
    }
}

impl From<MetricSelector> for RawMetric {
    fn from(metric: MetricSelector) -> Self {
        let raw = Self::default();
        match metric {
            MetricSelector::Monitor { name, version } => {
                Self { monitor: Some(name), version: version.to_scalar(), ..raw }
            }
            MetricSelector::Drift { statistic } => Self { drift: Some(statistic), ..raw },
            MetricSelector::Quality { figure } => Self { quality: Some(figure), ..raw },
            MetricSelector::Service { figure } => Self { service: Some(figure), ..raw },
            MetricSelector::Performance { figure } => Self { performance: Some(figure), ..raw },
        }
    }
}
