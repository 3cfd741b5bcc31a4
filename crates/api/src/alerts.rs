//! `/v1/alerts`: where the alert of each metric spec stands, and how it came to that.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shadowline_evaluation::{AlertState, Threshold};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use crate::specs::{SpecName, Versioned};

/// Where the alert of a spec stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertAnswer {
    pub spec: SpecName,
    /// `inactive`, `pending` or `firing`.
    #[schema(value_type = String)]
    pub state: AlertState,
    /// Counts the incidents of the spec.
    pub incident: u64,
    /// Since when the condition has held.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub condition_since: Option<Timestamp>,
    /// Since when the alert has fired.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub fired_at: Option<Timestamp>,
    /// The last score that came, whether it is judged alone or in a window.
    pub last_value: Option<f64>,
    /// The value by which the alert stands as it does: the last score, or that of the window.
    #[serde(default)]
    pub judged: Option<JudgedAnswer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowAnswer>,
    /// Requests that breached, newest last.
    pub examples: Vec<String>,
    pub model: Versioned,
    pub operator: String,
    /// A number, or `from_package`.
    #[schema(schema_with = threshold)]
    pub threshold: Threshold,
    pub alerts_when: String,
    pub healthy_while: String,
    /// What alerts, in words: of a window, what its value has to be.
    #[serde(default)]
    pub rule: Option<String>,
    pub severity: String,
    pub labels: BTreeMap<String, String>,
}

fn threshold() -> RefOr<Schema> {
    let schema = json!({
        "description": "A number, or `from_package`: the threshold of the detector version that scored.",
        "oneOf": [{"type": "number"}, {"type": "string", "enum": ["from_package"]}],
    });
    serde_json::from_value(schema).expect("the schema is a constant")
}

/// The value that is judged, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JudgedAnswer {
    /// What is compared: `score`, or of a window `breach_share`, `mean`, `max` or `min`.
    pub by: String,
    pub value: Option<f64>,
    /// The time of the newest check.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub at: Option<Timestamp>,
    /// The operator's name.
    pub operator: String,
    /// The threshold, or the share that a window may not exceed. Null while a threshold `from_package` has not come yet.
    pub line: Option<f64>,
    /// Since when that is the line: by the clock of this service where the spec says it, by the time of the traffic
    /// where it came with the scores of a detector version.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub line_since: Option<Timestamp>,
}

/// What a window holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowAnswer {
    pub n_scored: u64,
    /// 0 where an aggregate of values is judged: no request is a breach of a mean by itself.
    pub n_breach: u64,
    pub n_unscored: u64,
    /// The share of breaches, or the aggregate.
    pub value: Option<f64>,
}

/// Alerts, by the name of their spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertsAnswer {
    pub alerts: Vec<AlertAnswer>,
}

/// One change of a spec's alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AlertEventAnswer {
    /// The same for a repeated delivery of the same change.
    pub id: String,
    pub spec: SpecName,
    pub incident: u64,
    #[schema(value_type = String)]
    pub from: AlertState,
    #[schema(value_type = String)]
    pub to: AlertState,
    /// `condition_holds`, `condition_ended`, `recovered`, `spec_changed`, `spec_disabled` or `spec_deleted`.
    pub reason: String,
    /// By the time of the traffic.
    #[schema(value_type = String, format = "date-time")]
    pub at: Timestamp,
    /// By the clock of this service.
    #[schema(value_type = String, format = "date-time")]
    pub recorded_at: Timestamp,
    #[schema(value_type = Option<String>, format = "date-time")]
    pub condition_since: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = "date-time")]
    pub fired_at: Option<Timestamp>,
    /// The value that was judged: the last score, or that of the window.
    pub value: Option<f64>,
    /// What it was compared with.
    #[serde(default)]
    pub line: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowAnswer>,
    pub examples: Vec<String>,
    pub alerts_when: String,
    pub healthy_while: String,
    pub severity: String,
}

/// Changes of alerts, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryAnswer {
    pub events: Vec<AlertEventAnswer>,
    /// Give this as `cursor` for the next ones; null after the last.
    pub next_cursor: Option<String>,
}
