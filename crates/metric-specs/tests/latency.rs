//! From a score to its alert. In a file of its own, because tests of other files do not run beside it: it measures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::SignedDuration;
use shadowline_service::clock;
use shadowline_testkit_stack::on_both_logs_and_stores;
use support::{Monitor, Running, Tail, spec};

on_both_logs_and_stores! {
    async fn an_alert_is_on_the_topic_within_300_ms_of_its_score(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        service.create(spec("outliers")).await;
        let mut alerts = Tail::of(&log, &log.topics().alerts()).await;
        let mut took = Vec::new();
        for sequence in 1..=20 {
            // Each breach fires and each healthy score resolves.
            let value = if sequence % 2 == 1 { 0.9 } else { 0.1 };
            let started = clock::now();
            monitor.send(sequence, Some(value)).await;
            alerts.next().await;
            took.push(clock::now().duration_since(started));
        }
        took.sort();
        // Not the slowest: a test machine may be busy with other things.
        assert!(took[10] <= SignedDuration::from_millis(300), "{took:?}");
        service.stop().await;
    }
}
