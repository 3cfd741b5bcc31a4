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

/// An error of the Open Inference Protocol.
// Its clients take `error` for the text itself, and pass over what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProtocolError {
    /// What was wrong, where, and what was expected.
    #[schema(example = "model `credit` does not exist; expected one of census, spend")]
    pub error: String,
    /// A stable word in snake case.
    #[schema(example = "not_found")]
    pub code: String,
    /// The request's id, which the service's log names too.
    #[serde(default)]
    #[schema(required = true)]
    pub request_id: String,
}

impl From<ErrorDetail> for ProtocolError {
    fn from(ErrorDetail { code, message, request_id }: ErrorDetail) -> Self {
        Self { error: message, code, request_id }
    }
}

impl From<ProtocolError> for ErrorDetail {
    fn from(ProtocolError { error, code, request_id }: ProtocolError) -> Self {
        Self { code, message: error, request_id }
    }
}
