//! Windows: a bounded run of checks judged together, by event time or by count.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::condition::{Condition, Outcome};
use crate::raw::RawOver;
use crate::spec::{SpecError, duration_text};
use crate::{bits, check};

/// The largest count window. Its values are part of the stored state, which is written with every batch.
pub const MAX_LAST: u64 = 1_000;

/// Into how many panes a window of event time is cut; it moves forward pane by pane.
///
/// Counts per pane keep the state small however much traffic there is, at the price of an oldest edge that is
/// exact to one sixtieth of the window.
const N_PANES: i64 = 60;

/// How a window is formed and judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Over {
    span: Span,
    aggregate: Aggregate,
    min_samples: u64,
}

/// What bounds a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Event time back from the newest check.
    Time(Duration),
    /// The last so many scored checks, in the order in which they came.
    Last(u64),
}

/// What is made of the values in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// The share of breaches among the scored checks; the condition holds while it is above `exceeds`.
    BreachShare {
        /// From 0 up to, but not including, 1.
        exceeds: f64,
    },
    /// The mean value, compared by `alert_when`.
    Mean,
    /// The largest value, compared by `alert_when`.
    Max,
    /// The smallest value, compared by `alert_when`.
    Min,
}

impl Aggregate {
    /// Returns the name used in documents and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreachShare { .. } => "breach_share",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
        }
    }
}

impl Over {
    /// Returns what bounds the window.
    pub const fn span(&self) -> Span {
        self.span
    }
    /// Returns what is made of the values in it.
    pub const fn aggregate(&self) -> Aggregate {
        self.aggregate
    }
    /// Returns how many scored checks it must hold before it is judged.
    pub const fn min_samples(&self) -> u64 {
        self.min_samples
    }

    pub(crate) fn sentence(&self, condition: &Condition) -> String {
        let span = match self.span {
            Span::Time(window) => format!("the last {}", humantime::format_duration(window)),
            Span::Last(last) => format!("the last {last} checks"),
        };
        let rule = match self.aggregate {
            Aggregate::BreachShare { exceeds } => {
                format!("more than {} of {span} must breach", percent(exceeds))
            }
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => {
                let (symbol, threshold) = (condition.operator().symbol(), condition.threshold());
                format!("the {} of {span} must be {symbol} {threshold}", self.aggregate.name())
            }
        };
        format!("{rule}, with at least {} scored", self.min_samples)
    }
}

/// Writes a share as a percentage without the noise of binary fractions.
fn percent(share: f64) -> String {
    let digits = format!("{:.4}", share * 100.0);
    format!("{} %", digits.trim_end_matches('0').trim_end_matches('.'))
}

impl TryFrom<RawOver> for Over {
    type Error = SpecError;

    fn try_from(raw: RawOver) -> Result<Self, SpecError> {
        let span = match (&raw.window, raw.last) {
            (Some(window), None) => {
                let duration = check::duration("over.window", Some(window))?;
                if duration < Duration::from_millis(100) {
                    return Err(SpecError::new(
                        "over.window",
                        check::quoted(&window.0),
                        "at least 100ms",
                    ));
                }
                Span::Time(duration)
            }
            (None, Some(last)) if (1..=MAX_LAST).contains(&last) => Span::Last(last),
            (None, Some(last)) => {
                return Err(SpecError::new(
                    "over.last",
                    format!("`{last}`"),
                    format!("a number of checks from 1 to {MAX_LAST}"),
                ));
            }
            (Some(_), Some(_)) => {
                return Err(SpecError::new("over", "both `window` and `last`", "one of them"));
            }
            (None, None) => {
                return Err(SpecError::new(
                    "over",
                    "neither `window` nor `last`",
                    "`window: 5m` (a span of event time) or `last: 20` (a number of checks)",
                ));
            }
        };
        let aggregate = aggregate(&raw)?;
        let min_samples = match (raw.min_samples, span) {
            (None, Span::Time(_)) => 1,
            (None, Span::Last(last)) => last,
            (Some(0), _) => {
                return Err(SpecError::new("over.min_samples", "`0`", "a whole number from 1"));
            }
            (Some(min), Span::Last(last)) if min > last => {
                return Err(SpecError::new(
                    "over.min_samples",
                    format!("`{min}`"),
                    format!("at most `last`, {last}"),
                ));
            }
            (Some(min), Span::Time(_) | Span::Last(_)) => min,
        };
        Ok(Self { span, aggregate, min_samples })
    }
}

