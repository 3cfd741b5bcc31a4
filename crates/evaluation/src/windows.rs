//! What a spec has of the values that it judges together: one window, or where the threshold comes with the values and
//! their aggregate is judged, one window for each threshold.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shadowline_windows::bits;

use crate::condition::{Condition, Outcome};
use crate::observation::Reading;
use crate::over::{Aggregate, Over};
use crate::spec::MetricSpec;
use crate::window::{Verdict, Window, WindowSummary};

/// How many thresholds are told apart at once. Detector versions that score at the same time are replicas in the middle of
/// an update, so there are two; and all of this is written with every batch.
const MAX_LINES: usize = 4;

/// A threshold that came with values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(with = "bits")]
    threshold: f64,
    /// By the time of the traffic.
    since: Timestamp,
}

impl Line {
    fn is(&self, threshold: f64) -> bool {
        self.threshold.to_bits() == threshold.to_bits()
    }
}

/// What is kept of the values. Its fields are part of the stored state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Windows {
    /// The one that is judged.
    window: Option<Window>,
    /// Its threshold, or where values are not judged by what they come to together, the one of the last of them. None of
    /// a spec that has a threshold of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<Line>,
    /// Those that are not judged, the newest line first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    others: Vec<OfLine>,
}

/// The values that came with one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct OfLine {
    line: Line,
    window: Window,
}

/// What a check came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added {
    /// What the window says that it is in; none of a spec that judges each value alone, and of what has no value.
    pub(crate) verdict: Option<Verdict>,
    /// Whether that window is the one that is judged.
    pub(crate) is_judged: bool,
}

impl Windows {
    pub(crate) fn new(spec: &MetricSpec) -> Self {
        Self { window: spec.over().map(Window::new), ..Self::default() }
    }

    /// Returns the condition with the line that is judged by.
    pub(crate) fn condition(&self, spec: &MetricSpec) -> Condition {
        spec.condition().with_line(self.line.map(|it| it.threshold))
    }

    /// Returns since when that is the line, where it came with the values.
    pub(crate) fn line_since(&self) -> Option<Timestamp> {
        self.line.map(|it| it.since)
    }

    /// Returns what the window holds that is judged.
    pub(crate) fn summary(&self, spec: &MetricSpec) -> Option<WindowSummary> {
        Some(self.window.as_ref()?.summary(spec.over()?, &self.condition(spec)))
    }

    /// Adds a check that was judged alone. `now` is the event time that the spec has come to.
    pub(crate) fn add(
        &mut self,
        spec: &MetricSpec,
        now: Timestamp,
        reading: &Reading<'_>,
        outcome: Outcome,
    ) -> Added {
        let of_package = spec.condition().line().is_none();
        let threshold = reading.threshold.filter(|_| of_package && outcome != Outcome::Unscored);
        match (spec.over(), spec.over().map(Over::aggregate), threshold) {
            (Some(over), Some(Aggregate::Mean | Aggregate::Max | Aggregate::Min), Some(it)) => {
                self.add_of_line(spec, over, now, reading, it, outcome)
            }
            (over, _, threshold) => {
                if let Some(threshold) =
                    threshold.filter(|it| !self.line.is_some_and(|line| line.is(*it)))
                {
                    self.line = Some(Line { threshold, since: reading.at });
                }
                let verdict = over.map(|over| {
                    let condition = self.condition(spec);
                    let window = self.window.get_or_insert_with(|| Window::new(over));
                    window.add(over, reading.at, reading.value, outcome, of_package);
                    window.summary(over, &condition).verdict(over, &condition)
                });
                Added { verdict, is_judged: true }
            }
        }
    }

    /// Adds a value to those that came with the same threshold: values under two thresholds are of two detector versions,
    /// and no mean is made of them.
    ///
    /// While both come, as in the middle of an update, the newest line is judged that has values enough. One of which no
    /// value is left that a window for all would hold is forgotten, and another one is judged again.
    fn add_of_line(
        &mut self,
        spec: &MetricSpec,
        over: &Over,
        now: Timestamp,
        reading: &Reading<'_>,
        threshold: f64,
        outcome: Outcome,
    ) -> Added {
        let window = self.window.take().unwrap_or_else(|| Window::new(over));
        // What came before the first line had no value to be compared.
        let line = self.line.unwrap_or(Line { threshold, since: reading.at });
        let mut kept = vec![OfLine { line, window }];
        kept.append(&mut self.others);
        if !kept.iter().any(|it| it.line.is(threshold)) {
            let line = Line { threshold, since: reading.at };
            kept.push(OfLine { line, window: Window::new(over) });
        }
        let mut verdict = None;
        for OfLine { line, window } in &mut kept {
            if line.is(threshold) {
                line.since = line.since.min(reading.at);
                window.add(over, reading.at, reading.value, outcome, true);
                window.advance(over, now);
                let condition = spec.condition().with_line(Some(threshold));
                verdict = Some(window.summary(over, &condition).verdict(over, &condition));
            } else {
                window.pass_by(over, now);
            }
        }
        kept.retain(|it| !it.window.is_outlived(over));
        kept.sort_by_key(|it| Reverse(it.line.since));
        let has_enough = |it: &OfLine| {
            let condition = spec.condition().with_line(Some(it.line.threshold));
            it.window.summary(over, &condition).n_scored >= over.min_samples()
        };
        let judged_idx = kept.iter().position(has_enough).unwrap_or(0);
        if judged_idx < kept.len() {
            let judged = kept.remove(judged_idx);
            (self.window, self.line) = (Some(judged.window), Some(judged.line));
        } else {
            // The value was late, and all others are old as well.
            self.window = Some(Window::new(over));
        }
        kept.truncate(MAX_LINES - 1);
        self.others = kept;
        Added { verdict, is_judged: self.line.is_some_and(|it| it.is(threshold)) }
    }
}
