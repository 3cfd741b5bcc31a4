//! Metric specs: what is judged, against which threshold, and when that becomes an alert.
//!
//! This crate is pure. It knows no clock, no log, no database and no wire format: times and values are
//! arguments, and the same sequence of observations always gives the same transitions. The live service, a
//! back-test and a preview can therefore run the same code: [`SpecSet::apply`].
//!
//! Start reading at [`MetricSpec`] (a validated document), then [`Condition`] (one value against one threshold),
//! [`Evaluation`] (the window and the alert state machine of one spec), and [`SpecSet`] (all specs, by what they
//! watch).
#![warn(missing_docs)]

mod alert;
mod condition;
mod error;
mod evaluation;
mod id;
mod metric;
mod metric_kind;
mod model;
mod observation;
mod over;
mod raw;
mod set;
mod spec;
mod tally;
mod threshold;
mod validate;
mod window;
mod windows;

pub use alert::{AlertState, Transition, TransitionReason};
pub use condition::{Condition, Operator, Outcome};
pub use error::SpecError;
pub use evaluation::{Evaluation, Judged, MAX_EXAMPLES};
pub use id::{SpecId, SpecName, SpecVersion};
pub use metric::MetricSelector;
pub use metric_kind::MetricKind;
pub use model::{ModelSelector, VersionSelector};
pub use observation::{Observation, ObservedMetric, Reading};
pub use over::{Aggregate, MAX_LAST, Over, Span};
pub use raw::{RawAlertWhen, RawMetric, RawMetricSpec, RawModel, RawOver, Scalar};
pub use set::{Changes, Draft, Effects, SpecCheck, SpecEntry, SpecSet, SpecState, Step};
pub use spec::{MetricSpec, Severity};
pub use threshold::Threshold;
pub use window::WindowSummary;
