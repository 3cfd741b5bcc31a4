//! Of what a score is, and what it measures.

use std::borrow::Cow;

use jiff::Timestamp;
use shadowline_evaluation::MetricKind;

use crate::event_types::{from_timestamp, to_timestamp};
use crate::{DecodeError, ModelRef, MonitorRef, event};

/// What was scored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// One request, by its id.
    Inference(String),
    /// A stretch of a model's traffic.
    Window(WindowRef),
}

/// A stretch of a model's traffic by event time: from its first moment up to, and without, its last.
///
/// To hold one is to know that it begins before it ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowRef {
    from: Timestamp,
    to: Timestamp,
    segment: Option<String>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MetricRef {
    /// Of what kind it is.
    pub kind: MetricKind,
    /// The name of the detector, statistic or figure.
    pub name: String,
    /// The version of what measured; empty where it has none. A detector has one.
    pub version: String,
}

impl Subject {
    /// Returns the inference, if it is one.
    pub fn inference_id(&self) -> Option<&str> {
        match self {
            Self::Inference(id) => Some(id),
            Self::Window(_) => None,
        }
    }

    /// Returns the id: the inference's own, or that of the window of this model's traffic.
    pub fn id(&self, model: &ModelRef) -> Cow<'_, str> {
        match self {
            Self::Inference(id) => Cow::Borrowed(id),
            Self::Window(window) => Cow::Owned(window.id(model)),
        }
    }
}

impl WindowRef {
    /// Makes a window; an empty segment is all of the traffic.
    ///
    /// Returns none unless `from` is before `to`.
    pub fn new(from: Timestamp, to: Timestamp, segment: Option<String>) -> Option<Self> {
        let segment = segment.filter(|it| !it.is_empty());
        (from < to).then_some(Self { from, to, segment })
    }

    /// Returns the first moment that belongs to it.
    pub const fn from(&self) -> Timestamp {
        self.from
    }

    /// Returns the first moment after `from` that does not belong to it.
    pub const fn to(&self) -> Timestamp {
        self.to
    }

    /// Returns which part of the traffic it is of; none is all of it.
    pub fn segment(&self) -> Option<&str> {
        self.segment.as_deref()
    }

    /// Returns the id of this window of a model's traffic: the same text wherever and whenever it is made, and another
    /// one for every other window.
    ///
    /// It is `window/MODEL/VERSION/FROM/TO/SEGMENT`, with `%25` for `%` and `%2F` for `/` inside the names, times in UTC
    /// with as many digits of a second as they have, and nothing for the segment that is all of the traffic:
    /// `window/census/3/2026-01-31T12:00:00Z/2026-01-31T12:05:00Z/`.
    pub fn id(&self, model: &ModelRef) -> String {
        let mut id = "window".to_owned();
        let segment = self.segment.as_deref().unwrap_or_default();
        let times = [self.from.to_string(), self.to.to_string()];
        for part in [&model.name, &model.version, &times[0], &times[1], segment] {
            id.push('/');
            for letter in part.chars() {
                match letter {
                    '%' => id.push_str("%25"),
                    '/' => id.push_str("%2F"),
                    other => id.push(other),
                }
            }
        }
        id
    }
}

impl MetricRef {
    /// Returns the detector, if the metric is one's score.
    pub fn monitor(&self) -> Option<MonitorRef> {
        match self.kind {
            MetricKind::Monitor => {
                Some(MonitorRef { name: self.name.clone(), version: self.version.clone() })
            }
            MetricKind::Drift
            | MetricKind::Quality
            | MetricKind::Service
            | MetricKind::Performance => None,
        }
    }

    /// Returns by what name the sequences of its scores are kept apart from those of every other metric:
    /// `forest/2` for a monitor, `drift:psi` for others, with `/VERSION` where there is one.
    pub fn producer(&self) -> String {
        let Self { kind, name, version } = self;
        match kind {
            // Without its kind, because databases have it so.
            MetricKind::Monitor => format!("{name}/{version}"),
            MetricKind::Drift
            | MetricKind::Quality
            | MetricKind::Service
            | MetricKind::Performance => {
                let slash = if version.is_empty() { "" } else { "/" };
                format!("{kind}:{name}{slash}{version}")
            }
        }
    }
}

impl From<MonitorRef> for MetricRef {
    fn from(MonitorRef { name, version }: MonitorRef) -> Self {
        Self { kind: MetricKind::Monitor, name, version }
    }
}

impl From<&Subject> for event::Subject {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Inference(id) => Self { inference_id: id.clone(), window: None },
            Subject::Window(window) => Self {
                inference_id: String::new(),
                window: Some(event::WindowRef {
                    from: Some(to_timestamp(window.from)),
                    to: Some(to_timestamp(window.to)),
                    segment: window.segment.clone().unwrap_or_default(),
                }),
            },
        }
    }
}

impl From<&MetricRef> for event::MetricRef {
    fn from(metric: &MetricRef) -> Self {
        Self {
            kind: event::MetricKind::from(metric.kind).into(),
            name: metric.name.clone(),
            version: metric.version.clone(),
        }
    }
}

impl From<MetricKind> for event::MetricKind {
    fn from(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Monitor => Self::Monitor,
            MetricKind::Drift => Self::Drift,
            MetricKind::Quality => Self::Quality,
            MetricKind::Service => Self::Service,
            MetricKind::Performance => Self::Performance,
        }
    }
}

pub(crate) fn decode(message: &'static str, wire: event::Subject) -> Result<Subject, DecodeError> {
    let invalid = |part, expected, got| DecodeError::Invalid { message, part, expected, got };
    match (wire.inference_id.is_empty(), wire.window) {
        (false, None) => Ok(Subject::Inference(wire.inference_id)),
        (true, Some(window)) => {
            let from = from_timestamp(message, "subject.window.from", window.from)?;
            let to = from_timestamp(message, "subject.window.to", window.to)?;
            let window = WindowRef::new(from, to, Some(window.segment));
            window.map(Subject::Window).ok_or_else(|| {
                invalid("subject.window", "`from` before `to`", format!("from {from} to {to}"))
            })
        }
        (true, None) => Err(DecodeError::Missing {
            message,
            part: "subject.inference_id and no subject.window",
        }),
        (false, Some(_)) => Err(invalid(
            "subject",
            "an inference or a window",
            format!("both, with the inference `{}`", wire.inference_id),
        )),
    }
}

pub(crate) fn decode_metric(
    message: &'static str,
    wire: event::MetricRef,
) -> Result<MetricRef, DecodeError> {
    let kind = match event::MetricKind::try_from(wire.kind) {
        Ok(event::MetricKind::Monitor) => MetricKind::Monitor,
        Ok(event::MetricKind::Drift) => MetricKind::Drift,
        Ok(event::MetricKind::Quality) => MetricKind::Quality,
        Ok(event::MetricKind::Service) => MetricKind::Service,
        Ok(event::MetricKind::Performance) => MetricKind::Performance,
        Ok(event::MetricKind::Unspecified) => {
            return Err(DecodeError::Missing { message, part: "metric.kind" });
        }
        Err(_) => {
            return Err(DecodeError::Invalid {
                message,
                part: "metric.kind",
                expected: "one of the known kinds",
                got: wire.kind.to_string(),
            });
        }
    };
    if wire.name.is_empty() {
        return Err(DecodeError::Missing { message, part: "metric.name" });
    }
    Ok(MetricRef { kind, name: wire.name, version: wire.version })
}
