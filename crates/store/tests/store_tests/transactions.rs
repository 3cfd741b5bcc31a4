//! Effects that are kept with the progress that they belong to, and states that are written only over what was read.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::fixtures::{GROUP, INSTANCE, TOPIC, at, batch, check, id, iforest, open, spec};
use shadowline_evaluation::{
    AlertState, Evaluation, MetricKind, Reading, SpecVersion, Transition, TransitionReason,
};
use shadowline_store::{
    AlertEvent, AlertHistoryQuery, Batch, CheckFilter, CheckMetric, CheckSubject, Checkpoint,
    Ending, NewCheck, NewState, OffsetStep, Progress, Revision, Store, StoreError, StoredSpec,
};
use shadowline_testkit_stack::on_both_stores;

/// What a timer causes: the alert fires.
fn timer(spec: &StoredSpec, revision: Revision) -> Batch {
    let mut evaluation = Evaluation::new(&spec.spec);
    for second in 0..20 {
        let reading = Reading { at: at(second), value: Some(0.9), threshold: None, subject: "x" };
        evaluation.observe(&spec.spec, reading);
    }
    assert_eq!(evaluation.state(), AlertState::Firing);
    let (spec_no, spec_version) = (spec.no, spec.version);
    let event = AlertEvent {
        id: format!("{}/{}/firing", spec.id, revision.0),
        spec_no,
        spec_version,
        incident: 1,
        transition: Transition {
            from: AlertState::Pending,
            to: AlertState::Firing,
            at: at(19),
            condition_since: Some(at(9)),
            fired_at: Some(at(19)),
            reason: TransitionReason::ConditionHolds,
            value: Some(0.9),
            line: Some(0.5),
            window: None,
            examples: Vec::new(),
        },
        recorded_at: at(20),
    };
    let updated_at = at(20);
    let state = NewState { spec_no, revision, spec_version, incident: 1, evaluation, updated_at };
    Batch { states: vec![state], events: vec![event], ..Batch::default() }
}

async fn history(store: &Store) -> Vec<String> {
    let query = AlertHistoryQuery { limit: 100, ..AlertHistoryQuery::default() };
    store.alert_history(&query).await.unwrap().into_iter().map(|it| it.event.id).collect()
}

async fn revision(store: &Store) -> Revision {
    store.states().await.unwrap().first().map_or(Revision::NOT_STORED, |it| it.revision)
}

fn moved(result: Result<(), StoreError>) -> bool {
    match result {
        Err(StoreError::StateMoved { spec }) => {
            assert_eq!(spec, "outliers");
            true
        }
        other => {
            other.unwrap();
            false
        }
    }
}

