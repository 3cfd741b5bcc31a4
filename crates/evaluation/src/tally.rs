//! What is kept of the checks of a pane.

use serde::{Deserialize, Serialize};
use shadowline_windows::{Accumulator, Totals};

use crate::condition::Outcome;

/// Counts checks by outcome, with the totals of those that have a value. Its fields are part of the stored state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) n_healthy: u64,
    pub(crate) n_breach: u64,
    pub(crate) n_unscored: u64,
    #[serde(flatten)]
    pub(crate) values: Totals,
}

impl Tally {
    pub(crate) fn add(&mut self, value: Option<f64>, outcome: Outcome) {
        match outcome {
            Outcome::Healthy => self.n_healthy += 1,
            Outcome::Breach => self.n_breach += 1,
            Outcome::Unscored => self.n_unscored += 1,
        }
        if let Some(value) = value {
            self.values.add(value);
        }
    }
}

impl Accumulator for Tally {
    fn merge(&mut self, other: &Self) {
        self.n_healthy += other.n_healthy;
        self.n_breach += other.n_breach;
        self.n_unscored += other.n_unscored;
        self.values.merge(&other.values);
    }
}
