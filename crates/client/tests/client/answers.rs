//! Calls against a small server: what is sent, and what is made of answers of success.

use crate::support::{client, serve};
use axum::extract::{Multipart, Query};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use shadowline_api::packages::{InstallOutcome, PackageUpload};
use shadowline_api::prediction::{FeatureValue, Prediction, PredictionRequest};
use shadowline_api::specs::{Change, MetricSpecDocument};
use shadowline_api::status::{Condition, Status};
use shadowline_client::{CheckFilter, ModelInformation};
use shadowline_evaluation::Outcome;
use std::collections::BTreeMap;

fn spec() -> Value {
    json!({
        "id": "0192", "version": 3, "alerts_when": "alerts when > 2.5", "healthy_while": "healthy while <= 2.5",
        "sentence": "alerts when > 2.5", "created_at": "2026-01-31T12:00:00Z", "updated_at": "2026-01-31T12:00:00Z",
        "spec": {
            "kind": "MetricSpec", "name": "a/b", "model": {"name": "m", "version": "*"},
            "metric": {"monitor": "k", "version": 2}, "alert_when": {"operator": "greater", "threshold": 2.5},
            "for": "0s", "enabled": true, "schedule": {"of a": "newer service"},
        },
        "owner": "what a newer service says",
    })
}

fn check(idx: usize) -> Value {
    json!({
        "inference_id": format!("i{idx}"), "spec": {"id": "0192", "name": "a", "version": 1},
        "model": {"name": "m", "version": "1"}, "monitor": {"name": "k", "version": "1"}, "value": null,
        "outcome": "unscored", "reason": "no detector", "operator": "greater", "threshold": 2.5,
        "event_at": "2026-01-31T12:00:00Z", "partition": 0, "origin": {"instance": "0193", "sequence": idx},
    })
}

#[tokio::test]
async fn a_spec_is_sent_and_answered_with_members_that_are_not_known() {
    let app = Router::new().route(
        "/base/v1/metric-specs/{key}",
        get(|| async { Json(spec()) }).put(|Json(sent): Json<Value>| async move {
            let mut answer = spec();
            answer["change"] = json!("updated");
            answer["spec"] = sent;
            Json(answer)
        }),
    );
    let at = serve(app).await;
    let specs = client().metric_specs(&format!("{at}/base/")).unwrap();
    let shown = specs.show("a/b").await.unwrap();
    assert_eq!((shown.version, shown.change, shown.spec.name.as_str()), (3, None, "a/b"));
    let put = specs.put(&shown.spec).await.unwrap();
    assert_eq!(put.change, Some(Change::Updated));
    let sent: MetricSpecDocument = put.spec;
    assert_eq!(sent, shown.spec);
}

#[tokio::test]
async fn checks_come_a_page_at_a_time_and_no_more_than_wanted() {
    let app = Router::new().route(
        "/v1/checks",
        get(|Query(query): Query<BTreeMap<String, String>>| async move {
            assert_eq!(query["spec"], "a b&c");
            assert_eq!(query["outcome"], "unscored");
            let begin: usize = query.get("cursor").map_or(0, |it| it.parse().unwrap());
            let limit: usize = query["limit"].parse().unwrap();
            assert!(limit <= 1000, "{limit}");
            let end = (begin + limit).min(2500);
            let checks: Vec<Value> = (begin..end).map(check).collect();
            let next = (end < 2500).then(|| end.to_string());
            Json(json!({"checks": checks, "next_cursor": next}))
        }),
    );
    let specs = client().metric_specs(&serve(app).await).unwrap();
    let filter = CheckFilter {
        spec: Some("a b&c".to_owned()),
        outcome: Some(Outcome::Unscored),
        ..CheckFilter::default()
    };
    for (limit, n_expected) in [(0, 0), (1, 1), (1200, 1200), (5000, 2500), (usize::MAX, 2500)] {
        let checks = specs.checks(&filter, limit).await.unwrap();
        assert_eq!(checks.len(), n_expected);
        assert!(checks.iter().enumerate().all(|(idx, it)| it.origin.sequence == idx as u64));
    }
}

