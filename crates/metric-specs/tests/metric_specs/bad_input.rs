//! What callers may send by mistake or on purpose: each is refused with its reason, and the service lives on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::{Running, spec};
use reqwest::Method;
use serde_json::{Value, json};
use shadowline_testkit_stack::{TestDatabase, TestLog, on_both_stores};

on_both_stores! {
    async fn every_bad_request_is_refused_with_its_reason(database: TestDatabase) {
        every_bad_request(database).await;
    }
}

async fn every_bad_request(database: TestDatabase) {
    let log = TestLog::embedded().await;
    let service = Running::start(&log, &database).await;
    service.create(spec("there")).await;

    let with = |pointer: &str, value: Value| {
        let mut document = spec("new");
        document["over"] = json!({"last": 20, "exceeds": 0.5});
        document["labels"] = json!({});
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        document.to_string()
    };
    let without = |key: &str| {
        let mut document = spec("new");
        document.as_object_mut().unwrap().remove(key);
        document.to_string()
    };
    let bodies: Vec<(String, u16, &[&str])> = vec![
        (String::new(), 400, &["the body", "EOF"]),
        ("{".into(), 400, &["the body", "EOF"]),
        ("[]".into(), 400, &["the body"]),
        ("null".into(), 400, &["the body", "null"]),
        ("\u{0}\u{1}".into(), 400, &["the body"]),
        (format!("{} {{}}", spec("new")), 400, &["the body", "one JSON object"]),
        (without("name"), 400, &["missing field `name`"]),
        (without("model"), 400, &["missing field `model`"]),
        (without("metric"), 400, &["missing field `metric`"]),
        (without("alert_when"), 400, &["missing field `alert_when`"]),
        (with("/kind", json!("Model")), 400, &["`kind`", "`Model`", "`MetricSpec`"]),
        (with("/name", json!("a b")), 400, &["`name`", "`a b`"]),
        (with("/name", json!(7)), 400, &["`name`", "7", "a text"]),
        (with("/name", json!("x".repeat(500))), 400, &["`name`", "128"]),
        (with("/name", json!("there")), 409, &["`there`", "exists already"]),
        (with("/model", json!("census")), 400, &["`model`", "census"]),
        (with("/model/version", json!(-3)), 400, &["`model.version`", "-3"]),
        (with("/model/version", json!(true)), 400, &["`model.version`", "true"]),
        (with("/model/versoin", json!(1)), 400, &["`model.versoin`", "unknown field"]),
        (with("/metric", json!({})), 400, &["`metric`", "monitor"]),
        (
            with("/metric", json!({"drift": "psi", "version": 1})),
            400,
            &["`metric.version`", "`1`", "only beside `monitor`"],
        ),
        (with("/metric", json!({"quality": "missing rate"})), 400, &["`metric.quality`"]),
        (with("/metric/version", json!("newest")), 400, &["`metric.version`", "newest"]),
        (
            with("/alert_when/operator", json!("GREATER")),
            400,
            &["`alert_when.operator`", "GREATER", "greater_or_equal"],
        ),
        (with("/alert_when/operator", json!(null)), 400, &["`alert_when.operator`"]),
        (
            with("/alert_when/threshold", json!("0.6")),
            400,
            &["`alert_when.threshold`", "0.6", "a number or `from_package`"],
        ),
        (spec("new").to_string().replace("0.62", "NaN"), 400, &["`alert_when.threshold`"]),
        (
            spec("new").to_string().replace("0.62", "1e999"),
            400,
            &["alert_when.threshold", "out of range"],
        ),
        (
            with("/over", json!({"last": 20, "window": "5m", "exceeds": 0.5})),
            400,
            &["`over`", "both"],
        ),
        (with("/over", json!({"exceeds": 0.5})), 400, &["`over`", "neither"]),
        (with("/over/last", json!(0)), 400, &["`over.last`", "`0`", "1 to 1000"]),
        (with("/over/last", json!(2.5)), 400, &["`over.last`", "2.5"]),
        (with("/over/exceeds", json!(1)), 400, &["`over.exceeds`", "`1`"]),
        (with("/over/min_samples", json!(21)), 400, &["`over.min_samples`", "`21`", "20"]),
        (with("/over/aggregate", json!("p99")), 400, &["`over.aggregate`", "p99", "breach_share"]),
        (with("/for", json!(60)), 400, &["`for`", "60", "unit"]),
        (with("/resolve_after", json!("never")), 400, &["`resolve_after`", "never"]),
        (with("/severity", json!("urgent")), 400, &["`severity`", "urgent", "critical"]),
        (with("/labels", json!({"alertname": "x"})), 400, &["`labels`", "alertname"]),
        (with("/labels", json!({"a-b": "x"})), 400, &["`labels`", "a-b"]),
        (with("/labels", json!({"team": "a\u{0}b"})), 400, &["`labels`", "NUL", "`team`"]),
        (with("/labels", json!({"team": 1})), 400, &["`labels.team`", "1"]),
        (with("/enabled", json!("yes")), 400, &["`enabled`", "yes", "true or false"]),
        (with("/thershold", json!(1)), 400, &["thershold", "unknown field"]),
        (with("/labels", json!({"team": "x".repeat(70_000)})), 413, &["length limit"]),
        ("[".repeat(40_000), 400, &["`[0]`", "a list"]),
        (
            spec("new").to_string().replacen('{', r#"{"labels": {"a": "x", "a": "y"}, "#, 1),
            400,
            &["`a` of `labels`", "twice"],
        ),
    ];
    assert!(bodies.len() >= 40);
    let mut wrong = Vec::new();
    for (body, expected, says) in bodies {
        let (status, answer) = service.raw(Method::POST, "/v1/metric-specs", body.clone()).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        let told = answer["error"]["code"].is_string() && answer["error"]["request_id"].is_string();
        if status != expected || !told || !says.iter().all(|it| message.contains(it)) {
            let body: String = body.chars().take(300).collect();
            wrong.push(format!(
                "{body}\n  expected {expected} and {says:?}, got {status}: {answer}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    let put = |key: &str| format!("/v1/metric-specs/{key}");
    let unknown_id = "01900000-0000-7000-8000-000000000000";
    let calls: Vec<(Method, String, String, u16, &str)> = vec![
        (Method::PUT, put("free"), spec("another").to_string(), 400, "the address names `free`"),
        (Method::PUT, put(unknown_id), spec("new").to_string(), 404, unknown_id),
        (Method::PUT, put("there"), "{}".into(), 400, "missing field"),
        (Method::PATCH, put("there"), "{}".into(), 400, "expected `enabled` or `threshold`"),
        (Method::PATCH, put("there"), "{\"treshold\": 1}".into(), 400, "treshold"),
        (Method::PATCH, put("nobody"), "{\"threshold\": 1}".into(), 404, "`nobody`"),
        (Method::DELETE, put("nobody"), String::new(), 404, "`nobody`"),
        (Method::GET, put("nobody"), String::new(), 404, "`nobody`"),
        (Method::GET, put("nobody/versions"), String::new(), 404, "`nobody`"),
        (Method::GET, format!("{}/versions", put(unknown_id)), String::new(), 404, unknown_id),
        (Method::DELETE, "/v1/metric-specs".into(), String::new(), 405, "DELETE"),
        (Method::GET, "/v1/metric-spec".into(), String::new(), 404, "/v1/metric-spec"),
        (Method::GET, "/v1/metric-specs?modle=x".into(), String::new(), 400, "`modle`"),
        (Method::GET, "/v1/checks?spec=nobody".into(), String::new(), 404, "`nobody`"),
        (
            Method::GET,
            "/v1/checks?outcome=bad".into(),
            String::new(),
            400,
            "healthy, breach or unscored",
        ),
        (Method::GET, "/v1/checks?limit=0".into(), String::new(), 400, "`limit`"),
        (Method::GET, "/v1/checks?limit=100000".into(), String::new(), 400, "from 1 to 1000"),
        (Method::GET, "/v1/checks?limit=1&limit=2".into(), String::new(), 400, "came twice"),
        (Method::GET, "/v1/checks?since=yesterday".into(), String::new(), 400, "`yesterday`"),
        (Method::GET, "/v1/checks?inference_id=a%00b".into(), String::new(), 400, "NUL"),
        (Method::GET, put("a%00b"), String::new(), 404, "no metric spec"),
        (Method::GET, put("a%00b/versions"), String::new(), 404, "no metric spec"),
        (
            Method::GET,
            "/v1/checks?cursor=9223372036854775807-1".into(),
            String::new(),
            400,
            "`cursor`",
        ),
        (Method::GET, "/v1/checks?cursor=x".into(), String::new(), 400, "`cursor`"),
        (Method::GET, "/v1/checks/count?limit=1".into(), String::new(), 400, "`limit`"),
        (
            Method::GET,
            "/v1/alerts?state=resolved".into(),
            String::new(),
            400,
            "inactive, pending or firing",
        ),
        (Method::GET, "/v1/alerts/history?cursor=1.5".into(), String::new(), 400, "`1.5`"),
    ];
    for (method, path, body, expected, says) in calls {
        let (status, answer) = service.raw(method.clone(), &path, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{method} {path}: `{message}` does not say `{says}`");
    }
    // None of that has left anything behind.
    assert_eq!(
        service.get("/v1/metric-specs").await.1["metric_specs"].as_array().unwrap().len(),
        1
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_describes_itself() {
    let log = TestLog::embedded().await;
    let database = TestDatabase::sqlite();
    let service = Running::start(&log, &database).await;
    let (status, openapi) = service.get("/openapi.json").await;
    assert_eq!((status, openapi["info"]["title"].as_str()), (200, Some("Shadowline metric specs")));
    assert!(service.get("/docs").await.1.as_str().unwrap().contains("openapi.json"));
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            let (status, answer) =
                service.raw(method.clone(), &path.replace("{key}", "nobody"), "{}").await;
            assert!(status != 405 && status != 0, "{method} {path}: {answer}");
            let message = answer["error"]["message"].as_str().unwrap_or_default();
            assert!(!message.contains("nothing at"), "{method} {path}: {answer}");
        }
    }
    service.stop().await;
}

#[test]
fn the_openapi_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let now = shadowline_metric_specs::openapi_json();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == now, "openapi.json is out of date: run this test with UPDATE_OPENAPI=1");
}
