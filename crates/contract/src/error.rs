//! How records can break the contract.

/// Why records break the contract. Every message names the field, what was expected and what came.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ContractError {
    /// A field the model reads was not sent.
    #[error("field `{field}` is missing; expected {expected}")]
    Missing {
        /// The field's name.
        field: String,
        /// Its type and shape.
        expected: String,
    },
    /// A field was sent that the model does not know.
    #[error("field `{field}` is unknown; expected {expected}")]
    Unknown {
        /// The name as it came.
        field: String,
        /// The nearest known names, or all of them.
        expected: String,
    },
    /// A field was sent twice.
    #[error("field `{field}` came twice; expected once")]
    Repeated {
        /// The field's name.
        field: String,
    },
    /// The elements are of another type.
    #[error("field `{field}`: expected type {expected}, got {got}")]
    Type {
        /// The field's name.
        field: String,
        /// The contract's type.
        expected: String,
        /// The type that came.
        got: String,
    },
    /// The tensor has another shape.
    #[error("field `{field}`: expected shape {expected}, got {got}")]
    Shape {
        /// The field's name.
        field: String,
        /// The contract's shape, with the batch dimension.
        expected: String,
        /// The shape that came.
        got: String,
    },
    /// Two fields of one request disagree on how many records there are.
    #[error("field `{field}`: expected {expected} records as in field `{other}`, got {got}")]
    Records {
        /// The field's name.
        field: String,
        /// The field that was read first.
        other: String,
        /// Its number of records.
        expected: usize,
        /// This field's number of records.
        got: usize,
    },
    /// A number is NaN or infinite, and may not be.
    #[error(
        "field `{field}`: expected finite numbers, got {got} at element {element_idx}{}",
        hint(got)
    )]
    NotFinite {
        /// The field's name.
        field: String,
        /// Its place in row-major order.
        element_idx: usize,
        /// `NaN`, `inf` or `-inf`.
        got: String,
    },
    /// A value is null where the contract wants one.
    #[error(
        "field `{field}`: expected type {expected}, got null at element {element_idx}{NULLABLE}"
    )]
    Null {
        /// The field's name.
        field: String,
        /// The contract's type.
        expected: String,
        /// Its place in row-major order.
        element_idx: usize,
    },
    /// A number does not fit the field's type.
    #[error("field `{field}`: expected a value of type {expected}, got {got}")]
    Range {
        /// The field's name.
        field: String,
        /// The contract's type.
        expected: String,
        /// The value as it came.
        got: String,
    },
}

/// What a caller whose value is missing can do.
const NULLABLE: &str = "; only a field that the contract declares `nullable` may lack a value (`train --missing` \
    declares it)";

fn hint(got: &str) -> &'static str {
    if got == "NaN" { NULLABLE } else { "" }
}

impl ContractError {
    /// The field that is at fault.
    pub fn field(&self) -> &str {
        match self {
            Self::Missing { field, .. }
            | Self::Unknown { field, .. }
            | Self::Repeated { field }
            | Self::Type { field, .. }
            | Self::Shape { field, .. }
            | Self::Records { field, .. }
            | Self::NotFinite { field, .. }
            | Self::Null { field, .. }
            | Self::Range { field, .. } => field,
        }
    }
}
