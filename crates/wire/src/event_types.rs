//! The topics' messages as checked types.

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

/// A detector's answer for one inference.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreValue {
    /// The largest of the records' scores; finite, higher is more anomalous.
    pub value: f64,
    /// Which record has it.
    pub record_idx: u32,
    /// Every record's score; empty for a batch of one.
    pub record_values: Vec<f64>,
    /// The share of the detector's training scores at or above the value.
    pub p_value: Option<f64>,
    /// What the contributions start from; none where there are none.
    pub expected: Option<f64>,
    /// How much each feature moved the score of that record; empty where the detector does not say.
    pub contributions: Vec<(String, f64)>,
    /// Categories that the training data did not have.
    pub n_unseen_categories: u32,
}

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unscored {
    /// A stable word, such as `missing_field`.
    pub code: String,
    /// The reason in words.
    pub message: String,
}

/// What a monitor says of one inference.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The inference that was scored.
    pub inference_id: String,
    /// Which model version answered it.
    pub model: ModelRef,
    /// Which detector speaks.
    pub monitor: MonitorRef,
    /// Whether it was the detector's newest version: its score answers the metric specs that name none.
    pub is_newest: bool,
    /// The score, or the reason why there is none.
    pub result: Result<ScoreValue, Unscored>,
    /// The origin of the inference.
    pub origin: Origin,
    /// When the request arrived at serving.
    pub received_at: Timestamp,
    /// When the monitor spoke.
    pub scored_at: Timestamp,
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
    /// The detector whose scores are judged; an empty version is the newest. None for specs of other metrics.
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

impl Score {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = event::Score {
            inference_id: self.inference_id.clone(),
            model: Some((&self.model).into()),
            monitor: Some(event::MonitorRef {
                name: self.monitor.name.clone(),
                version: self.monitor.version.clone(),
            }),
            origin: Some(self.origin.into()),
            received_at: Some(to_timestamp(self.received_at)),
            scored_at: Some(to_timestamp(self.scored_at)),
            is_newest: self.is_newest,
            ..Default::default()
        };
        match &self.result {
            Ok(score) => {
                wire.value = Some(score.value);
                wire.record_idx = score.record_idx;
                wire.record_values.clone_from(&score.record_values);
                wire.p_value = score.p_value;
                wire.expected = score.expected;
                wire.contributions = score
                    .contributions
                    .iter()
                    .map(|(feature, value)| event::Contribution {
                        feature: feature.clone(),
                        value: *value,
                    })
                    .collect();
                wire.n_unseen_categories = score.n_unseen_categories;
            }
            Err(Unscored { code, message }) => {
                wire.unscored =
                    Some(event::Unscored { code: code.clone(), message: message.clone() });
            }
        }
        wire.encode_to_vec()
    }

    /// Reads a message.
    ///
    /// A value that is NaN or infinite is read as unscored with the code `not_finite`: it must never be compared.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, or lacks a part, or has both or neither of a value and a reason.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        const NAME: &str = "Score";
        let missing = |part| DecodeError::Missing { message: NAME, part };
        let wire = event::Score::decode(bytes)
            .map_err(|source| DecodeError::Protobuf { message: NAME, source })?;
        if wire.inference_id.is_empty() {
            return Err(missing("inference_id"));
        }
        let monitor = wire.monitor.ok_or_else(|| missing("monitor"))?;
        let result = match (wire.value, wire.unscored) {
            (Some(value), None) if value.is_finite() => Ok(ScoreValue {
                value,
                record_idx: wire.record_idx,
                record_values: wire.record_values,
                p_value: wire.p_value,
                expected: wire.expected,
                contributions: wire
                    .contributions
                    .into_iter()
                    .map(|it| (it.feature, it.value))
                    .collect(),
                n_unseen_categories: wire.n_unseen_categories,
            }),
            (Some(value), None) => Err(Unscored {
                code: "not_finite".to_owned(),
                message: format!("the monitor's value is {value}"),
            }),
            (None, Some(event::Unscored { code, message })) => Err(Unscored { code, message }),
            (None, None) => return Err(missing("value and no reason why there is none")),
            (Some(value), Some(_)) => {
                return Err(DecodeError::Invalid {
                    message: NAME,
                    part: "value",
                    expected: "a value or a reason why there is none",
                    got: format!("both, with the value {value}"),
                });
            }
        };
        Ok(Self {
            inference_id: wire.inference_id,
            model: wire.model.ok_or_else(|| missing("model"))?.into(),
            monitor: MonitorRef { name: monitor.name, version: monitor.version },
            is_newest: wire.is_newest,
            result,
            origin: origin(NAME, &wire.origin.ok_or_else(|| missing("origin"))?)?,
            received_at: from_timestamp(NAME, "received_at", wire.received_at)?,
            scored_at: from_timestamp(NAME, "scored_at", wire.scored_at)?,
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

fn origin(message: &'static str, wire: &event::Origin) -> Result<Origin, DecodeError> {
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

fn from_timestamp(
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
