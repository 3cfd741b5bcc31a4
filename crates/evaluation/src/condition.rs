//! One value against one threshold.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::SpecError;
use crate::threshold::Threshold;

/// The relation of a value to the threshold that *alerts*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `>`
    Greater,
    /// `<`
    Less,
    /// `>=`
    GreaterOrEqual,
    /// `<=`
    LessOrEqual,
}

impl Operator {
    /// Every operator, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Equal,
        Self::NotEqual,
        Self::Greater,
        Self::Less,
        Self::GreaterOrEqual,
        Self::LessOrEqual,
    ];

    /// Returns the name used in documents and answers, such as `greater_or_equal`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::NotEqual => "not_equal",
            Self::Greater => "greater",
            Self::Less => "less",
            Self::GreaterOrEqual => "greater_or_equal",
            Self::LessOrEqual => "less_or_equal",
        }
    }

    /// Returns the symbol used in sentences, such as `>=`.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::GreaterOrEqual => ">=",
            Self::LessOrEqual => "<=",
        }
    }

    /// Returns the operator that is true exactly where this one is false: the *healthy* relation.
    ///
    /// That holds for numbers only. A NaN is never compared, so it is on neither side.
    pub const fn complement(self) -> Self {
        match self {
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::Greater => Self::LessOrEqual,
            Self::Less => Self::GreaterOrEqual,
            Self::GreaterOrEqual => Self::Less,
            Self::LessOrEqual => Self::Greater,
        }
    }

    #[expect(
        clippy::float_cmp,
        reason = "`equal` means the same number; a tolerance would be a second threshold"
    )]
    fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
            Self::Greater => value > threshold,
            Self::Less => value < threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::LessOrEqual => value <= threshold,
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Operator {
    type Err = SpecError;

    /// Reads a name (`greater`) or a symbol (`>`).
    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::ALL.into_iter().find(|it| it.name() == text || it.symbol() == text).ok_or_else(|| {
            SpecError::new(
                "alert_when.operator",
                format!("`{text}`"),
                "one of equal, not_equal, greater, less, greater_or_equal, less_or_equal, or its symbol",
            )
        })
    }
}

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The value was compared and the condition does not hold.
    Healthy,
    /// The value was compared and the condition holds.
    Breach,
    /// There was no finite value to compare.
    Unscored,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Breach, Self::Unscored];

    /// Returns the name used in answers, metrics and the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Breach => "breach",
            Self::Unscored => "unscored",
        }
    }

    /// Returns the outcome of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The condition under which a spec alerts: `value OPERATOR threshold`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    operator: Operator,
    threshold: Threshold,
}

impl Condition {
    /// Makes a condition.
    ///
    /// # Errors
    /// A threshold that is not a finite number: nothing could be compared with it.
    pub fn new(operator: Operator, threshold: f64) -> Result<Self, SpecError> {
        Self::with_threshold(operator, Threshold::Fixed(threshold))
    }

    /// Makes a condition of a number, or of the threshold that a detector's package brings.
    ///
    /// # Errors
    /// A threshold that is not a finite number.
    pub fn with_threshold(operator: Operator, threshold: Threshold) -> Result<Self, SpecError> {
        match threshold {
            Threshold::Fixed(number) if !number.is_finite() => Err(SpecError::new(
                "alert_when.threshold",
                format!("`{number}`"),
                "a finite number or `from_package`",
            )),
            Threshold::Fixed(_) | Threshold::FromPackage => Ok(Self { operator, threshold }),
        }
    }

    /// Returns the condition with the number that a package brings, where it waits for one and that one is finite.
    #[must_use]
    pub fn with_line(self, of_package: Option<f64>) -> Self {
        match (self.threshold, of_package.filter(|it| it.is_finite())) {
            (Threshold::FromPackage, Some(line)) => {
                Self { threshold: Threshold::Fixed(line), ..self }
            }
            (Threshold::FromPackage, None) | (Threshold::Fixed(_), _) => self,
        }
    }

    /// Returns the relation that alerts.
    pub const fn operator(&self) -> Operator {
        self.operator
    }

    /// Returns the threshold.
    pub const fn threshold(&self) -> Threshold {
        self.threshold
    }

    /// Returns the number that values are compared with, always finite; none while no package has brought one.
    pub const fn line(&self) -> Option<f64> {
        self.threshold.number()
    }

    /// Judges a value. A missing or non-finite one is never compared, and none is without a line: it is neither healthy
    /// nor a breach.
    pub fn judge(&self, value: Option<f64>) -> Outcome {
        match (value, self.line()) {
            (Some(value), Some(line)) if value.is_finite() => {
                if self.operator.holds(value, line) {
                    Outcome::Breach
                } else {
                    Outcome::Healthy
                }
            }
            (Some(_) | None, _) => Outcome::Unscored,
        }
    }

    /// Returns the alerting half of the sentence: `alerts when > 0.62`.
    pub fn alerts_when(&self) -> String {
        format!("alerts when {} {}", self.operator.symbol(), self.threshold)
    }

    /// Returns the healthy half of the sentence: `healthy while <= 0.62`.
    pub fn healthy_while(&self) -> String {
        format!("healthy while {} {}", self.operator.complement().symbol(), self.threshold)
    }
}

impl fmt::Display for Condition {
    /// Writes the sentence both ways, so that nobody can misread the operator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.alerts_when(), self.healthy_while())
    }
}
