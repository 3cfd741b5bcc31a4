//! A monitor that hosts no detectors: it scores inferences by their latency.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::histogram::Histogram;
use shadowline_monitor::{Monitor, MonitorHealth, MonitorMetrics, Scorers, Subscriptions, Target};
use shadowline_service::health::Health;
use shadowline_service::metrics::Metrics;
use shadowline_stream::{Bytes, Envelope, Origin, OutRecord, ReadEvent, StartAt};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::{
    INFERENCE_TYPE, Inference, METRIC_SPEC_TYPE, ModelRef, MonitorRef, Outcome, Score, ScoreValue,
    Unscored, WatchedSpec,
};
use shadowline_worker::{GroupName, Lifetime, TopicSettings};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(60);

/// The one scorer there is has the name `latency`.
#[derive(Debug)]
struct Latency;

impl Scorers for Latency {
    type Scorer = ();

    fn generation(&self) -> u64 {
        0
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }

    fn names(&self) -> BTreeSet<String> {
        BTreeSet::from(["latency".to_owned()])
    }

    fn resolver(&self) -> impl Fn(&MonitorRef) -> Result<Target<()>, String> {
        |wanted: &MonitorRef| match wanted.name.as_str() {
            "latency" => {
                let monitor = MonitorRef { name: "latency".into(), version: "1".into() };
                Ok(Target { monitor, is_newest: true, threshold: None, scorer: Ok(()) })
            }
            name => Err(format!("nothing here is called `{name}`")),
        }
    }

