//! A checked metric spec.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::check;
use crate::condition::Condition;
use crate::metric_kind::MetricKind;
use crate::raw::{RawAlertWhen, RawMetric, RawMetricSpec, RawModel, Scalar};
use crate::window::Over;

/// A metric spec: which value of which traffic is judged, and when that alerts.
///
/// To hold one is to know that every field was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawMetricSpec", into = "RawMetricSpec")]
pub struct MetricSpec {
    name: SpecName,
    model: ModelSelector,
    metric: MetricSelector,
    condition: Condition,
    over: Option<Over>,
    hold_for: Duration,
    resolve_after: Duration,
    severity: Severity,
    labels: BTreeMap<String, String>,
    enabled: bool,
}

impl MetricSpec {
    /// Returns the name.
    pub const fn name(&self) -> &SpecName {
        &self.name
    }
    /// Returns whose traffic is judged.
    pub const fn model(&self) -> &ModelSelector {
        &self.model
    }
    /// Returns which value is judged.
    pub const fn metric(&self) -> &MetricSelector {
        &self.metric
    }
    /// Returns the condition under which it alerts.
    pub const fn condition(&self) -> &Condition {
        &self.condition
    }
    /// Returns the window that is judged together; `None` judges every request alone.
    pub const fn over(&self) -> Option<&Over> {
        self.over.as_ref()
    }
    /// Returns how long the condition must hold before the alert fires.
    pub const fn hold_for(&self) -> Duration {
        self.hold_for
    }
    /// Returns how long the condition must not hold before the alert resolves.
    pub const fn resolve_after(&self) -> Duration {
        self.resolve_after
    }
    /// Returns the severity of its alerts.
    pub const fn severity(&self) -> Severity {
        self.severity
    }
    /// Returns the labels of its alerts, besides those that every alert has.
    pub const fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
    /// Returns whether it is judged at all.
    pub const fn enabled(&self) -> bool {
        self.enabled
    }

    /// Returns whether it judges values of this metric of this model's traffic.
    pub fn judges(
        &self,
        (model, model_version): (&str, &str),
        kind: MetricKind,
        (metric, metric_version): (&str, &str),
    ) -> bool {
        self.enabled
            && self.model.matches(model, model_version)
            && kind == MetricKind::from(&self.metric)
            && metric == self.metric.name()
            && match &self.metric {
                MetricSelector::Monitor { version, .. } => version.matches(metric_version),
                MetricSelector::Drift { .. }
                | MetricSelector::Quality { .. }
                | MetricSelector::Service { .. }
                | MetricSelector::Performance { .. } => true,
            }
    }

    /// Returns the whole rule in words, with the window where there is one.
    pub fn sentence(&self) -> String {
        match &self.over {
            None => self.condition.to_string(),
            Some(over) => format!("{}; {}", self.condition, over.sentence(&self.condition)),
        }
    }

    /// Returns the same spec under another threshold or switched on or off.
    ///
    /// # Errors
    /// A threshold that is not finite.
    pub fn with(&self, threshold: Option<f64>, enabled: Option<bool>) -> Result<Self, SpecError> {
        let mut changed = self.clone();
        if let Some(threshold) = threshold {
            changed.condition = Condition::new(self.condition.operator(), threshold)?;
        }
        changed.enabled = enabled.unwrap_or(self.enabled);
        Ok(changed)
    }
}

impl TryFrom<RawMetricSpec> for MetricSpec {
    type Error = SpecError;

    fn try_from(raw: RawMetricSpec) -> Result<Self, SpecError> {
        if let Some(kind) = raw.kind.as_deref().filter(|it| *it != "MetricSpec") {
            return Err(SpecError::new("kind", check::quoted(kind), "`MetricSpec`"));
        }
        if raw.labels.len() > 32 {
            return Err(SpecError::new(
                "labels",
                format!("{} labels", raw.labels.len()),
                "at most 32",
            ));
        }
        for (name, value) in &raw.labels {
            check::label(name, value)?;
        }
        Ok(Self {
            name: SpecName::new(raw.name)?,
            model: ModelSelector::try_from(raw.model)?,
            metric: MetricSelector::try_from(raw.metric)?,
            condition: Condition::new(raw.alert_when.operator.parse()?, raw.alert_when.threshold)?,
            over: raw.over.map(Over::try_from).transpose()?,
            hold_for: check::duration("for", raw.hold_for.as_ref())?,
            resolve_after: check::duration("resolve_after", raw.resolve_after.as_ref())?,
            severity: raw.severity.as_deref().map_or(Ok(Severity::Warning), Severity::parse)?,
            labels: raw.labels,
            enabled: raw.enabled.unwrap_or(true),
        })
    }
}

impl From<MetricSpec> for RawMetricSpec {
    /// Writes every field out, the defaults too, so that a reader sees what holds.
    fn from(spec: MetricSpec) -> Self {
        Self {
            kind: Some("MetricSpec".to_owned()),
            name: spec.name.0,
            model: spec.model.into(),
            metric: spec.metric.into(),
            alert_when: RawAlertWhen {
                operator: spec.condition.operator().name().to_owned(),
                threshold: spec.condition.threshold(),
            },
            over: spec.over.map(Into::into),
            hold_for: Some(duration_text(spec.hold_for)),
            resolve_after: Some(duration_text(spec.resolve_after)),
            severity: Some(spec.severity.name().to_owned()),
            labels: spec.labels,
            enabled: Some(spec.enabled),
        }
    }
}

