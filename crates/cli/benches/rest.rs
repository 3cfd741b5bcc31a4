//! What every service together costs while nothing happens: `make bench-rest`.
//!
//! The services run as processes of their own on Apache Kafka, metric-specs on PostgreSQL, with a model, both kinds of
//! detector and metric specs installed. They have answered some traffic, so that everything is in memory that will be,
//! and are asked for their metrics as Prometheus would. Then their memory and their time on the processors are read
//! from `/proc`. Ends with 1 if they are over the limits.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it has measured")]

#[path = "../tests/stack/system.rs"]
#[expect(dead_code, reason = "the test of the stack uses the rest")]
mod system;
#[path = "../tests/stack/traffic.rs"]
#[expect(dead_code, reason = "the test of the stack uses the rest")]
mod traffic;

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use shadowline_services::SERVICES;
use shadowline_testkit::wait_for;
use tokio::time::{Instant, interval_at};

use crate::system::{FOREST, MODEL, NEIGHBOURS, System};

const N_PREDICTIONS: usize = 2_000;
const WITHIN: Duration = Duration::from_secs(120);
/// What was done before is over and forgotten.
const SETTLE: Duration = Duration::from_secs(20);
const REST: Duration = Duration::from_secs(60);
/// As in deploy/prometheus/prometheus.yml.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(10);
const LIMIT_MB: f64 = 150.0;
const LIMIT_PERCENT: f64 = 2.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Some(system) = System::start(&[]).await else { return ExitCode::FAILURE };
    let spec = |monitor: &str| {
        json!({
            "kind": "MetricSpec", "name": format!("by_{monitor}"), "model": {"name": MODEL},
            "metric": {"monitor": monitor}, "alert_when": {"operator": "greater", "threshold": 0.6},
            "over": {"window": "5m", "aggregate": "breach_share", "min_samples": 50, "exceeds": 0.1},
        })
    };
    system.install(&[spec(FOREST), spec(NEIGHBOURS)]).await;
    traffic::predict(&system.grpc(), N_PREDICTIONS, traffic::ordinary).await;
    wait_for("every prediction to be checked", WITHIN, async || {
        let checks = system.get("metric-specs", "/v1/checks/count").await;
        checks
            .is_some_and(|it| it["total"].as_u64().is_some_and(|it| 2 * N_PREDICTIONS as u64 <= it))
    })
    .await;
    scrape_for(&system, SETTLE).await;

    let began = Instant::now();
    let names = || SERVICES.iter().map(|it| it.name);
    let before: Vec<_> = names().map(|it| busy(system.process_id(it))).collect();
    scrape_for(&system, REST).await;
    let elapsed = began.elapsed();

    println!("{:<18} {:>11} {:>9} {:>12}", "service", "resident MB", "threads", "% of a core");
    let (mut total_mb, mut total_percent) = (0.0, 0.0);
    for (service, before) in names().zip(before) {
        let process_id = system.process_id(service);
        let percent = (busy(process_id) - before).as_secs_f64() / elapsed.as_secs_f64() * 100.0;
        let mb = resident_mb(process_id);
        let n_threads = threads(process_id).len();
        println!("{service:<18} {mb:>11.1} {n_threads:>9} {percent:>12.2}");
        total_mb += mb;
        total_percent += percent;
    }
    println!("{:<18} {total_mb:>11.1} {:>9} {total_percent:>12.2}", "together", "");
    println!("{:<18} {LIMIT_MB:>11.1} {:>9} {LIMIT_PERCENT:>12.2}", "at most", "");
    if total_mb <= LIMIT_MB && total_percent <= LIMIT_PERCENT {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Lets time pass as it does when nobody but Prometheus asks for anything.
async fn scrape_for(system: &System, span: Duration) {
    let until = Instant::now() + span;
    let mut scrapes = interval_at(Instant::now() + SCRAPE_INTERVAL, SCRAPE_INTERVAL);
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(until) => return,
            _ = scrapes.tick() => {}
        }
        for service in SERVICES.iter().map(|it| it.name) {
            let answer = system.http.get(format!("{}/metrics", system.base(service))).send().await;
            let text = answer.expect("ask for metrics").text().await.expect("metrics are text");
            assert!(text.contains("# EOF") || text.contains("# TYPE"), "{service} has no metrics");
        }
    }
}

fn threads(process_id: u32) -> Vec<std::path::PathBuf> {
    let tasks = std::fs::read_dir(format!("/proc/{process_id}/task")).expect("the service runs");
    tasks.flatten().map(|it| it.path()).collect()
}

/// How long a process has been on a processor. The threads of a service stay the same while it rests.
fn busy(process_id: u32) -> Duration {
    let nanoseconds = threads(process_id).into_iter().map(|thread| {
        let text = std::fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0)
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn resident_mb(process_id: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{process_id}/status"));
    let text = text.expect("the service runs");
    let line = text.lines().find_map(|it| it.strip_prefix("VmRSS:")).expect("VmRSS");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024.0 / 1_000_000.0
}
