//! The evaluation of one metric spec: its window and the state machine of its alert.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shadowline_windows::bits;

use crate::alert::{AlertState, Transition, TransitionReason};
use crate::condition::{Condition, Outcome};
use crate::observation::Reading;
use crate::over::Aggregate;
use crate::spec::MetricSpec;
use crate::window::{Verdict, WindowSummary};
use crate::windows::{Added, Windows};

/// How many breaching requests an alert names as examples.
pub const MAX_EXAMPLES: usize = 5;

/// The state of one version of one spec: its window and its alert.
///
/// It can be stored and restored between any two observations without changing what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    phase: Phase,
    /// The newest event time seen; a late check is judged at this time.
    clock: Option<Timestamp>,
    #[serde(flatten)]
    windows: Windows,
    #[serde(with = "bits::option")]
    last_value: Option<f64>,
    examples: VecDeque<String>,
    /// When the newest of the values happened that are judged; timers leave it, and so do checks without a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scored_at: Option<Timestamp>,
}

/// The value that says whether the condition holds, and what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// The last score, or what was made of the window's scores.
    pub value: Option<f64>,
    /// What it is compared with: the threshold, or the share that a window may not exceed.
    pub line: Option<f64>,
    /// Since when that is the line, where it came with the scores.
    pub line_since: Option<Timestamp>,
    /// When that score happened, or the newest of the window's.
    pub at: Option<Timestamp>,
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
            windows: Windows::new(spec),
            last_value: None,
            examples: VecDeque::new(),
            scored_at: None,
        }
    }

    /// Returns the state of the alert.
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

    /// Returns what breached, newest last.
    pub fn examples(&self) -> impl Iterator<Item = &str> {
        self.examples.iter().map(String::as_str)
    }

    /// Returns what the window holds, where the spec has one.
    pub fn window(&self, spec: &MetricSpec) -> Option<WindowSummary> {
        self.windows.summary(spec)
    }

    /// Returns the condition under which the alert stands as it does, with its threshold as far as that is known.
    pub fn condition(&self, spec: &MetricSpec) -> Condition {
        self.windows.condition(spec)
    }

    /// Returns the value that says whether the condition holds.
    pub fn judged(&self, spec: &MetricSpec) -> Judged {
        let condition = self.condition(spec);
        let (value, line) = match spec.over() {
            None => (self.last_value, condition.line()),
            Some(over) => (self.window(spec).and_then(|it| it.value), over.line(&condition)),
        };
        let is_share =
            spec.over().is_some_and(|it| matches!(it.aggregate(), Aggregate::BreachShare { .. }));
        let line_since = self.windows.line_since().filter(|_| !is_share);
        // States of earlier builds have the time of the newest check only.
        Judged { value, line, line_since, at: self.scored_at.or(self.clock) }
    }

    /// Judges one check and moves the alert: at most one step by a timer that was due before, then one by the check.
    ///
    /// A value is compared with the spec's threshold, or with the one that came with it, never with another value's.
    pub fn observe(
        &mut self,
        spec: &MetricSpec,
        reading: Reading<'_>,
    ) -> (Outcome, Vec<Transition>) {
        let at = self.clock.map_or(reading.at, |it| it.max(reading.at));
        let mut transitions = Vec::new();
        transitions.extend(self.tick(spec, at));
        self.clock = Some(at);

        let outcome = spec.condition().with_line(reading.threshold).judge(reading.value);
        let added = self.windows.add(spec, at, &reading, outcome);
        if outcome != Outcome::Unscored {
            self.last_value = reading.value;
            if added.is_judged {
                let newest = self.scored_at.filter(|_| spec.over().is_some());
                self.scored_at = Some(newest.map_or(reading.at, |it| it.max(reading.at)));
            }
        }
        if outcome == Outcome::Breach {
            if self.examples.len() == MAX_EXAMPLES {
                self.examples.pop_front();
            }
            self.examples.push_back(reading.subject.to_owned());
        }
        if let Some(holds) = self.holds(outcome, added) {
            transitions.extend(self.step(spec, at, holds));
        }
        (Self::outcome(spec, outcome, added), transitions)
    }

    /// The outcome of a check: that of its own value, or where an aggregate of values is judged, whether the aggregate
    /// breaches with it. No request is a breach of a mean by itself.
    fn outcome(spec: &MetricSpec, alone: Outcome, added: Added) -> Outcome {
        match spec.over().map(|it| it.aggregate()) {
            None | Some(Aggregate::BreachShare { .. }) => alone,
            Some(Aggregate::Mean | Aggregate::Max | Aggregate::Min) => match alone {
                Outcome::Unscored => Outcome::Unscored,
                Outcome::Breach | Outcome::Healthy if added.verdict == Some(Verdict::Holds) => {
                    Outcome::Breach
                }
                Outcome::Breach | Outcome::Healthy => Outcome::Healthy,
            },
        }
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
    fn holds(&self, outcome: Outcome, added: Added) -> Option<bool> {
        match (outcome, added.verdict) {
            (Outcome::Unscored, _) => None,
            (Outcome::Breach | Outcome::Healthy, _) if !added.is_judged => None,
            (Outcome::Breach, None) | (_, Some(Verdict::Holds)) => Some(true),
            (Outcome::Healthy, None) | (_, Some(Verdict::HoldsNot)) => Some(false),
            (_, Some(Verdict::TooFew { looks_healthy })) => match self.phase {
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
        let line = self.judged(spec).line;
        let transition = Transition {
            from: before.state(),
            to: self.phase.state(),
            at,
            condition_since: self.phase.condition_since().or(before.condition_since()),
            fired_at: self.phase.fired_at().or(before.fired_at()),
            reason,
            value: window.as_ref().map_or(self.last_value, |it| it.value),
            line,
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
