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
// Only described here, as the document of this service has words of its own for errors, which are a promise; they are
// written by `shadowline-service`, as everywhere. A test holds it and the type of `shadowline-api` together.
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

#[cfg(test)]
mod tests {
    use serde_json::to_string;
    use shadowline_api::error as api;

    use super::*;

    #[test]
    fn errors_are_described_as_they_are_written() {
        let words = || ("conflict".to_owned(), "one already".to_owned(), "r-1".to_owned());
        let (code, message, request_id) = words();
        let described = ErrorAnswer { error: ErrorBody { code, message, request_id } };
        let (code, message, request_id) = words();
        let written = api::ErrorAnswer { error: api::ErrorDetail { code, message, request_id } };
        assert_eq!(to_string(&described).unwrap(), to_string(&written).unwrap());
    }
}
