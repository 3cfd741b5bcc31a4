//! `/v1/metric-specs`: what is registered, and what a change came to.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

mod document;
mod schema;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::document::{AlertWhen, MetricChoice, MetricSpecDocument, ModelChoice, OverWindow};

/// A registered metric spec.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpecAnswer {
    /// Stays the same through every change.
    #[schema(value_type = String, format = "uuid")]
    pub id: String,
    /// Counts up with every change.
    pub version: u32,
    /// The document, with the defaults written out.
    pub spec: MetricSpecDocument,
    /// `alerts when > 0.62`
    pub alerts_when: String,
    /// `healthy while <= 0.62`
    pub healthy_while: String,
    /// The whole rule in words, with the window where there is one.
    pub sentence: String,
    #[schema(value_type = String, format = "date-time")]
    pub created_at: Timestamp,
    /// When this version was made.
    #[schema(value_type = String, format = "date-time")]
    pub updated_at: Timestamp,
    /// After a change: `created`, `updated`, `unchanged` or `deleted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub change: Option<Change>,
}

/// What a request changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The name was free.
    Created,
    /// There is a next version.
    Updated,
    /// It was registered so already.
    Unchanged,
    /// It is gone.
    Deleted,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `pad` and not `write_str`, so that a width is kept.
        f.pad(match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
        })
    }
}

/// Metric specs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SpecsAnswer {
    /// By name; versions of one spec, oldest first.
    pub metric_specs: Vec<SpecAnswer>,
}

/// What can be changed of a spec without writing the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SpecPatch {
    /// Switches evaluation on or off; off ends an active alert.
    pub enabled: Option<bool>,
    /// The new threshold.
    pub threshold: Option<f64>,
}

/// A spec's name, and the version that is spoken of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpecName {
    #[schema(value_type = String, format = "uuid")]
    pub id: String,
    pub name: String,
    pub version: u32,
}

/// A model or a monitor, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Versioned {
    pub name: String,
    pub version: String,
}

impl From<(String, String)> for Versioned {
    fn from((name, version): (String, String)) -> Self {
        Self { name, version }
    }
}
