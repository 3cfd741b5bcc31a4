//! What is wrong with a body, in the shape that FastAPI's services answer 422 with.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The most problems that one answer lists.
const MAX_LISTED: usize = 20;
/// The longest input, as JSON, that an answer repeats.
const MAX_REPEATED_BYTES: usize = 1024;

/// Every code a prediction can be refused with; each is a value of the label `code`.
pub(super) const CODES: [&str; 16] = [
    JSON_INVALID,
    FINITE_NUMBER,
    MISSING,
    NOT_AN_OBJECT,
    EXTRA_FORBIDDEN,
    LIST_TYPE,
    TOO_SHORT,
    TOO_LONG,
    FLOAT_TYPE,
    FLOAT_PARSING,
    STRING_TYPE,
    BOOL_TYPE,
    BOOL_PARSING,
    VALUE_ERROR,
    TOO_LARGE,
    UNREADABLE,
];
pub(super) const JSON_INVALID: &str = "json_invalid";
pub(super) const FINITE_NUMBER: &str = "finite_number";
pub(super) const MISSING: &str = "missing";
pub(super) const NOT_AN_OBJECT: &str = "model_attributes_type";
pub(super) const EXTRA_FORBIDDEN: &str = "extra_forbidden";
pub(super) const LIST_TYPE: &str = "list_type";
pub(super) const TOO_SHORT: &str = "too_short";
pub(super) const TOO_LONG: &str = "too_long";
pub(super) const FLOAT_TYPE: &str = "float_type";
pub(super) const FLOAT_PARSING: &str = "float_parsing";
pub(super) const STRING_TYPE: &str = "string_type";
pub(super) const BOOL_TYPE: &str = "bool_type";
pub(super) const BOOL_PARSING: &str = "bool_parsing";
pub(super) const VALUE_ERROR: &str = "value_error";
/// The body is longer than this service reads: 413, in the form of all services' errors.
pub(super) const TOO_LARGE: &str = "too_large";
/// The body broke off.
pub(super) const UNREADABLE: &str = "unreadable_body";

/// One thing that is wrong with a body.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(super) struct Problem {
    /// A stable word.
    #[serde(rename = "type")]
    #[schema(example = "float_parsing")]
    pub(super) code: &'static str,
    /// Where: `body`, then the field, then the place in the list; of invalid JSON, `body` and the byte.
    #[schema(value_type = Vec<Object>, example = json!(["body", "feature_vector", 1]))]
    pub(super) loc: Vec<Value>,
    /// What was expected.
    pub(super) msg: String,
    /// What came; an input that is very long is only measured.
    #[schema(value_type = Object)]
    pub(super) input: Value,
    /// More, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(super) ctx: Option<Value>,
}

impl Problem {
    /// A problem with something below the body.
    pub(super) fn at(
        code: &'static str,
        path: impl IntoIterator<Item = Value>,
        msg: impl Into<String>,
        input: &Value,
    ) -> Self {
        let loc = std::iter::once(json!("body")).chain(path).collect();
        Self { code, loc, msg: msg.into(), input: clipped(input), ctx: None }
    }

    pub(super) fn with(mut self, ctx: Value) -> Self {
        self.ctx = Some(ctx);
        self
    }
}

/// The answer to a body with problems.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ProblemsAnswer {
    /// At least one; of a great many, the first.
    detail: Vec<Problem>,
}

/// Answers 422 with what is wrong.
pub(super) fn unprocessable(mut problems: Vec<Problem>) -> Response {
    problems.truncate(MAX_LISTED);
    (StatusCode::UNPROCESSABLE_ENTITY, Json(ProblemsAnswer { detail: problems })).into_response()
}

fn clipped(input: &Value) -> Value {
    let length = input.to_string().len();
    if length <= MAX_REPEATED_BYTES {
        input.clone()
    } else {
        Value::String(format!("({length} bytes of JSON)"))
    }
}