pub(crate) fn duration_text(duration: Duration) -> Scalar {
    Scalar(humantime::format_duration(duration).to_string())
}

/// Why a metric spec was refused: the field, what came, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {got}; expected {expected}")]
pub struct SpecError {
    field: &'static str,
    got: String,
    expected: String,
}

impl SpecError {
    pub(crate) fn new(
        field: &'static str,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { field, got: got.into(), expected: expected.into() }
    }

    /// Returns the path of the field, such as `alert_when.threshold`.
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

/// Identifies a metric spec for ever, through every rename and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecId(pub Uuid);

impl fmt::Display for SpecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the versions of one metric spec, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecVersion(pub u32);

impl SpecVersion {
    /// The version that a new spec has.
    pub const FIRST: Self = Self(1);

    /// Returns the version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The checked name of a metric spec. It is never in the form of an id, so either can address a spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SpecName(String);

impl SpecName {
    /// Checks a name.
    ///
    /// # Errors
    /// Characters that would need quoting in a path or a label, or the form of a UUID.
    pub fn new(name: String) -> Result<Self, SpecError> {
        check::name("name", &name)?;
        if Uuid::try_parse(&name).is_ok() {
            return Err(SpecError::new(
                "name",
                check::quoted(&name),
                "a name that is not in the form of an id (UUID)",
            ));
        }
        Ok(Self(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version, or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionSelector {
    /// Every version.
    Any,
    /// This version only.
    Exactly(u64),
}

impl VersionSelector {
    /// Returns whether `version` is selected.
    pub fn matches(self, version: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exactly) => version.parse() == Ok(exactly),
        }
    }

    fn parse(field: &'static str, text: Option<&Scalar>) -> Result<Self, SpecError> {
        match text {
            None => Ok(Self::Any),
            Some(text) if text.0 == "*" => Ok(Self::Any),
            Some(text) => check::version(field, text).map(Self::Exactly).map_err(|error| {
                SpecError::new(
                    error.field,
                    error.got,
                    "a whole number from 1, or \"*\" for every version",
                )
            }),
        }
    }

    fn to_scalar(self) -> Option<Scalar> {
        match self {
            Self::Any => None,
            Self::Exactly(version) => Some(Scalar(version.to_string())),
        }
    }
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(version) => version.fmt(f),
        }
    }
}

/// Whose traffic is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSelector {
    /// The model's name.
    pub name: String,
    /// Which of its versions.
    pub version: VersionSelector,
}

impl ModelSelector {
    /// Returns whether traffic of this model version is judged.
    pub fn matches(&self, model: &str, version: &str) -> bool {
        self.name == model && self.version.matches(version)
    }
}

impl TryFrom<RawModel> for ModelSelector {
    type Error = SpecError;

    fn try_from(raw: RawModel) -> Result<Self, SpecError> {
        check::name("model.name", &raw.name)?;
        let version = VersionSelector::parse("model.version", raw.version.as_ref())?;
        Ok(Self { name: raw.name, version })
    }
}

impl From<ModelSelector> for RawModel {
    fn from(model: ModelSelector) -> Self {
        let version = model.version.to_scalar().or_else(|| Some(Scalar("*".to_owned())));
        Self { name: model.name, version }
    }
}

/// Which value is judged. Every kind is known here; a service may refuse those it cannot produce yet.
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
    /// Returns the kind, as the key in a document.
    pub fn kind(&self) -> &'static str {
        MetricKind::from(self).name()
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
}

impl From<&MetricSelector> for MetricKind {
    fn from(metric: &MetricSelector) -> Self {
        match metric {
            MetricSelector::Monitor { .. } => Self::Monitor,
            MetricSelector::Drift { .. } => Self::Drift,
            MetricSelector::Quality { .. } => Self::Quality,
            MetricSelector::Service { .. } => Self::Service,
            MetricSelector::Performance { .. } => Self::Performance,
        }
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
        check::name(field, &name)?;
        if field == "metric.monitor" {
            let version = VersionSelector::parse("metric.version", raw.version.as_ref())?;
            return Ok(Self::Monitor { name, version });
        }
        if let Some(version) = raw.version {
            return Err(SpecError::new(
                "metric.version",
                check::quoted(&version.0),
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

/// How bad an alert is, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth looking at.
    Warning,
    /// Someone must act.
    Critical,
}

impl Severity {
    /// Returns the name used in documents and as the label `severity`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    fn parse(text: &str) -> Result<Self, SpecError> {
        [Self::Info, Self::Warning, Self::Critical]
            .into_iter()
            .find(|it| it.name() == text)
            .ok_or_else(|| {
                SpecError::new("severity", check::quoted(text), "info, warning or critical")
            })
    }
}
