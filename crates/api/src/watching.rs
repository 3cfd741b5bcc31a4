//! `/v1/watching` of a monitor: what it scores, and because of which metric specs.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What this monitor does for the metric specs it knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WatchingAnswer {
    /// Each model version and detector with the specs that ask for the pair.
    pub watching: Vec<WatchedPair>,
    /// Specs that this monitor does nothing for.
    pub ignored: Vec<IgnoredSpec>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WatchedPair {
    pub model: VersionedName,
    pub detector: VersionedName,
    pub specs: Vec<SpecVersion>,
    /// Why every score of the pair is an unscored one.
    pub problem: Option<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VersionedName {
    pub name: String,
    pub version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpecVersion {
    pub id: String,
    pub name: String,
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IgnoredSpec {
    pub spec: SpecName,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpecName {
    pub id: String,
    pub name: String,
}
