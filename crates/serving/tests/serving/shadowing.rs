//! What becomes of inferences when the log is away, the spool is full, or the server stops.

use std::collections::BTreeSet;
use std::time::Duration;

use shadowline_serving::WhenFull;
use shadowline_stream::{DeadLetters, Log, LogConfig};
use shadowline_testkit::{wait_for, wait_for_some};
use shadowline_testkit_stack::{KafkaNode, TestLog};
use shadowline_wire::Inference;
use tokio::time::Instant;
use tonic::Code;

use crate::messages::good;
use crate::server::{PATIENCE, TestServer, read_topic, request, shadowed};

/// The address of a cluster where nothing listens.
async fn absent_kafka() -> Log {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    Log::open(&LogConfig::kafka(address.to_string())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_without_a_log_arrives_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let log = TestLog::embedded().await;
    let server = TestServer::start(&absent_kafka().await, log.topics(), dir.path(), |config| {
        config.shutdown_grace = Duration::from_millis(200);
    })
    .await;
    let mut predict = server.predictions().await;
    for idx in 0..100 {
        predict.predict(request(&format!("away-{idx}"), idx)).await.unwrap();
    }
    wait_for("readiness to say that the broker is away", PATIENCE, async || {
        let (status, body) = server.get("/readyz").await;
        status == 200 && body.contains("broker is degraded")
    })
    .await;
    assert_eq!(server.metric("shadowline_spool_unacknowledged_records").await, 100.0);
    server.stop().await;

    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    server.predictions().await.predict(request("after", 1)).await.unwrap();
    let inferences = shadowed(log.log(), log.topics(), 101).await;
    // The instance stays, and the sequence goes on.
    let instances: BTreeSet<_> =
        inferences.iter().map(|(_, it)| it.origin.unwrap().instance).collect();
    assert_eq!(instances.len(), 1);
    let mut sequences: Vec<_> =
        inferences.iter().map(|(_, it)| it.origin.unwrap().sequence).collect();
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=101).collect::<Vec<u64>>());
    let last = inferences.iter().find(|(_, it)| it.id == "after").unwrap();
    assert_eq!(last.1.origin.unwrap().sequence, 101);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_drops_shadows_or_refuses_as_set() {
    let topics = shadowline_stream::Topics::default();
    for (when_full, refuses) in [(WhenFull::KeepServing, false), (WhenFull::Refuse, true)] {
        let dir = tempfile::tempdir().unwrap();
        let server = TestServer::start(&absent_kafka().await, &topics, dir.path(), |config| {
            config.spool.max_bytes = 16 * 1024;
            config.spool.when_full = when_full;
            config.shutdown_grace = Duration::from_millis(200);
        })
        .await;
        let mut predict = server.predictions().await;
        let mut n_answered = 0;
        for idx in 0..200 {
            match predict.predict(request("", idx)).await {
                Ok(_) => n_answered += 1,
                Err(status) => {
                    assert!(refuses, "{status:?}");
                    assert_eq!(status.code(), Code::ResourceExhausted);
                    assert!(status.message().contains("spool is full"), "{status:?}");
                }
            }
        }
        let sample = r#"shadowline_shadow_dropped_total{model="census",reason="spool_full"}"#;
        let dropped = server.metric(sample).await;
        let appended = server.metric("shadowline_shadow_appended_total").await;
        assert_eq!(dropped + appended, 200.0);
        assert!(20.0 < appended && 20.0 < dropped, "{appended} appended, {dropped} dropped");
        let expected = if refuses { appended } else { 200.0 };
        assert_eq!(f64::from(n_answered), expected);
        let (status, body) = server.get("/readyz").await;
        // A server that refuses does not do its work.
        let (expected, condition) = if refuses { (503, "failing") } else { (200, "degraded") };
        assert_eq!(status, expected);
        assert!(body.contains(&format!("spool is {condition}: the spool is full")), "{body}");
        // A bad request keeps its own reason.
        let mut bad = good();
        bad.model_name = "nobody".to_owned();
        let status = server.open_inference().await.model_infer(bad).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_has_room_again_is_healthy_again() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let fill = TestServer::start(&absent_kafka().await, log.topics(), dir.path(), |config| {
        config.spool.max_bytes = 16 * 1024;
        config.shutdown_grace = Duration::from_millis(200);
    })
    .await;
    let mut predict = fill.predictions().await;
    for idx in 0..100 {
        predict.predict(request("", idx)).await.unwrap();
    }
    fill.stop().await;
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.spool.max_bytes = 16 * 1024;
    })
    .await;
    wait_for("the spool to be drained", PATIENCE, async || {
        server.metric("shadowline_spool_unacknowledged_records").await == 0.0
    })
    .await;
    server.predictions().await.predict(request("room", 1)).await.unwrap();
    wait_for("readiness to be ok", PATIENCE, async || {
        server.get("/readyz").await.1.contains("serving is ready")
    })
    .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inference_too_large_for_the_log_becomes_a_dead_letter() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = 32 << 20;
    })
    .await;
    let mut infer = server.open_inference().await;
    let mut huge = good();
    huge.id = "huge".to_owned();
    let text = "x".repeat(9 << 20);
    huge.inputs[1].contents.as_mut().unwrap().bytes_contents = vec![text.into()];
    infer.model_infer(good()).await.unwrap();
    infer.model_infer(huge).await.unwrap();
    infer.model_infer(good()).await.unwrap();
    let inferences = shadowed(log.log(), log.topics(), 2).await;
    assert!(inferences.iter().all(|(_, it)| it.id != "huge"));
    let dead = wait_for_some("the dead letter", PATIENCE, async || {
        read_topic(log.log(), &log.topics().dead_letters()).await.pop()
    })
    .await;
    let envelope = dead.envelope.unwrap();
    assert_eq!(envelope.event_type, DeadLetters::EVENT_TYPE);
    assert_eq!(envelope.origin.unwrap().sequence, 2);
    assert!(envelope.extensions["reason"].contains("larger than the limit"), "{envelope:?}");
    let inference = Inference::decode(&dead.value.unwrap()).unwrap();
    assert_eq!((inference.id.as_str(), inference.n_records), ("huge", 1));
    wait_for("the mark to be at the end", PATIENCE, async || {
        server.metric("shadowline_spool_unacknowledged_records").await == 0.0
    })
    .await;
    assert_eq!(server.metric("shadowline_spool_oversized_records_total").await, 1.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_lowered_under_the_drain_costs_only_what_is_larger() {
    let Some(log) = TestLog::kafka().await else { return };
    log.create_topics(2).await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    let sized = |id: String, n_bytes: usize| {
        let mut sized = good();
        sized.id = id;
        sized.inputs[1].contents.as_mut().unwrap().bytes_contents =
            vec!["x".repeat(n_bytes).into()];
        sized
    };
    infer.model_infer(sized("before".to_owned(), 300_000)).await.unwrap();
    shadowed(log.log(), log.topics(), 1).await;
    let inferences = log.topics().inferences();
    log.cluster().configure_topic(&inferences, &[("max.message.bytes", "200000")]).await.unwrap();
    for idx in 0..200 {
        let n_bytes = if idx % 50 == 7 { 300_000 } else { 20_000 };
        infer.model_infer(sized(format!("{idx}"), n_bytes)).await.unwrap();
    }
    wait_for("the mark to be at the end", PATIENCE, async || {
        server.metric("shadowline_spool_unacknowledged_records").await == 0.0
    })
    .await;
    // Some may be there twice, with the same origin: what else was on its way is sent again after a failure.
    let sent = shadowed(log.log(), log.topics(), 1 + 196).await;
    let ids: BTreeSet<_> = sent.iter().map(|(_, it)| it.id.clone()).collect();
    assert_eq!(ids.len(), 1 + 196, "whole");
    let dead = read_topic(log.log(), &log.topics().dead_letters()).await;
    let mut dead_ids = BTreeSet::new();
    for record in &dead {
        let reason = &record.envelope.as_ref().unwrap().extensions["reason"];
        assert!(reason.contains("(max.message.bytes), 200000 bytes"), "{reason}");
        dead_ids.insert(Inference::decode(record.value.as_ref().unwrap()).unwrap().id);
    }
    assert_eq!(dead.len(), 4);
    assert_eq!(dead_ids, ["7", "57", "107", "157"].map(str::to_owned).into());
    // Records, however often they were tried.
    assert_eq!(server.metric("shadowline_spool_oversized_records_total").await, 4.0);
    let letters = format!("shadowline_dead_letters_total{{topic=\"{inferences}\"}}");
    assert_eq!(server.metric(&letters).await, 4.0);
    server.stop().await;
}

/// The topics of inferences and of scores are made again with other partitions while requests come in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_again_with_other_partitions_is_written_to_within_seconds() {
    let Some(log) = TestLog::kafka().await else { return };
    log.create_topics(6).await;
    let dir = tempfile::tempdir().unwrap();
    // A log of its own, which hears nothing of what the test asks.
    let own = Log::open(log.config()).await.unwrap();
    let server = TestServer::start(&own, log.topics(), dir.path(), |_| {}).await;
    let mut predict = server.predictions().await;
    for idx in 0..50 {
        predict.predict(request(&format!("old-{idx}"), 1)).await.unwrap();
    }
    shadowed(log.log(), log.topics(), 50).await;
    let inferences = log.topics().inferences();
    let old = log.log().topic_id(&inferences).await.unwrap();
    for topic in [&inferences, &log.topics().scores()] {
        log.cluster().delete_topic(topic).await.unwrap();
    }
    wait_for("the topics are made again", PATIENCE, async || {
        log.log().ensure_topics(&log.topics().specs(2, 1)).await.is_ok()
            && log.log().topic_id(&inferences).await.is_ok_and(|it| it != old)
    })
    .await;
    let began = Instant::now();
    for idx in 0..100 {
        predict.predict(request(&format!("new-{idx}"), 1)).await.unwrap();
    }
    wait_for("the mark to be at the end", PATIENCE, async || {
        server.metric("shadowline_spool_unacknowledged_records").await == 0.0
    })
    .await;
    eprintln!("it took {:?}", began.elapsed());
    let sent = shadowed(log.log(), log.topics(), 100).await;
    let ids: BTreeSet<_> = sent.iter().map(|(_, it)| it.id.clone()).collect();
    assert_eq!(ids.len(), 100, "every one, with an origin that tells a repeat");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_loses_no_answer() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut callers = Vec::new();
    for caller in 0..8 {
        let mut predict = server.predictions().await;
        callers.push(tokio::spawn(async move {
            let mut answered = Vec::new();
            for idx in 0.. {
                match predict.predict(request(&format!("{caller}-{idx}"), 1)).await {
                    Ok(answer) => answered.push(answer.into_inner().inference_id),
                    Err(_) => break,
                }
            }
            answered
        }));
    }
    wait_for("some answers", PATIENCE, async || {
        200.0 < server.metric("shadowline_shadow_appended_total").await
    })
    .await;
    let began = Instant::now();
    server.ask_to_stop();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(9), "stopping took {:?}", began.elapsed());
    let mut answered = BTreeSet::new();
    for caller in callers {
        answered.extend(caller.await.unwrap());
    }
    assert!(200 <= answered.len());
    let found: BTreeSet<String> = shadowed(log.log(), log.topics(), answered.len())
        .await
        .into_iter()
        .map(|(_, it)| it.id)
        .collect();
    assert!(answered.is_subset(&found));
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn predictions_do_not_notice_that_kafka_is_away() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut predict = server.predictions().await;
    let mut n_sent = 0;
    let mut round = async |n: usize| {
        let mut times = Vec::with_capacity(n);
        for _ in 0..n {
            n_sent += 1;
            let began = Instant::now();
            predict.predict(request(&format!("id-{n_sent}"), 1)).await.unwrap();
            times.push(began.elapsed());
        }
        p99(times)
    };
    round(500).await;
    let usual = round(3000).await;
    node.kill().await;
    let away = round(6000).await;
    wait_for("readiness to say that the broker is away", PATIENCE, async || {
        server.get("/readyz").await.1.contains("broker is degraded")
    })
    .await;
    let still_away = round(3000).await;
    node.start().await.unwrap();
    let total = 500 + 3000 + 6000 + 3000;
    let inferences = shadowed(log.log(), log.topics(), total).await;
    let ids: BTreeSet<&str> = inferences.iter().map(|(_, it)| it.id.as_str()).collect();
    assert_eq!(ids.len(), total);
    wait_for("readiness to be ok", PATIENCE, async || {
        server.get("/readyz").await.1.contains("serving is ready")
    })
    .await;
    eprintln!("p99 with kafka {usual:?}, while it went away {away:?}, without {still_away:?}");
    // Two cores are shared with Kafka itself, so a small absolute allowance keeps chance out.
    let limit = 2 * usual + Duration::from_millis(2);
    assert!(still_away <= limit, "p99 {still_away:?} without Kafka, {usual:?} with it");
    server.stop().await;
}
