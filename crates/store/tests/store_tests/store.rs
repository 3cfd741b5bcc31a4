//! What the store keeps, and that it keeps it whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::time::Duration;

use crate::fixtures::{GROUP, TOPIC, at, batch, check, id, open, spec};
use jiff::Timestamp;
use shadowline_evaluation::{
    AlertState, Evaluation, Outcome, Reading, SpecVersion, Transition, TransitionReason,
};
use shadowline_store::{
    AlertEvent, AlertHistoryQuery, Batch, CheckFilter, Ending, NewState, OffsetStep, Progress,
    Revision, SpecKey, Store, StoreError, StoreUrl, StoredSpec,
};
use shadowline_testkit_stack::on_both_stores;

on_both_stores! {
    async fn a_spec_keeps_every_version_and_its_changes_wait_in_the_outbox(database: TestDatabase) {
        let store = open(&database).await;
        // Databases keep microseconds, and what is answered at once is what is read again.
        let between = |seconds| at(seconds) + Duration::from_nanos(7);
        let first = store.create_spec(id(1), &spec("outliers"), between(0)).await.unwrap();
        let changed = first.spec.with(Some(0.7), None).unwrap();
        let second = store.replace_spec(&first, &changed, between(10), Ending::default()).await.unwrap();
        assert_eq!(
            (second.version, second.created_at, second.updated_at),
            (SpecVersion(2), at(0), at(10))
        );

        // Another process reads the same.
        store.close().await;
        let store = open(&database).await;
        for key in ["outliers", &id(1).to_string()] {
            assert_eq!(store.spec(&SpecKey::parse(key)).await.unwrap().as_ref(), Some(&second));
        }
        assert_eq!(store.spec_versions(id(1)).await.unwrap(), [first.clone(), second.clone()]);
        assert_eq!(store.specs(Some("census")).await.unwrap(), std::slice::from_ref(&second));
        assert_eq!(store.specs(Some("other")).await.unwrap(), []);

        // A change made on what is no longer the current version is refused.
        let error = store.replace_spec(&first, &changed, at(11), Ending::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::SpecMoved { version: 1, .. }), "{error}");

        store.delete_spec(&second, at(20), stored(1)).await.unwrap();
        assert_eq!(store.spec(&SpecKey::parse("outliers")).await.unwrap(), None);
        assert_eq!(store.spec_versions(id(1)).await.unwrap().len(), 2);

        let changes = store.unpublished_spec_changes(10).await.unwrap();
        let told: Vec<_> = changes.iter().map(|it| it.to.as_ref().map(|it| it.version.0)).collect();
        assert_eq!(told, [Some(1), Some(2), None]);
        assert_eq!(changes[0].to.as_ref().unwrap().spec, first.spec);
        for change in &changes {
            store.spec_change_published(change.change_no).await.unwrap();
        }
        assert_eq!(store.unpublished_spec_changes(10).await.unwrap(), []);
    }

    async fn a_name_is_taken_once_until_its_spec_is_deleted(database: TestDatabase) {
        let store = open(&database).await;
        let first = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let error = store.create_spec(id(2), &spec("outliers"), at(0)).await.unwrap_err();
        assert_eq!(error.to_string(), "a metric spec named `outliers` exists already");
        // A rename onto it is refused, too.
        let other = store.create_spec(id(3), &spec("others"), at(0)).await.unwrap();
        let error = store.replace_spec(&other, &spec("outliers"), at(1), Ending::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::NameTaken { .. }), "{error}");
        store.delete_spec(&first, at(1), Ending::default()).await.unwrap();
        store.create_spec(id(2), &spec("outliers"), at(2)).await.unwrap();
    }

    async fn a_batch_is_kept_whole_or_not_at_all(database: TestDatabase) {
        let store = open(&database).await;
        let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&spec.spec);
        store.apply(&batch(&spec, &mut evaluation, 0, 30)).await.unwrap();

        // A writer that expects another offset has been overtaken.
        let mut late = batch(&spec, &mut evaluation.clone(), 20, 50);
        let error = store.apply(&late).await.unwrap_err();
        assert!(matches!(error, StoreError::Fenced { partition: 3, .. }), "{error}");
        // A failure at the very end takes all before it along: the same change of an alert twice.
        late.progress.offsets[0].from = Some(30);
        late.states[0].revision = Revision(1);
        let event = resolved(&spec);
        late.events = vec![event.clone(), event];
        store.apply(&late).await.unwrap_err();

        let counts = store.count_checks(&CheckFilter::default()).await.unwrap();
        assert_eq!((counts.healthy, counts.breach, counts.unscored), (10, 10, 10));
        assert_eq!(store.offsets(GROUP, TOPIC).await.unwrap().get(&3), Some(&30));
        assert_eq!(store.checkpoints(GROUP).await.unwrap()[0].sequence, 29);
        assert_eq!(store.checkpoints("other").await.unwrap(), []);
        let states = store.states().await.unwrap();
        assert_eq!(states[0].evaluation, Some((SpecVersion(1), evaluation)));
    }

    async fn the_history_of_alerts_comes_back_as_it_was_and_leaves_the_outbox_once(database: TestDatabase) {
        let store = open(&database).await;
        let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let event = resolved(&spec);
        let batch = Batch { events: vec![event.clone()], ..Batch::default() };
        store.apply(&batch).await.unwrap();
        let waiting = store.unpublished_alert_events(10).await.unwrap();
        assert_eq!((waiting.len(), &waiting[0].event, &waiting[0].spec), (1, &event, &spec));
        store.alert_event_published(waiting[0].event_no).await.unwrap();
        assert_eq!(store.unpublished_alert_events(10).await.unwrap(), []);
        let history = |query| store.alert_history(query);
        let query = AlertHistoryQuery { limit: 10, spec: Some(id(1)), ..AlertHistoryQuery::default() };
        assert_eq!(history(&query).await.unwrap(), waiting);
        let later = AlertHistoryQuery { recorded_since: Some(at(11)), ..query };
        assert_eq!(history(&later).await.unwrap(), []);
    }

    async fn a_replaced_spec_starts_afresh_and_its_incidents_count_on(database: TestDatabase) {
        let store = open(&database).await;
        let first = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&first.spec);
        store.apply(&batch(&first, &mut evaluation, 0, 7)).await.unwrap();
        store
            .replace_spec(
                &first,
                &first.spec.with(Some(0.9), None).unwrap(),
                at(8),
                Ending { event: Some(&resolved(&first)), ..stored(1) },
            )
            .await
            .unwrap();
        let states = store.states().await.unwrap();
        assert_eq!((states[0].incident, &states[0].evaluation), (7, &None));
        assert_eq!(store.unpublished_alert_events(10).await.unwrap().len(), 1);
    }

    async fn checks_are_found_by_every_filter_and_page_by_page(database: TestDatabase) {
        let store = open(&database).await;
        let one = store.create_spec(id(1), &spec("one"), at(0)).await.unwrap();
        let two = store.create_spec(id(2), &spec("two"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&one.spec);
        let mut batch = batch(&one, &mut evaluation, 0, 300);
        batch.checks.extend((0..100).map(|sequence| check(&two, sequence, Some(0.5))));
        store.apply(&batch).await.unwrap();

        let count = async |filter: CheckFilter| store.count_checks(&filter).await.unwrap().total();
        let all = CheckFilter::default();
        assert_eq!(count(all.clone()).await, 400);
        assert_eq!(store.count_inferences(&all).await.unwrap(), 300);
        assert_eq!(count(CheckFilter { spec: Some(id(2)), ..all.clone() }).await, 100);
        assert_eq!(count(CheckFilter { spec: Some(id(9)), ..all.clone() }).await, 0);
        assert_eq!(count(CheckFilter { outcome: Some(Outcome::Breach), ..all.clone() }).await, 100);
        assert_eq!(
            count(CheckFilter { inference_id: Some("inference-00000007".into()), ..all.clone() }).await,
            2
        );
        assert_eq!(count(CheckFilter { since: Some(at(290)), ..all.clone() }).await, 10);
        assert_eq!(count(CheckFilter { until: Some(at(10)), ..all.clone() }).await, 20);

        let mut seen = HashSet::new();
        let mut times = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.checks(&all, 33, cursor).await.unwrap();
            for check in &page.checks {
                assert_eq!(check.value.is_none(), check.outcome == Outcome::Unscored);
                let contributions = check.explanation.as_ref().map(|it| it.contributions[0].0.as_str());
                let explained = check.value.filter(|it| 0.5 < *it).map(|_| "age");
                assert_eq!(contributions, explained, "those that move the score most come first");
                assert!(
                    seen.insert((check.spec_name.clone(), check.subject.clone())),
                    "{check:?} came twice"
                );
                times.push(check.event_at);
            }
            match page.next {
                // As a caller hands it back.
                Some(next) => cursor = Some(next.to_string().parse().unwrap()),
                None => break,
            }
        }
        assert_eq!(seen.len(), 400);
        assert!(times.is_sorted_by(|a, b| a >= b));
        assert!("12-".parse::<shadowline_store::Cursor>().is_err());

        // Old ones go in small portions, and only they.
        let mut portions = Vec::new();
        loop {
            match store.delete_checks_before(at(50), 30).await.unwrap() {
                0 => break,
                n => portions.push(n),
            }
        }
        assert_eq!(portions, [30, 30, 30, 10]);
        assert_eq!(count(all).await, 300);
    }

    async fn many_batches_are_applied_and_the_rate_is_printed(database: TestDatabase) {
        let store = open(&database).await;
        let spec = store.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&spec.spec);
        let batches: Vec<_> =
            (0..80).map(|it| batch(&spec, &mut evaluation, it * 500, (it + 1) * 500)).collect();
        let started = tokio::time::Instant::now();
        for batch in &batches {
            store.apply(batch).await.unwrap();
        }
        let per_second = 40_000.0 / started.elapsed().as_secs_f64();
        eprintln!("{per_second:.0} checks per second");
        assert_eq!(store.count_checks(&CheckFilter::default()).await.unwrap().total(), 40_000);
        // A reader that never read this partition may not begin in the middle of another's work.
        let stolen = Batch {
            progress: Progress {
                consumer_group: GROUP.to_owned(),
                topic: TOPIC.to_owned(),
                offsets: vec![OffsetStep { partition: 3, from: None, to: 1 }],
                checkpoints: Vec::new(),
            },
            ..Batch::default()
        };
        assert!(matches!(store.apply(&stolen).await, Err(StoreError::Fenced { .. })));
    }

    async fn of_two_writers_one_advances_an_offset_and_the_other_is_fenced(database: TestDatabase) {
        let (one, two) = (open(&database).await, open(&database).await);
        let spec = one.create_spec(id(1), &spec("outliers"), at(0)).await.unwrap();
        let mut evaluation = Evaluation::new(&spec.spec);
        for round in 0..30 {
            let mine = batch(&spec, &mut evaluation, round * 10, round * 10 + 10);
            let (mine, other) = (mine.clone(), mine);
            let mut both = [one.apply(&mine), two.apply(&other)].map(Box::pin);
            let [first, second] = &mut both;
            let (first, second) = tokio::join!(first, second);
            let fenced = |it: &Result<(), StoreError>| {
                matches!(it, Err(StoreError::Fenced { partition: 3, .. }))
            };
            assert!(
                (first.is_ok() && fenced(&second)) || (fenced(&first) && second.is_ok()),
                "{first:?} {second:?}"
            );
        }
        assert_eq!(one.count_checks(&CheckFilter::default()).await.unwrap().total(), 300);
        assert_eq!(one.count_inferences(&CheckFilter::default()).await.unwrap(), 300);
        assert_eq!(one.offsets(GROUP, TOPIC).await.unwrap()[&3], 300);
    }

    async fn old_changes_of_alerts_go_but_never_the_last_of_a_spec_or_one_that_was_not_sent(database: TestDatabase) {
        let store = open(&database).await;
        let firing = store.create_spec(id(1), &spec("firing"), at(0)).await.unwrap();
        let quiet = store.create_spec(id(2), &spec("quiet"), at(0)).await.unwrap();
        let deleted = store.create_spec(id(3), &spec("deleted"), at(0)).await.unwrap();
        let mut events = Vec::new();
        for incident in 1..=10 {
            for spec in [&firing, &quiet, &deleted] {
                events.push(event(spec, incident, AlertState::Firing, at(incident * 2)));
                events.push(event(spec, incident, AlertState::Inactive, at(incident * 2 + 1)));
            }
        }
        events.push(event(&firing, 11, AlertState::Firing, at(22)));
        let states = vec![now_firing(&firing, 11)];
        store.apply(&Batch { states, events, ..Batch::default() }).await.unwrap();
        store.delete_spec(&deleted, at(30), Ending::default()).await.unwrap();
        // What the topic does not have yet is kept, however old it is.
        assert_eq!(store.delete_alert_events_before(at(1000), 100).await.unwrap(), 0);
        for waiting in store.unpublished_alert_events(100).await.unwrap() {
            store.alert_event_published(waiting.event_no).await.unwrap();
        }
        // A cutoff in the middle, in small portions.
        let mut portions = Vec::new();
        loop {
            match store.delete_alert_events_before(at(10), 10).await.unwrap() {
                0 => break,
                n => portions.push(n),
            }
        }
        assert_eq!(portions, [10, 10, 4]);
        assert_eq!(store.delete_alert_events_before(at(1000), 100).await.unwrap(), 35);
        let query = AlertHistoryQuery { limit: 100, ..AlertHistoryQuery::default() };
        let left = store.alert_history(&query).await.unwrap();
        let left: Vec<_> = left.iter().map(|it| it.event.id.as_str()).collect();
        assert_eq!(left, ["firing/11/firing", "quiet/10/inactive"]);
        // What fires is still told.
        let told = store.firing_events().await.unwrap();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].event.id, "firing/11/firing");
    }

    async fn no_number_of_changes_hides_a_resolution(database: TestDatabase) {
        let store = open(&database).await;
        let flapping = store.create_spec(id(1), &spec("flapping"), at(0)).await.unwrap();
        let other = store.create_spec(id(2), &spec("other"), at(0)).await.unwrap();
        let mut events = vec![event(&other, 1, AlertState::Inactive, at(100))];
        for incident in 1..=1500 {
            events.push(event(&flapping, incident, AlertState::Firing, at(100 + incident)));
            events.push(event(&flapping, incident, AlertState::Inactive, at(100 + incident)));
        }
        store.apply(&Batch { events, ..Batch::default() }).await.unwrap();
        let ids = async |since| {
            let found = store.resolutions_since(at(since)).await.unwrap();
            found.into_iter().map(|it| it.event.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(100).await, ["flapping/1500/inactive", "other/1/inactive"]);
        assert_eq!(ids(101).await, ["flapping/1500/inactive"]);
        assert_eq!(ids(1601).await, Vec::<String>::new());
        // Another version has other labels, perhaps: both are told.
        let changed = flapping.spec.with(Some(0.9), None).unwrap();
        let second = store.replace_spec(&flapping, &changed, at(2000), Ending::default()).await.unwrap();
        let events = vec![event(&second, 1501, AlertState::Inactive, at(1700))];
        store.apply(&Batch { events, ..Batch::default() }).await.unwrap();
        assert_eq!(ids(1600).await, ["flapping/1501/inactive", "flapping/1500/inactive"]);
    }
}

