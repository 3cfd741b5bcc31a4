//! What `/metrics` says of specs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::{Monitor, Running, TIMEOUT, spec};
use reqwest::Method;
use serde_json::json;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestDatabase, TestLog};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_spec_shows_nothing_of_the_version_before() {
    let log = TestLog::embedded().await;
    let database = TestDatabase::sqlite();
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start(&log, &database).await;
    let mut document = spec("outliers");
    document["over"] = json!({"last": 2, "aggregate": "max", "min_samples": 1});
    service.create(document.clone()).await;
    monitor.send(1, Some(0.9)).await;
    wait_for("it is checked", TIMEOUT, async || service.n_checks("").await == 1).await;
    let shown = async |name: &str| {
        let metrics = service.metrics().await;
        let series =
            format!("shadowline_metric_spec_{name}{{spec=\"outliers\",model=\"census\"}} ");
        metrics.lines().find_map(|it| it.strip_prefix(&series)).map(str::to_owned)
    };
    assert_eq!(shown("threshold").await.as_deref(), Some("0.62"));
    assert_eq!(shown("value").await.as_deref(), Some("0.9"));
    assert_eq!(shown("window_value").await.as_deref(), Some("0.9"));

    // Its threshold comes with the next score, of which none has come.
    document["alert_when"]["threshold"] = json!("from_package");
    document.as_object_mut().unwrap().remove("over");
    let path = "/v1/metric-specs/outliers";
    assert_eq!(service.call(Method::PUT, path, Some(document.clone())).await.0, 200);
    for name in ["threshold", "value", "window_value"] {
        assert_eq!(shown(name).await, None, "{name}");
    }
    assert_eq!(shown("firing").await.as_deref(), Some("0"));
    let mut score = monitor.score(2, Some(0.7));
    score.threshold = Some(0.5);
    monitor.enqueue(&score).await.await.unwrap();
    wait_for("the next is checked", TIMEOUT, async || service.n_checks("").await == 2).await;
    assert_eq!(shown("threshold").await.as_deref(), Some("0.5"));
    assert_eq!(shown("window_value").await, None);

    // One that came without is compared with none, and the API says so.
    monitor.send(3, Some(0.7)).await;
    wait_for("a third is checked", TIMEOUT, async || service.n_checks("").await == 3).await;
    let last = service.get("/v1/checks?limit=1").await.1["checks"][0].clone();
    assert_eq!(
        (&last["outcome"], &last["threshold"]),
        (&json!("unscored"), &json!(null)),
        "{last}"
    );
    assert_eq!(shown("threshold").await.as_deref(), Some("0.5"));
    service.stop().await;
}
