//! A database that is away, refuses or forgets: consumption waits, health says why, and afterwards every score is there
//! once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use crate::support::{Monitor, Running, TIMEOUT, config, spec};
use reqwest::Method;
use serde_json::json;
use shadowline_metric_specs::{Config, MetricSpecsError};
use shadowline_store::StoreUrl;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{PostgresServer, TestDatabase, TestLog, psql};

fn settings(log: &TestLog, server: &PostgresServer) -> Config {
    let mut config = config(log, &TestDatabase::sqlite());
    config.store = StoreUrl::try_from(server.url()).unwrap();
    config
}

/// What others see of the checks: every id, and how often it is there.
async fn checked(server: &PostgresServer) -> Vec<(String, u64)> {
    let sql = "SELECT inference_id, COUNT(*) FROM report_checks GROUP BY 1 ORDER BY 1";
    let rows = psql(&server.url(), sql).await.unwrap();
    rows.lines()
        .map(|line| {
            let (id, n) = line.split_once('|').unwrap();
            (id.to_owned(), n.parse().unwrap())
        })
        .collect()
}

fn each_once(n_scores: u64) -> Vec<(String, u64)> {
    let ids: BTreeSet<_> = (1..=n_scores).map(|it| format!("inference-{it}")).collect();
    ids.into_iter().map(|it| (it, 1)).collect()
}

