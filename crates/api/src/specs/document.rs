//! A metric spec as a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shadowline_evaluation::{MetricSpec, RawMetric, RawMetricSpec, Scalar, Threshold};

/// A metric spec as a document; what is left out of a request has its default.
///
/// This is the form in which answers are read, and it passes over members that it does not know. Requests are held
/// against `evaluation`'s own form, which refuses them: a misspelt member would change what is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSpecDocument {
    /// `MetricSpec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What people call it; unique.
    pub name: String,
    /// Whose traffic is judged.
    pub model: ModelChoice,
    /// Which value is judged.
    pub metric: MetricChoice,
    /// The condition under which it alerts.
    pub alert_when: AlertWhen,
    /// The window that is judged together; left out, every request is judged alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<OverWindow>,
    /// How long the condition must hold before the alert fires.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub hold_for: Option<Scalar>,
    /// How long it must not hold before the alert resolves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_after: Option<Scalar>,
    /// `info`, `warning` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Labels of the alert, besides those that every alert has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it is judged at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Whose traffic is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// The model's name.
    pub name: String,
    /// A version, or `*` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Scalar>,
}

/// Which value is judged: one of the kinds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricChoice {
    /// The detector whose score is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// The detector's version, or `*` for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Scalar>,
    /// A drift statistic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// A data-quality figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<String>,
    /// A service-health figure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// A figure that needs labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance: Option<String>,
}

/// The condition under which a spec alerts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertWhen {
    /// The operator's name.
    pub operator: String,
    /// What the value is compared with: a number, or `from_package`.
    pub threshold: Threshold,
}

/// The window that is judged together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OverWindow {
    /// A span of event time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Scalar>,
    /// A number of checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// `breach_share`, `mean`, `max` or `min`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<String>,
    /// How many scored checks the window must hold before it is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    /// The share of breaches above which the condition holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exceeds: Option<f64>,
}

impl MetricChoice {
    /// Returns what is named, in the order of the names: `monitor`, the detector, `version`, its version.
    pub fn parts(&self) -> Vec<(&'static str, &str)> {
        let Self { monitor, version, drift, quality, service, performance } = self;
        let version = version.as_ref().map(|it| &it.0);
        let parts = [
            ("drift", drift.as_ref()),
            ("monitor", monitor.as_ref()),
            ("performance", performance.as_ref()),
            ("quality", quality.as_ref()),
            ("service", service.as_ref()),
            ("version", version),
        ];
        parts.into_iter().filter_map(|(name, it)| Some((name, it?.as_str()))).collect()
    }
}

impl From<MetricSpec> for MetricSpecDocument {
    fn from(spec: MetricSpec) -> Self {
        let raw = RawMetricSpec::from(spec);
        let RawMetric { monitor, version, drift, quality, service, performance } = raw.metric;
        Self {
            kind: raw.kind,
            name: raw.name,
            model: ModelChoice { name: raw.model.name, version: raw.model.version },
            metric: MetricChoice { monitor, version, drift, quality, service, performance },
            alert_when: AlertWhen {
                operator: raw.alert_when.operator,
                threshold: raw.alert_when.threshold,
            },
            over: raw.over.map(|it| OverWindow {
                window: it.window,
                last: it.last,
                aggregate: it.aggregate,
                min_samples: it.min_samples,
                exceeds: it.exceeds,
            }),
            hold_for: raw.hold_for,
            resolve_after: raw.resolve_after,
            severity: raw.severity,
            labels: raw.labels,
            enabled: raw.enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Holds a spec against its document, and returns the document as JSON.
    fn check(written: Value) -> Value {
        let spec: MetricSpec = serde_json::from_value(written).unwrap();
        let said = serde_json::to_value(&spec).unwrap();
        let document = MetricSpecDocument::from(spec.clone());
        assert_eq!(serde_json::to_value(&document).unwrap(), said);
        assert_eq!(serde_json::from_value::<MetricSpecDocument>(said.clone()).unwrap(), document);
        // And what was answered can be sent again.
        assert_eq!(serde_json::from_value::<MetricSpec>(said.clone()).unwrap(), spec);
        said
    }

    #[test]
    fn a_member_that_may_be_left_out_may_be_null() {
        let whole = json!({
            "kind": "MetricSpec", "name": "a", "model": {"name": "m", "version": 3},
            "metric": {"monitor": "k", "version": 7}, "alert_when": {"operator": "<", "threshold": 0.5},
            "over": {"window": "5m", "aggregate": "breach_share", "min_samples": 4, "exceeds": 0.5},
            "for": "90s", "resolve_after": "2m", "severity": "critical", "labels": {"team": "risk"},
            "enabled": false,
        });
        let read = |it: &Value| serde_json::from_value::<MetricSpec>(it.clone()).unwrap();
        for (parent, member) in [
            ("", "kind"),
            ("", "over"),
            ("", "for"),
            ("", "resolve_after"),
            ("", "severity"),
            ("", "labels"),
            ("", "enabled"),
            ("/model", "version"),
            ("/metric", "version"),
            ("/over", "aggregate"),
            ("/over", "min_samples"),
        ] {
            let changed = |value: Option<Value>| {
                let mut changed = whole.clone();
                let parent = changed.pointer_mut(parent).unwrap().as_object_mut().unwrap();
                parent.remove(member).unwrap();
                parent.extend(value.map(|it| (member.to_owned(), it)));
                read(&changed)
            };
            assert_eq!(changed(Some(Value::Null)), changed(None), "{parent}/{member}");
        }
    }

    #[test]
    fn a_document_says_what_its_spec_says() {
        check(json!({
            "name": "a", "model": {"name": "m"}, "metric": {"monitor": "k"},
            "alert_when": {"operator": "greater", "threshold": 2},
        }));
        let mut said = check(json!({
            "name": "a", "model": {"name": "m", "version": 3}, "metric": {"monitor": "k", "version": 7},
            "alert_when": {"operator": "<", "threshold": 0.5}, "labels": {"team": "risk"},
            "over": {"window": "5m", "aggregate": "mean", "min_samples": 4},
            "for": "90s", "resolve_after": "2m", "severity": "critical", "enabled": false,
        }));
        said["routes"] = json!(["risk"]);
        said["metric"]["segment"] = json!("north");
        let document: MetricSpecDocument = serde_json::from_value(said).unwrap();
        assert_eq!(document.metric.parts(), [("monitor", "k"), ("version", "7")]);
        check(json!({
            "name": "a", "model": {"name": "m"}, "metric": {"monitor": "k"}, "over": {"last": 20, "exceeds": 0.5},
            "alert_when": {"operator": "greater", "threshold": 2},
        }));
        check(json!({
            "name": "a", "model": {"name": "m"}, "metric": {"drift": "psi"},
            "alert_when": {"operator": "greater", "threshold": 0.2},
        }));
        let said = check(json!({
            "name": "a", "model": {"name": "m"}, "metric": {"monitor": "k"},
            "alert_when": {"operator": "greater", "threshold": "from_package"},
        }));
        assert_eq!(said["alert_when"]["threshold"], "from_package");
    }
}
