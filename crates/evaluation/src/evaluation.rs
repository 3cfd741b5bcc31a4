//! The evaluation of one metric spec: its window and the state machine of its alert.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shadowline_windows::bits;

use crate::alert::{AlertState, Transition, TransitionReason};
use crate::condition::{Condition, Outcome};
use crate::over::Aggregate;
use crate::spec::MetricSpec;
use crate::window::{Verdict, Window, WindowSummary};

/// How many breaching requests an alert names as examples.
pub const MAX_EXAMPLES: usize = 5;

/// One value to be judged, as the state machine sees it.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// When the judged thing happened.
    pub at: Timestamp,
    /// The value, where there is one.
    pub value: Option<f64>,
    /// The threshold of whatever measured it.
    pub threshold: Option<f64>,
    /// The id of the judged inference or window.
    pub subject: &'a str,
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
    /// The last threshold that came with a value, of a spec that has none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<Line>,
}

/// A threshold that came with a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(with = "bits")]
    threshold: f64,
    /// By the time of the traffic.
    since: Timestamp,
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
    /// The time of the newest check.
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
            window: spec.over().map(Window::new),
            last_value: None,
            examples: VecDeque::new(),
            line: None,
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
        let over = spec.over()?;
        Some(self.window.as_ref()?.summary(over, &self.condition(spec)))
    }

    /// Returns the condition with its threshold, as far as that is known.
    pub fn condition(&self, spec: &MetricSpec) -> Condition {
        spec.condition().with_line(self.line.map(|it| it.threshold))
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
        let line_since = self.line.filter(|_| !is_share).map(|it| it.since);
        Judged { value, line, line_since, at: self.clock }
    }

    /// Judges one check and moves the alert: at most one step by a timer that was due before, then one by the check.
    pub fn observe(
        &mut self,
        spec: &MetricSpec,
        reading: Reading<'_>,
    ) -> (Outcome, Vec<Transition>) {
        let at = self.clock.map_or(reading.at, |it| it.max(reading.at));
        let mut transitions = Vec::new();
        transitions.extend(self.tick(spec, at));
        self.clock = Some(at);

        self.take_line(spec, at, reading);
        let condition = self.condition(spec);
        let outcome = condition.judge(reading.value);
        if outcome != Outcome::Unscored {
            self.last_value = reading.value;
        }
        if outcome == Outcome::Breach {
            if self.examples.len() == MAX_EXAMPLES {
                self.examples.pop_front();
            }
            self.examples.push_back(reading.subject.to_owned());
        }
        let holds = self.holds(spec, reading.at, reading.value, outcome);
        if let Some(holds) = holds {
            transitions.extend(self.step(spec, at, holds));
        }
        (self.outcome(spec, outcome, holds), transitions)
    }

    /// The outcome of a check: that of its own value, or where an aggregate of values is judged, whether the aggregate
    /// breaches with it. No request is a breach of a mean by itself.
    fn outcome(&self, spec: &MetricSpec, alone: Outcome, holds: Option<bool>) -> Outcome {
        match spec.over().map(|it| it.aggregate()) {
            None | Some(Aggregate::BreachShare { .. }) => alone,
            Some(Aggregate::Mean | Aggregate::Max | Aggregate::Min) => match (alone, holds) {
                (Outcome::Unscored, _) => Outcome::Unscored,
                (Outcome::Breach | Outcome::Healthy, Some(true)) => Outcome::Breach,
                (Outcome::Breach | Outcome::Healthy, Some(false) | None) => Outcome::Healthy,
            },
        }
    }

    /// Takes over the threshold that comes with a value, of a spec that has none of its own. Values under another
    /// threshold are of another detector version, so they are not made one mean with the next.
    fn take_line(&mut self, spec: &MetricSpec, at: Timestamp, reading: Reading<'_>) {
        let (None, Some(threshold)) = (spec.condition().line(), reading.threshold) else { return };
        let is_known = self.line.is_some_and(|it| it.threshold.to_bits() == threshold.to_bits());
        if is_known || !threshold.is_finite() {
            return;
        }
        let is_first = self.line.replace(Line { threshold, since: at }).is_none();
        let Some(over) = spec.over().filter(|_| !is_first) else { return };
        match over.aggregate() {
            Aggregate::BreachShare { .. } => {}
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => {
                self.window = Some(Window::new(over));
            }
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
    fn holds(
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
        let condition = self.condition(spec);
        let of_package = spec.condition().line().is_none();
        let window = self.window.get_or_insert_with(|| Window::new(over));
        window.add(over, at, value, outcome, of_package);
        if outcome == Outcome::Unscored {
            return None;
        }
        match window.summary(over, &condition).verdict(over, &condition) {
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
