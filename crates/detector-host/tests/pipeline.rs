//! One monitor in process, on both logs: what it reads, what it writes.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking; scores are compared bit for bit"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use approx::assert_abs_diff_eq;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use serde_json::json;
use shadowline_contract::{Batch, Column, Tensor, TensorData};
use shadowline_detectors::{Detector, DetectorArtefact, DetectorKind};
use shadowline_stream::{Bytes, Envelope, Origin, StartAt};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{KafkaNode, TestLog, on_both_logs};
use shadowline_wire::{
    INFERENCE_TYPE, Inference, InferenceError, ModelRef, MonitorRef, Outcome, SCORE_TYPE, Score,
};
use support::{
    FOREST, INSTANCE, KNN, N_PARTITIONS, Running, TIMEOUT, Tail, Upstream, detector, inference,
    spec,
};

/// The scores of an inference's records, computed without a monitor.
fn directly(artefact: &DetectorArtefact, inference: &Inference) -> Vec<f64> {
    let Outcome::Outputs(outputs) = &inference.outcome else { panic!("it has an answer") };
    let columns = inference
        .inputs
        .iter()
        .chain(outputs)
        .map(|it| Column { name: it.name.clone(), tensor: it.tensor.clone() })
        .collect();
    artefact.score(&Batch::new(inference.n_records as usize, columns).unwrap()).unwrap().scores
}

fn code(score: &Score) -> &str {
    score.result.as_ref().map_or_else(|it| it.code.as_str(), |_| "scored")
}

/// The inference that a score is of.
fn id_of(score: &Score) -> &str {
    score.subject.inference_id().unwrap()
}

