//! What answers look like.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shadowline_evaluation::{MetricKind, MetricSpec, WindowSummary};
use shadowline_store::{
    Check, CheckCounts, CheckMetric, CheckSubject, RecordedAlertEvent, StoredSpec,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::engine::SpecStatus;

/// A metric spec as a document; what is left out of a request has its default.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct MetricSpecDocument(MetricSpec);

impl PartialSchema for MetricSpecDocument {
    fn schema() -> RefOr<Schema> {
        let duration =
            |text: &str| json!({"type": "string", "description": text, "examples": ["90s"]});
        let version = json!({"type": ["integer", "string"], "description": "A whole number from 1; left out, any."});
        let schema = json!({
            "type": "object",
            "description": "A metric spec. It alerts when `value OPERATOR threshold` is true.",
            "required": ["name", "model", "metric", "alert_when"],
            "properties": {
                "kind": {"type": "string", "enum": ["MetricSpec"]},
                "name": {"type": "string", "description": "Unique; letters, digits, `_`, `-` and `.`."},
                "model": {
                    "type": "object", "required": ["name"], "description": "Whose traffic is judged.",
                    "properties": {"name": {"type": "string"}, "version": version.clone()}
                },
                "metric": {
                    "type": "object", "required": ["monitor"], "description": "Which score is judged.",
                    "properties": {"monitor": {"type": "string"}, "version": version}
                },
                "alert_when": {
                    "type": "object", "required": ["operator", "threshold"],
                    "properties": {
                        "operator": {"type": "string", "enum": [
                            "equal", "not_equal", "greater", "less", "greater_or_equal", "less_or_equal"
                        ]},
                        "threshold": {"type": "number"}
                    }
                },
                "over": {
                    "type": "object",
                    "description": "Judges a window: `window` of event time, or the `last` so many checks.",
                    "properties": {
                        "window": {"type": "string", "examples": ["5m"]},
                        "last": {"type": "integer", "minimum": 1, "maximum": 1000},
                        "aggregate": {"type": "string", "enum": ["breach_share", "mean", "max", "min"]},
                        "min_samples": {"type": "integer", "minimum": 1},
                        "exceeds": {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
                    }
                },
                "for": duration("How long the condition must hold before the alert fires."),
                "resolve_after": duration("How long it must not hold before the alert resolves."),
                "severity": {"type": "string", "enum": ["info", "warning", "critical"]},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "enabled": {"type": "boolean"}
            }
        });
        RefOr::T(serde_json::from_value(schema).expect("the schema is a constant"))
    }
}

impl ToSchema for MetricSpecDocument {}

/// A registered metric spec.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpecAnswer {
    /// Stays the same through every change.
    #[schema(value_type = String, format = "uuid")]
    id: String,
    /// Counts up with every change.
    version: u32,
    /// The document, with the defaults written out.
    #[schema(value_type = MetricSpecDocument)]
    spec: MetricSpecDocument,
    /// `alerts when > 0.62`
    alerts_when: String,
    /// `healthy while <= 0.62`
    healthy_while: String,
    /// The whole rule in words, with the window where there is one.
    sentence: String,
    #[schema(value_type = String, format = "date-time")]
    created_at: Timestamp,
    /// When this version was made.
    #[schema(value_type = String, format = "date-time")]
    updated_at: Timestamp,
    /// After a change: `created`, `updated`, `unchanged` or `deleted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<&'static str>,
}

impl SpecAnswer {
    pub(super) fn new(stored: &StoredSpec, change: Option<&'static str>) -> Self {
        let condition = stored.spec.condition();
        Self {
            id: stored.id.to_string(),
            version: stored.version.0,
            alerts_when: condition.alerts_when(),
            healthy_while: condition.healthy_while(),
            sentence: stored.spec.sentence(),
            spec: MetricSpecDocument(stored.spec.clone()),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
            change,
        }
    }
}

/// Metric specs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpecsAnswer {
    /// By name; versions of one spec, oldest first.
    pub(super) metric_specs: Vec<SpecAnswer>,
}

/// What can be changed of a spec without writing the whole of it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecPatch {
    /// Switches evaluation on or off; off ends an active alert.
    pub(super) enabled: Option<bool>,
    /// The new threshold.
    pub(super) threshold: Option<f64>,
}

