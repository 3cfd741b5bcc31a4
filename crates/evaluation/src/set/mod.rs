//! All specs with their evaluations, by what they watch.

mod draft;
mod entry;
mod index;

use std::collections::BTreeMap;

use jiff::Timestamp;

pub use self::draft::Draft;
pub use self::entry::{Changes, Effects, SpecCheck, SpecEntry, SpecState, Step};
use self::index::{Index, Timers};
use crate::alert::TransitionReason;
use crate::id::{SpecId, SpecVersion};
use crate::observation::Observation;
use crate::spec::MetricSpec;

/// Metric specs and where their evaluations are. All that judges goes through it: what is live, a dry run, a back-test.
///
/// Two ways lead to the same states. [`apply`](Self::apply) changes the set at once. A [`draft`](Self::draft) copies
/// only the states that it touches; its [`Changes`] are [committed](Self::commit) when what follows from them is
/// stored, or dropped.
#[derive(Debug, Clone, Default)]
pub struct SpecSet {
    entries: BTreeMap<SpecId, SpecEntry>,
    index: Index,
    timers: Timers,
}

impl SpecSet {
    /// Adds a spec with its state, in the place of another one of that id.
    pub fn insert(&mut self, id: SpecId, entry: SpecEntry) {
        self.remove(id);
        self.index.add(id, &entry);
        self.timers.add(id, &entry);
        self.entries.insert(id, entry);
    }

    /// Replaces a spec by its next version, which starts its evaluation afresh and goes on counting incidents.
    pub fn replace(&mut self, id: SpecId, version: SpecVersion, spec: MetricSpec) {
        let incident = self.entries.get(&id).map_or(0, |it| it.state.incident);
        self.insert(id, SpecEntry::new(version, spec, incident));
    }

    /// Takes a spec out.
    pub fn remove(&mut self, id: SpecId) -> Option<SpecEntry> {
        let removed = self.entries.remove(&id)?;
        self.index.remove(id, &removed);
        self.timers.remove(id, &removed);
        Some(removed)
    }

    /// Judges an observation by the specs that it concerns; as [`Draft::apply`], at once.
    pub fn apply(&mut self, observation: &Observation<'_>, now: Timestamp) -> Effects {
        let mut draft = self.draft();
        let effects = draft.apply(observation, now);
        let changes = draft.into_changes();
        self.commit(changes);
        effects
    }

    /// Moves every alert whose timer is due at this event time; as [`Draft::tick`], at once.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        let mut draft = self.draft();
        let steps = draft.tick(now);
        let changes = draft.into_changes();
        self.commit(changes);
        steps
    }

    /// Ends the alert of a spec; as [`Draft::close`], at once.
    pub fn close(&mut self, id: SpecId, now: Timestamp, reason: TransitionReason) -> Option<Step> {
        let mut draft = self.draft();
        let step = draft.close(id, now, reason);
        let changes = draft.into_changes();
        self.commit(changes);
        step
    }

    /// Starts to judge without changing anything.
    pub fn draft(&self) -> Draft<'_> {
        Draft::new(&self.entries, &self.index, &self.timers)
    }

    /// Takes over what a draft of this set led to. A spec that was replaced or removed since stays as it is now.
    pub fn commit(&mut self, changes: Changes) {
        for (id, (version, state)) in changes.0 {
            let Some(entry) = self.entries.get_mut(&id).filter(|it| it.version == version) else {
                continue;
            };
            self.timers.remove(id, entry);
            entry.state = state;
            self.timers.add(id, entry);
        }
    }

    /// Returns when, in event time, [`tick`](Self::tick) would next change something, were nothing observed before.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.iter().next().map(|(due, _)| due)
    }

    /// Returns every running timer: when it is due in event time, and whose it is; the first one first.
    pub fn timers(&self) -> impl Iterator<Item = (Timestamp, SpecId)> {
        self.timers.iter()
    }

    /// Returns a spec.
    pub fn get(&self, id: SpecId) -> Option<&SpecEntry> {
        self.entries.get(&id)
    }

    /// Returns every spec, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (SpecId, &SpecEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    /// Returns how many specs there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
