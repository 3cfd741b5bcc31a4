//! What a window holds: a bounded run of checks judged together, by event time or by count.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shadowline_windows::{PaneWidth, Panes, bits};

use crate::condition::{Condition, Outcome};
use crate::over::{Aggregate, Over, Span};
use crate::tally::Tally;

/// Into how many panes a window of event time is cut; it moves forward pane by pane.
///
/// Counts per pane keep the state small however much traffic there is, at the price of an oldest edge that is
/// exact to one sixtieth of the window.
const N_PANES: u32 = 60;

/// What a window held when it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// Checks with a value.
    pub n_scored: u64,
    /// Those of them that breached; none where an aggregate of their values is judged, of which none breaches by itself.
    pub n_breach: u64,
    /// Checks without a value; they are in no share.
    pub n_unscored: u64,
    /// The share of breaches, or the aggregate; `None` while no check in the window was scored.
    #[serde(with = "bits::option")]
    pub value: Option<f64>,
}

/// What the window says about the condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    HoldsNot,
    /// Fewer than `min_samples` scored checks. `looks_healthy` is what the few there are would say.
    TooFew {
        looks_healthy: bool,
    },
}

/// The content of a window. It belongs to one version of a spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Window {
    Time {
        panes: Panes<Tally>,
    },
    Last {
        samples: VecDeque<Sample>,
        n_unscored_since: u64,
        /// How many values under other lines came since the last one here.
        #[serde(default, skip_serializing_if = "is_zero")]
        n_elsewhere_since: u64,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    #[serde(with = "bits")]
    value: f64,
    /// How many checks without a value came between the sample before and this one.
    n_unscored_before: u64,
    /// Whether it breached the threshold that came with it; none where the spec has the threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    is_breach: Option<bool>,
}

impl Window {
    pub(crate) fn new(over: &Over) -> Self {
        match over.span() {
            Span::Time(_) => Self::Time { panes: Panes::default() },
            Span::Last(_) => {
                Self::Last { samples: VecDeque::new(), n_unscored_since: 0, n_elsewhere_since: 0 }
            }
        }
    }

    /// Adds one check. A check older than the whole window changes nothing. `of_package` says that the threshold came
    /// with the check, so that the next one may have another.
    pub(crate) fn add(
        &mut self,
        over: &Over,
        at: Timestamp,
        value: Option<f64>,
        outcome: Outcome,
        of_package: bool,
    ) {
        let value = value.filter(|_| outcome != Outcome::Unscored);
        match (self, over.span()) {
            (Self::Time { panes }, Span::Time(window)) => {
                let idx = PaneWidth::of(window, N_PANES).idx(at);
                if let Some(pane) = panes.pane(idx, N_PANES) {
                    pane.add(value, outcome);
                }
            }
            (Self::Last { samples, n_unscored_since, n_elsewhere_since }, Span::Last(last)) => {
                match value {
                    None => *n_unscored_since = n_unscored_since.saturating_add(1),
                    Some(value) => {
                        *n_elsewhere_since = 0;
                        samples.push_back(Sample {
                            value,
                            n_unscored_before: std::mem::take(n_unscored_since),
                            is_breach: of_package.then_some(outcome == Outcome::Breach),
                        });
                        while samples.len() as u64 > last {
                            samples.pop_front();
                        }
                    }
                }
            }
            // State and spec version are stored together, so they have the same kind of window; a state that was
            // tampered with starts again empty rather than judging a mixture.
            (window, _) => {
                *window = Self::new(over);
                window.add(over, at, value, outcome, of_package);
            }
        }
    }

    /// Lets event time pass, as another window of the same spec sees it.
    pub(crate) fn advance(&mut self, over: &Over, now: Timestamp) {
        if let (Self::Time { panes }, Span::Time(window)) = (self, over.span()) {
            panes.advance(PaneWidth::of(window, N_PANES).idx(now), N_PANES);
        }
    }

    /// Notes a value that is in another window of the same spec.
    pub(crate) fn pass_by(&mut self, over: &Over, now: Timestamp) {
        self.advance(over, now);
        if let Self::Last { n_elsewhere_since, .. } = self {
            *n_elsewhere_since = n_elsewhere_since.saturating_add(1);
        }
    }

    /// Returns whether all it holds would be outside, were there one window for all values.
    pub(crate) fn is_outlived(&self, over: &Over) -> bool {
        match (self, over.span()) {
            (Self::Time { panes }, _) => panes.is_empty(),
            (Self::Last { n_elsewhere_since, .. }, Span::Last(last)) => *n_elsewhere_since >= last,
            (Self::Last { .. }, Span::Time(_)) => true,
        }
    }

    pub(crate) fn summary(&self, over: &Over, condition: &Condition) -> WindowSummary {
        let total = match self {
            Self::Time { panes } => panes.total(),
            Self::Last { samples, n_unscored_since, .. } => {
                let mut total = Tally { n_unscored: *n_unscored_since, ..Tally::default() };
                for (sample_idx, sample) in samples.iter().enumerate() {
                    // What came before the oldest sample is outside the window.
                    total.n_unscored += if sample_idx == 0 { 0 } else { sample.n_unscored_before };
                    let outcome = match sample.is_breach {
                        Some(true) => Outcome::Breach,
                        Some(false) => Outcome::Healthy,
                        None => condition.judge(Some(sample.value)),
                    };
                    total.add(Some(sample.value), outcome);
                }
                total
            }
        };
        let n_scored = total.n_healthy + total.n_breach;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of more than 2^53 checks needs no exact count"
        )]
        let value = (n_scored > 0).then(|| match over.aggregate() {
            Aggregate::BreachShare { .. } => total.n_breach as f64 / n_scored as f64,
            Aggregate::Mean => total.values.sum / n_scored as f64,
            Aggregate::Max => total.values.max,
            Aggregate::Min => total.values.min,
        });
        let n_breach = match over.aggregate() {
            Aggregate::BreachShare { .. } => total.n_breach,
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => 0,
        };
        WindowSummary { n_scored, n_breach, n_unscored: total.n_unscored, value }
    }
}

impl WindowSummary {
    pub(crate) fn verdict(&self, over: &Over, condition: &Condition) -> Verdict {
        let holds = match (over.aggregate(), self.value) {
            (_, None) => return Verdict::TooFew { looks_healthy: false },
            (Aggregate::BreachShare { exceeds }, Some(share)) => share > exceeds,
            (Aggregate::Mean | Aggregate::Max | Aggregate::Min, value) => {
                match condition.judge(value) {
                    Outcome::Breach => true,
                    Outcome::Healthy => false,
                    // A sum beyond the largest number: nothing that can be compared.
                    Outcome::Unscored => return Verdict::TooFew { looks_healthy: false },
                }
            }
        };
        match (self.n_scored >= over.min_samples(), holds) {
            (false, _) => Verdict::TooFew { looks_healthy: !holds },
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::HoldsNot,
        }
    }
}
