//! Another process on the same database is faster: nothing is overwritten or said twice, and nobody waits longer.

use shadowline_evaluation::{SpecEntry, SpecSet};
use shadowline_store::{AlertEvent, NewState, Revision};

use super::super::effects::alert_event;
use super::*;

/// What the other process does, and what is stored.
impl Bench {
    async fn stored_revision(&self) -> Revision {
        self.other.states().await.unwrap().remove(0).revision
    }

    /// Every step of alerts that is stored: to where, of which incident, and why.
    async fn steps(&self) -> Vec<(AlertState, u64, TransitionReason)> {
        let events = self.other.unpublished_alert_events(100).await.unwrap();
        let step = |it: AlertEvent| (it.transition.to, it.incident, it.transition.reason);
        events.into_iter().map(|it| step(it.event)).collect()
    }

    /// Writes the state of an alert over the one that is stored.
    async fn write_elsewhere(&self, status: &SpecStatus, events: Vec<AlertEvent>) {
        let SpecStatus { spec, evaluation, incident } = status;
        let stored = self.other.states().await.unwrap();
        let stored = stored.iter().find(|it| it.spec_no == spec.no);
        let state = NewState {
            spec_no: spec.no,
            revision: stored.map_or(Revision::NOT_STORED, |it| it.revision),
            spec_version: spec.version,
            incident: *incident,
            evaluation: evaluation.clone(),
            updated_at: clock::now(),
        };
        let batch = Batch { states: vec![state], events, ..Batch::default() };
        self.other.apply(&batch).await.unwrap();
    }

    /// Runs the timer of the only alert.
    async fn fire_elsewhere(&self) {
        let mut status = self.status().await;
        let id = status.spec.id;
        let mut specs = SpecSet::default();
        let mut entry =
            SpecEntry::new(status.spec.version, status.spec.spec.clone(), status.incident);
        entry.state.evaluation = status.evaluation;
        specs.insert(id, entry);
        let (due, _) = specs.timers().next().unwrap();
        let mut draft = specs.draft();
        let step = draft.tick_spec(id, due).unwrap();
        let changes = draft.into_changes();
        specs.commit(changes);
        status.evaluation = specs.get(id).unwrap().state.evaluation.clone();
        let event = alert_event(&status.spec, step, clock::now());
        self.write_elsewhere(&status, vec![event]).await;
    }

    /// Lets time pass until the only alert fires, and holds that the store is well all the time.
    async fn until_firing_on_a_store_that_is_well(&self) {
        for _ in 0..1_000 {
            let state = self.state().await;
            let health = self.health.status();
            assert!(!matches!(health, Status::Failing(_)), "{health:?}");
            if state == AlertState::Firing {
                return;
            }
            advance(100 * MILLISECOND).await;
        }
        panic!("the alert is {:?}", self.state().await);
    }
}

/// A score that only the specs on `knn` judge.
fn knn_score(sequence: u64, value: f64) -> Score {
    let metric = MonitorRef { name: "knn".into(), version: "1".into() }.into();
    Score { metric, ..score(sequence, value) }
}

