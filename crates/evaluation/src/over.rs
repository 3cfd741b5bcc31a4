//! What a window is made of, and what is made of the values in it.

use std::time::Duration;

use crate::condition::Condition;
use crate::error::SpecError;
use crate::raw::RawOver;
use crate::validate;

/// The largest count window. Its values are part of the stored state, which is written with every batch.
pub const MAX_LAST: u64 = 1_000;

/// How a window is formed and judged.
#[derive(Debug, Clone, Copy, PartialEq)]
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

    /// Returns what the window's value is compared with; none while no package has brought the threshold.
    pub fn line(&self, condition: &Condition) -> Option<f64> {
        match self.aggregate {
            Aggregate::BreachShare { exceeds } => Some(exceeds),
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => condition.line(),
        }
    }

    fn span_text(&self) -> String {
        match self.span {
            Span::Time(window) => format!("the last {}", humantime::format_duration(window)),
            Span::Last(last) => format!("the last {last} checks"),
        }
    }

    pub(crate) fn alerts_when(&self, condition: &Condition) -> String {
        let (symbol, threshold) = (condition.operator().symbol(), condition.threshold());
        let span = self.span_text();
        match self.aggregate {
            Aggregate::BreachShare { exceeds } => {
                format!(
                    "alerts when more than {} of {span} are {symbol} {threshold}",
                    percent(exceeds)
                )
            }
            Aggregate::Mean | Aggregate::Max | Aggregate::Min => {
                format!(
                    "alerts when the {} of {span} is {symbol} {threshold}",
                    self.aggregate.name()
                )
            }
        }
    }

    pub(crate) fn sentence(&self, condition: &Condition) -> String {
        let span = self.span_text();
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
                let duration = validate::duration("over.window", Some(window))?;
                if duration < Duration::from_millis(100) {
                    return Err(SpecError::new(
                        "over.window",
                        validate::quoted(&window.0),
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
                validate::quoted(other),
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
            Span::Time(window) => (Some(validate::duration_text(window)), None),
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
