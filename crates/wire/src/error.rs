use shadowline_contract::{TensorError, UnknownDataType};

/// Why bytes are not the message that they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not protobuf, or of another message.
    #[error("the bytes are not a {message}")]
    Protobuf {
        /// The message's name.
        message: &'static str,
        /// What the decoder said.
        source: prost::DecodeError,
    },
    /// A part that every such message has is absent.
    #[error("{message} has no {part}")]
    Missing {
        /// The message's name.
        message: &'static str,
        /// The absent part.
        part: &'static str,
    },
    /// A part is there and cannot be.
    #[error("{message}: {part}: expected {expected}, got {got}")]
    Invalid {
        /// The message's name.
        message: &'static str,
        /// The part in question.
        part: &'static str,
        /// What it should have been.
        expected: &'static str,
        /// What it was.
        got: String,
    },
    /// A tensor is not in order.
    #[error(transparent)]
    Tensor(#[from] TensorDecodeError),
}

/// Why a tensor on the wire is none. Every message names the field.
#[derive(Debug, thiserror::Error)]
pub enum TensorDecodeError {
    /// The type's name is unknown.
    #[error("field `{field}`: {source}")]
    DataType {
        /// The tensor's name.
        field: String,
        /// The name as it came.
        source: UnknownDataType,
    },
    /// A dimension is negative, or too many elements are claimed.
    #[error("field `{field}`: shape {got:?}; expected dimensions of 0 or more")]
    Shape {
        /// The tensor's name.
        field: String,
        /// The shape as it came.
        got: Vec<i64>,
    },
    /// Shape and elements do not fit.
    #[error("field `{field}`: {source}")]
    Count {
        /// The tensor's name.
        field: String,
        /// What does not fit.
        source: TensorError,
    },
    /// The elements stand in the place of another type.
    #[error("field `{field}` of type {expected}: its elements belong in `{place}`, got {got}")]
    Contents {
        /// The tensor's name.
        field: String,
        /// The declared type.
        expected: String,
        /// Where its elements belong.
        place: &'static str,
        /// What is filled instead.
        got: String,
    },
    /// A number does not fit the declared type.
    #[error("field `{field}`: expected {expected} at element {element_idx}, got {got}")]
    Range {
        /// The tensor's name.
        field: String,
        /// The declared type.
        expected: String,
        /// The place in row-major order.
        element_idx: usize,
        /// The number as it came.
        got: String,
    },
    /// Text is not UTF-8.
    #[error("field `{field}`: expected UTF-8 text at element {element_idx}")]
    Utf8 {
        /// The tensor's name.
        field: String,
        /// The place in row-major order.
        element_idx: usize,
    },
    /// Raw bytes are too few or too many.
    #[error("field `{field}`: expected {expected} raw bytes, got {got}")]
    RawLength {
        /// The tensor's name.
        field: String,
        /// What the shape and type ask for.
        expected: String,
        /// The bytes that came.
        got: usize,
    },
    /// Raw contents do not go with the inputs.
    #[error("raw_input_contents: expected {expected} entries, one for each input, got {got}")]
    RawEntries {
        /// The number of inputs.
        expected: usize,
        /// The number of raw entries.
        got: usize,
    },
    /// Raw and typed contents are mixed.
    #[error("field `{field}`: expected no contents beside raw_input_contents, got both")]
    RawAndTyped {
        /// The tensor's name.
        field: String,
    },
}
