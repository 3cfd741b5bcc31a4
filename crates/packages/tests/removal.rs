//! Deleting what is used, over REST.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Request;
use serde_json::Value;
use shadowline_packages::{Artefacts, ModelDocument, Registry, Use, UsedBy, routes};
use shadowline_service::{health::Health, http, metrics::Metrics};
use tower::ServiceExt;

const DOCUMENT: &str = "kind: Model\nname: knn\nruntime: knn\nartefact: knn.sld\n\
     contract: {inputs: {age: int64}, outputs: {score: float64}}\n";

#[tokio::test]
async fn what_is_used_is_deleted_by_force_only() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path(), |_, _| Ok(()));
    let used_by = UsedBy(Arc::new(|name| {
        let spec = |by: &str, version| Use {
            by: format!("metric spec `{by}`"),
            version: NonZeroU64::new(version),
        };
        match name {
            "knn" => Ok(vec![spec("newest", 0), spec("second", 2)]),
            name => Err(format!("nobody answers for {name}")),
        }
    }));
    let registry = Arc::new(registry.unwrap());
    for artefact in ["one", "two", "three"] {
        let document = ModelDocument::parse(DOCUMENT).unwrap();
        registry.install(document, &Artefacts::of_model(artefact)).unwrap();
    }
    let api = routes(Arc::clone(&registry), 4096).layer(used_by.into_layer());
    let app = http::router(&Health::new("test"), &Metrics::new("test", "0.0.0"), api).into_router();
    let delete = async |path: &str| {
        let request = Request::delete(path).body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        (status, body["error"]["message"].as_str().unwrap_or_default().to_owned())
    };
    let (status, said) = delete("/v1/models/knn").await;
    assert_eq!(status, 409);
    assert!(said.contains("`newest`, metric spec `second`"), "{said}");
    assert!(said.contains("`force=true`"), "{said}");
    // One that is named, and one that is not while others are there.
    let (status, said) = delete("/v1/models/knn/versions/2").await;
    assert_eq!((status, said.contains("`newest`")), (409, false), "{said}");
    assert_eq!(delete("/v1/models/knn/versions/3").await.0, 204);
    assert_eq!(delete("/v1/models/knn/versions/2?force=true").await.0, 204);
    let (status, said) = delete("/v1/models/knn/versions/1?force=false").await;
    assert_eq!((status, said.contains("`newest`")), (409, true), "{said}");
    assert_eq!(delete("/v1/models/knn/versions/9").await.0, 404);
    for query in ["force=yes", "forced=true", "force=true&force=true", "force"] {
        assert_eq!(delete(&format!("/v1/models/knn?{query}")).await.0, 400, "{query}");
    }
    // Of one that is there, and of which nobody can say it.
    let document = ModelDocument::parse(&DOCUMENT.replace("name: knn", "name: other")).unwrap();
    registry.install(document, &Artefacts::of_model("one")).unwrap();
    let (status, said) = delete("/v1/models/other").await;
    assert_eq!((status, said.contains("nobody answers for other")), (503, true), "{said}");
    assert_eq!(delete("/v1/models/nothing").await.0, 404);
    assert_eq!(delete("/v1/models/other?force=true").await.0, 204);
    assert_eq!(delete("/v1/models/knn?force=true").await.0, 204);
    assert_eq!(delete("/v1/models/knn").await.0, 404);
}
