//! The alert state machine of one metric spec.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::bits;
use crate::condition::Outcome;
use crate::spec::MetricSpec;
use crate::window::{Verdict, Window, WindowSummary};

/// How many breaching requests an alert names as examples.
pub const MAX_EXAMPLES: usize = 5;

/// Where the alert of a spec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, but not for long enough yet.
    Pending,
    /// Someone should look.
    Firing,
}

impl AlertState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Inactive, Self::Pending, Self::Firing];

    /// Returns the name used in answers and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }

    /// Returns the state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an alert changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionReason {
    /// The condition began to hold, or held for long enough.
    ConditionHolds,
    /// The condition stopped holding before the alert fired.
    ConditionEnded,
    /// The condition has not held for long enough.
    Recovered,
    /// The spec was changed; the new version starts afresh.
    SpecChanged,
    /// The spec was disabled.
    SpecDisabled,
    /// The spec was deleted.
    SpecDeleted,
}

impl TransitionReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::ConditionHolds,
        Self::ConditionEnded,
        Self::Recovered,
        Self::SpecChanged,
        Self::SpecDisabled,
        Self::SpecDeleted,
    ];

    /// Returns the reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns the name used in answers and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConditionHolds => "condition_holds",
            Self::ConditionEnded => "condition_ended",
            Self::Recovered => "recovered",
            Self::SpecChanged => "spec_changed",
            Self::SpecDisabled => "spec_disabled",
            Self::SpecDeleted => "spec_deleted",
        }
    }
}

/// One step of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The state before.
    pub from: AlertState,
    /// The state after.
    pub to: AlertState,
    /// When, in event time. For a timer it is when the timer was due, not when somebody looked.
    pub at: Timestamp,
    /// Since when the condition held.
    pub condition_since: Option<Timestamp>,
    /// Since when the alert has fired, or had fired.
    pub fired_at: Option<Timestamp>,
    /// Why.
    pub reason: TransitionReason,
    /// The value last judged: of the last scored request, or of the window.
    #[serde(with = "bits::option")]
    pub value: Option<f64>,
    /// What the window held, where the spec has one.
    pub window: Option<WindowSummary>,
    /// Requests that breached, newest last.
    pub examples: Vec<String>,
}

/// One check as the state machine sees it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// When the judged thing happened.
    pub at: Timestamp,
    /// The value, where there is one.
    pub value: Option<f64>,
    /// The judged request.
    pub inference_id: &'a str,
}

/// The state of one version of one spec: its window and its alert.
///
/// It can be stored and restored between any two observations without changing what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    phase: Phase,
    /// The newest event time seen; a late check is judged at this time.
    clock: Option<Timestamp>,
    window: Option<Window>,
    #[serde(with = "bits::option")]
    last_value: Option<f64>,
    examples: VecDeque<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Phase {
    Inactive,
    Pending { since: Timestamp },
    Firing { condition_since: Timestamp, fired_at: Timestamp, healthy_since: Option<Timestamp> },
}

impl Phase {
    const fn state(&self) -> AlertState {
        match self {
            Self::Inactive => AlertState::Inactive,
            Self::Pending { .. } => AlertState::Pending,
            Self::Firing { .. } => AlertState::Firing,
        }
    }

    const fn condition_since(&self) -> Option<Timestamp> {
        match self {
            Self::Inactive => None,
            Self::Pending { since } => Some(*since),
            Self::Firing { condition_since, .. } => Some(*condition_since),
        }
    }

    const fn fired_at(&self) -> Option<Timestamp> {
        match self {
            Self::Inactive | Self::Pending { .. } => None,
            Self::Firing { fired_at, .. } => Some(*fired_at),
        }
    }
}

impl Evaluation {
    /// Starts inactive, with an empty window.
    pub fn new(spec: &MetricSpec) -> Self {
        Self {
            phase: Phase::Inactive,
            clock: None,
            window: spec.over().map(Window::new),
            last_value: None,
            examples: VecDeque::new(),
        }
    }

    /// Returns where the alert stands.
    pub const fn state(&self) -> AlertState {
        self.phase.state()
    }

    /// Returns since when the alert has fired.
    pub const fn fired_at(&self) -> Option<Timestamp> {
        self.phase.fired_at()
    }

    /// Returns since when the condition has held.
    pub const fn condition_since(&self) -> Option<Timestamp> {
        self.phase.condition_since()
    }

    /// Returns the newest event time seen.
    pub const fn clock(&self) -> Option<Timestamp> {
        self.clock
    }

    /// Returns the last finite value seen.
    pub const fn last_value(&self) -> Option<f64> {
        self.last_value
    }

