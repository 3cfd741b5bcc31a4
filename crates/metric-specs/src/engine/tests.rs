//! The engine on a database of its own, under a clock that only the tests move.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod races;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use shadowline_evaluation::{AlertState, MetricSpec, SpecVersion, TransitionReason};
use shadowline_service::clock;
use shadowline_service::health::{Component, Health, Status};
use shadowline_service::metrics::Metrics;
use shadowline_store::{
    Batch, CheckFilter, Ending, OffsetStep, Progress, SpecKey, Store, StoreError, StoreUrl,
};
use shadowline_wire::{ModelRef, MonitorRef, Origin, Score, ScoreValue, Subject};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::advance;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::handle::StoreRegressed;
use super::*;
use crate::alert_traces::AlertTraces;
use crate::metrics::MetricSpecsMetrics;

const CONSUMER_GROUP: &str = "metric-specs";
const TOPIC: &str = "scores";
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// Keeps a paused clock where it is. Tokio would otherwise move it to the next timeout whenever every task waits, as
/// all of them do while a thread of the database works; it does not while a blocking task runs.
struct HeldClock(
    #[expect(dead_code, reason = "what counts is when it is dropped")] std::sync::mpsc::Sender<()>,
);

impl HeldClock {
    fn new() -> Self {
        let (sender, dropped) = std::sync::mpsc::channel();
        drop(tokio::task::spawn_blocking(move || dropped.recv()));
        Self(sender)
    }
}

/// A running engine, and the same database as another process sees it.
struct Bench {
    engine: Handle,
    /// The engine's own connections.
    own: Store,
    other: Store,
    health: Component,
    alerts: watch::Receiver<()>,
    _ending: DropGuard,
    dir: TempDir,
    clock: HeldClock,
}

impl Bench {
    async fn start() -> Self {
        Self::on(tempfile::tempdir().unwrap(), HeldClock::new()).await
    }

    async fn on(dir: TempDir, clock: HeldClock) -> Self {
        let url = format!("sqlite://{}", dir.path().join("store.db").display());
        let url = StoreUrl::try_from(url).unwrap();
        let (own, other) = (Store::open(&url).await.unwrap(), Store::open(&url).await.unwrap());
        let metrics = MetricSpecsMetrics::register(&Metrics::new("metric-specs", "0"));
        let health = Health::new("metric-specs").component("store");
        let wakers = Wakers {
            specs: watch::Sender::new(()),
            alerts: watch::Sender::new(()),
            traces: AlertTraces::default(),
        };
        let alerts = wakers.alerts.subscribe();
        let (consumer_group, topic) = (CONSUMER_GROUP.to_owned(), TOPIC.to_owned());
        let opened =
            Engine::open(own.clone(), consumer_group, topic, wakers, metrics, health.clone()).await;
        let (engine, commands) = channel();
        let ending = CancellationToken::new();
        opened.unwrap().start(commands, ending.clone());
        Self { engine, own, other, health, alerts, _ending: ending.drop_guard(), dir, clock }
    }

    /// Ends this engine wherever it is, and starts another one on the same database.
    async fn restart(self) -> Self {
        let Self { dir, clock, own, other, _ending: ending, .. } = self;
        drop(ending);
        own.close().await;
        other.close().await;
        Self::on(dir, clock).await
    }

    async fn create(&self, rest: &str) {
        self.engine.create(spec("outliers", rest)).await.unwrap();
    }

    async fn apply(&self, scores: &[Score], next: u64) -> Result<(), ApplyError> {
        let scores = scores.iter().cloned();
        let scores = scores.map(|score| PartitionedScore { partition: 0, score, trace: None });
        let next_offsets = BTreeMap::from([(0, next)]);
        self.engine.apply(Scores { scores: scores.collect(), next_offsets }).await
    }

    async fn status(&self) -> SpecStatus {
        self.engine.statuses().await.unwrap().remove(0)
    }

    async fn state(&self) -> AlertState {
        self.status().await.evaluation.state()
    }

    /// Waits for the next step of an alert; every step before was seen.
    async fn step(&mut self) -> AlertState {
        self.alerts.changed().await.unwrap();
        self.state().await
    }

    fn seen(&mut self) {
        self.alerts.mark_unchanged();
    }

    async fn n_checks(&self) -> u64 {
        self.other.count_checks(&CheckFilter::default()).await.unwrap().total()
    }

    /// What another process does with the offset of the partition.
    async fn move_offset(&self, from: Option<u64>, to: u64) {
        let offsets = vec![OffsetStep { partition: 0, from, to }];
        let (consumer_group, topic) = (CONSUMER_GROUP.to_owned(), TOPIC.to_owned());
        let progress = Progress { consumer_group, topic, offsets, ..Progress::default() };
        self.other.apply(&Batch { progress, ..Batch::default() }).await.unwrap();
    }

    /// Lets the engine work until its store's health is as expected.
    async fn until_store_fails(&self) {
        for _ in 0..1_000 {
            if matches!(self.health.status(), Status::Failing(_)) {
                return;
            }
            self.engine.statuses().await.unwrap();
        }
        panic!("the store's health is {:?}", self.health.status());
    }
}

