//! What the cells of a field of numbers may be written as.

use serde::{Deserialize, Serialize};

use super::cells::{Kind, TimeKind};

/// What the cells of a field of numbers are written as. It is decided at training and kept with the package: `12:30`
/// is a number of seconds where times are expected, and none where numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Written {
    /// Numbers.
    #[default]
    Number,
    /// Truth values, or numbers: where 0 and 1 are all that training saw, both mean the same.
    Truth,
    /// Days and timestamps, which are written as days where all are at midnight, or their seconds.
    Timestamp,
    /// Times of day and durations, which are written as times of day where all are shorter than a day, or their seconds.
    Duration,
}

impl Written {
    /// Of cells of a kind; text is not read as numbers.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Number | Kind::Text { .. } => Self::Number,
            Kind::Truth => Self::Truth,
            Kind::Time(kind) => Self::of_time(kind),
        }
    }

    /// Of times of a kind.
    pub(super) fn of_time(kind: TimeKind) -> Self {
        match kind {
            TimeKind::Date | TimeKind::Timestamp | TimeKind::Instant => Self::Timestamp,
            TimeKind::OfDay | TimeKind::Duration => Self::Duration,
        }
    }

    /// Whether it is times.
    pub fn is_time(self) -> bool {
        matches!(self, Self::Timestamp | Self::Duration)
    }

    /// What is expected, for a message.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Number => "a finite number",
            Self::Truth => "a finite number or a truth value",
            Self::Timestamp => "a date, a timestamp or its seconds",
            Self::Duration => "a time of day, a duration or its seconds",
        }
    }
}
