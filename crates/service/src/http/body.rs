//! Bodies of requests: compressed ones become plain, and a long one is refused so that its sender comes to read why.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tower::{ServiceExt, service_fn};
use tower_http::decompression::{DecompressionBody, RequestDecompression};

use super::error::ApiError;

/// How much of a body beyond its limit is read and thrown away: who is still writing does not read an answer.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

/// The codings of a body that are undone.
const CODINGS: &str = "gzip, deflate";

/// Answers a request whose body may be in a coding: its handler reads it decoded, and so counts what it has become. A body
/// in a coding that is not undone here is refused, before anybody takes its bytes for something else.
pub(super) async fn run_decoded(mut request: Request, next: Next) -> Response {
    let codings = codings(request.headers());
    match codings.as_slice() {
        [] => next.run(request).await,
        [coding] if coding == "identity" => {
            request.headers_mut().remove(CONTENT_ENCODING);
            next.run(request).await
        }
        [coding] if coding == "gzip" || coding == "deflate" => {
            // As one name in lower case, which is all that the decoder knows.
            if let Ok(value) = HeaderValue::from_str(coding) {
                request.headers_mut().insert(CONTENT_ENCODING, value);
            }
            decode(request, next).await
        }
        codings => {
            let message = format!(
                "the body's Content-Encoding is `{}`; expected one of gzip and deflate, or none",
                codings.join(", ")
            );
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let error = ApiError::new(status, "unsupported_media_type", message);
            ([(ACCEPT_ENCODING, CODINGS)], error).into_response()
        }
    }
}

async fn decode(request: Request, next: Next) -> Response {
    let inner = service_fn(move |request: axum::http::Request<DecompressionBody<Body>>| {
        let next = next.clone();
        async move { Ok::<_, Infallible>(next.run(request.map(Body::new)).await) }
    });
    match RequestDecompression::new(inner).oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(never) => match never {},
    }
}

/// The codings that the headers name, in lower case.
fn codings(headers: &HeaderMap) -> Vec<String> {
    let mut codings = Vec::new();
    for value in headers.get_all(CONTENT_ENCODING) {
        for coding in String::from_utf8_lossy(value.as_bytes()).split(',') {
            let coding = coding.trim().to_ascii_lowercase();
            match coding.as_str() {
                "" => {}
                "x-gzip" => codings.push("gzip".to_owned()),
                _ => codings.push(coding),
            }
        }
    }
    codings
}

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is longer than it may be.
    #[error("body: expected at most {limit} bytes, got {got}")]
    TooLarge {
        /// What it may have.
        limit: usize,
        /// What it has, or more than what.
        got: String,
    },
    /// It broke off, or is not in the coding that its headers name.
    #[error("body: {0}")]
    Unreadable(String),
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            BodyError::Unreadable(_) => (StatusCode::BAD_REQUEST, "unreadable_body"),
        };
        ApiError::new(status, code, error.to_string())
    }
}

/// Reads a whole body, decoded, of at most `limit` bytes. Most come in one piece, which is not copied.
///
/// # Errors
/// [`BodyError`]; of a body that is too long, much is read before.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    let mut pieces = body.into_data_stream();
    let mut whole = Bytes::new();
    let mut n_bytes = 0;
    let mut is_whole = true;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| BodyError::Unreadable(unreadable(&error)))?;
        n_bytes += piece.len();
        if limit.saturating_add(MAX_DISCARDED_BYTES) < n_bytes {
            is_whole = false;
            break;
        }
        if limit < n_bytes {
            whole = Bytes::new();
        } else if whole.is_empty() {
            whole = piece;
        } else {
            whole = joined(whole, &piece);
        }
    }
    if limit < n_bytes {
        let got = if is_whole { n_bytes.to_string() } else { format!("more than {n_bytes}") };
        return Err(BodyError::TooLarge { limit, got });
    }
    Ok(whole)
}

/// Both pieces; the first grows in place where it is not shared.
fn joined(whole: Bytes, piece: &Bytes) -> Bytes {
    let mut whole = bytes::BytesMut::from(whole);
    whole.extend_from_slice(piece);
    whole.freeze()
}

/// The innermost cause, which says what is wrong with the bytes.
fn unreadable(error: &axum::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("expected to read it whole: {cause}")
}
