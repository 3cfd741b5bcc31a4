//! What a person may write: the shape of a metric-spec document before it is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::threshold::Threshold;

/// A metric spec as written. [`crate::MetricSpec`] is the checked form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMetricSpec {
    /// `MetricSpec`, where several kinds of documents share a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What people call it; unique.
    pub name: String,
    /// Whose traffic is judged.
    pub model: RawModel,
    /// Which value is judged.
    pub metric: RawMetric,
    /// The condition under which it alerts.
    pub alert_when: RawAlertWhen,
    /// The window that is judged together; left out, every request is judged alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<RawOver>,
    /// How long the condition must hold before the alert fires.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub hold_for: Option<Scalar>,
    /// How long the condition must not hold before the alert resolves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolve_after: Option<Scalar>,
    /// `info`, `warning` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
    /// Labels of the alert, besides those that every alert has.
    #[serde(default, deserialize_with = "or_empty", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whether it is judged at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Reads labels that may be null, which is as if they were left out.
fn or_empty<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// `model:` of a metric spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawModel {
    /// The model's name.
    pub name: String,
    /// A version, or `*`; left out means `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Scalar>,
}

/// `metric:` of a metric spec: exactly one of the named kinds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawMetric {
    /// The detector whose score is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<String>,
    /// The detector's version; left out means any.
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

/// `alert_when:` of a metric spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawAlertWhen {
    /// An operator's name or symbol.
    pub operator: String,
    /// What the value is compared with: a number, or `from_package`.
    pub threshold: Threshold,
}

/// `over:` of a metric spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOver {
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

/// A value that people write with or without quotes, kept as text until it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub String);

impl Serialize for Scalar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.parse::<u64>() {
            // Only what comes back as the same text is written as a number: `007` is not.
            Ok(number) if number.to_string() == self.0 => serializer.serialize_u64(number),
            Ok(_) | Err(_) => serializer.serialize_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar(value.to_owned()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar(value.to_string()))
            }
        }
        deserializer.deserialize_any(Text)
    }
}
