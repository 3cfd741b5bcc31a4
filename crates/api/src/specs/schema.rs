//! The schema of a metric spec: what is refused is said here as far as a schema can say it; `evaluation` has the whole of
//! it. Schemathesis holds it against the service, so it is no narrower than what is accepted either.

use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::document::MetricSpecDocument;

const NAME: &str = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$";
const LABEL: &str =
    "^(?!__)(?!(alertname|severity|model|version|spec)$)[A-Za-z_][A-Za-z0-9_]{0,127}$";
/// Every unit that is read; answers write `days`, `day`, `h`, `m`, `s`, `ms`, `us` and `ns`.
const UNITS: &str = "nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|\
                     hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y";

impl PartialSchema for MetricSpecDocument {
    fn schema() -> RefOr<Schema> {
        let schema = json!({
            "type": "object",
            "description": "A metric spec. It alerts when `value OPERATOR threshold` is true.",
            "required": ["name", "model", "metric", "alert_when"],
            "additionalProperties": false,
            "properties": {
                "kind": {"type": ["string", "null"], "enum": ["MetricSpec", null]},
                "name": name("Unique; letters, digits, `_`, `-` and `.`; no UUID."),
                "model": {
                    "type": "object", "required": ["name"], "description": "Whose traffic is judged.",
                    "additionalProperties": false,
                    "properties": {"name": name("The model's name."), "version": version()}
                },
                "metric": {
                    "description": "Which value is judged: of one kind.",
                    "anyOf": [
                        metric("monitor", "The detector whose score is judged."),
                        metric("drift", "A drift statistic."),
                        metric("quality", "A data-quality figure."),
                        metric("service", "A service-health figure."),
                        metric("performance", "A figure that needs the true outcomes."),
                    ]
                },
                "alert_when": {
                    "type": "object", "required": ["operator", "threshold"],
                    "additionalProperties": false,
                    "properties": {
                        "operator": {"type": "string", "description": "Its name, or its symbol.", "enum": [
                            "equal", "not_equal", "greater", "less", "greater_or_equal", "less_or_equal",
                            "==", "!=", ">", "<", ">=", "<="
                        ]},
                        "threshold": {
                            "description": "A number, or of a detector `from_package`: the threshold of the version that scored.",
                            "oneOf": [{"type": "number"}, {"type": "string", "enum": ["from_package"]}]
                        }
                    }
                },
                "over": {
                    "description": "Judges a window: `window` of event time, or the `last` so many checks.",
                    "anyOf": [over("window", true), over("window", false), over("last", true), over("last", false), {"type": "null"}]
                },
                "for": span("How long the condition must hold before the alert fires."),
                "resolve_after": span("How long it must not hold before the alert resolves."),
                "severity": {"type": ["string", "null"], "enum": ["info", "warning", "critical", null]},
                "labels": {
                    "type": ["object", "null"], "maxProperties": 32,
                    "propertyNames": {"type": "string", "pattern": LABEL},
                    "additionalProperties": {"type": "string", "minLength": 1, "maxLength": 1024}
                },
                "enabled": {"type": ["boolean", "null"]}
            }
        });
        RefOr::T(serde_json::from_value(schema).expect("the schema is a constant"))
    }
}

impl ToSchema for MetricSpecDocument {}

fn name(text: &str) -> Value {
    json!({"type": "string", "pattern": NAME, "description": text})
}

fn version() -> Value {
    json!({
        "description": "A whole number from 1, below 2 to the 64th; left out or `*`, any.",
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": u64::MAX},
            {"type": "string", "pattern": "^(0*[1-9][0-9]{0,19}|[*])$"},
            {"type": "null"}
        ]
    })
}

/// One kind of metric; the others may be there as null.
fn metric(kind: &str, text: &str) -> Value {
    let mut properties: serde_json::Map<_, _> =
        ["monitor", "version", "drift", "quality", "service", "performance"]
            .map(|it| (it.to_owned(), json!({"type": "null"})))
            .into_iter()
            .collect();
    properties.insert(kind.to_owned(), name(text));
    if kind == "monitor" {
        properties.insert("version".to_owned(), version());
    }
    json!({"type": "object", "required": [kind], "additionalProperties": false, "properties": properties})
}

/// The text of a duration.
fn duration(text: &str) -> Value {
    let pattern = format!("^\\s*([0-9][0-9\\s]*([.][0-9\\s]+)?({UNITS})\\s*)+$");
    json!({"type": "string", "pattern": pattern, "description": text, "examples": ["90s"]})
}

/// A duration that may be none.
fn span(text: &str) -> Value {
    json!({
        "description": text,
        "anyOf": [
            duration("A number with its unit, at most 30 days."),
            {"type": ["integer", "string", "null"], "enum": [0, "0", null], "description": "None; so it is left out."}
        ]
    })
}

/// A window of one kind, judged by the share of its breaches or by an aggregate of its values.
fn over(one: &str, by_share: bool) -> Value {
    let (other, bounds, most) = match one {
        "window" => ("last", duration("A span of event time, at least 100 ms."), u64::MAX),
        _ => {
            let last = json!({"type": "integer", "minimum": 1, "maximum": 1000, "description": "A number of checks."});
            ("window", last, 1000)
        }
    };
    let (aggregate, exceeds) = if by_share {
        (
            json!({"type": ["string", "null"], "enum": ["breach_share", null]}),
            json!({"type": "number", "minimum": 0, "exclusiveMaximum": 1, "description": "The share of breaches above which it alerts."}),
        )
    } else {
        (json!({"type": "string", "enum": ["mean", "max", "min"]}), json!({"type": "null"}))
    };
    let least = json!({"type": ["integer", "null"], "minimum": 1, "maximum": most, "description": "How many scored checks it takes; of `last`, no more than those."});
    json!({
        "type": "object", "required": [one, if by_share { "exceeds" } else { "aggregate" }],
        "additionalProperties": false,
        "properties": {one: bounds, other: {"type": "null"}, "aggregate": aggregate, "min_samples": least, "exceeds": exceeds}
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_one() {
        let schema = serde_json::to_value(MetricSpecDocument::schema()).unwrap();
        assert_eq!(schema["required"], json!(["name", "model", "metric", "alert_when"]));
        assert_eq!(schema["properties"]["over"]["anyOf"].as_array().unwrap().len(), 5);
        let labels = &schema["properties"]["labels"]["propertyNames"];
        assert!(labels["pattern"].as_str().unwrap().contains("alertname"), "{schema}");
        // The bound is written as it is, and not as the nearest 64-bit float.
        let model = &schema["properties"]["model"]["properties"]["version"]["anyOf"][0];
        assert_eq!(model["maximum"].as_u64(), Some(u64::MAX), "{schema}");
    }
}