/// Nothing to tell, and this revision of the state is stored.
fn stored(revision: u64) -> Ending<'static> {
    Ending { revision: Revision(revision), event: None }
}

fn resolved(spec: &StoredSpec) -> AlertEvent {
    AlertEvent {
        id: "event-1".to_owned(),
        spec_no: spec.no,
        spec_version: spec.version,
        incident: 1,
        transition: Transition {
            from: AlertState::Firing,
            to: AlertState::Inactive,
            at: at(9),
            condition_since: Some(at(3)),
            fired_at: Some(at(5)),
            reason: TransitionReason::Recovered,
            value: Some(0.25),
            line: Some(0.5),
            window: None,
            examples: vec!["inference-1".to_owned()],
        },
        recorded_at: at(10),
    }
}

#[tokio::test]
async fn an_unusable_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/store.db");
    let error = Store::open(&StoreUrl::sqlite(&path)).await.unwrap_err();
    assert!(error.to_string().contains("missing/store.db"), "{error}");
    let path = dir.path().join("not-a-database");
    std::fs::write(&path, "x".repeat(8192)).unwrap();
    let error = Store::open(&StoreUrl::sqlite(&path)).await.unwrap_err();
    assert!(error.to_string().contains("not-a-database"), "{error}");
}

/// A change of an alert, into this state.
fn event(spec: &StoredSpec, incident: u64, to: AlertState, recorded_at: Timestamp) -> AlertEvent {
    let mut event = resolved(spec);
    if to == AlertState::Firing {
        event.transition.from = AlertState::Inactive;
        event.transition.reason = TransitionReason::ConditionHolds;
    }
    event.transition.to = to;
    event.transition.at = recorded_at;
    AlertEvent {
        id: format!("{}/{incident}/{to}", spec.spec.name()),
        incident,
        recorded_at,
        ..event
    }
}

fn now_firing(spec: &StoredSpec, incident: u64) -> NewState {
    let mut evaluation = Evaluation::new(&spec.spec);
    for second in 0..20 {
        let reading = Reading { at: at(second), value: Some(0.9), threshold: None, subject: "x" };
        evaluation.observe(&spec.spec, reading);
    }
    assert_eq!(evaluation.state(), AlertState::Firing);
    let (spec_no, spec_version) = (spec.no, spec.version);
    let revision = Revision::NOT_STORED;
    NewState { spec_no, revision, spec_version, incident, evaluation, updated_at: at(20) }
}