#[tokio::test]
async fn a_package_is_uploaded_as_a_form_and_found_by_name() {
    let package = json!({
        "name": "knn", "version": 1, "runtime": "knn", "metadata": {}, "digest": "sha256:0", "artefact_bytes": 3,
        "contract": {"inputs": {"age": "int64"}, "outputs": {"score": "float64"}},
    });
    let installed = package.clone();
    let app =
        Router::new()
            .route(
                "/v1/models",
                post(|mut form: Multipart| async move {
                    let mut parts = Vec::new();
                    while let Some(part) = form.next_field().await.unwrap() {
                        let name = part.name().unwrap().to_owned();
                        parts.push((name, part.bytes().await.unwrap()));
                    }
                    assert_eq!(parts[0], ("document".to_owned(), "kind: Model".into()));
                    assert_eq!(parts[1], ("artefact".to_owned(), vec![0, 255, 10].into()));
                    let answer = json!({"outcome": "installed", "model": installed});
                    (StatusCode::CREATED, Json(answer))
                }),
            )
            .route(
                "/v1/models/knn",
                get(|| async move {
                    Json(json!({"name": "knn", "versions": [package], "damaged": []}))
                }),
            );
    let packages = client().packages(&serve(app).await).unwrap();
    let upload = PackageUpload {
        document: "kind: Model".to_owned(),
        artefact: vec![0, 255, 10],
        profile: None,
    };
    let installed = packages.install(upload).await.unwrap();
    assert_eq!((installed.outcome, installed.model.version), (InstallOutcome::Installed, 1));
    assert_eq!(packages.find("knn").await.unwrap().unwrap().versions, [installed.model]);
    assert_eq!(packages.find("forest").await.unwrap(), None);
}

#[tokio::test]
async fn a_service_that_is_not_ready_is_an_answer() {
    let report = json!({
        "status": "failing", "message": "log is failing: no broker",
        "components": {"log": {"status": "failing", "reason": "no broker"}},
    });
    let app = Router::new()
        .route("/readyz", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, Json(report)) }));
    let report = client().service(&serve(app).await).unwrap().ready().await.unwrap();
    assert_eq!((report.status, report.is_ready()), (Condition::Failing, false));
    assert_eq!(report.components["log"], Status::Failing("no broker".to_owned()));
}

#[tokio::test]
async fn predictions_are_asked_of_the_model_that_is_named() {
    let app = Router::new()
        .route(
            "/models/a%20b/prediction",
            post(|Json(sent): Json<Value>| async move {
                assert_eq!(sent, json!({"feature_vector": [0.5, null], "score": true}));
                Json(json!({"is_inlier": -1, "anomaly_score": -0.75}))
            }),
        )
        .route("/model_information", get(|| async { Json(json!({"model": "x", "trees": 3})) }));
    let at = serve(app).await;
    let named = client().predictions(&at, Some("a b")).unwrap();
    let feature_vector = vec![FeatureValue::Number(0.5), FeatureValue::Missing];
    let request = PredictionRequest { feature_vector, score: Some(true) };
    let answer = named.predict(&request).await.unwrap();
    let Prediction { is_inlier, anomaly_score } = answer.prediction;
    assert_eq!((is_inlier, anomaly_score), (-1, Some(Some(-0.75))));
    assert!(answer.body.contains(r#""anomaly_score":-0.75"#), "{}", answer.body);
    let information = client().predictions(&at, None).unwrap().information().await.unwrap();
    assert!(matches!(information, ModelInformation::Foreign(_)), "{information:?}");
    assert_eq!(information.model(), Some("x"));
}

#[tokio::test]
async fn credentials_of_the_address_are_sent_and_nothing_else_of_them() {
    let app = Router::new().route(
        "/v1/watching",
        get(|headers: HeaderMap| async move {
            assert_eq!(headers["authorization"], "Basic bWU6aHVudGVyMg==");
            assert_eq!(headers["user-agent"], "test/1");
            assert!(!headers["host"].to_str().unwrap().contains('@'));
            Json(json!({"watching": [], "ignored": []}))
        }),
    );
    let at = serve(app).await.replace("http://", "http://me:hunter2@");
    client().monitor(&at).unwrap().watching().await.unwrap();
}
