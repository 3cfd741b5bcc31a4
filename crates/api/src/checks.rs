//! `/v1/checks`: scores that were judged by a metric spec.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shadowline_evaluation::Outcome;
use utoipa::ToSchema;

use crate::specs::{SpecName, Versioned};

/// One score judged by one metric spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CheckAnswer {
    /// The judged request; null when a window was judged.
    pub inference_id: Option<String>,
    /// The judged window, unless a request was judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<CheckedWindow>,
    /// Which spec judged.
    pub spec: SpecName,
    pub model: Versioned,
    pub metric: CheckedMetric,
    /// The detector, if the metric is one's score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Versioned>,
    /// The score; null when there is none.
    pub value: Option<f64>,
    /// `healthy`, `breach` or `unscored`.
    #[schema(value_type = String)]
    pub outcome: Outcome,
    /// Why there is no score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The relation that alerted then.
    pub operator: String,
    pub threshold: f64,
    /// When the request arrived at serving, or the window ended.
    #[schema(value_type = String, format = "date-time")]
    pub event_at: Timestamp,
    /// Of the topic of scores.
    pub partition: u32,
    pub origin: OriginAnswer,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedMetric {
    /// `monitor`, `drift`, `quality`, `service` or `performance`.
    pub kind: String,
    /// The name of the detector, statistic or figure.
    pub name: String,
    /// The version of what measured, where it has versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// A stretch of a model's traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckedWindow {
    /// The first moment that belongs to it.
    #[schema(value_type = String, format = "date-time")]
    pub from: Timestamp,
    /// The first moment after `from` that does not.
    #[schema(value_type = String, format = "date-time")]
    pub to: Timestamp,
    /// Which part of the traffic; null is all of it.
    pub segment: Option<String>,
}

/// Which spool a request came through, and its place in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OriginAnswer {
    #[schema(value_type = String, format = "uuid")]
    pub instance: String,
    pub sequence: u64,
}

/// Checks, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ChecksAnswer {
    pub checks: Vec<CheckAnswer>,
    /// Give this as `cursor` for the next ones; null after the last.
    pub next_cursor: Option<String>,
}

/// How many checks there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CountsAnswer {
    pub total: u64,
    pub healthy: u64,
    pub breach: u64,
    pub unscored: u64,
    /// Different requests among them; only with `distinct=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inferences: Option<u64>,
}
