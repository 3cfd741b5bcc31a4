//! States of an alert, and the steps between them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shadowline_windows::bits;

use crate::window::WindowSummary;

/// The state of a spec's alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition does not hold.
    Inactive,
    /// The condition holds, but not for long enough yet.
    Pending,
    /// Someone should look.
    Firing,
}

impl AlertState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Inactive, Self::Pending, Self::Firing];

    /// Returns the name used in answers and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }

    /// Returns the state of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why an alert changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransitionReason {
    /// The condition began to hold, or held for long enough.
    ConditionHolds,
    /// The condition stopped holding before the alert fired.
    ConditionEnded,
    /// The condition has not held for long enough.
    Recovered,
    /// The spec was changed; the new version starts afresh.
    SpecChanged,
    /// The spec was disabled.
    SpecDisabled,
    /// The spec was deleted.
    SpecDeleted,
}

impl TransitionReason {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::ConditionHolds,
        Self::ConditionEnded,
        Self::Recovered,
        Self::SpecChanged,
        Self::SpecDisabled,
        Self::SpecDeleted,
    ];

    /// Returns the reason of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Returns the name used in answers and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConditionHolds => "condition_holds",
            Self::ConditionEnded => "condition_ended",
            Self::Recovered => "recovered",
            Self::SpecChanged => "spec_changed",
            Self::SpecDisabled => "spec_disabled",
            Self::SpecDeleted => "spec_deleted",
        }
    }
}

/// One step of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The state before.
    pub from: AlertState,
    /// The state after.
    pub to: AlertState,
    /// When, in event time. For a timer it is when the timer was due, not when somebody looked.
    pub at: Timestamp,
    /// Since when the condition held.
    pub condition_since: Option<Timestamp>,
    /// Since when the alert has fired, or had fired.
    pub fired_at: Option<Timestamp>,
    /// Why.
    pub reason: TransitionReason,
    /// The value last judged: of the last scored request, or of the window.
    #[serde(with = "bits::option")]
    pub value: Option<f64>,
    /// What that value was compared with: the threshold, or the share that a window may not exceed.
    #[serde(with = "bits::option", default)]
    pub line: Option<f64>,
    /// What the window held, where the spec has one.
    pub window: Option<WindowSummary>,
    /// What breached: ids of inferences or windows, newest last.
    pub examples: Vec<String>,
}
