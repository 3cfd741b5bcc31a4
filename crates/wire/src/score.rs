//! What was measured of a subject, as a checked type.

use std::borrow::Cow;

use jiff::Timestamp;
use prost::Message;
use shadowline_evaluation::MetricKind;

use crate::event_types::{from_timestamp, origin, to_timestamp};
use crate::subject::{self, MetricRef, Subject};
use crate::{DecodeError, ModelRef, Origin, event};

/// The message's name in errors.
const NAME: &str = "Score";

/// The measured value.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreValue {
    /// The largest of the records' scores, or the figure of the window; finite, of a detector higher is more anomalous.
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

/// What was measured of an inference or of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// What was scored.
    pub subject: Subject,
    /// Which model version answered the inference, or whose traffic the window is of.
    pub model: ModelRef,
    /// What was measured.
    pub metric: MetricRef,
    /// Whether it was the detector's default version, the newest unless it was rolled back: its score answers the metric
    /// specs that name none.
    pub is_newest: bool,
    /// The detector's own threshold, for the metric specs that take theirs from its package.
    pub threshold: Option<f64>,
    /// The score, or the reason why there is none.
    pub result: Result<ScoreValue, Unscored>,
    /// The origin of the inference. Of a window: the process that computed it, and its place in what that computed.
    pub origin: Origin,
    /// When the request arrived at serving, or the window ended.
    pub received_at: Timestamp,
    /// When it was scored.
    pub scored_at: Timestamp,
}

impl Score {
    /// Returns the id of the subject: the inference's own, or that of the window. It is the record's key.
    pub fn subject_id(&self) -> Cow<'_, str> {
        self.subject.id(&self.model)
    }

    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let monitor = self.metric.monitor();
        let mut wire = event::Score {
            // For programs that know no subject and no metric.
            inference_id: self.subject.inference_id().unwrap_or_default().to_owned(),
            monitor: monitor.map(|it| event::MonitorRef { name: it.name, version: it.version }),
            model: Some((&self.model).into()),
            origin: Some(self.origin.into()),
            received_at: Some(to_timestamp(self.received_at)),
            scored_at: Some(to_timestamp(self.scored_at)),
            is_newest: self.is_newest,
            threshold: self.threshold,
            subject: Some((&self.subject).into()),
            metric: Some((&self.metric).into()),
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

    /// Reads a message, also one from before subjects and metrics were named.
    ///
    /// A value that is NaN or infinite is read as unscored with the code `not_finite`: it must never be compared.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, lacks a part, has both or neither of a value and a reason or of the two kinds of
    /// subject, or says two different things of one.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = event::Score::decode(bytes)
            .map_err(|source| DecodeError::Protobuf { message: NAME, source })?;
        let subject = subject(wire.inference_id, wire.subject)?;
        let received_at = received_at(&subject, wire.received_at)?;
        let metric = metric(wire.monitor, wire.metric)?;
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
            subject,
            model: wire.model.ok_or_else(|| missing("model"))?.into(),
            metric,
            is_newest: wire.is_newest,
            threshold: wire.threshold.filter(|it| it.is_finite()),
            result,
            origin: origin(NAME, &wire.origin.ok_or_else(|| missing("origin"))?)?,
            received_at,
            scored_at: from_timestamp(NAME, "scored_at", wire.scored_at)?,
        })
    }
}

/// The subject, which older programs name by `inference_id` alone.
fn subject(inference_id: String, wire: Option<event::Subject>) -> Result<Subject, DecodeError> {
    let Some(wire) = wire else {
        return match inference_id.is_empty() {
            true => Err(missing("inference_id")),
            false => Ok(Subject::Inference(inference_id)),
        };
    };
    let subject = subject::decode(NAME, wire)?;
    if !inference_id.is_empty() && subject.inference_id() != Some(inference_id.as_str()) {
        return Err(DecodeError::Invalid {
            message: NAME,
            part: "inference_id",
            expected: "the inference of `subject`, and none beside a window",
            got: format!("`{inference_id}`"),
        });
    }
    Ok(subject)
}

/// When the inference arrived, or the window ended: by that the score counts, so it is said in one way only.
fn received_at(
    subject: &Subject,
    wire: Option<prost_types::Timestamp>,
) -> Result<Timestamp, DecodeError> {
    let received_at = from_timestamp(NAME, "received_at", wire)?;
    match subject {
        Subject::Window(window) if window.to() != received_at => Err(DecodeError::Invalid {
            message: NAME,
            part: "received_at",
            expected: "the end of the window",
            got: format!("{received_at} beside a window that ends at {}", window.to()),
        }),
        Subject::Window(_) | Subject::Inference(_) => Ok(received_at),
    }
}

/// The metric, which older programs name by `monitor` alone.
fn metric(
    monitor: Option<event::MonitorRef>,
    wire: Option<event::MetricRef>,
) -> Result<MetricRef, DecodeError> {
    let monitor = monitor.map(|it| MetricRef {
        kind: MetricKind::Monitor,
        name: it.name,
        version: it.version,
    });
    let Some(wire) = wire else { return monitor.ok_or_else(|| missing("monitor")) };
    let metric = subject::decode_metric(NAME, wire)?;
    match monitor {
        Some(monitor) if monitor != metric => Err(DecodeError::Invalid {
            message: NAME,
            part: "monitor",
            expected: "the monitor of `metric`, and none beside another kind",
            got: format!("`{}` version `{}`", monitor.name, monitor.version),
        }),
        Some(_) | None => Ok(metric),
    }
}

fn missing(part: &'static str) -> DecodeError {
    DecodeError::Missing { message: NAME, part }
}
