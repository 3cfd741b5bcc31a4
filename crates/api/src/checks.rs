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
    // Every service says it; one before `metric` was there has `monitor` alone, and is read nevertheless.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CheckedMetric, required = true)]
    pub metric: Option<CheckedMetric>,
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
    /// What the score came from. There for scores that their monitor explains, which are those above the detector's own
    /// threshold unless its settings say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationAnswer>,
    /// The relation that alerted then.
    pub operator: String,
    /// Null where a score came without the threshold that it is judged by.
    pub threshold: Option<f64>,
    /// When the request arrived at serving, or the window ended.
    #[schema(value_type = String, format = "date-time")]
    pub event_at: Timestamp,
    /// Of the topic of scores.
    pub partition: u32,
    pub origin: OriginAnswer,
}

/// What a score came from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ExplanationAnswer {
    /// What the contributions start from.
    pub expected: Option<f64>,
    /// Those that moved the score most, the most first.
    pub contributions: Vec<ContributionAnswer>,
}

/// How much a feature moved a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContributionAnswer {
    pub feature: String,
    /// Above 0 makes the request more anomalous.
    pub value: f64,
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(measured: Value) -> Value {
        let mut check = json!({
            "inference_id": "i-1",
            "spec": {"id": "0198f2a2-7b0e-7c70-a3e5-2f1d53c1e9a1", "name": "drifting", "version": 3},
            "model": {"name": "census", "version": "1"},
            "value": 0.71, "outcome": "breach", "operator": "gt", "threshold": 0.62,
            "event_at": "2026-11-22T10:00:00.5Z", "partition": 2,
            "origin": {"instance": "0198f2a2-7b0e-7c70-a3e5-2f1d53c1e9a2", "sequence": 17},
        });
        check.as_object_mut().unwrap().append(&mut measured.as_object().unwrap().clone());
        check
    }

    #[test]
    fn a_check_is_read_and_written_as_it_came_with_a_metric_or_only_a_monitor() {
        let monitor = json!({"name": "iforest", "version": "2"});
        let metric = json!({"kind": "monitor", "name": "iforest", "version": "2"});
        for (measured, has_metric) in [
            // As services wrote it before there were other metrics than those of monitors.
            (json!({"monitor": monitor}), false),
            (json!({"monitor": monitor, "metric": metric}), true),
            (json!({"metric": {"kind": "service", "name": "latency"}}), true),
        ] {
            let said = check(measured);
            let read: CheckAnswer = serde_json::from_value(said.clone()).unwrap();
            assert_eq!(read.metric.is_some(), has_metric, "{said}");
            assert_eq!(serde_json::to_value(&read).unwrap(), said);
        }
        // It stays a promise of the services of today.
        let schema =
            serde_json::to_value(<CheckAnswer as utoipa::PartialSchema>::schema()).unwrap();
        let metric = json!({"$ref": "#/components/schemas/CheckedMetric"});
        assert_eq!(schema["properties"]["metric"], metric);
        assert!(schema["required"].as_array().unwrap().contains(&json!("metric")), "{schema}");
    }
}