fn aggregate(raw: &RawOver) -> Result<Aggregate, SpecError> {
    let name = raw.aggregate.as_deref().unwrap_or("breach_share");
    let aggregate = match name {
        "breach_share" => {
            let exceeds = raw.exceeds.ok_or_else(|| {
                SpecError::new(
                    "over.exceeds",
                    "missing",
                    "the share of breaches above which it alerts, such as 0.1",
                )
            })?;
            // Asked as "is it usable": NaN would answer "is it too large" with no.
            if !(0.0..1.0).contains(&exceeds) {
                return Err(SpecError::new(
                    "over.exceeds",
                    format!("`{exceeds}`"),
                    "a share from 0 up to, not including, 1",
                ));
            }
            return Ok(Aggregate::BreachShare { exceeds });
        }
        "mean" => Aggregate::Mean,
        "max" => Aggregate::Max,
        "min" => Aggregate::Min,
        other => {
            return Err(SpecError::new(
                "over.aggregate",
                check::quoted(other),
                "breach_share, mean, max or min",
            ));
        }
    };
    match raw.exceeds {
        None => Ok(aggregate),
        Some(exceeds) => Err(SpecError::new(
            "over.exceeds",
            format!("`{exceeds}`"),
            format!("nothing beside the aggregate {name}, which is compared by `alert_when`"),
        )),
    }
}

impl From<Over> for RawOver {
    fn from(over: Over) -> Self {
        let (window, last) = match over.span {
            Span::Time(window) => (Some(duration_text(window)), None),
            Span::Last(last) => (None, Some(last)),
        };
        let exceeds = match over.aggregate {
            Aggregate::BreachShare { exceeds } => Some(exceeds),
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => None,
        };
        let aggregate = Some(over.aggregate.name().to_owned());
        Self { window, last, aggregate, min_samples: Some(over.min_samples), exceeds }
    }
}

/// What a window held when it was judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowSummary {
    /// Checks with a value.
    pub n_scored: u64,
    /// Those of them that breached.
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
    Time { panes: VecDeque<Pane> },
    Last { samples: VecDeque<Sample>, n_unscored_since: u64 },
}

/// The checks of one sixtieth of a window of event time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pane {
    idx: i64,
    n_healthy: u64,
    n_breach: u64,
    n_unscored: u64,
    #[serde(with = "bits")]
    sum: f64,
    #[serde(with = "bits")]
    min: f64,
    #[serde(with = "bits")]
    max: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sample {
    #[serde(with = "bits")]
    value: f64,
    /// How many checks without a value came between the sample before and this one.
    n_unscored_before: u64,
}

impl Window {
    pub(crate) fn new(over: &Over) -> Self {
        match over.span {
            Span::Time(_) => Self::Time { panes: VecDeque::new() },
            Span::Last(_) => Self::Last { samples: VecDeque::new(), n_unscored_since: 0 },
        }
    }

    /// Adds one check. A check older than the whole window changes nothing.
    pub(crate) fn add(&mut self, over: &Over, at: Timestamp, value: Option<f64>, outcome: Outcome) {
        let value = value.filter(|_| outcome != Outcome::Unscored);
        match (self, over.span) {
            (Self::Time { panes }, Span::Time(window)) => {
                add_to_panes(panes, window, at, value, outcome)
            }
            (Self::Last { samples, n_unscored_since }, Span::Last(last)) => match value {
                None => *n_unscored_since = n_unscored_since.saturating_add(1),
                Some(value) => {
                    samples.push_back(Sample {
                        value,
                        n_unscored_before: std::mem::take(n_unscored_since),
                    });
                    while samples.len() as u64 > last {
                        samples.pop_front();
                    }
                }
            },
            // State and spec version are stored together, so they have the same kind of window; a state that was
            // tampered with starts again empty rather than judging a mixture.
            (window, _) => {
                *window = Self::new(over);
                window.add(over, at, value, outcome);
            }
        }
    }

