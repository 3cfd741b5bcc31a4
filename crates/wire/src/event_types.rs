//! Inferences and metric specs on the topics as checked types, and what all messages are made of.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use shadowline_contract::NamedTensor;
use uuid::Uuid;

use crate::{DecodeError, event};

/// A model version, named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelRef {
    /// The model's name; empty when a request named none.
    pub name: String,
    /// Its version; empty when a request reached none.
    pub version: String,
}

/// A detector, named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonitorRef {
    /// The detector's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Where an inference was first written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The spool's own id.
    pub instance: Uuid,
    /// Its place in that spool, from 1.
    pub sequence: u64,
}

/// Why a request got no prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InferenceError {
    /// A gRPC status code's name, such as `INVALID_ARGUMENT`.
    pub code: String,
    /// The message that the caller got.
    pub message: String,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The model's answer.
    Outputs(Vec<NamedTensor>),
    /// No answer.
    Failed(InferenceError),
}

/// One served request with its answer or its error.
#[derive(Debug, Clone, PartialEq)]
pub struct Inference {
    /// The caller's id, or a UUIDv7 of the server's.
    pub id: String,
    /// Which model version answered.
    pub model: ModelRef,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// From arrival to answer.
    pub latency: Duration,
    /// The records in the request; 0 when it could not be read.
    pub n_records: u32,
    /// What came in.
    pub inputs: Vec<NamedTensor>,
    /// What went out.
    pub outcome: Outcome,
    /// The caller's own.
    pub tags: BTreeMap<String, String>,
    /// Where it was first written down. The spool's record has none yet: its place is the origin.
    pub origin: Option<Origin>,
}

/// What a monitor needs to know of a metric spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedSpec {
    /// The spec's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Counts up with every change.
    pub version: u64,
    /// Whether it asks for scores at all.
    pub enabled: bool,
    /// The traffic that is watched; version `*` is any.
    pub model: ModelRef,
    /// The detector whose scores are judged; an empty version is the default one. None for specs of other metrics.
    pub monitor: Option<MonitorRef>,
    /// The whole spec as JSON.
    pub document_json: String,
    /// When it last changed.
    pub changed_at: Timestamp,
}

impl Inference {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let (outputs, error) = match &self.outcome {
            Outcome::Outputs(outputs) => (outputs.iter().map(Into::into).collect(), None),
            Outcome::Failed(InferenceError { code, message }) => (
                Vec::new(),
                Some(event::InferenceError { code: code.clone(), message: message.clone() }),
            ),
        };
        event::Inference {
            id: self.id.clone(),
            model: Some((&self.model).into()),
            received_at: Some(to_timestamp(self.received_at)),
            latency: Some(to_duration(self.latency)),
            n_records: self.n_records,
            inputs: self.inputs.iter().map(Into::into).collect(),
            outputs,
            error,
            tags: self.tags.clone(),
            origin: self.origin.map(Into::into),
        }
        .encode_to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, or lacks its id, model or time, or has a tensor that is not in order.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const NAME: &str = "Inference";
        let wire = event::Inference::decode(bytes)
            .map_err(|source| DecodeError::Protobuf { message: NAME, source })?;
        if wire.id.is_empty() {
            return Err(DecodeError::Missing { message: NAME, part: "id" });
        }
        let model = wire.model.ok_or(DecodeError::Missing { message: NAME, part: "model" })?;
        let outcome = match wire.error {
            Some(error) => {
                Outcome::Failed(InferenceError { code: error.code, message: error.message })
            }
            None => Outcome::Outputs(tensors(wire.outputs)?),
        };
        Ok(Self {
            id: wire.id,
            model: model.into(),
            received_at: from_timestamp(NAME, "received_at", wire.received_at)?,
            latency: from_duration(wire.latency),
            n_records: wire.n_records,
            inputs: tensors(wire.inputs)?,
            outcome,
            tags: wire.tags,
            origin: wire.origin.map(|it| origin(NAME, &it)).transpose()?,
        })
    }
}

impl WatchedSpec {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        event::MetricSpec {
            id: self.id.clone(),
            name: self.name.clone(),
            version: self.version,
            enabled: self.enabled,
            model: Some((&self.model).into()),
            monitor: self
                .monitor
                .as_ref()
                .map(|it| event::MonitorRef { name: it.name.clone(), version: it.version.clone() }),
            document_json: self.document_json.clone(),
            changed_at: Some(to_timestamp(self.changed_at)),
        }
        .encode_to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, or lacks its id, model or time.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const NAME: &str = "MetricSpec";
        let wire = event::MetricSpec::decode(bytes)
            .map_err(|source| DecodeError::Protobuf { message: NAME, source })?;
        if wire.id.is_empty() {
            return Err(DecodeError::Missing { message: NAME, part: "id" });
        }
        Ok(Self {
            id: wire.id,
            name: wire.name,
            version: wire.version,
            enabled: wire.enabled,
            model: wire.model.ok_or(DecodeError::Missing { message: NAME, part: "model" })?.into(),
            monitor: wire.monitor.map(|it| MonitorRef { name: it.name, version: it.version }),
            document_json: wire.document_json,
            changed_at: from_timestamp(NAME, "changed_at", wire.changed_at)?,
        })
    }
}

impl From<&ModelRef> for event::ModelRef {
    fn from(model: &ModelRef) -> Self {
        Self { name: model.name.clone(), version: model.version.clone() }
    }
}

impl From<event::ModelRef> for ModelRef {
    fn from(wire: event::ModelRef) -> Self {
        Self { name: wire.name, version: wire.version }
    }
}

impl From<Origin> for event::Origin {
    fn from(origin: Origin) -> Self {
        Self {
            instance: Bytes::copy_from_slice(origin.instance.as_bytes()),
            sequence: origin.sequence,
        }
    }
}

pub(crate) fn origin(message: &'static str, wire: &event::Origin) -> Result<Origin, DecodeError> {
    let instance = Uuid::from_slice(&wire.instance).map_err(|_| DecodeError::Invalid {
        message,
        part: "origin.instance",
        expected: "16 bytes",
        got: format!("{} bytes", wire.instance.len()),
    })?;
    Ok(Origin { instance, sequence: wire.sequence })
}

fn tensors(wire: Vec<event::NamedTensor>) -> Result<Vec<NamedTensor>, DecodeError> {
    wire.into_iter().map(|it| NamedTensor::try_from(it).map_err(DecodeError::from)).collect()
}

/// A point in time as protobuf has it.
pub fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    // Protobuf counts the nanoseconds forward from the second, also before 1970.
    let nanos = at.as_nanosecond();
    let seconds = nanos.div_euclid(1_000_000_000);
    prost_types::Timestamp {
        seconds: i64::try_from(seconds).unwrap_or_default(),
        nanos: i32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or_default(),
    }
}

pub(crate) fn from_timestamp(
    message: &'static str,
    part: &'static str,
    wire: Option<prost_types::Timestamp>,
) -> Result<Timestamp, DecodeError> {
    let wire = wire.ok_or(DecodeError::Missing { message, part })?;
    Timestamp::new(wire.seconds, wire.nanos).map_err(|_| DecodeError::Invalid {
        message,
        part,
        expected: "a point in time",
        got: format!("{wire:?}"),
    })
}

fn to_duration(length: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(length.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(length.subsec_nanos()).unwrap_or_default(),
    }
}

/// A latency that was not measured reads as zero.
fn from_duration(wire: Option<prost_types::Duration>) -> Duration {
    wire.and_then(|it| Duration::try_from(it).ok()).unwrap_or_default()
}
