//! Detectors that enabled metric specs ask for and that are not where the inferences are: nothing passes in silence.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking, and the numbers compared are counts"
)]
#![allow(dead_code, reason = "each test file uses its part of the support")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shadowline_detectors::DetectorKind;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestLog, on_both_logs};
use support::{
    FOREST, KNN, N_PARTITIONS, Running, TIMEOUT, Tail, Upstream, detector, inference, spec,
};

async fn component(monitor: &Running) -> Value {
    monitor.get("/readyz").await["components"]["detectors"].clone()
}

async fn waits_for(monitor: &Running, status: &str) {
    wait_for(&format!("the detectors are {status}"), TIMEOUT, async || {
        component(monitor).await["status"] == status
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_without_the_detector_scores_nothing_and_says_so() {
    // The embedded log is one process's, and gives all partitions to the first member.
    let Some(log) = TestLog::kafka().await else { return };
    let (first_dir, second_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let upstream = Upstream::new(&log).await;
    let first = Running::start(&KNN, &log, first_dir.path()).await;
    first.install("knn", &detector(DetectorKind::Knn, 1)).await;
    upstream.put_spec(&spec("a", "*", "knn", "")).await;
    first.wait_until_watching(1).await;
    waits_for(&first, "ok").await;
    let others = Running::start(&FOREST, &log, first_dir.path()).await;

    // As an operator who starts another replica, and forgets the packages.
    let second = Running::launch(&KNN, &log, second_dir.path()).await;
    let missing = "detector `knn` is not installed in this replica of monitor-knn";
    let reason = format!("metric spec `a_spec` is unscored: {missing}");
    wait_for("it says what is missing", TIMEOUT, async || {
        component(&second).await == json!({"status": "failing", "reason": reason})
    })
    .await;
    let ready = reqwest::get(format!("{}/readyz", second.url)).await.unwrap();
    assert_eq!(ready.status(), 503);
    assert_eq!(second.sample("shadowline_monitor_detector_missing{detector=\"knn\"}").await, 1.0);
    let partitions = async |monitor: &Running| {
        monitor.get("/v1/status").await["consumers"][0]["partitions"].as_u64()
    };
    wait_for("the two share the partitions", TIMEOUT, async || {
        let shares = [partitions(&first).await, partitions(&second).await];
        shares == [Some(u64::from(N_PARTITIONS) / 2); 2]
    })
    .await;

    for sequence in 1..=80 {
        upstream.infer(sequence, &inference(sequence, 1)).await;
    }
    let mut tail = Tail::of(&log, &log.topics().scores()).await;
    let (mut seen, mut n_unscored) = (BTreeSet::new(), 0);
    for (_, score) in tail.scores(80).await {
        assert!(seen.insert(score.origin.sequence), "each once");
        assert!(score.is_newest, "it is judged by a spec that names no version");
        if let Err(unscored) = &score.result {
            assert_eq!(unscored.code, "detector_missing");
            assert_eq!(unscored.message, missing);
            n_unscored += 1;
        }
    }
    assert!((1..80).contains(&n_unscored), "{n_unscored}");
    // A monitor of another kind knows whose it is.
    assert_eq!(component(&others).await["status"], "ok");
    let ignored = others.get("/v1/watching").await["ignored"].to_string();
    assert!(ignored.contains("detector `knn` is one of monitor-knn"), "{ignored}");

    second.install("knn", &detector(DetectorKind::Knn, 1)).await;
    waits_for(&second, "ok").await;
    assert_eq!(second.sample("shadowline_monitor_detector_missing{detector=\"knn\"}").await, 0.0);
    for monitor in [first, second, others] {
        monitor.stop().await;
    }
}

on_both_logs! {
    async fn a_detector_that_nobody_has_is_said_by_all_and_checked_once(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let knn = Running::start(&KNN, &log, dir.path()).await;
        let forest = Running::start(&FOREST, &log, dir.path()).await;
        upstream.put_spec(&spec("a", "*", "misspelt", "")).await;
        for monitor in [&knn, &forest] {
            waits_for(monitor, "degraded").await;
            let reason = component(monitor).await["reason"].to_string();
            assert!(reason.contains("no monitor has a detector `misspelt`"), "{reason}");
        }
        upstream.infer(1, &inference(1, 1)).await;
        // One by each; what is applied once is told by their name and origin, which are the same.
        let scores = Tail::of(&log, &log.topics().scores()).await.scores(2).await;
        let told: BTreeSet<_> = scores
            .iter()
            .map(|(record, score)| {
                let code = score.result.as_ref().unwrap_err().code.clone();
                (record.partition, score.metric.producer(), score.origin.sequence, code)
            })
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told.first().unwrap().3, "detector_unknown");
        knn.install("misspelt", &detector(DetectorKind::Knn, 1)).await;
        waits_for(&knn, "ok").await;
        waits_for(&forest, "ok").await;
        knn.stop().await;
        forest.stop().await;
    }
}
