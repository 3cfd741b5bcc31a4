//! From a score on the wire to what specs judge, and from what they judged to the rows of the store.

use jiff::Timestamp;
use shadowline_error::chain;
use shadowline_evaluation::{Condition, Observation, ObservedMetric, Outcome, SpecState, Step};
use shadowline_store::{
    AlertEvent, CheckExplanation, CheckMetric, CheckSubject, Checkpoint, NewCheck, NewState,
    Revision, StoredSpec,
};
use shadowline_wire::{Score, Subject};
use tracing::warn;
use uuid::Uuid;

use super::handle::PartitionedScore;

/// Whose sequences only go up: a metric (such as a version of a monitor) within a partition, and the spool that the
/// inferences came through.
pub(super) type CheckpointKey = (u32, String, Uuid);

/// The checkpoint that a score moves; its sequence is where to.
pub(super) fn checkpoint_key(scored: &PartitionedScore) -> CheckpointKey {
    let Score { metric, origin, .. } = &scored.score;
    (scored.partition, metric.producer(), origin.instance)
}

pub(super) fn checkpoint_row((key, sequence): (&CheckpointKey, &u64)) -> Checkpoint {
    let (partition, producer, instance) = key.clone();
    Checkpoint { partition, producer, instance, sequence: *sequence }
}

pub(super) fn checkpoint(applied: Checkpoint) -> (CheckpointKey, u64) {
    ((applied.partition, applied.producer, applied.instance), applied.sequence)
}

/// A score as specs judge it; `subject` is the id of what it is of.
pub(super) fn observation<'a>(score: &'a Score, subject: &'a str) -> Observation<'a> {
    Observation {
        at: score.received_at,
        value: score.result.as_ref().ok().map(|it| it.value),
        threshold: score.threshold,
        subject,
        model: &score.model.name,
        model_version: &score.model.version,
        metric: ObservedMetric {
            kind: score.metric.kind,
            name: &score.metric.name,
            version: &score.metric.version,
            is_newest: score.is_newest,
        },
    }
}

/// The row of a score that a spec has judged.
pub(super) fn new_check(
    scored: &PartitionedScore,
    stored: &StoredSpec,
    (outcome, condition): (Outcome, Condition),
) -> NewCheck {
    let PartitionedScore { partition, score, trace: _ } = scored;
    let (value, reason) = match &score.result {
        Ok(_) if outcome == Outcome::Unscored => {
            let reason = "no_threshold: the score came without the threshold of its package";
            (None, Some(reason.to_owned()))
        }
        Ok(score) => (Some(score.value), None),
        Err(unscored) => (None, Some(format!("{}: {}", unscored.code, unscored.message))),
    };
    let explanation = match &score.result {
        Ok(score) if !score.contributions.is_empty() => {
            match CheckExplanation::new(score.expected, &score.contributions) {
                Ok(explanation) => Some(explanation),
                // The check counts; why its score is what it is, is worth no check.
                Err(error) => {
                    warn!(error = chain(&error), "an explanation was dropped");
                    None
                }
            }
        }
        Ok(_) | Err(_) => None,
    };
    NewCheck {
        spec_no: stored.no,
        spec_version: stored.version,
        condition,
        subject: check_subject(&score.subject),
        model: (score.model.name.clone(), score.model.version.clone()),
        metric: CheckMetric {
            kind: score.metric.kind,
            name: score.metric.name.clone(),
            version: score.metric.version.clone(),
        },
        value: value.filter(|_| outcome != Outcome::Unscored),
        outcome,
        reason,
        explanation,
        event_at: score.received_at,
        partition: *partition,
        origin: (score.origin.instance, score.origin.sequence),
    }
}

fn check_subject(subject: &Subject) -> CheckSubject {
    match subject {
        Subject::Inference(id) => CheckSubject::Inference(id.clone()),
        Subject::Window(window) => CheckSubject::Window {
            from: window.from(),
            to: window.to(),
            segment: window.segment().map(str::to_owned),
        },
    }
}

/// The row of a spec's state, to be written over the revision that is believed to be stored.
pub(super) fn new_state(
    stored: &StoredSpec,
    revision: Revision,
    state: &SpecState,
    now: Timestamp,
) -> NewState {
    NewState {
        spec_no: stored.no,
        revision,
        spec_version: stored.version,
        incident: state.incident,
        evaluation: state.evaluation.clone(),
        updated_at: now,
    }
}

/// What is kept and sent of a step of an alert.
pub(super) fn alert_event(stored: &StoredSpec, step: Step, now: Timestamp) -> AlertEvent {
    AlertEvent {
        // Within an incident every state is entered once.
        id: format!("{}/{}/{}", stored.id, step.incident, step.transition.to),
        spec_no: stored.no,
        spec_version: stored.version,
        incident: step.incident,
        transition: step.transition,
        recorded_at: now,
    }
}
