//! Members that may be left out: in every body of the OpenAPI document, null says the same.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use shadowline_testkit::optional_members;
use shadowline_testkit_stack::on_both_logs_and_stores;
use uuid::Uuid;

use crate::support::{Running, spec};

/// Bodies of a method, which between them have every optional member that its schema has.
fn bodies(method: &str) -> Vec<Value> {
    if method == "patch" {
        return vec![json!({"enabled": false, "threshold": 0.7})];
    }
    let whole = json!({
        "kind": "MetricSpec",
        "name": "outliers",
        "model": {"name": "census", "version": 1},
        "metric": {"monitor": "iforest", "version": "2"},
        "alert_when": {"operator": "greater", "threshold": 0.62},
        "enabled": true,
        "for": "90s",
        "resolve_after": "90s",
        "severity": "critical",
        "labels": {"team": "risk"},
    });
    let overs = [
        json!({"window": "5m", "exceeds": 0.5, "aggregate": "breach_share", "min_samples": 3}),
        json!({"last": 20, "exceeds": 0.5, "aggregate": "breach_share", "min_samples": 3}),
        json!({"window": "5m", "aggregate": "mean", "min_samples": 3}),
        json!({"last": 20, "aggregate": "max", "min_samples": 3}),
    ];
    let with = |over: Value| {
        let mut body = whole.clone();
        body["over"] = over;
        body
    };
    overs.into_iter().map(with).collect()
}

/// Puts words in the place of ids and times.
fn without_ids(value: &mut Value) {
    match value {
        Value::String(text) if Uuid::parse_str(text).is_ok() => *text = "an id".to_owned(),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => *text = "a time".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(without_ids),
        Value::Object(members) => members.values_mut().for_each(without_ids),
        _ => {}
    }
}

/// What a body is answered where no other came before it.
async fn answered(service: &Running, method: &Method, path: &str, body: Value) -> (u16, Value) {
    service.call(Method::DELETE, "/v1/metric-specs/outliers", None).await;
    if *method != Method::POST {
        service.create(spec("outliers")).await;
    }
    let (status, mut answer) = service.call(method.clone(), path, Some(body)).await;
    without_ids(&mut answer);
    (status, answer)
}

on_both_logs_and_stores! {
    async fn a_member_that_may_be_left_out_may_be_null_in_every_body(log: TestLog, database: TestDatabase) {
        let service = Running::start(&log, &database).await;
        let (_, document) = service.get("/openapi.json").await;
        let mut n_accepted = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                if schema.is_null() {
                    continue;
                }
                let path = path.replace("{key}", "outliers");
                let bodies = bodies(method);
                let method: Method = method.to_uppercase().parse().unwrap();
                for it in optional_members(&document, schema, &bodies) {
                    let null = answered(&service, &method, &path, it.as_null).await;
                    let none = answered(&service, &method, &path, it.left_out).await;
                    assert_eq!(null, none, "{method} {path}: {}", it.pointer);
                    n_accepted += usize::from(null.0 < 300);
                }
            }
        }
        assert!(70 < n_accepted, "{n_accepted}");
        service.stop().await;
    }
}