/// A model or a monitor, and its version.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Versioned {
    name: String,
    version: String,
}

impl From<(String, String)> for Versioned {
    fn from((name, version): (String, String)) -> Self {
        Self { name, version }
    }
}

/// One score judged by one metric spec.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckAnswer {
    /// The judged request; null when a window was judged.
    inference_id: Option<String>,
    /// The judged window, unless a request was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<CheckedWindow>,
    /// Which spec judged.
    spec: SpecName,
    model: Versioned,
    metric: CheckedMetric,
    /// The detector, if the metric is one's score.
    #[serde(skip_serializing_if = "Option::is_none")]
    monitor: Option<Versioned>,
    /// The score; null when there is none.
    value: Option<f64>,
    /// `healthy`, `breach` or `unscored`.
    outcome: &'static str,
    /// Why there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The relation that alerted then.
    operator: &'static str,
    threshold: f64,
    /// When the request arrived at serving, or the window ended.
    #[schema(value_type = String, format = "date-time")]
    event_at: Timestamp,
    /// Of the topic of scores.
    partition: u32,
    origin: OriginAnswer,
}

/// What was measured.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedMetric {
    /// `monitor`, `drift`, `quality`, `service` or `performance`.
    kind: &'static str,
    /// The name of the detector, statistic or figure.
    name: String,
    /// The version of what measured, where it has versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl From<CheckMetric> for CheckedMetric {
    fn from(CheckMetric { kind, name, version }: CheckMetric) -> Self {
        let version = Some(version).filter(|it| !it.is_empty());
        Self { kind: kind.name(), name, version }
    }
}

/// A stretch of a model's traffic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CheckedWindow {
    /// The first moment that belongs to it.
    #[schema(value_type = String, format = "date-time")]
    from: Timestamp,
    /// The first moment after `from` that does not.
    #[schema(value_type = String, format = "date-time")]
    to: Timestamp,
    /// Which part of the traffic; null is all of it.
    segment: Option<String>,
}

/// A spec's name, and the version that is spoken of.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SpecName {
    #[schema(value_type = String, format = "uuid")]
    id: String,
    name: String,
    version: u32,
}

impl SpecName {
    fn new(stored: &StoredSpec) -> Self {
        Self {
            id: stored.id.to_string(),
            name: stored.spec.name().to_string(),
            version: stored.version.0,
        }
    }
}

/// Which spool a request came through, and its place in it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OriginAnswer {
    #[schema(value_type = String, format = "uuid")]
    instance: String,
    sequence: u64,
}

impl From<Check> for CheckAnswer {
    fn from(check: Check) -> Self {
        let (inference_id, window) = match check.subject {
            CheckSubject::Inference(id) => (Some(id), None),
            CheckSubject::Window { from, to, segment } => {
                (None, Some(CheckedWindow { from, to, segment }))
            }
        };
        Self {
            inference_id,
            window,
            spec: SpecName {
                id: check.spec_id.to_string(),
                name: check.spec_name,
                version: check.spec_version.0,
            },
            model: check.model.into(),
            monitor: (check.metric.kind == MetricKind::Monitor)
                .then(|| (check.metric.name.clone(), check.metric.version.clone()).into()),
            metric: check.metric.into(),
            value: check.value,
            outcome: check.outcome.name(),
            reason: check.reason,
            operator: check.operator.name(),
            threshold: check.threshold,
            event_at: check.event_at,
            partition: check.partition,
            origin: OriginAnswer { instance: check.origin.0.to_string(), sequence: check.origin.1 },
        }
    }
}

/// Checks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChecksAnswer {
    pub(super) checks: Vec<CheckAnswer>,
    /// Give this as `cursor` for the next ones; null after the last.
    pub(super) next_cursor: Option<String>,
}

/// How many checks there are.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CountsAnswer {
    total: u64,
    healthy: u64,
    breach: u64,
    unscored: u64,
    /// Different requests among them; only with `distinct=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    inferences: Option<u64>,
}

impl CountsAnswer {
    pub(super) fn new(counts: CheckCounts, inferences: Option<u64>) -> Self {
        let CheckCounts { healthy, breach, unscored } = counts;
        Self { total: counts.total(), healthy, breach, unscored, inferences }
    }
}

