//! A spec of a set, and what its judgements lead to.

use std::collections::BTreeMap;

use crate::alert::{AlertState, Transition};
use crate::condition::{Condition, Outcome};
use crate::evaluation::Evaluation;
use crate::id::{SpecId, SpecVersion};
use crate::spec::MetricSpec;

/// A metric spec in a set.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecEntry {
    /// Which version of it.
    pub version: SpecVersion,
    /// The spec itself.
    pub spec: MetricSpec,
    /// What changes as it judges.
    pub state: SpecState,
}

impl SpecEntry {
    /// Starts the evaluation of a version of a spec that has had `incident` incidents before.
    pub fn new(version: SpecVersion, spec: MetricSpec, incident: u64) -> Self {
        let state = SpecState { evaluation: Evaluation::new(&spec), incident };
        Self { version, spec, state }
    }
}

/// What changes of a spec as it judges.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecState {
    /// The window and the alert of this version.
    pub evaluation: Evaluation,
    /// How many incidents the spec has had, through all of its versions.
    pub incident: u64,
}

impl SpecState {
    /// Counts a transition: an incident begins when the alert leaves the inactive state.
    pub(super) fn step(
        &mut self,
        spec: SpecId,
        version: SpecVersion,
        transition: Transition,
    ) -> Step {
        if transition.from == AlertState::Inactive {
            self.incident += 1;
        }
        Step { spec, version, incident: self.incident, transition }
    }
}

/// A step of a spec's alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which spec.
    pub spec: SpecId,
    /// Which version of it.
    pub version: SpecVersion,
    /// Counts the incidents of the spec. Within an incident every state is entered once.
    pub incident: u64,
    /// What happened.
    pub transition: Transition,
}

/// One observation judged by one spec.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecCheck {
    /// Which spec.
    pub spec: SpecId,
    /// Which version of it.
    pub version: SpecVersion,
    /// What the judgement was.
    pub outcome: Outcome,
    /// By which condition, with the number of its threshold where the spec has it or it came with the value.
    pub condition: Condition,
    /// How the alert moved: at most one step by a timer that was due before, then one by the check.
    pub steps: Vec<Step>,
}

/// What one observation causes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Effects {
    /// The judgement of every spec that it concerns, in the order of their ids.
    pub checks: Vec<SpecCheck>,
}

impl Effects {
    /// Returns every step of every alert.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.checks.iter().flat_map(|it| &it.steps)
    }

    /// Returns the specs whose state it changes.
    pub fn touched(&self) -> impl Iterator<Item = SpecId> {
        self.checks.iter().map(|it| it.spec)
    }
}

/// The states that a [`Draft`](crate::Draft) leads to, to be committed to its set or dropped.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes(pub(super) BTreeMap<SpecId, (SpecVersion, SpecState)>);

impl Changes {
    /// Returns every spec that was touched: its version and the state that it comes to.
    pub fn iter(&self) -> impl Iterator<Item = (SpecId, SpecVersion, &SpecState)> {
        self.0.iter().map(|(spec, (version, state))| (*spec, *version, state))
    }

    /// Returns whether nothing was touched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the state of a spec, to be changed; a copy of what the set has when it is touched first.
    pub(super) fn state(&mut self, id: SpecId, entry: &SpecEntry) -> &mut SpecState {
        &mut self.0.entry(id).or_insert_with(|| (entry.version, entry.state.clone())).1
    }
}