async fn unavailable(service: &Running) {
    for (method, path, body) in [
        (Method::GET, "/v1/metric-specs", None),
        (Method::GET, "/v1/checks/count", None),
        (Method::POST, "/v1/metric-specs", Some(spec("another"))),
    ] {
        let (status, answer) = service.call(method.clone(), path, body).await;
        assert_eq!(status, 503, "{method} {path}: {answer}");
        assert_eq!(answer["error"]["code"], "unavailable");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("the database cannot be used"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_again_and_again_loses_nothing_and_counts_nothing_twice() {
    const N_SCORES: u64 = 6_000;
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start_with(settings(&log, &server), &log).await;
    service.create(spec("outliers")).await;
    let value = |it: u64| [Some(0.9), Some(0.1), None][usize::try_from(it % 3).unwrap()];
    for round in 0..4 {
        let from = round * N_SCORES / 4 + 1;
        let half = from + N_SCORES / 8;
        monitor.send_all((from..half).map(|it| (it, value(it)))).await;
        wait_for("some are checked", TIMEOUT, async || service.n_checks("").await > from).await;
        // Wherever a transaction is by then.
        if round % 2 == 0 {
            server.kill().await
        } else {
            server.stop().await
        }
        monitor.send_all((half..from + N_SCORES / 4).map(|it| (it, value(it)))).await;
        wait_for("health says what is wrong", TIMEOUT, async || {
            let health = service.health().await;
            health.starts_with("store is failing: ") && !health.contains("only-for-tests")
        })
        .await;
        unavailable(&service).await;
        assert_eq!(service.get("/livez").await.0, 200);
        server.restart().await.unwrap();
        wait_for("it is well again by itself", TIMEOUT, async || {
            service.get("/readyz").await.0 == 200
        })
        .await;
        let expected = (round + 1) * N_SCORES / 4;
        wait_for("all are checked", TIMEOUT, async || service.n_checks("").await >= expected).await;
    }
    assert_eq!(checked(&server).await, each_once(N_SCORES));
    let counts = service.get("/v1/checks/count?distinct=true").await.1;
    assert_eq!(
        counts,
        json!({"total": 6000, "inferences": 6000, "healthy": 2000, "breach": 2000, "unscored": 2000})
    );
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_service_knows_that_its_database_is_away_and_that_it_is_back() {
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    let service = Running::start_with(settings(&log, &server), &log).await;
    server.stop().await;
    wait_for("health says what is wrong", TIMEOUT, async || {
        let health = service.health().await;
        health.starts_with("store is failing: ") && health.contains("refused")
    })
    .await;
    server.restart().await.unwrap();
    wait_for("it is well again", TIMEOUT, async || service.get("/readyz").await.0 == 200).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_waits_for_a_database_that_is_not_up_yet() {
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    let monitor = Monitor::new(&log, "iforest").await;
    server.stop().await;
    let service = Running::launch(settings(&log, &server), &log).await;
    wait_for("health says what is waited for", TIMEOUT, async || {
        let health = service.health().await;
        health.contains(
            "waiting for the database: open store `postgres://postgres:********@127.0.0.1",
        ) && health.contains("refused")
    })
    .await;
    unavailable(&service).await;
    server.restart().await.unwrap();
    wait_for("it is ready", TIMEOUT, async || service.get("/readyz").await.0 == 200).await;
    service.create(spec("outliers")).await;
    monitor.send(1, Some(0.9)).await;
    wait_for("it works", TIMEOUT, async || service.n_checks("").await == 1).await;
    service.stop().await;

    // It can also be told to stop while it waits.
    server.stop().await;
    let service = Running::launch(settings(&log, &server), &log).await;
    wait_for("it waits", TIMEOUT, async || service.health().await.contains("waiting")).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waiting_does_not_cure_ends_the_service_with_its_reason() {
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    for (url, says) in [
        (server.url().replace("only-for-tests", "hunter2"), "password authentication failed"),
        (server.url() + "_of_others", "database \"test_of_others\" does not exist"),
    ] {
        let mut settings = settings(&log, &server);
        settings.store = StoreUrl::try_from(url).unwrap();
        let error = Running::launch(settings, &log).await.ended().await;
        let text = format!("{:#}", anyhow::Error::new(error));
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_room_holds_scores_up_and_loses_none() {
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start_with(settings(&log, &server), &log).await;
    service.create(spec("outliers")).await;
    monitor.send_all((1..=100).map(|it| (it, Some(0.1)))).await;
    wait_for("the first are checked", TIMEOUT, async || service.n_checks("").await == 100).await;
    // As the server says it when the disk is full, with the same code.
    server
        .psql(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$; \
             CREATE TRIGGER full_disk BEFORE INSERT ON checks EXECUTE FUNCTION full_disk()",
        )
        .await
        .unwrap();
    monitor.send_all((101..=200).map(|it| (it, Some(0.9)))).await;
    wait_for("health says what is wrong", TIMEOUT, async || {
        service.health().await.contains("No space left on device")
    })
    .await;
    assert_eq!(service.n_checks("").await, 100);
    assert_eq!(service.state("outliers").await, "inactive");
    server.psql("DROP FUNCTION full_disk CASCADE").await.unwrap();
    wait_for("all are checked", TIMEOUT, async || service.n_checks("").await == 200).await;
    assert_eq!(checked(&server).await, each_once(200));
    assert_eq!(service.state("outliers").await, "firing");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_set_back_is_noticed_and_the_next_start_reads_again() {
    let Some(server) = PostgresServer::start().await else { return };
    let log = TestLog::embedded().await;
    let monitor = Monitor::new(&log, "iforest").await;
    let service = Running::start_with(settings(&log, &server), &log).await;
    service.create(spec("outliers")).await;
    monitor.send_all((1..=300).map(|it| (it, Some(0.1)))).await;
    wait_for("they are checked", TIMEOUT, async || service.n_checks("").await == 300).await;
    // As a restored backup from before any of them.
    server
        .psql("BEGIN; TRUNCATE checks, applied, offsets; DELETE FROM alert_states; COMMIT")
        .await
        .unwrap();
    monitor.send_all((301..=400).map(|it| (it, Some(0.1)))).await;
    let error = service.ended().await;
    assert!(matches!(error, MetricSpecsError::Consume(_)), "{error:?}");
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("the database has lost what it had confirmed"), "{text}");
    let service = Running::start_with(settings(&log, &server), &log).await;
    wait_for("all are checked", TIMEOUT, async || service.n_checks("").await == 400).await;
    assert_eq!(checked(&server).await, each_once(400));
    service.stop().await;
}
