//! What readers of the log share, on a log.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shadowline_service::health::{Health, Status};
use shadowline_stream::{Bytes, Cleanup, Envelope, OutRecord, PartitionCount, Producer};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestLog, on_both_logs};
use shadowline_worker::{
    LastError, TableChange, TopicSettings, follow_table, group_lag, prepare_topics, read_table,
    watch_log,
};
use tokio::sync::mpsc;

const TIMEOUT: Duration = Duration::from_secs(30);

fn settings(log: &TestLog) -> TopicSettings {
    TopicSettings {
        prefix: log.topics().clone(),
        partitions: 4.try_into().unwrap(),
        replication: 1.try_into().unwrap(),
    }
}

async fn put(producer: &Producer, topic: &Arc<str>, key: &str, value: Option<&str>) {
    let record = OutRecord {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(|it| Bytes::copy_from_slice(it.as_bytes())),
        envelope: Envelope::new(key, "com.example.row", "/test", Timestamp::UNIX_EPOCH),
    };
    producer.send(record).await.unwrap();
}

/// Some values cannot be decoded; what became of them is a value like any other.
fn decode(_: &Bytes, value: &Bytes) -> Result<u64, String> {
    std::str::from_utf8(value).unwrap().parse().map_err(|_| "no number".to_owned())
}

on_both_logs! {
    async fn topics_are_prepared_and_a_second_time_too(log: TestLog) {
        let component = Health::new("test").component("topics");
        for _ in 0..2 {
            prepare_topics(log.log(), &settings(&log), &component).await.unwrap();
            assert_eq!(component.status(), Status::Ok);
        }
        assert_eq!(log.log().partitions(&log.topics().scores()).await.unwrap(), 4);
    }

    async fn topics_of_the_wrong_form_are_no_matter_of_waiting(log: TestLog) {
        let mut specs = log.topics().specs(4, 1);
        specs[1].partitions = PartitionCount::Exactly(2);
        log.log().ensure_topics(&specs).await.unwrap();
        let component = Health::new("test").component("topics");
        let error = prepare_topics(log.log(), &settings(&log), &component).await.unwrap_err();
        assert!(error.is_permanent());
        assert!(error.to_string().contains("has 2 partitions, but must have 4"), "{error}");
    }

    async fn a_table_is_known_as_a_whole_and_then_followed(log: TestLog) {
        let topic = log.create_topic("table", 1, Cleanup::Compact).await;
        let producer = log.producer();
        for (key, value) in [("a", Some("1")), ("b", Some("2")), ("a", Some("3")), ("b", None)] {
            put(&producer, &topic, key, value).await;
        }
        put(&producer, &topic, "c", Some("x")).await;
        let key = |it: &str| Bytes::copy_from_slice(it.as_bytes());
        let whole = BTreeMap::from([(key("a"), Ok(3)), (key("c"), Err("no number".to_owned()))]);
        assert_eq!(read_table(log.log(), &topic, decode).await.unwrap(), whole);

        let component = Health::new("test").component("table");
        let (sender, mut changes) = mpsc::unbounded_channel();
        let (of_log, of_topic, health) = (log.log().clone(), Arc::clone(&topic), component.clone());
        let following = tokio::spawn(async move {
            follow_table(&of_log, &of_topic, &health, decode, |it| sender.send(it).unwrap()).await;
        });
        assert_eq!(changes.recv().await.unwrap(), TableChange::All(whole));
        put(&producer, &topic, "b", Some("5")).await;
        assert_eq!(changes.recv().await.unwrap(), TableChange::Upsert(key("b"), Ok(5)));
        put(&producer, &topic, "a", None).await;
        assert_eq!(changes.recv().await.unwrap(), TableChange::Delete(key("a")));
        assert_eq!(component.status(), Status::Ok);
        following.abort();
    }

    async fn a_group_that_reads_nothing_yet_is_shown(log: TestLog) {
        prepare_topics(log.log(), &settings(&log), &Health::new("test").component("topics"))
            .await
            .unwrap();
        let group = log.group("readers").try_into().unwrap();
        let shown = group_lag(log.log(), &group, log.topics().scores())();
        assert_eq!((shown.len(), shown[0].partitions, shown[0].lag_records), (1, 0, None));
        assert_eq!(shown[0].group, group.as_str());
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_fails_until_it_is() {
    let log = TestLog::embedded().await;
    let topic: Arc<str> = format!("{}late", log.topics().prefix()).into();
    let component = Health::new("test").component("table");
    let (sender, mut changes) = mpsc::unbounded_channel();
    let (of_log, of_topic, health) = (log.log().clone(), Arc::clone(&topic), component.clone());
    let following = tokio::spawn(async move {
        follow_table(&of_log, &of_topic, &health, decode, |it| sender.send(it).unwrap()).await;
    });
    wait_for("the table fails", TIMEOUT, async || matches!(component.status(), Status::Failing(_)))
        .await;
    log.create_topic("late", 1, Cleanup::Compact).await;
    assert_eq!(changes.recv().await.unwrap(), TableChange::All(BTreeMap::new()));
    wait_for("the table is there", TIMEOUT, async || component.status() == Status::Ok).await;
    following.abort();
}

#[tokio::test]
async fn a_log_that_answers_is_degraded_by_the_last_error_until_it_is_over() {
    let log = TestLog::embedded().await;
    let component = Health::new("test").component("log");
    let last_error = Arc::new(LastError::default());
    let watching =
        tokio::spawn(watch_log(log.log().clone(), component.clone(), Arc::clone(&last_error)));
    last_error.set(Some("no room".into()));
    wait_for("the log is degraded", TIMEOUT, async || {
        component.status() == Status::Degraded("no room".into())
    })
    .await;
    last_error.set(None);
    wait_for("the log is well", TIMEOUT, async || component.status() == Status::Ok).await;
    watching.abort();
}