on_both_stores! {
    async fn of_two_timers_one_is_kept_and_the_other_finds_the_state_moved(database: TestDatabase) {
        let (one, two) = (open(&database).await, open(&database).await);
        let stored = one.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        // From the very first state on, of which there is no row yet.
        for round in 0..20 {
            let step = timer(&stored, Revision(round));
            let (first, second) = tokio::join!(one.apply(&step), two.apply(&step));
            let (first, second) = (moved(first), moved(second));
            assert!(first != second, "round {round}: moved for {first} and {second}");
            assert_eq!(history(&one).await.len(), usize::try_from(round).unwrap() + 1);
            assert_eq!(revision(&two).await, Revision(round + 1));
        }
    }

    async fn a_batch_over_a_state_that_moved_leaves_nothing_behind(database: TestDatabase) {
        let store = open(&database).await;
        let stored = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&stored.spec);
        store.apply(&batch(&stored, &mut evaluation, 0, 30)).await.unwrap();
        store.apply(&timer(&stored, Revision(1))).await.unwrap();
        let mut late = batch(&stored, &mut evaluation, 30, 60);
        let error = store.apply(&late).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the alert state of metric spec `outliers` was written by another process"
        );
        assert!(!error.is_permanent());
        assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap()[&3], 30);
        assert_eq!(store.count_checks(&CheckFilter::default()).await.unwrap().total(), 30);
        assert_eq!(revision(&store).await, Revision(2));
        // A writer that has read the state again goes on.
        late.states[0].revision = Revision(2);
        store.apply(&late).await.unwrap();
        assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap()[&3], 60);
        assert_eq!(revision(&store).await, Revision(3));
    }

    async fn a_spec_is_changed_only_by_who_knows_where_its_alert_stands(database: TestDatabase) {
        let store = open(&database).await;
        let first = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        store.apply(&timer(&first, Revision::NOT_STORED)).await.unwrap();
        let changed = first.spec.with(Some(0.7), None).unwrap();
        let late = Ending::default();
        let replaced = store.replace_spec(&first, &changed, at(30), late).await;
        assert!(moved(replaced.map(drop)));
        assert!(moved(store.delete_spec(&first, at(30), late).await));
        assert_eq!(store.spec_versions(id(1)).await.unwrap(), std::slice::from_ref(&first));
        assert_eq!(store.firing_events().await.unwrap().len(), 1);
        let ending = Ending { revision: Revision(1), event: None };
        let second = store.replace_spec(&first, &changed, at(30), ending).await.unwrap();
        assert_eq!(second.version, SpecVersion(2));
        assert_eq!(store.firing_events().await.unwrap(), []);
        // Who still judges by the version before is told so.
        assert!(moved(store.apply(&timer(&first, Revision(1))).await));
        assert_eq!(revision(&store).await, Revision(2));
    }

    async fn a_spec_that_was_never_judged_is_fenced_too_when_it_changes(database: TestDatabase) {
        let store = open(&database).await;
        let first = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let changed = first.spec.with(Some(0.7), None).unwrap();
        let second =
            store.replace_spec(&first, &changed, at(30), Ending::default()).await.unwrap();
        assert!(moved(store.apply(&timer(&first, Revision::NOT_STORED)).await));
        let state = store.states().await.unwrap().remove(0);
        assert_eq!((state.revision, state.incident, state.evaluation), (Revision(1), 0, None));
        store.apply(&timer(&second, Revision(1))).await.unwrap();
        let ending = Ending { revision: Revision(2), event: None };
        store.delete_spec(&second, at(40), ending).await.unwrap();
        assert!(moved(store.apply(&timer(&second, Revision(2))).await));
        assert_eq!(history(&store).await.len(), 1);
    }

    async fn other_readers_keep_what_effects_they_have_with_their_progress(database: TestDatabase) {
        let store = open(&database).await;
        let stored = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let progress = |from: Option<u64>, to| Progress {
            consumer_group: "archive".to_owned(),
            topic: "shadowline.inferences".to_owned(),
            offsets: vec![OffsetStep { partition: 0, from, to }],
            checkpoints: vec![Checkpoint {
                partition: 0,
                producer: "inferences".to_owned(),
                instance: INSTANCE,
                sequence: to,
            }],
        };
        let mut transaction = store.begin().await.unwrap();
        transaction.advance(&progress(None, 10)).await.unwrap();
        transaction.insert_checks(&[check(&stored, 1, Some(0.25))]).await.unwrap();
        transaction.commit("keep what the archive did").await.unwrap();

        // Dropped, or refused in the middle, it leaves nothing behind.
        let mut transaction = store.begin().await.unwrap();
        transaction.insert_checks(&[check(&stored, 2, Some(0.25))]).await.unwrap();
        transaction.advance(&progress(Some(10), 20)).await.unwrap();
        drop(transaction);
        let mut transaction = store.begin().await.unwrap();
        transaction.insert_checks(&[check(&stored, 3, Some(0.25))]).await.unwrap();
        let refused = transaction.advance(&progress(Some(9), 20)).await.unwrap_err();
        assert!(matches!(refused, StoreError::Fenced { partition: 0, .. }), "{refused}");
        drop(transaction);

        assert_eq!(store.count_checks(&CheckFilter::default()).await.unwrap().total(), 1);
        let offsets = store.offsets("archive", "shadowline.inferences").await.unwrap();
        assert_eq!(offsets.into_iter().collect::<Vec<_>>(), [(0, 10)]);
        assert_eq!(store.checkpoints("archive").await.unwrap(), progress(None, 10).checkpoints);
        assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap().len(), 0);
    }

    async fn a_window_is_checked_beside_requests_and_is_none(database: TestDatabase) {
        let store = open(&database).await;
        let stored = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let window = |kind, name: &str, segment: Option<&str>, to: u64| NewCheck {
            subject: CheckSubject::Window {
                from: at(to - 60),
                to: at(to),
                segment: segment.map(str::to_owned),
            },
            metric: CheckMetric { kind, name: name.to_owned(), version: String::new() },
            event_at: at(to),
            ..check(&stored, to, Some(0.75))
        };
        let checks = vec![
            check(&stored, 1, Some(0.25)),
            window(MetricKind::Drift, "psi", None, 60),
            window(MetricKind::Quality, "missing_share", Some("country=DE"), 120),
            window(MetricKind::Service, "error_share", None, 180),
            window(MetricKind::Performance, "accuracy", None, 240),
        ];
        store.apply(&Batch { checks: checks.clone(), ..Batch::default() }).await.unwrap();
        let all = CheckFilter::default();
        let page = store.checks(&all, 10, None).await.unwrap();
        let found: Vec<_> =
            page.checks.iter().rev().map(|it| (it.subject.clone(), it.metric.clone())).collect();
        let kept: Vec<_> = checks.iter().map(|it| (it.subject.clone(), it.metric.clone())).collect();
        assert_eq!(found, kept);
        assert_eq!(found[0].1, iforest());
        assert_eq!(store.count_checks(&all).await.unwrap().total(), 5);
        assert_eq!(store.count_inferences(&all).await.unwrap(), 1);
        // Not even the empty id finds a window.
        let none = CheckFilter { inference_id: Some(String::new()), ..all };
        assert_eq!(store.count_checks(&none).await.unwrap().total(), 0);
    }
}
