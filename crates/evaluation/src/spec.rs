//! A validated metric spec.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::error::SpecError;
use crate::id::SpecName;
use crate::metric::MetricSelector;
use crate::metric_kind::MetricKind;
use crate::model::ModelSelector;
use crate::observation::Observation;
use crate::over::Over;
use crate::raw::{RawAlertWhen, RawMetricSpec};
use crate::threshold::Threshold;
use crate::validate;

/// A metric spec: which value of which traffic is judged, and when that alerts.
///
/// To hold one is to know that every field was validated.
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

    /// Returns whether it judges this observation.
    pub fn judges(&self, observation: &Observation<'_>) -> bool {
        self.enabled
            && self.model.matches(observation.model, observation.model_version)
            && self.metric.matches(&observation.metric)
    }

    /// Returns the whole rule in words, with the window where there is one.
    pub fn sentence(&self) -> String {
        match &self.over {
            None => self.condition.to_string(),
            Some(over) => format!("{}; {}", self.condition, over.sentence(&self.condition)),
        }
    }

    /// Says of the value that is judged when it alerts: of a score, or of what is made of a window's scores.
    pub fn alerts_when(&self) -> String {
        match &self.over {
            None => self.condition.alerts_when(),
            Some(over) => over.alerts_when(&self.condition),
        }
    }

    /// Returns what the value that is judged is called: `score`, or the aggregate's name.
    pub fn judged_by(&self) -> &'static str {
        self.over.map_or("score", |it| it.aggregate().name())
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
            return Err(SpecError::new("kind", validate::quoted(kind), "`MetricSpec`"));
        }
        if raw.labels.len() > 32 {
            return Err(SpecError::new(
                "labels",
                format!("{} labels", raw.labels.len()),
                "at most 32",
            ));
        }
        for (name, value) in &raw.labels {
            validate::label(name, value)?;
        }
        let metric = MetricSelector::try_from(raw.metric)?;
        let RawAlertWhen { operator, threshold } = raw.alert_when;
        if threshold == Threshold::FromPackage && metric.kind() != MetricKind::Monitor {
            let got = format!("`from_package` of a {} metric", metric.kind());
            let expected = "a number: only the package of a detector has a threshold";
            return Err(SpecError::new("alert_when.threshold", got, expected));
        }
        Ok(Self {
            name: SpecName::new(raw.name)?,
            model: ModelSelector::try_from(raw.model)?,
            metric,
            condition: Condition::with_threshold(operator.parse()?, threshold)?,
            over: raw.over.map(Over::try_from).transpose()?,
            hold_for: validate::duration("for", raw.hold_for.as_ref())?,
            resolve_after: validate::duration("resolve_after", raw.resolve_after.as_ref())?,
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
            name: spec.name.into(),
            model: spec.model.into(),
            metric: spec.metric.into(),
            alert_when: RawAlertWhen {
                operator: spec.condition.operator().name().to_owned(),
                threshold: spec.condition.threshold(),
            },
            over: spec.over.map(Into::into),
            hold_for: Some(validate::duration_text(spec.hold_for)),
            resolve_after: Some(validate::duration_text(spec.resolve_after)),
            severity: Some(spec.severity.name().to_owned()),
            labels: spec.labels,
            enabled: Some(spec.enabled),
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
                SpecError::new("severity", validate::quoted(text), "info, warning or critical")
            })
    }
}