    /// Returns requests that breached, newest last.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.examples.iter().map(String::as_str)
    }

    /// Returns what the window holds, where the spec has one.
    pub fn window(&self, spec: &MetricSpec) -> Option<WindowSummary> {
        let over = spec.over()?;
        Some(self.window.as_ref()?.summary(over, spec.condition()))
    }

    /// Judges one check and moves the alert: at most one step by a timer that was due before, then one by the check.
    pub fn observe(
        &mut self,
        spec: &MetricSpec,
        observation: Observation<'_>,
    ) -> (Outcome, Vec<Transition>) {
        let at = self.clock.map_or(observation.at, |it| it.max(observation.at));
        let mut transitions = Vec::new();
        transitions.extend(self.tick(spec, at));
        self.clock = Some(at);

        let outcome = spec.condition().judge(observation.value);
        if outcome != Outcome::Unscored {
            self.last_value = observation.value;
        }
        if outcome == Outcome::Breach {
            if self.examples.len() == MAX_EXAMPLES {
                self.examples.pop_front();
            }
            self.examples.push_back(observation.inference_id.to_owned());
        }
        if let Some(holds) = self.condition(spec, observation.at, observation.value, outcome) {
            transitions.extend(self.step(spec, at, holds));
        }
        (outcome, transitions)
    }

    /// Moves the alert by the passing of time alone. Silence never makes a condition healthy.
    pub fn tick(&mut self, spec: &MetricSpec, now: Timestamp) -> Option<Transition> {
        let (due, to, reason) = self.timer(spec)?;
        if now < due {
            return None;
        }
        let next = match self.phase {
            Phase::Pending { since } => {
                Phase::Firing { condition_since: since, fired_at: due, healthy_since: None }
            }
            Phase::Firing { .. } | Phase::Inactive => Phase::Inactive,
        };
        debug_assert_eq!(next.state(), to, "a timer leads where it says");
        Some(self.enter(spec, next, due, reason))
    }

    /// Returns when [`Evaluation::tick`] would next change something, were there no further checks.
    pub fn next_timer(&self, spec: &MetricSpec) -> Option<Timestamp> {
        self.timer(spec).map(|(due, _, _)| due)
    }

    /// Ends a pending or firing alert because its spec is gone or another one now.
    pub fn close(
        &mut self,
        spec: &MetricSpec,
        now: Timestamp,
        reason: TransitionReason,
    ) -> Option<Transition> {
        match self.phase {
            Phase::Inactive => None,
            Phase::Pending { .. } | Phase::Firing { .. } => {
                let at = self.clock.map_or(now, |it| it.max(now));
                Some(self.enter(spec, Phase::Inactive, at, reason))
            }
        }
    }

    fn timer(&self, spec: &MetricSpec) -> Option<(Timestamp, AlertState, TransitionReason)> {
        match self.phase {
            Phase::Inactive | Phase::Firing { healthy_since: None, .. } => None,
            Phase::Pending { since } => Some((
                later(since, spec.hold_for()),
                AlertState::Firing,
                TransitionReason::ConditionHolds,
            )),
            Phase::Firing { healthy_since: Some(since), .. } => Some((
                later(since, spec.resolve_after()),
                AlertState::Inactive,
                TransitionReason::Recovered,
            )),
        }
    }

    /// Says whether the condition holds after this check, or nothing when the check says nothing about it.
    fn condition(
        &mut self,
        spec: &MetricSpec,
        at: Timestamp,
        value: Option<f64>,
        outcome: Outcome,
    ) -> Option<bool> {
        let Some(over) = spec.over() else {
            return match outcome {
                Outcome::Breach => Some(true),
                Outcome::Healthy => Some(false),
                Outcome::Unscored => None,
            };
        };
        let window = self.window.get_or_insert_with(|| Window::new(over));
        window.add(over, at, value, outcome);
        if outcome == Outcome::Unscored {
            return None;
        }
        match window.summary(over, spec.condition()).verdict(over, spec.condition()) {
            Verdict::Holds => Some(true),
            Verdict::HoldsNot => Some(false),
            Verdict::TooFew { looks_healthy } => match self.phase {
                // Too little to raise an alert on.
                Phase::Inactive | Phase::Pending { .. } => Some(false),
                // Too little to say that it goes on; but healthy requests, however few, are a recovery.
                Phase::Firing { .. } => {
                    (looks_healthy && outcome == Outcome::Healthy).then_some(false)
                }
            },
        }
    }

    fn step(&mut self, spec: &MetricSpec, at: Timestamp, holds: bool) -> Option<Transition> {
        match (&mut self.phase, holds) {
            (Phase::Inactive, false) | (Phase::Pending { .. }, true) => None,
            (Phase::Inactive, true) if spec.hold_for().is_zero() => {
                let firing =
                    Phase::Firing { condition_since: at, fired_at: at, healthy_since: None };
                Some(self.enter(spec, firing, at, TransitionReason::ConditionHolds))
            }
            (Phase::Inactive, true) => Some(self.enter(
                spec,
                Phase::Pending { since: at },
                at,
                TransitionReason::ConditionHolds,
            )),
            (Phase::Pending { .. }, false) => {
                Some(self.enter(spec, Phase::Inactive, at, TransitionReason::ConditionEnded))
            }
            (Phase::Firing { healthy_since, .. }, true) => {
                *healthy_since = None;
                None
            }
            (Phase::Firing { healthy_since, .. }, false) => {
                healthy_since.get_or_insert(at);
                // Not later than the next check when nothing has to be waited for.
                if spec.resolve_after().is_zero() { self.tick(spec, at) } else { None }
            }
        }
    }

    fn enter(
        &mut self,
        spec: &MetricSpec,
        next: Phase,
        at: Timestamp,
        reason: TransitionReason,
    ) -> Transition {
        let before = std::mem::replace(&mut self.phase, next);
        self.clock = Some(self.clock.map_or(at, |it| it.max(at)));
        let window = self.window(spec);
        let transition = Transition {
            from: before.state(),
            to: self.phase.state(),
            at,
            condition_since: self.phase.condition_since().or(before.condition_since()),
            fired_at: self.phase.fired_at().or(before.fired_at()),
            reason,
            value: window.as_ref().map_or(self.last_value, |it| it.value),
            window,
            examples: self.examples.iter().cloned().collect(),
        };
        if self.phase == Phase::Inactive {
            // The next incident names its own requests.
            self.examples.clear();
        }
        transition
    }
}

/// Adds a span, staying at the end of time rather than failing: a span is at most 30 days.
fn later(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| at.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}
