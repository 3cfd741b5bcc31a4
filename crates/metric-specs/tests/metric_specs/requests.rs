//! The service in process, on both logs: specs, checks and alerts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use crate::support::{Monitor, Peer, Running, TIMEOUT, Tail, config, spec, time};
use prost::Message;
use reqwest::Method;
use serde_json::{Value, json};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::on_both_logs_and_stores;
use shadowline_wire::{ALERT_TYPE, METRIC_SPEC_TYPE, WatchedSpec, event};

on_both_logs_and_stores! {
    async fn a_spec_is_registered_changed_and_deleted_and_the_topic_has_it_all(log: TestLog, database: TestDatabase) {
        let service = Running::start(&log, &database).await;
        let created = service.create(spec("outliers")).await;
        assert_eq!((created["version"].as_u64(), created["change"].as_str()), (Some(1), Some("created")));
        assert_eq!(created["alerts_when"], "alerts when > 0.62");
        assert_eq!(created["healthy_while"], "healthy while <= 0.62");
        assert_eq!(created["spec"]["model"]["version"], "*");
        let id = created["id"].as_str().unwrap().to_owned();

        // By either address, and in the lists it belongs to.
        for key in [id.as_str(), "outliers"] {
            assert_eq!(service.get(&format!("/v1/metric-specs/{key}")).await.1["id"], id.as_str());
        }
        assert_eq!(service.get("/v1/metric-specs?model=census").await.1["metric_specs"][0]["id"], id.as_str());
        assert_eq!(service.get("/v1/metric-specs?model=other").await.1["metric_specs"], json!([]));

        // The same again is a conflict; put again, it changes nothing, also as it was answered.
        assert_eq!(service.call(Method::POST, "/v1/metric-specs", Some(spec("outliers"))).await.0, 409);
        for same in [spec("outliers"), created["spec"].clone()] {
            let (status, answer) = service.call(Method::PUT, "/v1/metric-specs/outliers", Some(same)).await;
            assert_eq!((status, answer["change"].as_str(), answer["version"].as_u64()), (200, Some("unchanged"), Some(1)));
        }
        let mut changed = spec("outliers");
        changed["alert_when"]["threshold"] = json!(0.7);
        let (status, answer) = service.call(Method::PUT, &format!("/v1/metric-specs/{id}"), Some(changed)).await;
        assert_eq!((status, answer["change"].as_str(), answer["version"].as_u64()), (200, Some("updated"), Some(2)));
        let off = json!({"enabled": false});
        let (status, answer) = service.call(Method::PATCH, "/v1/metric-specs/outliers", Some(off)).await;
        assert_eq!((status, answer["spec"]["enabled"].as_bool(), answer["version"].as_u64()), (200, Some(false), Some(3)));
        // Under a name that is free it is created.
        let (status, answer) = service.call(Method::PUT, "/v1/metric-specs/second", Some(spec("second"))).await;
        assert_eq!((status, answer["change"].as_str()), (201, Some("created")));

        assert_eq!(service.call(Method::DELETE, "/v1/metric-specs/outliers", None).await.0, 200);
        assert_eq!(service.get("/v1/metric-specs/outliers").await.0, 404);
        let versions = service.get(&format!("/v1/metric-specs/{id}/versions")).await.1;
        let thresholds: Vec<_> = versions["metric_specs"].as_array().unwrap().iter()
            .map(|it| it["spec"]["alert_when"]["threshold"].as_f64().unwrap()).collect();
        assert_eq!(thresholds, [0.62, 0.7, 0.7]);

        let mut tail = Tail::of(&log, &log.topics().metric_specs()).await;
        let mut told = Vec::new();
        for _ in 0..5 {
            let record = tail.next().await;
            assert_eq!(record.envelope.unwrap().event_type, METRIC_SPEC_TYPE);
            let key = String::from_utf8(record.key.unwrap().to_vec()).unwrap();
            let watched = record.value.map(|it| WatchedSpec::decode(&it).unwrap());
            if let Some(watched) = &watched {
                assert_eq!((watched.id.as_str(), watched.model.version.as_str()), (key.as_str(), "*"));
                assert_eq!(watched.monitor.as_ref().map(|it| (it.name.as_str(), it.version.as_str())), Some(("iforest", "")));
                assert_eq!(serde_json::from_str::<Value>(&watched.document_json).unwrap()["name"], watched.name.as_str());
            }
            told.push((key == id, watched.map(|it| (it.version, it.enabled))));
        }
        let second = (false, Some((1, true)));
        assert_eq!(told, [
            (true, Some((1, true))), (true, Some((2, true))), (true, Some((3, false))), second, (true, None),
        ]);
        service.stop().await;
    }

    async fn each_score_is_checked_once_by_each_spec_however_often_it_comes(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let mut service = Running::start(&log, &database).await;
        service.create(spec("one")).await;
        let mut two = spec("two");
        two["alert_when"] = json!({"operator": "<=", "threshold": 0.25});
        two["model"]["version"] = json!(1);
        service.create(two).await;
        // It asks for another detector, and gets nothing.
        let mut other = spec("other");
        other["metric"]["monitor"] = json!("knn");
        service.create(other).await;

        let value = |sequence: u64| match sequence % 5 {
            0 => None,
            1 => Some(f64::NAN),
            2 => Some(0.9),
            _ => Some(0.1),
        };
        for round in 0..4_u64 {
            let from = round * 100 + 1;
            monitor.send_all((from..from + 100).map(|it| (it, value(it)))).await;
            // The monitor starts again and repeats what it is not sure of: a run from an earlier place on, in order.
            let again = if round % 2 == 0 { from + 40 } else { 1.max(from.saturating_sub(60)) };
            monitor.send_all((again..from + 100).map(|it| (it, value(it)))).await;
            match round {
                1 => {
                    service.stop().await;
                    service = Running::start(&log, &database).await;
                }
                2 => {
                    service.abandon().await;
                    service = Running::start(&log, &database).await;
                }
                _ => {}
            }
        }
        wait_for("every score is checked", TIMEOUT, async || service.n_checks("").await >= 800).await;
        // A last one, whose check says that everything before it was read.
        monitor.send(401, Some(0.1)).await;
        monitor.send(402, Some(0.1)).await;
        monitor.send(403, Some(0.1)).await;
        wait_for("the last ones are checked", TIMEOUT, async || service.n_checks("?spec=one").await >= 403).await;
        for (name, breaches) in [("one", 80), ("two", 163), ("other", 0)] {
            let counts = service.get(&format!("/v1/checks/count?spec={name}&distinct=true")).await.1;
            let expected = if name == "other" { 0 } else { 403 };
            assert_eq!(counts["total"], expected, "{name}: {counts}");
            assert_eq!((&counts["inferences"], &counts["breach"]), (&json!(expected), &json!(breaches)), "{name}");
        }
        // What has no value is unscored, with the reason, and is no breach by either operator.
        let unscored = service.get("/v1/checks?spec=two&outcome=unscored&limit=1000").await.1;
        let unscored = unscored["checks"].as_array().unwrap();
        assert_eq!(unscored.len(), 160);
        let reasons: BTreeSet<_> = unscored.iter().map(|it| it["reason"].as_str().unwrap()).collect();
        assert!(reasons.contains("missing_field: field `age` is missing"), "{reasons:?}");
        assert!(reasons.iter().any(|it| it.starts_with("not_finite: ")), "{reasons:?}");
        assert!(unscored.iter().all(|it| it["value"].is_null()));

        let one = service.get("/v1/checks?inference_id=inference-7&spec=one").await.1["checks"][0].clone();
        assert_eq!((&one["value"], &one["outcome"]), (&json!(0.9), &json!("breach")));
        assert_eq!((&one["operator"], &one["threshold"]), (&json!("greater"), &json!(0.62)));
        assert_eq!((&one["model"]["version"], &one["origin"]["sequence"]), (&json!("1"), &json!(7)));
        let metrics = service.metrics().await;
        assert!(metrics.contains("shadowline_scores_repeated_total"), "{metrics}");
        service.stop().await;
    }

    async fn a_spec_that_names_no_detector_version_goes_by_the_newest(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        service.create(spec("newest")).await;
        let mut pinned = spec("pinned");
        pinned["metric"]["version"] = json!(1);
        service.create(pinned).await;
        // Two versions of the detector score every inference, because some spec asks for each.
        for sequence in 1..=30 {
            for (version, value) in [("1", 0.1), ("2", 0.9)] {
                let mut score = monitor.score(sequence, Some(value));
                score.metric.version = version.into();
                score.is_newest = version == "2";
                monitor.enqueue(&score).await.await.unwrap();
            }
        }
        for (name, value) in [("newest", 0.9), ("pinned", 0.1)] {
            wait_for("every inference is checked", TIMEOUT, async || {
                service.n_checks(&format!("?spec={name}")).await >= 30
            })
            .await;
            let checks = service.get(&format!("/v1/checks?spec={name}&limit=1000")).await.1;
            let checks = checks["checks"].as_array().unwrap().clone();
            assert_eq!(checks.len(), 30, "{name}");
            assert!(checks.iter().all(|it| it["value"] == json!(value)), "{name}: {checks:?}");
        }
        service.stop().await;
    }

    async fn an_alert_fires_once_and_resolves_by_its_timer(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        let mut outliers = spec("outliers");
        outliers["over"] = json!({"last": 20, "min_samples": 20, "exceeds": 0.5});
        outliers["resolve_after"] = json!("500ms");
        outliers["labels"] = json!({"team": "risk"});
        let created = service.create(outliers).await;
        let mut alerts = Tail::of(&log, &log.topics().alerts()).await;
        monitor.send_all((1..=30).map(|it| (it, Some(0.1)))).await;
        wait_for("the healthy ones are checked", TIMEOUT, async || service.n_checks("").await == 30).await;
        assert_eq!(service.state("outliers").await, "inactive");

        // The eleventh breach of twenty is more than a half.
        monitor.send_all((31..=41).map(|it| (it, Some(0.9)))).await;
        let record = alerts.next().await;
        let envelope = record.envelope.unwrap();
        assert_eq!(envelope.event_type, ALERT_TYPE);
        assert_eq!(record.key.unwrap(), created["id"].as_str().unwrap());
        let alert = event::Alert::decode(record.value.unwrap()).unwrap();
        assert_eq!((alert.id.as_str(), alert.spec_name.as_str()), (envelope.id.as_str(), "outliers"));
        assert_eq!((alert.from_state(), alert.to_state()), (event::AlertState::Inactive, event::AlertState::Firing));
        assert_eq!((alert.value, alert.threshold, alert.operator.as_str()), (Some(0.55), 0.5, "greater"));
        assert_eq!(alert.sentence, "alerts when > 0.62; healthy while <= 0.62");
        let window = alert.window.as_ref().unwrap();
        assert_eq!((window.last, window.n_checks, window.n_breaches, window.exceeds), (20, 20, 11, 0.5));
        assert!(alert.example_inference_ids.len() == 5);
        assert_eq!((alert.incident, alert.labels["team"].as_str()), (1, "risk"));

        let firing = service.get("/v1/alerts?state=firing").await.1["alerts"].clone();
        assert_eq!((firing.as_array().unwrap().len(), &firing[0]["spec"]["name"]), (1, &json!("outliers")));
        assert_eq!(firing[0]["alerts_when"], "alerts when > 0.62");
        let metrics = service.metrics().await;
        for line in [
            "shadowline_metric_spec_firing{spec=\"outliers\",model=\"census\"} 1",
            "shadowline_metric_spec_value{spec=\"outliers\",model=\"census\"} 0.9",
            "shadowline_metric_spec_threshold{spec=\"outliers\",model=\"census\"} 0.62",
            "shadowline_checks_total{spec=\"outliers\",model=\"census\",outcome=\"breach\"} 11",
        ] {
            assert!(metrics.lines().any(|it| it == line), "{line}\n{metrics}");
        }

        // Many more breaches are the same alert; then it gets well, and nothing more comes: the timer resolves it.
        monitor.send_all((42..=200).map(|it| (it, Some(0.9)))).await;
        monitor.send_all((201..=230).map(|it| (it, Some(0.1)))).await;
        let alert = event::Alert::decode(alerts.next().await.value.unwrap()).unwrap();
        assert_eq!((alert.from_state(), alert.to_state()), (event::AlertState::Firing, event::AlertState::Inactive));
        assert_eq!(alert.incident, 1);
        wait_for("it is shown as resolved", TIMEOUT, async || service.state("outliers").await == "inactive").await;
        let history = service.get("/v1/alerts/history?spec=outliers").await.1["events"].clone();
        let told: Vec<_> = history.as_array().unwrap().iter()
            .map(|it| (it["to"].as_str().unwrap(), it["reason"].as_str().unwrap())).collect();
        assert_eq!(told, [("inactive", "recovered"), ("firing", "condition_holds")]);
        service.stop().await;
    }

    async fn a_deleted_or_changed_spec_ends_its_alert_and_a_restart_keeps_it(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        for name in ["deleted", "changed", "disabled", "kept"] {
            service.create(spec(name)).await;
        }
        monitor.send(1, Some(0.9)).await;
        let firing = async |service: &Running| {
            service.get("/v1/alerts?state=firing").await.1["alerts"].as_array().unwrap().len()
        };
        wait_for("all fire", TIMEOUT, async || firing(&service).await == 4).await;
        service.abandon().await;
        let service = Running::start(&log, &database).await;
        assert_eq!(firing(&service).await, 4);

        service.call(Method::DELETE, "/v1/metric-specs/deleted", None).await;
        service.call(Method::PATCH, "/v1/metric-specs/changed", Some(json!({"threshold": 0.95}))).await;
        service.call(Method::PATCH, "/v1/metric-specs/disabled", Some(json!({"enabled": false}))).await;
        assert_eq!(firing(&service).await, 1);
        assert_eq!(service.state("kept").await, "firing");
        let history = service.get("/v1/alerts/history").await.1["events"].clone();
        let reasons: BTreeSet<_> = history.as_array().unwrap().iter()
            .filter(|it| it["to"] == "inactive").map(|it| it["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, BTreeSet::from(["spec_changed", "spec_deleted", "spec_disabled"]));

        // The new threshold holds for what comes next, and what is disabled is not checked.
        monitor.send(2, Some(0.9)).await;
        wait_for("the next is checked", TIMEOUT, async || service.n_checks("?spec=kept").await == 2).await;
        assert_eq!(service.state("changed").await, "inactive");
        assert_eq!(service.n_checks("?spec=disabled").await, 1);
        assert_eq!(service.get("/v1/checks?spec=changed").await.1["checks"][0]["threshold"], 0.95);
        assert!(!service.metrics().await.contains("\"deleted\""));
        service.stop().await;
    }

    async fn a_spec_on_a_metric_of_a_window_is_registered_and_judges_no_score_of_a_detector(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        service.create(spec("outliers")).await;
        for kind in ["drift", "quality", "service", "performance"] {
            let mut figure = spec(kind);
            // Even of the same name.
            figure["metric"] = json!({kind: "iforest"});
            let created = service.create(figure).await;
            assert_eq!(created["spec"]["metric"], json!({kind: "iforest"}));
        }
        let mut tail = Tail::of(&log, &log.topics().metric_specs()).await;
        for _ in 0..5 {
            let watched = WatchedSpec::decode(&tail.next().await.value.unwrap()).unwrap();
            // It asks no monitor for scores.
            assert_eq!(watched.monitor.is_some(), watched.name == "outliers");
        }
        monitor.send_all((1..=10).map(|it| (it, Some(0.9)))).await;
        wait_for("the scores are checked", TIMEOUT, async || service.n_checks("?spec=outliers").await == 10).await;
        assert_eq!(service.n_checks("").await, 10);
        assert_eq!(service.state("drift").await, "inactive");
        service.stop().await;
    }

    async fn what_is_no_score_goes_to_the_dead_letters(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let service = Running::start(&log, &database).await;
        service.create(spec("outliers")).await;
        let mut dead = Tail::of(&log, &log.topics().dead_letters()).await;
        monitor.send_bytes(b"\xff\xff\xff no score").await;
        monitor.send_bytes(b"").await;
        monitor.send(1, Some(0.1)).await;
        let mut reasons = BTreeSet::new();
        for _ in 0..2 {
            let envelope = dead.next().await.envelope.unwrap();
            assert_eq!(envelope.extensions["deadtopic"], *log.topics().scores());
            reasons.insert(envelope.extensions["reason"].clone());
        }
        assert!(reasons.iter().all(|it| it.contains("Score")), "{reasons:?}");
        wait_for("the score after them is checked", TIMEOUT, async || service.n_checks("").await == 1).await;
        service.stop().await;
    }

    async fn alertmanagers_get_the_alert_and_its_end_however_they_fail(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let (good, failing) = (Peer::start(false).await, Peer::start(true).await);
        let mut settings = config(&log, &database);
        settings.alertmanager.urls = vec![good.url.clone(), failing.url.clone()];
        settings.alertmanager.external_url = "https://shadowline.example/specs/".to_owned();
        let service = Running::start_with(settings.clone(), &log).await;
        let mut outliers = spec("outliers");
        outliers["severity"] = json!("critical");
        outliers["labels"] = json!({"team": "risk"});
        outliers["resolve_after"] = json!("200ms");
        let id = service.create(outliers).await["id"].as_str().unwrap().to_owned();
        monitor.send_all((1..=50).map(|it| (it, Some(0.9)))).await;
        // The one that answers is not held up by the one that does not.
        good.wait("the alert is delivered and sent again", |posts| posts.len() >= 3).await;
        for (posted_at, body) in good.posts() {
            let alerts = body.as_array().unwrap();
            assert_eq!(alerts.len(), 1, "one incident is one alert: {body}");
            let alert = &alerts[0];
            assert_eq!(alert["labels"], json!({
                "alertname": "outliers", "severity": "critical", "model": "census", "version": "*",
                "spec": "outliers", "team": "risk",
            }));
            assert!(time(&alert["startsAt"]) <= posted_at && posted_at < time(&alert["endsAt"]), "{alert}");
            assert_eq!(alert["generatorURL"], format!("https://shadowline.example/specs/v1/metric-specs/{id}"));
            assert!(alert["annotations"]["examples"].as_str().unwrap().contains("inference-"));
            assert_eq!(alert["annotations"]["description"], "alerts when > 0.62; healthy while <= 0.62");
            let said = ["summary", "value", "line"].map(|it| alert["annotations"][it].as_str().unwrap());
            assert_eq!(said, ["iforest of census: alerts when > 0.62", "score 0.9", "0.62"], "{alert}");
        }
        assert!(failing.posts().is_empty());
        let metrics = service.metrics().await;
        assert!(metrics.contains("result=\"error\""), "{metrics}");

        // Evaluation went on meanwhile; the other one comes back, and has the whole picture.
        assert_eq!(service.n_checks("").await, 50);
        failing.accept();
        failing.wait("the alert is delivered after all", |posts| !posts.is_empty()).await;

        // A restart goes on with it.
        service.abandon().await;
        let service = Running::start_with(settings, &log).await;
        let before = good.posts().len();
        good.wait("the alert is sent again after a restart", |posts| posts.len() > before).await;
        monitor.send(51, Some(0.1)).await;
        for peer in [&good, &failing] {
            let resolved = |posts: &[(jiff::Timestamp, Value)]| {
                posts.iter().filter(|(at, body)| time(&body[0]["endsAt"]) <= *at).count() >= 2
            };
            peer.wait("the resolution is delivered and sent again", resolved).await;
        }
        service.stop().await;
    }

    async fn an_alert_that_alertmanager_refuses_costs_no_other_its_delivery(log: TestLog, database: TestDatabase) {
        let monitor = Monitor::new(&log, "iforest").await;
        let peer = Peer::start(false).await;
        peer.refuse_alert("refused");
        let mut settings = config(&log, &database);
        settings.alertmanager.urls = vec![peer.url.clone()];
        let service = Running::start_with(settings, &log).await;
        for name in ["first", "refused", "second"] {
            service.create(spec(name)).await;
        }
        monitor.send(1, Some(0.9)).await;
        for name in ["first", "second"] {
            let of_this = |posts: &[(jiff::Timestamp, Value)]| {
                posts.iter().filter(|(_, body)| body.to_string().contains(name)).count() >= 2
            };
            peer.wait("the others are delivered, and sent again", of_this).await;
        }
        for (_, body) in peer.posts() {
            assert!(!body.to_string().contains("refused"), "{body}");
        }
        assert!(service.metrics().await.contains("result=\"error\""));
        service.stop().await;
    }

    async fn a_topic_that_lost_the_specs_gets_them_again(log: TestLog, database: TestDatabase) {
        let service = Running::start(&log, &database).await;
        service.create(spec("outliers")).await;
        let mut tail = Tail::of(&log, &log.topics().metric_specs()).await;
        tail.next().await;
        service.stop().await;
        // The same database with other topics, as after the log was recreated.
        let mut settings = config(&log, &database);
        settings.topics.prefix = shadowline_stream::Topics::with_prefix(log.group("anew.")).unwrap();
        let topic = settings.topics.prefix.metric_specs();
        let service = Running::start_with(settings, &log).await;
        let mut tail = Tail::of(&log, &topic).await;
        let watched = WatchedSpec::decode(&tail.next().await.value.unwrap()).unwrap();
        assert_eq!(watched.name, "outliers");
        service.stop().await;
    }
}
