//! Of what a judged score is, and what it measures.

use jiff::Timestamp;
use shadowline_evaluation::MetricKind;

use crate::database::Row;
use crate::error::StoreError;

/// What was scored and judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckSubject {
    /// One request, by its id.
    Inference(String),
    /// A stretch of the model's traffic.
    Window {
        /// The first moment that belongs to it.
        from: Timestamp,
        /// The first moment after `from` that does not.
        to: Timestamp,
        /// Which part of the traffic; none is all of it.
        segment: Option<String>,
    },
}

/// What was measured and judged.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CheckMetric {
    /// Of what kind it is.
    pub kind: MetricKind,
    /// The name of the detector, statistic or figure.
    pub name: String,
    /// The version of what measured; empty where it has none.
    pub version: String,
}

impl CheckSubject {
    /// Returns the name of the kind of subject, as the column has it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Inference(_) => "inference",
            Self::Window { .. } => "window",
        }
    }

    /// Returns the inference, if it is one.
    pub fn inference_id(&self) -> Option<&str> {
        match self {
            Self::Inference(id) => Some(id),
            Self::Window { .. } => None,
        }
    }

    pub(super) fn from(&self) -> Option<Timestamp> {
        match self {
            Self::Inference(_) => None,
            Self::Window { from, .. } => Some(*from),
        }
    }

    pub(super) fn to(&self) -> Option<Timestamp> {
        match self {
            Self::Inference(_) => None,
            Self::Window { to, .. } => Some(*to),
        }
    }

    pub(super) fn segment(&self) -> Option<&str> {
        match self {
            Self::Inference(_) => None,
            Self::Window { segment, .. } => segment.as_deref(),
        }
    }

    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let kind: String = row.get("subject")?;
        match kind.as_str() {
            "inference" => Ok(Self::Inference(row.get("inference_id")?)),
            "window" => Ok(Self::Window {
                from: row.time("window_from")?,
                to: row.time("window_to")?,
                segment: row.get("segment")?,
            }),
            _ => {
                let detail = format!("`{kind}` is none of the known names");
                Err(StoreError::unreadable("subject", detail))
            }
        }
    }
}

impl CheckMetric {
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            kind: row.named("metric_kind", MetricKind::from_name)?,
            name: row.get("monitor")?,
            version: row.get("monitor_version")?,
        })
    }
}