/// Where the alert of a spec stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertAnswer {
    spec: SpecName,
    /// `inactive`, `pending` or `firing`.
    state: &'static str,
    /// Counts the incidents of the spec.
    incident: u64,
    /// Since when the condition has held.
    #[schema(value_type = Option<String>, format = "date-time")]
    condition_since: Option<Timestamp>,
    /// Since when the alert has fired.
    #[schema(value_type = Option<String>, format = "date-time")]
    fired_at: Option<Timestamp>,
    /// The last score that was judged.
    last_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowAnswer>,
    /// Requests that breached, newest last.
    examples: Vec<String>,
    model: Versioned,
    operator: &'static str,
    threshold: f64,
    alerts_when: String,
    healthy_while: String,
    severity: &'static str,
    labels: BTreeMap<String, String>,
}

/// What a window holds.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WindowAnswer {
    n_scored: u64,
    n_breach: u64,
    n_unscored: u64,
    /// The share of breaches, or the aggregate.
    value: Option<f64>,
}

impl From<WindowSummary> for WindowAnswer {
    fn from(window: WindowSummary) -> Self {
        Self {
            n_scored: window.n_scored,
            n_breach: window.n_breach,
            n_unscored: window.n_unscored,
            value: window.value.filter(|it| it.is_finite()),
        }
    }
}

impl From<SpecStatus> for AlertAnswer {
    fn from(status: SpecStatus) -> Self {
        let (spec, evaluation) = (&status.spec.spec, &status.evaluation);
        let condition = spec.condition();
        Self {
            state: evaluation.state().name(),
            incident: status.incident,
            condition_since: evaluation.condition_since(),
            fired_at: evaluation.fired_at(),
            last_value: evaluation.last_value(),
            window: evaluation.window(spec).map(Into::into),
            examples: evaluation.examples().map(str::to_owned).collect(),
            model: (spec.model().name.clone(), spec.model().version.to_string()).into(),
            operator: condition.operator().name(),
            threshold: condition.threshold(),
            alerts_when: condition.alerts_when(),
            healthy_while: condition.healthy_while(),
            severity: spec.severity().name(),
            labels: spec.labels().clone(),
            spec: SpecName::new(&status.spec),
        }
    }
}

/// Alerts, by the name of their spec.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertsAnswer {
    pub(super) alerts: Vec<AlertAnswer>,
}

/// One change of a spec's alert.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AlertEventAnswer {
    /// The same for a repeated delivery of the same change.
    id: String,
    spec: SpecName,
    incident: u64,
    from: &'static str,
    to: &'static str,
    /// `condition_holds`, `condition_ended`, `recovered`, `spec_changed`, `spec_disabled` or `spec_deleted`.
    reason: &'static str,
    /// By the time of the traffic.
    #[schema(value_type = String, format = "date-time")]
    at: Timestamp,
    /// By the clock of this service.
    #[schema(value_type = String, format = "date-time")]
    recorded_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    condition_since: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = "date-time")]
    fired_at: Option<Timestamp>,
    /// The value that was judged: the last score, or that of the window.
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<WindowAnswer>,
    examples: Vec<String>,
    alerts_when: String,
    healthy_while: String,
    severity: &'static str,
}

impl From<RecordedAlertEvent> for AlertEventAnswer {
    fn from(recorded: RecordedAlertEvent) -> Self {
        let (spec, event) = (&recorded.spec.spec, recorded.event);
        let transition = event.transition;
        Self {
            id: event.id,
            spec: SpecName::new(&recorded.spec),
            incident: event.incident,
            from: transition.from.name(),
            to: transition.to.name(),
            reason: transition.reason.name(),
            at: transition.at,
            recorded_at: event.recorded_at,
            condition_since: transition.condition_since,
            fired_at: transition.fired_at,
            value: transition.value,
            window: transition.window.map(Into::into),
            examples: transition.examples,
            alerts_when: spec.condition().alerts_when(),
            healthy_while: spec.condition().healthy_while(),
            severity: spec.severity().name(),
        }
    }
}

/// Changes of alerts, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    pub(super) events: Vec<AlertEventAnswer>,
    /// Give this as `cursor` for the next ones; null after the last.
    pub(super) next_cursor: Option<String>,
}

/// Every error, of every address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// A stable word.
    code: String,
    /// What was wrong, where, and what was expected.
    message: String,
    /// Also in the header `x-request-id`, and in the service's log.
    request_id: String,
}