    pub(crate) fn summary(&self, over: &Over, condition: &Condition) -> WindowSummary {
        let mut total = Totals::default();
        match self {
            Self::Time { panes } => panes.iter().for_each(|it| total.add_pane(it)),
            Self::Last { samples, n_unscored_since } => {
                total.n_unscored = *n_unscored_since;
                for (sample_idx, sample) in samples.iter().enumerate() {
                    // What came before the oldest sample is outside the window.
                    total.n_unscored += if sample_idx == 0 { 0 } else { sample.n_unscored_before };
                    total.add_value(sample.value, condition.judge(Some(sample.value)));
                }
            }
        }
        let n_scored = total.n_healthy + total.n_breach;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share of more than 2^53 checks needs no exact count"
        )]
        let value = (n_scored > 0).then(|| match over.aggregate {
            Aggregate::BreachShare { .. } => total.n_breach as f64 / n_scored as f64,
            Aggregate::Mean => total.sum / n_scored as f64,
            Aggregate::Max => total.max,
            Aggregate::Min => total.min,
        });
        WindowSummary { n_scored, n_breach: total.n_breach, n_unscored: total.n_unscored, value }
    }
}

impl WindowSummary {
    pub(crate) fn verdict(&self, over: &Over, condition: &Condition) -> Verdict {
        let holds = match (over.aggregate, self.value) {
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
        match (self.n_scored >= over.min_samples, holds) {
            (false, _) => Verdict::TooFew { looks_healthy: !holds },
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::HoldsNot,
        }
    }
}

fn add_to_panes(
    panes: &mut VecDeque<Pane>,
    window: Duration,
    at: Timestamp,
    value: Option<f64>,
    outcome: Outcome,
) {
    let window_us = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
    let idx = at.as_microsecond().div_euclid((window_us / N_PANES).max(1));
    let newest = panes.back().map_or(idx, |it| it.idx.max(idx));
    if idx <= newest - N_PANES {
        return;
    }
    while panes.front().is_some_and(|it| it.idx <= newest - N_PANES) {
        panes.pop_front();
    }
    // Checks come nearly in order, so the place is at or near the end.
    let place = panes.iter().rposition(|it| it.idx <= idx);
    let place = match place {
        Some(found) if panes[found].idx == idx => found,
        before => {
            let place = before.map_or(0, |it| it + 1);
            panes.insert(place, Pane::empty(idx));
            place
        }
    };
    panes[place].add(value, outcome);
}

impl Pane {
    fn empty(idx: i64) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { idx, n_healthy: 0, n_breach: 0, n_unscored: 0, sum: 0.0, min, max }
    }

    fn add(&mut self, value: Option<f64>, outcome: Outcome) {
        match outcome {
            Outcome::Healthy => self.n_healthy += 1,
            Outcome::Breach => self.n_breach += 1,
            Outcome::Unscored => self.n_unscored += 1,
        }
        if let Some(value) = value {
            self.sum += value;
            self.min = self.min.min(value);
            self.max = self.max.max(value);
        }
    }
}

struct Totals {
    n_healthy: u64,
    n_breach: u64,
    n_unscored: u64,
    sum: f64,
    min: f64,
    max: f64,
}

impl Default for Totals {
    fn default() -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { n_healthy: 0, n_breach: 0, n_unscored: 0, sum: 0.0, min, max }
    }
}

impl Totals {
    fn add_pane(&mut self, pane: &Pane) {
        self.n_healthy += pane.n_healthy;
        self.n_breach += pane.n_breach;
        self.n_unscored += pane.n_unscored;
        self.sum += pane.sum;
        self.min = self.min.min(pane.min);
        self.max = self.max.max(pane.max);
    }

    fn add_value(&mut self, value: f64, outcome: Outcome) {
        match outcome {
            Outcome::Breach => self.n_breach += 1,
            Outcome::Healthy | Outcome::Unscored => self.n_healthy += 1,
        }
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}
