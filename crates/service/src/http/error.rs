//! Errors of the REST interface, and the JSON form that every error has: one of ours, and one of the Open Inference
//! Protocol's below `/v2`.

use axum::Json;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use shadowline_api::error::{ErrorAnswer, ErrorDetail, ProtocolError};
use shadowline_error::chain;

/// A REST error: a stable code for programs, a message for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word in snake case.
    pub code: &'static str,
    /// What was wrong, where, and what was expected.
    pub message: String,
    /// The methods that the path takes, for the header `Allow`.
    allowed: Option<&'static str>,
}

impl ApiError {
    /// Makes an error answer.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: message.into(), allowed: None }
    }

    /// 400 `invalid_argument`: the caller sent something that cannot be right.
    pub fn invalid(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409 `conflict`: right by itself, but not with what is there already.
    pub fn conflict(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 503 `unavailable`: this service cannot do it now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 405 `method_not_allowed`, with the methods that the path takes.
    pub fn method_not_allowed(message: impl Into<String>, allowed: &'static str) -> Self {
        let error =
            ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message.into());
        ApiError { allowed: Some(allowed), ..error }
    }

    /// 501 `unimplemented`: a call or an option that this service does not have.
    pub fn unimplemented(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_IMPLEMENTED, "unimplemented", message)
    }

    /// 500 `internal`: logs the cause and keeps it from the caller.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "request failed");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed inside the service; its log says why under this request id",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status;
        // The body is written by `finish_request`, which knows the request's id.
        let mut response = status.into_response();
        if let Some(allowed) = self.allowed {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Leaves answers and JSON bodies alone, and writes the JSON of every other error.
pub(super) async fn as_json_error(
    mut response: Response,
    method: &Method,
    path: &str,
    id: &str,
) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None => {
            let json = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
            if json.is_some_and(|it| it.starts_with("application/json")) {
                return response;
            }
            let body = std::mem::replace(response.body_mut(), Body::empty());
            // What axum itself has to say about a request is far shorter.
            let text = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
            foreign_error(status, method, path, String::from_utf8_lossy(&text).trim())
        }
    };
    let ApiError { code, message, .. } = error;
    let error = ErrorDetail { code: code.to_owned(), message, request_id: id.to_owned() };
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_TYPE);
    let mut answer = match is_of_protocol(path) {
        true => (status, Json(ProtocolError::from(error))).into_response(),
        false => (status, Json(ErrorAnswer { error })).into_response(),
    };
    answer.headers_mut().extend(headers);
    answer
}

/// Whether a path is of the Open Inference Protocol, whose clients know one form of errors only.
fn is_of_protocol(path: &str) -> bool {
    path == "/v2" || path.starts_with("/v2/")
}

/// The error of a request that no handler of ours refused.
fn foreign_error(status: StatusCode, method: &Method, path: &str, text: &str) -> ApiError {
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        other if other.is_client_error() => "invalid_argument",
        _ => "internal",
    };
    let message = if status == StatusCode::METHOD_NOT_ALLOWED {
        format!("`{path}` does not take {method}")
    } else if text.is_empty() {
        status.canonical_reason().unwrap_or("the request failed").to_lowercase()
    } else {
        text.to_owned()
    };
    ApiError::new(status, code, message)
}