fn state_moved<T: std::fmt::Debug>(result: Result<T, ApplyError>) {
    let refused = result.unwrap_err();
    assert!(matches!(refused, ApplyError::Store(StoreError::StateMoved { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn memory_knows_the_revision_after_a_batch_a_timer_and_a_change() {
    let mut bench = Bench::start().await;
    bench.create(r#"{"for": "2s"}"#).await;
    bench.engine.assigned(None).await.unwrap();
    // A batch is not tried again, so it is refused if memory has another revision than the database.
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    assert_eq!(bench.stored_revision().await, Revision(1));
    bench.seen();
    advance(2 * SECOND + 10 * MILLISECOND).await;
    assert_eq!(bench.step().await, AlertState::Firing);
    assert_eq!(bench.stored_revision().await, Revision(2));
    bench.apply(&[score(2, 0.9)], 2).await.unwrap();
    assert_eq!(bench.stored_revision().await, Revision(3));
    let patch = Patch { threshold: Some(0.6), enabled: None };
    bench.engine.patch("outliers".to_owned(), patch).await.unwrap();
    assert_eq!(bench.stored_revision().await, Revision(4));
    bench.apply(&[score(3, 0.9)], 3).await.unwrap();
    assert_eq!(bench.stored_revision().await, Revision(5));
    assert_eq!(bench.n_checks().await, 3);
}

#[tokio::test(start_paused = true)]
async fn a_batch_over_a_moved_state_is_refused_and_judged_again_on_what_is_stored() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    let firing = bench.status().await;
    bench.apply(&[score(2, 0.1)], 2).await.unwrap();
    bench.write_elsewhere(&SpecStatus { incident: 2, ..firing }, vec![]).await;
    state_moved(bench.apply(&[score(3, 0.1)], 3).await);
    assert_eq!(bench.n_checks().await, 2);
    assert!(!matches!(bench.health.status(), Status::Failing(_)));
    bench.apply(&[score(3, 0.1)], 3).await.unwrap();
    let last = bench.steps().await.pop().unwrap();
    assert_eq!(last, (AlertState::Inactive, 2, TransitionReason::Recovered));
    assert_eq!((bench.n_checks().await, bench.stored_revision().await), (3, Revision(4)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_timer_is_read_again_and_fires_once_while_the_store_is_well() {
    let holds = TransitionReason::ConditionHolds;
    let expected = [(AlertState::Pending, 1, holds), (AlertState::Firing, 1, holds)];
    for fires_elsewhere in [false, true] {
        let bench = Bench::start().await;
        bench.create(r#"{"for": "2s"}"#).await;
        bench.engine.assigned(None).await.unwrap();
        bench.apply(&[score(1, 0.9)], 1).await.unwrap();
        if fires_elsewhere {
            bench.fire_elsewhere().await;
        } else {
            bench.write_elsewhere(&bench.status().await, vec![]).await;
        }
        bench.until_firing_on_a_store_that_is_well().await;
        assert_eq!(bench.steps().await, expected);
        let n_writes = if fires_elsewhere { 2 } else { 3 };
        assert_eq!(bench.stored_revision().await, Revision(n_writes));
    }
}

#[tokio::test(start_paused = true)]
async fn reading_again_does_not_put_off_the_timers_of_other_alerts() {
    let mut bench = Bench::start().await;
    bench.create(r#"{"for": "10s"}"#).await;
    let other = r#"{"metric": {"monitor": "knn"}}"#;
    bench.engine.create(spec("outliers_too", other)).await.unwrap();
    bench.engine.assigned(None).await.unwrap();
    bench.apply(&[score(1, 0.9)], 1).await.unwrap();
    assert_eq!(bench.state().await, AlertState::Pending);
    advance(5 * SECOND).await;
    let moved = bench.engine.statuses().await.unwrap().remove(1);
    bench.write_elsewhere(&moved, vec![]).await;
    state_moved(bench.apply(&[knn_score(1, 0.1)], 2).await);
    bench.apply(&[knn_score(1, 0.1)], 2).await.unwrap();
    assert_eq!(bench.state().await, AlertState::Pending);
    bench.seen();
    advance(5 * SECOND + 10 * MILLISECOND).await;
    assert_eq!(bench.step().await, AlertState::Firing);
}

#[tokio::test(start_paused = true)]
async fn a_change_over_a_moved_state_ends_the_alert_that_is_stored() {
    for (deletes, reason) in
        [(false, TransitionReason::SpecChanged), (true, TransitionReason::SpecDeleted)]
    {
        let bench = Bench::start().await;
        bench.create("{}").await;
        bench.apply(&[score(1, 0.9)], 1).await.unwrap();
        let firing = bench.status().await;
        bench.apply(&[score(2, 0.1)], 2).await.unwrap();
        // Here the alert is inactive, and there it fires again.
        bench.write_elsewhere(&SpecStatus { incident: 2, ..firing }, vec![]).await;
        if deletes {
            bench.engine.delete("outliers".to_owned()).await.unwrap();
            assert!(bench.engine.statuses().await.unwrap().is_empty());
        } else {
            let patch = Patch { threshold: Some(0.6), enabled: None };
            let (changed, _) = bench.engine.patch("outliers".to_owned(), patch).await.unwrap();
            assert_eq!(changed.version, SpecVersion(2));
            let status = bench.status().await;
            assert_eq!((status.evaluation.state(), status.incident), (AlertState::Inactive, 2));
            assert_eq!(bench.stored_revision().await, Revision(4));
        }
        let last = bench.steps().await.pop().unwrap();
        assert_eq!(last, (AlertState::Inactive, 2, reason));
        // It knows what it wrote.
        bench.apply(&[score(3, 0.9)], 3).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_of_a_spec_that_another_process_has_changed_is_refused() {
    let bench = Bench::start().await;
    bench.create("{}").await;
    let stored = bench.other.spec(&SpecKey::parse("outliers")).await.unwrap().unwrap();
    let theirs = stored.spec.with(Some(0.7), None).unwrap();
    bench.other.replace_spec(&stored, &theirs, clock::now(), Ending::default()).await.unwrap();
    let refused = bench.engine.delete("outliers".to_owned()).await.unwrap_err();
    assert!(matches!(refused, ChangeError::Store(StoreError::SpecMoved { .. })), "{refused:?}");
    bench.engine.delete("outliers".to_owned()).await.unwrap();
}