fn spec(name: &str, rest: &str) -> MetricSpec {
    let mut document = serde_json::json!({
        "name": name, "model": {"name": "census"}, "metric": {"monitor": "iforest"},
        "alert_when": {"operator": ">", "threshold": 0.5},
    });
    let rest: serde_json::Map<_, _> = serde_json::from_str(rest).unwrap();
    document.as_object_mut().unwrap().extend(rest);
    serde_json::from_value(document).unwrap()
}

fn score_at(sequence: u64, value: f64, received_at: Timestamp) -> Score {
    Score {
        subject: Subject::Inference(format!("inference-{sequence}")),
        model: ModelRef { name: "census".into(), version: "1".into() },
        metric: MonitorRef { name: "iforest".into(), version: "1".into() }.into(),
        is_newest: true,
        threshold: None,
        result: Ok(ScoreValue {
            value,
            record_idx: 0,
            record_values: vec![],
            p_value: None,
            expected: None,
            contributions: vec![],
            n_unseen_categories: 0,
        }),
        origin: Origin { instance: Uuid::from_u128(1), sequence },
        received_at,
        scored_at: received_at,
    }
}

fn score(sequence: u64, value: f64) -> Score {
    score_at(sequence, value, clock::now())
}

#[tokio::test(start_paused = true)]
async fn a_timer_fires_at_its_time_and_not_before() {
    let mut bench = Bench::start().await;
    bench.create(r#"{"for": "10s"}"#).await;
    bench.engine.assigned(None).await.unwrap();
    // Long ago in event time: the spec's clock passes on from when it was observed.
    let received_at = clock::now() - SignedDuration::from_hours(1);
    bench.apply(&[score_at(1, 0.9, received_at)], 1).await.unwrap();
    assert_eq!(bench.state().await, AlertState::Pending);
    bench.seen();
    advance(10 * SECOND - 10 * MILLISECOND).await;
    assert_eq!(bench.state().await, AlertState::Pending);
    advance(20 * MILLISECOND).await;
    assert_eq!(bench.step().await, AlertState::Firing);
    let due = received_at + SignedDuration::from_secs(10);
    assert_eq!(bench.status().await.evaluation.fired_at(), Some(due));
    let events = bench.other.unpublished_alert_events(10).await.unwrap();
    let told: Vec<_> =
        events.iter().map(|it| (it.event.transition.to, it.event.incident)).collect();
    assert_eq!(told, [(AlertState::Pending, 1), (AlertState::Firing, 1)]);
}

#[tokio::test(start_paused = true)]
async fn no_timer_runs_before_partitions_were_assigned_and_had_time_to_be_read() {
    let mut bench = Bench::start().await;
    bench.create(r#"{"for": "100ms"}"#).await;
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    bench.seen();
    advance(5 * SECOND).await;
    assert_eq!(bench.state().await, AlertState::Pending);
    bench.engine.assigned(None).await.unwrap();
    advance(990 * MILLISECOND).await;
    assert_eq!(bench.state().await, AlertState::Pending);
    advance(20 * MILLISECOND).await;
    assert_eq!(bench.step().await, AlertState::Firing);
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_a_partition_is_read_before_its_timer_runs() {
    let bench = Bench::start().await;
    bench.create(r#"{"for": "100ms"}"#).await;
    let received_at = clock::now();
    bench.apply(&[score_at(1, 0.9, received_at)], 1).await.unwrap();
    let mut bench = bench.restart().await;
    assert_eq!(bench.state().await, AlertState::Pending);
    bench.engine.assigned(None).await.unwrap();
    advance(500 * MILLISECOND).await;
    let soon = received_at + SignedDuration::from_micros(1);
    bench.apply(&[score_at(2, 0.1, soon)], 2).await.unwrap();
    assert_eq!(bench.state().await, AlertState::Inactive);
    bench.seen();
    advance(5 * SECOND).await;
    assert_eq!(bench.state().await, AlertState::Inactive);
    assert!(!bench.alerts.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_failed_transaction_leaves_memory_as_it_was_and_everything_is_read_again() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    bench.engine.assigned(None).await.unwrap();
    bench.move_offset(None, 7).await;
    let refused = bench.apply(&[score(1, 0.9)], 8).await.unwrap_err();
    assert!(matches!(refused, ApplyError::Store(StoreError::Fenced { .. })), "{refused:?}");
    let status = bench.status().await;
    assert_eq!((status.evaluation.state(), status.incident), (AlertState::Inactive, 0));
    assert_eq!((status.evaluation.last_value(), status.evaluation.clock()), (None, None));
    assert_eq!(bench.n_checks().await, 0);
    // The same again: now it knows of the other one.
    bench.apply(&[score(1, 0.9)], 8).await.unwrap();
    let status = bench.status().await;
    assert_eq!((status.evaluation.state(), status.incident), (AlertState::Firing, 1));
    assert_eq!(bench.n_checks().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_timer_whose_step_cannot_be_stored_changes_nothing() {
    let mut bench = Bench::start().await;
    bench.create(r#"{"for": "2s"}"#).await;
    bench.engine.assigned(None).await.unwrap();
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    bench.seen();
    bench.own.close().await;
    advance(2 * SECOND + 10 * MILLISECOND).await;
    bench.until_store_fails().await;
    assert_eq!(bench.state().await, AlertState::Pending);
    assert!(!bench.alerts.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_idle_engine_notices_that_its_store_is_away() {
    let bench = Bench::start().await;
    assert!(!matches!(bench.health.status(), Status::Failing(_)));
    bench.own.close().await;
    advance(7 * SECOND).await;
    bench.until_store_fails().await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_another_process_was_faster_with_is_refused_and_the_next_one_goes_by_it() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    let stored = bench.other.spec(&SpecKey::parse("outliers")).await.unwrap().unwrap();
    let theirs = stored.spec.with(Some(0.7), None).unwrap();
    bench.other.replace_spec(&stored, &theirs, clock::now(), Ending::default()).await.unwrap();
    let patch = Patch { threshold: None, enabled: Some(false) };
    let refused = bench.engine.patch("outliers".to_owned(), patch).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Store(StoreError::SpecMoved { .. })), "{refused:?}");
    let (changed, _) = bench.engine.patch("outliers".to_owned(), patch).await.unwrap();
    assert_eq!(changed.version, SpecVersion(3));
    assert_eq!((changed.spec.condition().line(), changed.spec.enabled()), (Some(0.7), false));
}

#[tokio::test(start_paused = true)]
async fn a_score_that_comes_again_is_applied_once() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    // Within a batch, in the next one, and after a restart.
    let twice = [score(1, 0.1), score(2, 0.9), score(1, 0.1), score(2, 0.9)];
    bench.apply(&twice, 4).await.unwrap();
    assert_eq!(bench.n_checks().await, 2);
    bench.apply(&twice[1..], 7).await.unwrap();
    let bench = bench.restart().await;
    bench.engine.assigned(None).await.unwrap();
    bench.apply(&[score(2, 0.1), score(3, 0.9)], 9).await.unwrap();
    assert_eq!(bench.n_checks().await, 3);
    let status = bench.status().await;
    assert_eq!((status.evaluation.state(), status.incident), (AlertState::Firing, 1));
    assert_eq!(status.evaluation.examples().collect::<Vec<_>>(), ["inference-2", "inference-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lost_what_it_had_confirmed_is_noticed_and_nothing_more_is_applied() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    bench.apply(&[score(1, 0.1)], 5).await.unwrap();
    bench.move_offset(Some(5), 3).await;
    bench.engine.assigned(None).await.unwrap();
    let refused = bench.apply(&[score(2, 0.9)], 6).await.unwrap_err();
    let expected = StoreRegressed { partition: 0, stored: 3, confirmed: 5 };
    assert!(matches!(refused, ApplyError::StoreRegressed(it) if it == expected), "{refused:?}");
    assert_eq!((bench.n_checks().await, bench.state().await), (1, AlertState::Inactive));
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_changed_or_deleted_ends_its_alert_and_keeps_counting() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    let patch = Patch { threshold: Some(0.6), enabled: None };
    bench.engine.patch("outliers".to_owned(), patch).await.unwrap();
    let status = bench.status().await;
    assert_eq!((status.evaluation.state(), status.incident), (AlertState::Inactive, 1));
    bench.apply(&[score(2, 0.9)], 2).await.unwrap();
    assert_eq!(bench.status().await.incident, 2);
    bench.engine.delete("outliers".to_owned()).await.unwrap();
    bench.apply(&[score(3, 0.9)], 3).await.unwrap();
    assert!(bench.engine.statuses().await.unwrap().is_empty());
    assert_eq!(bench.n_checks().await, 2);
    let events = bench.other.unpublished_alert_events(10).await.unwrap();
    let reasons: Vec<_> = events.iter().map(|it| it.event.transition.reason).collect();
    let holds = TransitionReason::ConditionHolds;
    let (changed, deleted) = (TransitionReason::SpecChanged, TransitionReason::SpecDeleted);
    assert_eq!(reasons, [holds, changed, holds, deleted]);
}

#[tokio::test(start_paused = true)]
async fn a_spec_on_any_kind_of_metric_is_kept_and_judges_no_scores_of_another_kind() {
    let bench = Bench::start().await;
    for kind in ["drift", "quality", "service", "performance"] {
        let metric = format!(r#"{{"metric": {{"{kind}": "iforest"}}}}"#);
        bench.engine.create(spec(kind, &metric)).await.unwrap();
    }
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    let statuses = bench.engine.statuses().await.unwrap();
    let names: Vec<_> = statuses.iter().map(|it| it.spec.spec.name().as_str()).collect();
    assert_eq!(names, ["drift", "performance", "quality", "service"]);
    assert!(statuses.iter().all(|it| it.evaluation.clock().is_none()));
    assert_eq!(bench.n_checks().await, 0);
}
