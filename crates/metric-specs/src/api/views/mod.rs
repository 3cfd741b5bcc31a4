//! How answers are made of what is stored; their types are those of `shadowline-api`.

mod alerts;
mod checks;
mod specs;

use serde::Serialize;
use utoipa::ToSchema;

pub(super) use self::alerts::{alert, event};
pub(super) use self::checks::{check, counts};
pub(super) use self::specs::{reference, registered};

/// Every error, of every address.
// The document of this service describes errors in words of its own, which are a promise; they are written by
// `shadowline-service`, as everywhere.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorAnswer {
    error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct ErrorBody {
    /// A stable word.
    code: String,
    /// What was wrong, where, and what was expected.
    message: String,
    /// Also in the header `x-request-id`, and in the service's log.
    request_id: String,
}
