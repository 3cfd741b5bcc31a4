//! What readiness says: whether scores are judged, and whether alerts reach anybody.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::{Monitor, Peer, Running, TIMEOUT, config, spec};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{KafkaNode, TestDatabase, TestLog};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_fails_is_said_and_is_over_when_one_succeeds() {
    let log = TestLog::embedded().await;
    let database = TestDatabase::sqlite();
    let monitor = Monitor::new(&log, "iforest").await;
    let (refusing, accepting) = (Peer::start(true).await, Peer::start(false).await);
    let mut settings = config(&log, &database);
    settings.alertmanager.urls = vec![refusing.url.clone(), accepting.url.clone()];
    let service = Running::start_with(settings, &log).await;
    assert_eq!(service.health().await, "metric-specs is ready");
    service.create(spec("outliers")).await;
    monitor.send(1, Some(0.9)).await;
    wait_for("readiness says who does not hear of it", TIMEOUT, async || {
        let health = service.health().await;
        health.starts_with("alert delivery is degraded: ") && health.contains("answered 503")
    })
    .await;
    let (status, report) = service.get("/readyz").await;
    assert_eq!(status, 200, "scores are judged all the same: {report}");
    assert!(report["message"].as_str().unwrap().contains(&refusing.label), "{report}");
    assert!(!report["message"].as_str().unwrap().contains(&accepting.label), "{report}");
    let said = service.get("/v1/status").await.1;
    assert!(said["last_error"]["message"].as_str().unwrap().contains("503"), "{said}");
    refusing.accept();
    wait_for("all is well", TIMEOUT, async || service.health().await == "metric-specs is ready")
        .await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_log_it_is_not_ready_whenever_that_began() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let database = TestDatabase::sqlite();
    let service = Running::start(&log, &database).await;
    node.stop().await;
    wait_for("it is not ready", TIMEOUT, async || service.get("/readyz").await.0 == 503).await;
    let health = service.health().await;
    assert!(health.contains("log is failing: the log cannot be reached"), "{health}");
    // What needs no log goes on.
    service.create(spec("outliers")).await;
    // One that is started meanwhile says the same.
    let second = Running::launch(config(&log, &database), &log).await;
    wait_for("nor is another one", TIMEOUT, async || second.get("/readyz").await.0 == 503).await;
    second.abandon().await;
    node.start().await.unwrap();
    wait_for("it is ready again", TIMEOUT, async || service.get("/readyz").await.0 == 200).await;
    service.stop().await;
}
