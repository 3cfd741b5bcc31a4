//! The body of every refusal.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    pub error: ErrorDetail,
}

/// What was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A stable word in snake case.
    #[schema(example = "not_found")]
    pub code: String,
    /// What was wrong, where, and what was expected.
    pub message: String,
    /// The request's id, which the service's log names too; of a refused prediction, the id of its record.
    // Read as empty where it is missing: a refusal without an id is one still.
    #[serde(default)]
    #[schema(required = true)]
    pub request_id: String,
}
