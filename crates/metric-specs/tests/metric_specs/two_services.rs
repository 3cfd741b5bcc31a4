//! Two services on one database and one log, as while one is replaced by the next: what is kept is what one would keep.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::support::{Monitor, Running, TIMEOUT, spec};
use serde_json::{Value, json};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestLog, on_both_stores};

/// The incident and the state of every change of a spec's alert, oldest first, as the database has them.
async fn history(service: &Running, spec: &str) -> Vec<(u64, String)> {
    let path = format!("/v1/alerts/history?spec={spec}&limit=1000");
    let answer = service.get(&path).await.1;
    let Some(events) = answer["events"].as_array() else { return Vec::new() };
    let change =
        |it: &Value| (it["incident"].as_u64().unwrap(), it["to"].as_str().unwrap().to_owned());
    events.iter().rev().map(change).collect()
}

/// What one service keeps of so many incidents, each of which goes through these states.
fn of_one(n_incidents: u64, states: &[&str]) -> Vec<(u64, String)> {
    let incident = |n| states.iter().map(move |it| (n, (*it).to_owned()));
    (1..=n_incidents).flat_map(incident).collect()
}

on_both_stores! {
    async fn two_services_keep_the_alert_history_of_one(database: TestDatabase) {
        const N_ROUNDS: u64 = 8;
        const AT_ONCE: [&str; 2] = ["firing", "inactive"];
        const BY_TIMER: [&str; 3] = ["pending", "firing", "inactive"];
        let log = TestLog::embedded().await;
        let monitor = Monitor::new(&log, "iforest").await;
        let mut services = vec![Running::start(&log, &database).await];
        services[0].create(spec("at_once")).await;
        let mut by_timer = spec("by_timer");
        by_timer["for"] = json!("500ms");
        services[0].create(by_timer).await;

        let mut sequence = 0;
        for round in 1..=N_ROUNDS {
            // A breach, then a healthy score once the timer has run. They come through every partition, so each service
            // reads some of them, and often what it has in memory is not what the other has stored since.
            for (value, n_at_once, n_by_timer) in [(0.9, 1, 2), (0.1, 2, 3)] {
                sequence += 1;
                monitor.send(sequence, Some(value)).await;
                if sequence == 1 {
                    // The second begins while a timer runs, so that both have it.
                    wait_for("the alert is pending", TIMEOUT, async || {
                        !history(&services[0], "by_timer").await.is_empty()
                    })
                    .await;
                    services.push(Running::start(&log, &database).await);
                }
                wait_for("the alerts change", TIMEOUT, async || {
                    let n = (history(&services[0], "at_once").await.len(), history(&services[0], "by_timer").await.len());
                    let before = usize::try_from(round - 1).unwrap();
                    n == (2 * before + n_at_once, 3 * before + n_by_timer)
                })
                .await;
                for service in &services {
                    // It is well, whichever of them was faster.
                    let health = service.get("/readyz").await.1;
                    assert_eq!(health["components"]["store"]["status"], "ok", "{health}");
                }
            }
            if round == N_ROUNDS / 2 {
                // The first is replaced, the other way round.
                services.remove(0).stop().await;
                services.push(Running::start(&log, &database).await);
            }
        }
        for service in &services {
            assert_eq!(history(service, "at_once").await, of_one(N_ROUNDS, &AT_ONCE));
            assert_eq!(history(service, "by_timer").await, of_one(N_ROUNDS, &BY_TIMER));
            assert_eq!(service.n_checks("?spec=at_once").await, sequence);
            assert_eq!(service.n_checks("?spec=by_timer").await, sequence);
        }
        for service in services {
            service.stop().await;
        }
    }
}
