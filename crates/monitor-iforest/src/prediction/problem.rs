//! What is wrong with a body, in the shape that FastAPI's services answer 422 with.

use std::borrow::Cow;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use shadowline_api::prediction::{Place, Problem, ProblemsAnswer};

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

/// A problem with something below the body.
pub(super) fn at(
    code: &'static str,
    path: impl IntoIterator<Item = Place>,
    msg: impl Into<String>,
    input: &Value,
) -> Problem {
    let loc = std::iter::once(Place::from("body")).chain(path).collect();
    Problem { code: Cow::Borrowed(code), loc, msg: msg.into(), input: clipped(input), ctx: None }
}

/// The same with more to say.
pub(super) fn with(problem: Problem, ctx: Value) -> Problem {
    Problem { ctx: Some(ctx), ..problem }
}

/// The value of the label `code` of a refusal: the first problem's.
pub(super) fn label(problems: &[Problem]) -> &'static str {
    let code = problems.first().and_then(|it| CODES.iter().find(|code| **code == it.code));
    code.copied().unwrap_or(VALUE_ERROR)
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
