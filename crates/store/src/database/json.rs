//! Values that are kept as JSON text.

use crate::error::StoreError;

/// Returns a value as JSON text, for a column; `what` says in an error what it is.
pub(crate) fn to_json<T: serde::Serialize>(
    what: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable(what, error))
}
