//! What is kept of the values of a pane, and how two of them become one.

use serde::{Deserialize, Serialize};

use crate::bits;

/// Something that holds what was seen and can be merged.
///
/// The default is empty, and merging with it changes nothing. Merging is commutative and associative: exactly for
/// counts and extremes, and up to the rounding of the additions for sums of floats. So code that compares results that
/// were merged in different orders compares counts exactly, and sums with a tolerance.
pub trait Accumulator: Default {
    /// Takes over what another one has seen.
    fn merge(&mut self, other: &Self);
}

/// The sum and the extremes of values. While it is empty, the extremes are infinite and point away from each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// The sum, in the order in which the values came.
    #[serde(with = "bits")]
    pub sum: f64,
    /// The smallest value.
    #[serde(with = "bits")]
    pub min: f64,
    /// The largest value.
    #[serde(with = "bits")]
    pub max: f64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Totals {
    /// Adds one finite value.
    pub fn add(&mut self, value: f64) {
        self.merge(&Self { sum: value, min: value, max: value });
    }
}

impl Accumulator for Totals {
    fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}
