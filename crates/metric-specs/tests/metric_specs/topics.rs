//! Topics that lose records before they are judged, and topics that are deleted and made again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use shadowline_stream::StartAt;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestDatabase, TestLog};
use shadowline_wire::WatchedSpec;

use crate::support::{Monitor, N_PARTITIONS, Running, TIMEOUT, spec};

async fn checks(service: &Running, n: u64) {
    wait_for("every score is checked", TIMEOUT, async || n <= service.n_checks("").await).await;
    assert_eq!(service.n_checks("").await, n);
}

/// Deletes a topic and makes it again as it was.
async fn make_again(log: &TestLog, topic: &Arc<str>) {
    let old = log.log().topic_id(topic).await.unwrap();
    log.cluster().delete_topic(topic).await.unwrap();
    wait_for("the topic is made again", TIMEOUT, async || {
        let specs = log.topics().specs(N_PARTITIONS, 1);
        log.log().ensure_topics(&specs).await.is_ok()
            && log.log().topic_id(topic).await.is_ok_and(|it| it != old)
    })
    .await;
}

fn numbers(to: u64) -> impl Iterator<Item = (u64, Option<f64>)> {
    (1..=to).map(|it| (it, Some(0.9)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scores_of_a_topic_that_was_made_again_are_no_repeats() {
    let Some(log) = TestLog::kafka().await else { return };
    let database = TestDatabase::sqlite();
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start(&log, &database).await;
    service.create(spec("outliers")).await;
    monitor.send_all(numbers(60)).await;
    checks(&service, 60).await;

    // While it runs: the same sequences, and more of them than the old topic had.
    make_again(&log, &log.topics().scores()).await;
    monitor.send_all(numbers(400)).await;
    checks(&service, 460).await;
    service.stop().await;

    // While nobody is there to notice.
    make_again(&log, &log.topics().scores()).await;
    monitor.send_all(numbers(500)).await;
    let service = Running::start(&log, &database).await;
    checks(&service, 960).await;
    // What comes twice on one topic counts once, as ever.
    monitor.send_all(numbers(500)).await;
    monitor.send(501, Some(0.9)).await;
    checks(&service, 961).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scores_that_retention_took_are_unscored_checks() {
    let Some(log) = TestLog::kafka().await else { return };
    let database = TestDatabase::sqlite();
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start(&log, &database).await;
    service.create(spec("outliers")).await;
    monitor.send_all(numbers(30)).await;
    checks(&service, 30).await;
    service.stop().await;

    monitor.send_all((31..=330).map(|it| (it, Some(0.9)))).await;
    for partition in 0..N_PARTITIONS {
        log.cluster().drop_records(&log.topics().scores(), partition, 100).await.unwrap();
    }
    let service = Running::start(&log, &database).await;
    // 110 scores of each partition, of which 100 are gone; 10 of them had been checked.
    checks(&service, 30 + 30 + u64::from(N_PARTITIONS)).await;
    assert_eq!(service.n_checks("?outcome=unscored").await, u64::from(N_PARTITIONS));
    let (_, page) = service.get("/v1/checks?outcome=unscored&limit=1").await;
    let reason = page["checks"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("lost_records: 90 records of `"), "{reason}");
    let health = service.health().await;
    assert!(health.contains("records is degraded: 270 records of"), "{health}");
    let metrics = service.metrics().await;
    let lost = metrics
        .lines()
        .find(|it| it.starts_with("shadowline_consumer_lost_records_total"))
        .unwrap_or_default();
    assert!(lost.ends_with(" 270"), "{lost}");
    service.stop().await;

    let service = Running::start(&log, &database).await;
    monitor.send(331, Some(0.9)).await;
    checks(&service, 30 + 30 + u64::from(N_PARTITIONS) + 1).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_specs_are_sent_again_to_a_topic_that_was_made_again() {
    let Some(log) = TestLog::kafka().await else { return };
    let database = TestDatabase::sqlite();
    log.create_topics(N_PARTITIONS).await;
    let service = Running::start(&log, &database).await;
    service.create(spec("outliers")).await;
    let topic = log.topics().metric_specs();
    let names = async || {
        let mut reader = log.log().reader(&topic, StartAt::Earliest).await.unwrap();
        let records = reader.read_to_end().await.unwrap_or_default();
        let spec = |it: &shadowline_stream::Received| {
            Some(WatchedSpec::decode(it.value.as_ref()?).unwrap().name)
        };
        records.iter().filter_map(spec).collect::<Vec<_>>()
    };
    wait_for("the spec is there", TIMEOUT, async || names().await == ["outliers"]).await;
    make_again(&log, &topic).await;
    wait_for("the spec is there again", TIMEOUT, async || names().await == ["outliers"]).await;
    service.stop().await;
}