on_both_logs! {
    async fn a_monitor_that_is_ready_has_its_partitions(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        // Comes back as soon as it says that it is ready.
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        let status = monitor.get("/v1/status").await;
        let reads = &status["consumers"][0];
        assert_eq!(reads["partitions"], N_PARTITIONS, "{status}");
        assert_eq!(reads["group"], log.group(KNN.service), "{status}");
        assert_eq!(reads["topic"], *log.topics().inferences(), "{status}");
        assert_eq!((&status["status"], &status["service"]), (&"ok".into(), &"monitor-knn".into()));
        assert!(status["last_error"].is_null(), "{status}");
        monitor.stop().await;
    }

    async fn a_score_is_the_detectors_own_and_goes_where_its_inference_was(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let forest = detector(DetectorKind::IsolationForest, 1);
        let monitor = Running::start(&FOREST, &log, dir.path()).await;
        assert_eq!(monitor.install("forest", &forest).await.0, 201);
        upstream.put_spec(&spec("a", "*", "forest", "")).await;
        // A second spec for the same pair asks for no second score.
        upstream.put_spec(&spec("b", "1", "forest", "1")).await;
        monitor.wait_until_watching(2).await;

        let trace = SpanContext::new(
            TraceId::from_hex("4bf92f3577b34da6a3ce929d0e0e4736").unwrap(),
            SpanId::from_hex("00f067aa0ba902b7").unwrap(),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        let mut sent = BTreeMap::new();
        for sequence in 1..=60 {
            let one = inference(sequence, if sequence % 10 == 0 { 5 } else { 1 });
            upstream.infer_traced(sequence, &one, Some(trace.clone())).await;
            sent.insert(one.id.clone(), (sequence, one));
        }
        let mut inferences = Tail::of(&log, &log.topics().inferences()).await;
        let mut partitions = BTreeMap::new();
        for _ in 0..60 {
            let record = inferences.next().await;
            partitions.insert(record.key.unwrap(), record.partition);
        }
        let used: BTreeSet<u32> = partitions.values().copied().collect();
        assert_eq!(used.len(), N_PARTITIONS as usize, "the keys spread over all partitions");

        let mut last = BTreeMap::new();
        let mut n_explained = 0;
        for (record, score) in Tail::of(&log, &log.topics().scores()).await.scores(60).await {
            let (sequence, one) = sent.remove(id_of(&score)).expect("each is scored once");
            let expected = directly(&forest, &one);
            let value = score.result.as_ref().unwrap();
            let largest = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(value.value.to_bits(), largest.to_bits());
            assert_eq!(expected[value.record_idx as usize].to_bits(), largest.to_bits());
            let records = if expected.len() == 1 { vec![] } else { expected };
            assert_eq!(value.record_values, records);
            assert_eq!(value.p_value, Some(forest.training_scores().p_value(largest)));
            if forest.detector().threshold() < largest {
                let sum: f64 = value.contributions.iter().map(|it| it.1).sum();
                assert_abs_diff_eq!(sum, largest - value.expected.unwrap(), epsilon = 1e-9);
                let fields: Vec<&str> = value.contributions.iter().map(|it| it.0.as_str()).collect();
                assert_eq!(fields, ["age", "hours", "workclass"]);
                n_explained += 1;
            } else {
                assert_eq!((value.expected, value.contributions.len()), (None, 0));
            }
            assert_eq!(score.metric, MonitorRef { name: "forest".into(), version: "1".into() }.into());
            assert_eq!(score.model, one.model);
            assert_eq!((score.origin.instance, score.origin.sequence), (INSTANCE, sequence));
            assert_eq!(score.received_at, one.received_at);

            assert_eq!(record.partition, partitions[&record.key.clone().unwrap()]);
            let envelope = record.envelope.unwrap();
            assert_eq!(envelope.event_type, SCORE_TYPE);
            assert_eq!(envelope.origin, Some(Origin { instance: INSTANCE, sequence }));
            assert_eq!(envelope.trace.unwrap().trace_id(), trace.trace_id());
            let before = last.insert(record.partition, sequence);
            assert!(before.is_none_or(|it| it < sequence), "origins stepped back");
        }
        assert!(sent.is_empty());
        assert!((1..60).contains(&n_explained), "{n_explained} of 60 are explained");
        let counted = "shadowline_monitor_scores_total{detector=\"forest\",version=\"1\",outcome=\"scored\"}";
        wait_for("the scores are counted", TIMEOUT, async || {
            monitor.sample(counted).await == 60.0
        })
        .await;
        let metrics = monitor.metrics().await;
        for name in ["shadowline_monitor_score_bucket", "shadowline_consumer_lag_records", "process_open_fds"] {
            assert!(metrics.contains(name), "no {name}");
        }
        monitor.stop().await;
    }

    async fn what_cannot_be_scored_says_why(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        monitor.install("knn", &detector(DetectorKind::Knn, 1)).await;
        upstream.put_spec(&spec("a", "*", "knn", "")).await;
        monitor.wait_until_watching(1).await;

        type Spoil = fn(&mut Inference);
        let cases: [(&str, &str, Spoil); 8] = [
            ("scored", "", |_| {}),
            ("inference_failed", "INVALID_ARGUMENT: field `age`", |it| {
                it.model.version.clear();
                it.outcome = Outcome::Failed(InferenceError {
                    code: "INVALID_ARGUMENT".into(),
                    message: "field `age` is missing".into(),
                });
            }),
            ("missing_field", "`hours`", |it| it.outcome = Outcome::Outputs(vec![])),
            ("wrong_type", "`age` is string", |it| {
                it.inputs[0].tensor = Tensor::vector(TensorData::String(vec!["old".into()]));
            }),
            ("wrong_type", "`age` is a tensor of several elements", |it| {
                it.inputs[0].tensor = Tensor::new(vec![1, 2], TensorData::Int64(vec![1, 2])).unwrap();
            }),
            ("not_finite", "`age` of record 0 is NaN", |it| {
                it.inputs[0].tensor = Tensor::vector(TensorData::Float64(vec![f64::NAN]));
            }),
            ("not_finite", "`age` of record 0 is inf", |it| {
                it.inputs[0].tensor = Tensor::vector(TensorData::Float64(vec![f64::INFINITY]));
            }),
            ("no_records", "no records", |it| it.n_records = 0),
        ];
        for (sequence, (_, _, spoil)) in (1..).zip(&cases) {
            let mut one = inference(sequence, 1);
            spoil(&mut one);
            upstream.infer(sequence, &one).await;
        }
        for (_, score) in Tail::of(&log, &log.topics().scores()).await.scores(cases.len()).await {
            let (expected, words, _) = &cases[score.origin.sequence as usize - 1];
            assert_eq!(code(&score), *expected, "{score:?}");
            if let Err(reason) = &score.result {
                assert!(reason.message.contains(words), "no `{words}` in {reason:?}");
            }
        }
        monitor.stop().await;
    }

    async fn one_inference_that_cannot_be_scored_leaves_the_others_their_scores(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let knn = detector(DetectorKind::Knn, 1);
        upstream.put_spec(&spec("a", "*", "knn", "")).await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        monitor.install("knn", &knn).await;
        monitor.wait_until_watching(1).await;
        monitor.stop().await;
        // All of these are there before it starts again, so that they come together.
        let mut all = Vec::new();
        for sequence in 1..=20 {
            let mut one = inference(sequence, 1);
            if sequence == 7 {
                // It can be encoded, but its distance is beyond 64-bit floats.
                one.inputs[0].tensor = Tensor::vector(TensorData::Float64(vec![1e300]));
            }
            upstream.infer(sequence, &one).await;
            all.push(one);
        }
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        let scores = Tail::of(&log, &log.topics().scores()).await.scores(20).await;
        let scored: BTreeMap<u64, Score> =
            scores.into_iter().map(|(_, score)| (score.origin.sequence, score)).collect();
        assert_eq!(scored.len(), 20);
        for (sequence, score) in &scored {
            let one = &all[*sequence as usize - 1];
            match &score.result {
                Ok(value) => assert_eq!(value.value, directly(&knn, one)[0]),
                Err(reason) => {
                    assert_eq!((*sequence, reason.code.as_str()), (7, "detector_failed"));
                    assert!(reason.message.contains("too far"), "{reason:?}");
                }
            }
        }
        assert!(scored[&7].result.is_err());
        monitor.stop().await;
    }

    async fn a_record_nobody_can_read_is_put_aside_and_the_next_is_scored(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        monitor.install("knn", &detector(DetectorKind::Knn, 1)).await;
        upstream.put_spec(&spec("a", "*", "knn", "")).await;
        monitor.wait_until_watching(1).await;

        let one = inference(9, 1);
        let envelope = |event_type: &str| {
            let mut envelope = Envelope::new("x", event_type, "/serving", one.received_at);
            envelope.origin = Some(Origin { instance: INSTANCE, sequence: 1 });
            envelope
        };
        let no_origin = Envelope { origin: None, ..envelope(INFERENCE_TYPE) };
        let garbage = Bytes::from_static(b"\xff\xff\xff");
        upstream.send(b"x", garbage.clone(), envelope(INFERENCE_TYPE)).await;
        upstream.send(b"x", one.encode().into(), envelope("com.example.other")).await;
        upstream.send(b"x", one.encode().into(), no_origin).await;
        upstream.infer(9, &one).await;

        let scores = Tail::of(&log, &log.topics().scores()).await.scores(1).await;
        assert_eq!(id_of(&scores[0].1), one.id);
        let mut dead = Tail::of(&log, &log.topics().dead_letters()).await;
        let mut reasons = BTreeSet::new();
        for _ in 0..3 {
            let record = dead.next().await;
            let extensions = record.envelope.unwrap().extensions;
            assert_eq!(extensions["deadtopic"], &*log.topics().inferences());
            assert_eq!(record.key.as_deref(), Some(b"x".as_slice()));
            if extensions["deadoffset"] == "0" {
                assert_eq!(record.value, Some(garbage.clone()));
            }
            reasons.insert(extensions["reason"].clone());
        }
        for words in ["ce_type` is `com.example.other`", "origin", "Inference"] {
            assert!(reasons.iter().any(|it| it.contains(words)), "no `{words}` in {reasons:?}");
        }
        monitor.stop().await;
    }

    async fn a_restart_leaves_no_inference_out(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        upstream.put_spec(&spec("a", "*", "knn", "")).await;
        let mut monitor = Running::start(&KNN, &log, dir.path()).await;
        monitor.install("knn", &detector(DetectorKind::Knn, 1)).await;
        monitor.wait_until_watching(1).await;
        let mut scores = Tail::of(&log, &log.topics().scores()).await;
        let mut seen = Vec::new();
        for round in 0..4_u64 {
            for sequence in round * 100 + 1..=round * 100 + 100 {
                upstream.infer(sequence, &inference(sequence, 1)).await;
            }
            // In the middle of its work.
            seen.extend(scores.scores(30).await);
            if round % 2 == 0 { monitor.stop().await } else { monitor.abort().await }
            // The detectors and specs are found again.
            monitor = Running::start(&KNN, &log, dir.path()).await;
        }
        let mut ids: BTreeSet<String> = seen.iter().map(|(_, it)| id_of(it).to_owned()).collect();
        while ids.len() < 400 {
            let (record, score) = scores.scores(1).await.remove(0);
            ids.insert(id_of(&score).to_owned());
            seen.push((record, score));
        }
        // What a reader with effects does: it drops what is not above the highest applied, and must be left
        // with every inference exactly once.
        let mut highest: BTreeMap<u32, u64> = BTreeMap::new();
        let mut applied = BTreeSet::new();
        for (record, score) in &seen {
            let highest = highest.entry(record.partition).or_default();
            if *highest < score.origin.sequence {
                *highest = score.origin.sequence;
                assert!(applied.insert(score.origin.sequence));
            }
        }
        assert_eq!(applied.len(), 400);
        // Once all is committed, another start scores nothing again.
        let caught_up = async |log: &TestLog| {
            let group = log.group(KNN.service);
            let topic = log.topics().inferences();
            let mut behind = 0;
            for committed in log.log().committed(&group, &topic).await.unwrap() {
                let partition = committed.partition.partition;
                let high = log.log().watermarks(&topic, partition).await.unwrap().high;
                behind += high - committed.offset.unwrap_or(0);
            }
            behind == 0
        };
        wait_for("all is committed", TIMEOUT, async || caught_up(&log).await).await;
        monitor.stop().await;
        let count = async || {
            let mut reader =
                log.log().reader(&log.topics().scores(), StartAt::Earliest).await.unwrap();
            reader.read_to_end().await.unwrap().len()
        };
        let before = count().await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        upstream.infer(401, &inference(401, 1)).await;
        wait_for("the new inference is scored", TIMEOUT, async || count().await > before).await;
        assert_eq!(count().await, before + 1);
        monitor.stop().await;
    }

    async fn specs_come_and_go_while_it_runs(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        monitor.install("knn", &detector(DetectorKind::Knn, 1)).await;
        let mut scores = Tail::of(&log, &log.topics().scores()).await;
        let unwatched = async |n: f64| {
            wait_for("the inference has passed unwatched", TIMEOUT, async || {
                monitor.sample("shadowline_monitor_unwatched_total").await == n
            })
            .await;
        };
        upstream.infer(1, &inference(1, 1)).await;
        unwatched(1.0).await;

        upstream.put_spec(&spec("a", "*", "knn", "")).await;
        monitor.wait_until_watching(1).await;
        let other = ModelRef { name: "wine".into(), version: "1".into() };
        upstream.infer(2, &Inference { model: other, ..inference(2, 1) }).await;
        unwatched(2.0).await;
        upstream.infer(3, &inference(3, 1)).await;
        assert_eq!(scores.scores(1).await[0].1.origin.sequence, 3);

        upstream.delete_spec("a").await;
        monitor.wait_until_watching(0).await;
        upstream.infer(4, &inference(4, 1)).await;
        unwatched(3.0).await;

        let mut disabled = spec("b", "*", "knn", "");
        disabled.enabled = false;
        upstream.put_spec(&disabled).await;
        upstream.put_host("somebody_elses", "monitor-iforest").await;
        wait_for("it is known whose the detector is", TIMEOUT, async || {
            upstream.put_spec(&spec("c", "*", "somebody_elses", "")).await;
            let watching = monitor.get("/v1/watching").await;
            watching["ignored"].to_string().contains("somebody_elses")
        })
        .await;
        upstream.put_spec(&spec("d", "2", "knn", "")).await;
        monitor.wait_until_watching(1).await;
        wait_for("two specs are ignored", TIMEOUT, async || {
            monitor.get("/v1/watching").await["ignored"].as_array().unwrap().len() == 2
        })
        .await;
        let watching = monitor.get("/v1/watching").await;
        assert_eq!(
            watching["watching"][0],
            json!({
                "model": {"name": "census", "version": "2"},
                "detector": {"name": "knn", "version": "1"},
                "specs": [{"id": "d", "name": "d_spec", "version": 1}],
                "problem": null,
            })
        );
        assert_eq!(watching["ignored"][0]["reason"], "it is disabled");
        assert_eq!(watching["ignored"][1]["reason"], "detector `somebody_elses` is one of monitor-iforest");
        upstream.infer(5, &inference(5, 1)).await;
        unwatched(4.0).await;
        let second = ModelRef { name: "census".into(), version: "2".into() };
        upstream.infer(6, &Inference { model: second, ..inference(6, 1) }).await;
        assert_eq!(scores.scores(1).await[0].1.origin.sequence, 6);
        monitor.stop().await;
    }

    async fn each_version_that_is_wanted_scores_once(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let upstream = Upstream::new(&log).await;
        let monitor = Running::start(&KNN, &log, dir.path()).await;
        let detectors = [detector(DetectorKind::Knn, 1), detector(DetectorKind::Knn, 2)];
        for (artefact, version) in detectors.iter().zip([1, 2]) {
            let (status, answer) = monitor.install("knn", artefact).await;
            assert_eq!((status, &answer["model"]["version"]), (201, &json!(version)));
        }
        for (id, version) in [("newest", ""), ("first", "1"), ("second", "2"), ("ninth", "9")] {
            upstream.put_spec(&spec(id, "*", "knn", version)).await;
        }
        monitor.wait_until_watching(3).await;
        let one = inference(1, 1);
        upstream.infer(1, &one).await;
        let mut scores = Tail::of(&log, &log.topics().scores()).await;
        let mut found = BTreeMap::new();
        for (_, score) in scores.scores(3).await {
            found.insert(score.metric.version.clone(), score);
        }
        for (version, artefact) in ["1", "2"].into_iter().zip(&detectors) {
            assert_eq!(found[version].result.as_ref().unwrap().value, directly(artefact, &one)[0]);
        }
        assert_eq!(code(&found["9"]), "unknown_detector");

        // Without its newest version, the spec that names none uses the one before.
        let client = reqwest::Client::new();
        let version = format!("{}/v1/models/knn/versions/2", monitor.url);
        // One spec names it.
        assert_eq!(client.delete(&version).send().await.unwrap().status(), 409);
        let gone = client.delete(version + "?force=true").send().await;
        assert_eq!(gone.unwrap().status(), 204);
        upstream.infer(2, &inference(2, 1)).await;
        let again: BTreeMap<_, _> = scores
            .scores(3)
            .await
            .into_iter()
            .map(|(_, it)| (it.metric.version.clone(), code(&it).to_owned()))
            .collect();
        assert_eq!(again["1"], "scored");
        assert_eq!(again["2"], "unknown_detector");
        monitor.stop().await;
    }
}

#[tokio::test]
async fn a_detector_of_another_kind_is_refused_and_a_damaged_one_degrades_health() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(&log).await;
    let monitor = Running::start(&KNN, &log, dir.path()).await;
    let (status, answer) =
        monitor.install("forest", &detector(DetectorKind::IsolationForest, 1)).await;
    assert_eq!(status, 422);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("`isolation-forest`; this monitor hosts `knn`"), "{message}");
    // Nor is one whose contract is not what it reads: no record could be scored.
    let knn = detector(DetectorKind::Knn, 1);
    for (inputs, expected) in [
        ("age: string, hours: float64, workclass: string", "reads field `age` as a number"),
        ("age: int64, hours: float64, workclass: int64", "reads field `workclass` as a category"),
        ("age: int64, hours: {type: float64, shape: [2]}, workclass: string", "shape [2]"),
        ("age: int64, workclass: string", "reads field `hours`, which is not among"),
        ("age: {type: float64, nullable: true}, hours: float64, workclass: string", "missing"),
    ] {
        let (status, answer) = monitor.install_with("knn", &knn, inputs).await;
        assert_eq!(status, 422, "{inputs}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{inputs}: {message}");
    }
    assert_eq!(monitor.install("knn", &knn).await.0, 201);
    monitor.stop().await;

    let artefact = dir.path().join("monitor-knn/knn/1/knn.sld");
    let mut bytes = std::fs::read(&artefact).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&artefact, bytes).unwrap();
    let monitor = Running::start(&KNN, &log, dir.path()).await;
    let ready = monitor.get("/readyz").await;
    assert_eq!(ready["status"], "degraded");
    assert!(
        ready["message"].as_str().unwrap().contains("`knn` version 1 cannot be used"),
        "{ready}"
    );
    // No other process can score it, so its silence would look like health.
    upstream.put_spec(&spec("a", "*", "knn", "")).await;
    monitor.wait_until_watching(1).await;
    upstream.infer(1, &inference(1, 1)).await;
    let scores = Tail::of(&log, &log.topics().scores()).await.scores(1).await;
    assert_eq!(code(&scores[0].1), "detector_damaged");
    let ready = monitor.get("/readyz").await;
    assert_eq!(ready["components"]["detectors"]["status"], "failing", "{ready}");
    monitor.stop().await;
}

