//! Judging without changing anything yet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::entry::{Changes, Effects, SpecCheck, SpecEntry, SpecState, Step};
use super::index::{Index, Timers};
use crate::alert::TransitionReason;
use crate::id::SpecId;
use crate::observation::{Observation, Reading};

/// Judges on copies of the states that it touches, and sees what it has judged before. The set itself stays as it is
/// until the [`Changes`] are committed to it; a draft that is dropped has never been.
#[derive(Debug)]
pub struct Draft<'a> {
    entries: &'a BTreeMap<SpecId, SpecEntry>,
    index: &'a Index,
    timers: &'a Timers,
    changes: Changes,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        entries: &'a BTreeMap<SpecId, SpecEntry>,
        index: &'a Index,
        timers: &'a Timers,
    ) -> Self {
        Self { entries, index, timers, changes: Changes::default() }
    }

    /// Judges an observation by the specs that it concerns.
    ///
    /// Its event time counts as `now` when it is later: a clock that runs ahead must not take a spec's clock along.
    pub fn apply(&mut self, observation: &Observation<'_>, now: Timestamp) -> Effects {
        let reading = Reading {
            at: observation.at.min(now),
            value: observation.value,
            threshold: observation.threshold,
            subject: observation.subject,
        };
        let mut checks = Vec::new();
        for id in self.index.candidates(observation) {
            let Some(entry) = self.entries.get(&id) else { continue };
            if !entry.spec.judges(observation) {
                continue;
            }
            let state = self.changes.state(id, entry);
            let (outcome, transitions) = state.evaluation.observe(&entry.spec, reading);
            let steps =
                transitions.into_iter().map(|it| state.step(id, entry.version, it)).collect();
            let condition = entry.spec.condition().with_line(reading.threshold);
            checks.push(SpecCheck { spec: id, version: entry.version, outcome, condition, steps });
        }
        Effects { checks }
    }

    /// Moves every alert whose timer is due at this event time, in the order of their ids.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        let due = self.timers.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| id);
        let ids: BTreeSet<_> = due.chain(self.changes.0.keys().copied()).collect();
        ids.into_iter().filter_map(|id| self.tick_spec(id, now)).collect()
    }

    /// Moves the alert of one spec if its timer is due at this event time.
    pub fn tick_spec(&mut self, id: SpecId, now: Timestamp) -> Option<Step> {
        let entry = self.entries.get(&id)?;
        let due = self.state(id)?.evaluation.next_timer(&entry.spec)?;
        if now < due {
            return None;
        }
        let state = self.changes.state(id, entry);
        let transition = state.evaluation.tick(&entry.spec, now)?;
        Some(state.step(id, entry.version, transition))
    }

    /// Ends the alert of a spec, because the spec is about to be replaced or removed.
    pub fn close(&mut self, id: SpecId, now: Timestamp, reason: TransitionReason) -> Option<Step> {
        let entry = self.entries.get(&id)?;
        let state = self.changes.state(id, entry);
        let transition = state.evaluation.close(&entry.spec, now, reason)?;
        Some(state.step(id, entry.version, transition))
    }

    /// Returns the state of a spec as it is in the draft.
    pub fn state(&self, id: SpecId) -> Option<&SpecState> {
        let changed = self.changes.0.get(&id).map(|(_, state)| state);
        changed.or_else(|| self.entries.get(&id).map(|it| &it.state))
    }

    /// Ends the draft, and returns what it leads to.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}
