//! What travels between the programs: generated protobuf types and their checked conversions.
//!
//! Generated code is in [`inference`] (the Open Inference Protocol), [`event`] (the topics) and [`serving`]
//! (Shadowline's own predict call). Code that reads messages uses the checked types instead: [`Inference`],
//! [`Score`], [`WatchedSpec`] and [`DetectorHost`] for the topics, [`open_inference`] and [`named_values`] for requests. This crate knows no
//! Kafka and opens no connection.

mod detector_host;
mod error;
mod event_types;
mod score;
mod subject;
mod tensor;

pub mod named_values;
pub mod open_inference;

pub use detector_host::DetectorHost;
pub use error::{DecodeError, TensorDecodeError};
pub use event_types::{
    Inference, InferenceError, ModelRef, MonitorRef, Origin, Outcome, WatchedSpec, to_timestamp,
};
pub use score::{Score, ScoreValue, Unscored};
pub use subject::{MetricRef, Subject, WindowRef};

/// The Open Inference Protocol (KServe V2), generated.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod inference {
    tonic::include_proto!("inference");
}

/// The topics' messages, generated.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod event {
    tonic::include_proto!("shadowline.event.v1");
}

/// Shadowline's own predict call, generated.
#[allow(
    missing_debug_implementations,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
pub mod serving {
    tonic::include_proto!("shadowline.serving.v1");
}

/// Every service above, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// CloudEvents type of an inference on the topic.
pub const INFERENCE_TYPE: &str = "shadowline.event.v1.Inference";
/// CloudEvents type of a score on the topic.
pub const SCORE_TYPE: &str = "shadowline.event.v1.Score";
/// CloudEvents type of a metric spec on the topic.
pub const METRIC_SPEC_TYPE: &str = "shadowline.event.v1.MetricSpec";
/// CloudEvents type of what says which monitor a detector belongs to.
pub const DETECTOR_HOST_TYPE: &str = "shadowline.event.v1.DetectorHost";
/// CloudEvents type of an alert on the topic.
pub const ALERT_TYPE: &str = "shadowline.event.v1.Alert";
/// Content type of every record.
pub const CONTENT_TYPE: &str = "application/protobuf";
