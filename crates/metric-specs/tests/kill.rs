//! The program, killed again and again while scores come: nothing is lost, and nothing counts twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use shadowline_stream::LogConfig;
use shadowline_testkit::{Program, wait_for};
use shadowline_testkit_stack::{TestDatabase, TestLog, on_both_stores};
use support::{Monitor, N_PARTITIONS, Running, TIMEOUT, config, spec};

const N_SCORES: u64 = 20_000;

fn values() -> impl Iterator<Item = (u64, Option<f64>)> {
    (1..=N_SCORES).map(|it| (it, [Some(0.9), Some(0.1), None][usize::try_from(it % 3).unwrap()]))
}

async fn everything_is_checked_once(service: &Running) {
    for name in ["one", "two"] {
        let query = format!("?spec={name}");
        wait_for("every score is checked", TIMEOUT, async || {
            service.n_checks(&query).await >= N_SCORES
        })
        .await;
        let counts = service.get(&format!("/v1/checks/count{query}&distinct=true")).await.1;
        assert_eq!(
            counts,
            json!({"total": N_SCORES, "inferences": N_SCORES, "healthy": 6667, "breach": 6666, "unscored": 6667}),
        );
    }
    // Every change of the alert follows the one before it, and none is missing or doubled.
    let mut cursor = String::new();
    let mut events = Vec::new();
    loop {
        let page = service.get(&format!("/v1/alerts/history?spec=one&limit=1000{cursor}")).await.1;
        events.extend(page["events"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    for pair in events.windows(2) {
        assert_eq!(pair[0]["from"], pair[1]["to"]);
    }
    assert_eq!(events.last().unwrap()["incident"], 1);
}

on_both_stores! {
    async fn on_the_embedded_log_the_service_is_abandoned(database: TestDatabase) {
        the_service_is_abandoned(database).await;
    }
}

async fn the_service_is_abandoned(database: TestDatabase) {
    let log = TestLog::embedded().await;
    let monitor = Monitor::new(&log, "iforest").await;
    let mut service = Running::start(&log, &database).await;
    service.create(spec("one")).await;
    service.create(spec("two")).await;
    let sender = tokio::spawn(async move { monitor.send_all(values()).await });
    for share in 1..=6 {
        let least = share * N_SCORES / 8;
        wait_for("some are checked", TIMEOUT, async || {
            service.n_checks("?spec=one").await >= least
        })
        .await;
        service.abandon().await;
        service = Running::start(&log, &database).await;
    }
    sender.await.unwrap();
    everything_is_checked_once(&service).await;
    service.stop().await;
}

/// Starts the program; what it says goes to a file in `dir`.
fn start_program(log: &TestLog, database: &TestDatabase, dir: &Path) -> Program {
    let LogConfig::Kafka { bootstrap_servers, .. } = log.config() else { panic!("it is on Kafka") };
    let settings = [
        "http.listen=127.0.0.1:0".to_owned(),
        "telemetry.format=json".to_owned(),
        format!("store={}", database.url()),
        format!("group={}", log.group("metric-specs")),
        format!("topics.prefix={}", log.topics().prefix()),
        format!("topics.partitions={N_PARTITIONS}"),
        "log.kind=kafka".to_owned(),
        format!("log.bootstrap_servers={bootstrap_servers}"),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_shadowline-metric-specs"));
    for setting in settings {
        command.args(["--set", &setting]);
    }
    command.env_remove("RUST_LOG");
    Program::spawn("metric-specs", &command, dir).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_kafka_and_sqlite_the_process_is_killed() {
    let Some(log) = TestLog::kafka().await else { return };
    the_process_is_killed(log, TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_kafka_and_postgres_the_process_is_killed() {
    let Some(log) = TestLog::kafka().await else { return };
    let Some(database) = TestDatabase::postgres().await else { return };
    the_process_is_killed(log, database).await;
}

async fn the_process_is_killed(log: TestLog, database: TestDatabase) {
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start(&log, &database).await;
    service.create(spec("one")).await;
    service.create(spec("two")).await;
    service.stop().await;
    let store = shadowline_store::Store::open(&config(&log, &database).store).await.unwrap();
    let sender = tokio::spawn(async move { monitor.send_all(values()).await });
    let dir = tempfile::tempdir().unwrap();
    for share in 1..=4 {
        let program = start_program(&log, &database, dir.path());
        let least = share * 2 * N_SCORES / 6;
        wait_for("some are checked", TIMEOUT * 2, async || {
            store.count_checks(&shadowline_store::CheckFilter::default()).await.unwrap().total()
                >= least
        })
        .await;
        program.end("-KILL").await.unwrap();
    }
    sender.await.unwrap();
    store.close().await;
    let service = Running::start(&log, &database).await;
    everything_is_checked_once(&service).await;
    service.stop().await;
}