    fn score(&self, (): &(), inferences: &[&Inference]) -> Vec<Result<ScoreValue, Unscored>> {
        let score = |it: &&Inference| ScoreValue {
            value: it.latency.as_secs_f64(),
            record_idx: 0,
            record_values: Vec::new(),
            p_value: None,
            expected: None,
            contributions: Vec::new(),
            n_unseen_categories: 0,
        };
        inferences.iter().map(score).map(Ok).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_monitor_without_packages_scores_what_specs_ask_of_it() {
    let log = TestLog::embedded().await;
    log.create_topics(2).await;
    let producer = log.producer();
    let send = async |topic: Arc<str>, key: &str, value: Vec<u8>, envelope: Envelope| {
        let key = Some(Bytes::copy_from_slice(key.as_bytes()));
        let record = OutRecord { topic, partition: None, key, value: Some(value.into()), envelope };
        producer.send(record).await.unwrap();
    };
    let model = ModelRef { name: "census".into(), version: "1".into() };
    let spec = WatchedSpec {
        id: "slow".into(),
        name: "slow".into(),
        version: 1,
        enabled: true,
        model: ModelRef { version: "*".into(), ..model.clone() },
        monitor: Some(MonitorRef { name: "latency".into(), version: String::new() }),
        document_json: "{}".into(),
        changed_at: Timestamp::UNIX_EPOCH,
    };
    let envelope = Envelope::new("slow", METRIC_SPEC_TYPE, "/test", Timestamp::UNIX_EPOCH);
    send(log.topics().metric_specs(), "slow", spec.encode(), envelope).await;

    let health = Health::new("test");
    run(&log, &health, async {
        let inference = Inference {
            id: "one".into(),
            model: model.clone(),
            received_at: Timestamp::UNIX_EPOCH,
            latency: Duration::from_millis(250),
            n_records: 1,
            inputs: Vec::new(),
            outcome: Outcome::Outputs(Vec::new()),
            tags: BTreeMap::new(),
            origin: None,
        };
        let mut envelope = Envelope::new("one", INFERENCE_TYPE, "/serving", Timestamp::UNIX_EPOCH);
        envelope.origin = Some(Origin { instance: Uuid::from_u128(5), sequence: 1 });
        send(log.topics().inferences(), "one", inference.encode(), envelope).await;
        let mut scores = log.log().reader(&log.topics().scores(), StartAt::Earliest).await.unwrap();
        let record = loop {
            if let ReadEvent::Record(record) = scores.next().await.unwrap() {
                break record;
            }
        };
        let score = Score::decode(record.value.as_ref().unwrap()).unwrap();
        assert_eq!(score.result.unwrap().value.to_bits(), 0.25_f64.to_bits());
        assert_eq!(score.metric.name, "latency");
    })
    .await;
}

/// Runs a monitor until `check` is done with it.
async fn run(log: &TestLog, health: &Health, check: impl Future<Output = ()>) {
    let metrics = Metrics::new("test", "0.0.0");
    let own_metrics = MonitorMetrics::register(&metrics, || Histogram::new([0.1]));
    let topics = TopicSettings {
        prefix: log.topics().clone(),
        partitions: 2.try_into().unwrap(),
        replication: 1.try_into().unwrap(),
    };
    let group = GroupName::try_from(log.group("latency")).unwrap();
    let stop = CancellationToken::new();
    let lifetime = Lifetime::begin(health.clone(), stop.clone());
    let monitor = Monitor {
        service: "monitor-latency",
        log: log.log(),
        topics: &topics,
        group: &group,
        max_batch: 10.try_into().unwrap(),
        subscriptions: Arc::new(Subscriptions::new(
            "monitor-latency",
            Arc::new(Latency),
            own_metrics.clone(),
        )),
        metrics: own_metrics,
        health: MonitorHealth::register(health),
        lifetime: &lifetime,
        stop: stop.clone(),
    };
    let (ended, ()) = tokio::join!(monitor.run(), async {
        wait_for("the monitor is ready", TIMEOUT, async || health.report().is_ready()).await;
        tokio::time::timeout(TIMEOUT, check).await.expect("in time");
        stop.cancel();
    });
    ended.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inferences_that_retention_took_are_unscored() {
    let Some(log) = TestLog::kafka().await else { return };
    log.create_topics(2).await;
    let producer = log.producer();
    let spec = WatchedSpec {
        id: "slow".into(),
        name: "slow".into(),
        version: 1,
        enabled: true,
        model: ModelRef { name: "census".into(), version: "*".into() },
        monitor: Some(MonitorRef { name: "latency".into(), version: String::new() }),
        document_json: "{}".into(),
        changed_at: Timestamp::UNIX_EPOCH,
    };
    let send = async |topic: Arc<str>, event_type: &str, value: Vec<u8>| {
        let envelope = Envelope::new("slow", event_type, "/test", Timestamp::UNIX_EPOCH);
        let (key, partition) = (Some(Bytes::from_static(b"slow")), Some(0));
        let record = OutRecord { topic, partition, key, value: Some(value.into()), envelope };
        producer.send(record).await.unwrap();
    };
    send(log.topics().metric_specs(), METRIC_SPEC_TYPE, spec.encode()).await;
    let health = Health::new("test");
    run(&log, &health, async {}).await;
    // Away, while more comes than the topic keeps.
    for _ in 0..10 {
        send(log.topics().inferences(), INFERENCE_TYPE, vec![1]).await;
    }
    log.cluster().drop_records(&log.topics().inferences(), 0, 10).await.unwrap();

    let health = Health::new("test");
    run(&log, &health, async {
        let mut scores = log.log().reader(&log.topics().scores(), StartAt::Earliest).await.unwrap();
        let record = loop {
            if let ReadEvent::Record(record) = scores.next().await.unwrap() {
                break record;
            }
        };
        let score = Score::decode(record.value.as_ref().unwrap()).unwrap();
        let unscored = score.result.unwrap_err();
        assert_eq!(unscored.code, "lost_records");
        assert!(unscored.message.starts_with("10 records of `"), "{}", unscored.message);
        assert_eq!((record.partition, score.model.name.as_str()), (0, "census"));
        assert_eq!(score.metric.name, "latency");
        let message = health.report().message;
        assert!(message.contains("records is degraded: 10 records of"), "{message}");
    })
    .await;
}
