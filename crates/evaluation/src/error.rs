//! Why a document was refused.

/// Why a metric spec was refused: the field, what came, and what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {got}; expected {expected}")]
pub struct SpecError {
    field: &'static str,
    got: String,
    expected: String,
}

impl SpecError {
    pub(crate) fn new(
        field: &'static str,
        got: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self { field, got: got.into(), expected: expected.into() }
    }

    /// Returns the path of the field, such as `alert_when.threshold`.
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Says more exactly what was expected.
    pub(crate) fn expecting(self, expected: &str) -> Self {
        Self { expected: expected.to_owned(), ..self }
    }
}