#[tokio::test]
async fn topics_of_the_wrong_form_stop_it_with_words() {
    let log = TestLog::embedded().await;
    let mut specs = log.topics().specs(N_PARTITIONS, 1);
    specs[1].partitions = shadowline_stream::PartitionCount::Exactly(2);
    log.log().ensure_topics(&specs).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let error = Running::start_failing(&KNN, &log, dir.path()).await;
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("has 2 partitions, but must have 4"), "{error}: {cause}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_kafka_is_said_and_loses_nothing() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::new(&log).await;
    upstream.put_spec(&spec("a", "*", "knn", "")).await;
    let monitor = Running::start(&KNN, &log, dir.path()).await;
    monitor.install("knn", &detector(DetectorKind::Knn, 1)).await;
    let mut scores = Tail::of(&log, &log.topics().scores()).await;
    upstream.infer(1, &inference(1, 1)).await;
    assert_eq!(scores.scores(1).await[0].1.origin.sequence, 1);
    let says = async |status: &str| {
        wait_for(&format!("health says {status}"), TIMEOUT, async || {
            monitor.get("/readyz").await["status"] == status
        })
        .await;
    };
    node.stop().await;
    // As one that is started meanwhile.
    says("failing").await;
    node.start().await.unwrap();
    upstream.infer(2, &inference(2, 1)).await;
    // It may come twice, but it comes.
    while scores.scores(1).await[0].1.origin.sequence != 2 {}
    says("ok").await;
    monitor.stop().await;
}
