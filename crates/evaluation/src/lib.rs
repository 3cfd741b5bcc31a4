//! Metric specs: what is judged, against which threshold, and when that becomes an alert.
//!
//! This crate is pure. It knows no clock, no log, no database and no wire format: times and values are
//! arguments, and the same sequence of observations always gives the same transitions. The live service, a
//! back-test and a preview can therefore run the same code.
//!
//! Start reading at [`MetricSpec`] (a checked document), then [`Condition`] (one value against one threshold),
//! then [`Evaluation`] (windows and the alert state machine of one spec).
#![warn(missing_docs)]

mod alert;
mod bits;
mod check;
mod condition;
mod metric_kind;
mod raw;
mod spec;
mod window;

pub use alert::{AlertState, Evaluation, MAX_EXAMPLES, Observation, Transition, TransitionReason};
pub use condition::{Condition, Operator, Outcome};
pub use metric_kind::MetricKind;
pub use raw::{RawAlertWhen, RawMetric, RawMetricSpec, RawModel, RawOver, Scalar};
pub use spec::{
    MetricSelector, MetricSpec, ModelSelector, Severity, SpecError, SpecId, SpecName, SpecVersion,
    VersionSelector,
};
pub use window::{Aggregate, MAX_LAST, Over, Span, WindowSummary};
