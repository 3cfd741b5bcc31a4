//! What goes wrong on purpose, so that each alert is seen at the end of its way: in Alertmanager.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use shadowline_service::clock;
use shadowline_stream::{Bytes, Envelope, Log, LogConfig, OutRecord, ProducerOptions, Topics};
use shadowline_testkit::wait_for;

use crate::alerts::active;
use crate::system::{MODEL, SPOOL_BYTES};
use crate::{Stack, rules, traffic};

const WITHIN: Duration = Duration::from_secs(120);
/// Less than any record takes in the spool, in bytes.
const RECORD_BYTES: usize = 200;

/// Alerts that are not made to fire here, and why. `promtool test rules` shows each on series that were made up.
const UNSHOWN: [(&str, &str); 10] = [
    ("ShadowlineDiskFilling", "needs a disk that is nearly full"),
    ("ShadowlineRecordsLost", "needs a log that drops what was not read"),
    ("ShadowlineUnwatched", "needs five minutes of a version that no spec names"),
    ("ShadowlineDetectorMissing", "needs a second replica of a monitor"),
    ("ShadowlineNotificationsFailing", "needs five minutes without a receiver"),
    ("ShadowlineNoTraffic", "needs a quarter of an hour without traffic"),
    ("ShadowlineChecksMissing", "needs five minutes without a check"),
    ("ShadowlineConsumerStuck", "needs five minutes in which nothing is consumed"),
    ("ShadowlineConsumerBehind", "a lag of a thousand is gone before it is scraped"),
    ("ShadowlineAlertDeliveryFailing", "needs five minutes without a delivery"),
];

/// Alerts of outages, which take so long that only `make stack-test-full` has them.
const OF_OUTAGES: [&str; 5] = [
    "ShadowlineComponentFailing",
    "ShadowlineLogUnreachable",
    "ShadowlineOutboxWaiting",
    "ShadowlineSpoolFilling",
    "ShadowlineShadowDropped",
];

/// The alerts that have been seen.
#[derive(Debug, Default)]
pub(crate) struct Seen(BTreeSet<&'static str>);

impl Seen {
    /// Waits until an alert of Prometheus has reached Alertmanager, in words that were filled in.
    pub(crate) async fn hear_of(&mut self, stack: &Stack, name: &'static str) {
        let mut alerts = Vec::new();
        wait_for(&format!("{name} in Alertmanager"), WITHIN, async || {
            alerts = active(&stack.system.http, &stack.first.url(), name).await;
            !alerts.is_empty()
        })
        .await;
        for alert in &alerts {
            assert!(alert["labels"]["severity"].is_string(), "{name} has no severity: {alert:#}");
            for (key, text) in alert["annotations"].as_object().expect("annotations") {
                let text = text.as_str().unwrap_or_default();
                assert!(!text.is_empty() && !text.contains("<error"), "{name}, {key}: {text}");
                assert!(!text.contains("<no value>"), "{name}, {key}: {text}");
            }
        }
        self.0.insert(name);
    }

    /// Every alert there is was seen, or stands on the list of those that cannot be here.
    pub(crate) fn is_all(&self) {
        self.is_all_with(&[]);
    }

    /// As [`is_all`](Self::is_all), before the outages.
    pub(crate) fn is_all_without_outages(&self) {
        self.is_all_with(&OF_OUTAGES);
    }

    fn is_all_with(&self, left_out: &[&str]) {
        let all = rules::all().into_iter().filter(|it| it.is_alert);
        let all: BTreeSet<String> = all.map(|it| it.name).collect();
        let unshown = UNSHOWN.iter().map(|it| it.0);
        let left_out = left_out.iter().copied();
        let known = self.0.iter().copied().chain(unshown).chain(left_out);
        let known: BTreeSet<String> = known.map(str::to_owned).collect();
        assert_eq!(
            all, known,
            "left: the alerts of deploy/; right: those that were seen or need not be"
        );
    }
}

/// Waits until an alert has ended in Alertmanager.
pub(crate) async fn over(stack: &Stack, name: &str) {
    wait_for(&format!("the end of {name}"), WITHIN, async || {
        active(&stack.system.http, &stack.first.url(), name).await.is_empty()
    })
    .await;
}

/// A monitor that is stopped is missed, and found again.
pub(crate) async fn a_monitor_is_down(stack: &mut Stack, seen: &mut Seen) {
    stack.system.stop("monitor-knn").await;
    seen.hear_of(stack, "ShadowlineServiceDown").await;
    stack.system.start_again("monitor-knn").await;
    over(stack, "ShadowlineServiceDown").await;
}

/// A record on a topic that cannot be read.
pub(crate) async fn a_record_is_unreadable(stack: &Stack, seen: &mut Seen) {
    // The one that is always there.
    seen.hear_of(stack, "ShadowlineWatchdog").await;
    let config = LogConfig::kafka(stack.system.kafka.bootstrap_servers());
    let log = Log::open(&config).await.expect("open the log");
    let producer = log.producer(ProducerOptions::new("stack-test")).expect("make a producer");
    let record = OutRecord {
        topic: Topics::default().inferences(),
        partition: Some(0),
        key: None,
        value: Some(Bytes::from_static(b"\xff\xff\xff\xff")),
        envelope: Envelope::new("unreadable", "unreadable", "/stack-test", clock::now()),
    };
    producer.send(record).await.expect("send a record");
    seen.hear_of(stack, "ShadowlineDeadLetters").await;
}

/// The database is away for a while.
pub(crate) async fn the_database_is_away(stack: &Stack, seen: &mut Seen) {
    stack.system.postgres.stop().await;
    seen.hear_of(stack, "ShadowlineComponentFailing").await;
    stack.system.postgres.restart().await.expect("start PostgreSQL again");
    over(stack, "ShadowlineComponentFailing").await;
}

/// The log is away for so long that the spool overflows.
pub(crate) async fn the_log_is_away(stack: &Stack, seen: &mut Seen) {
    let system = &stack.system;
    system.kafka.stop().await;
    seen.hear_of(stack, "ShadowlineLogUnreachable").await;
    let changed = json!({"threshold": 0.61});
    let url = format!("{}/v1/metric-specs/neighbours", system.base("metric-specs"));
    let answer = system.http.patch(url).json(&changed).send().await.expect("change a spec");
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    seen.hear_of(stack, "ShadowlineOutboxWaiting").await;
    // Predictions go on; it is their shadows that find no room in the end.
    traffic::predict(&system.grpc(), SPOOL_BYTES / RECORD_BYTES, traffic::ordinary).await;
    seen.hear_of(stack, "ShadowlineSpoolFilling").await;
    seen.hear_of(stack, "ShadowlineShadowDropped").await;
    let health = system.get("serving", "/v1/status").await.unwrap_or(Value::Null);
    assert_eq!(health["status"], "degraded", "{MODEL} is not watched: {health:#}");
    system.kafka.start().await.expect("start Kafka again");
    for name in ["ShadowlineLogUnreachable", "ShadowlineOutboxWaiting", "ShadowlineSpoolFilling"] {
        over(stack, name).await;
    }
}
