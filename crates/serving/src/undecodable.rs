//! Requests that are refused before any handler gets them, because their bytes are no message.
//!
//! tonic says INTERNAL for bytes that are no protobuf, as gRPC's own list of codes does. To a caller INTERNAL means that
//! the server is broken, so here it becomes INVALID_ARGUMENT; and those requests are counted, because nothing else sees
//! them. A stream's later messages are read behind the layer, where [`corrected`] is asked for each.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::http::{HeaderValue, Request, Response};
use percent_encoding::percent_decode;
use tonic::Code;
use tower::{Layer, Service};

use crate::metrics::ServingMetrics;

#[derive(Debug, Clone)]
pub(crate) struct UndecodableLayer {
    pub(crate) metrics: ServingMetrics,
}

#[derive(Debug, Clone)]
pub(crate) struct Undecodable<S> {
    inner: S,
    metrics: ServingMetrics,
}

impl<S> Layer<S> for UndecodableLayer {
    type Service = Undecodable<S>;

    fn layer(&self, inner: S) -> Undecodable<S> {
        Undecodable { inner, metrics: self.metrics.clone() }
    }
}

impl<S, Q, R> Service<Request<Q>> for Undecodable<S>
where
    S: Service<Request<Q>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let response = self.inner.call(request);
        let metrics = self.metrics.clone();
        Box::pin(async move {
            let mut response = response.await?;
            correct(&mut response, &metrics);
            Ok(response)
        })
    }
}

fn correct<R>(response: &mut Response<R>, metrics: &ServingMetrics) {
    const STATUS: &str = "grpc-status";
    let headers = response.headers_mut();
    // Only an answer without a message has its status among the headers.
    let Some(status) = headers.get(STATUS) else { return };
    let code = Code::from_bytes(status.as_bytes());
    let message = headers.get("grpc-message").map(HeaderValue::as_bytes).unwrap_or_default();
    let message = percent_decode(message).decode_utf8_lossy();
    if let Some(corrected) = corrected(code, &message) {
        headers.insert(STATUS, HeaderValue::from(i32::from(corrected)));
        metrics.undecodable();
    }
}

/// The code for a message that could not be read, by what tonic says of it; none of any other status.
pub(crate) fn corrected(code: Code, message: &str) -> Option<Code> {
    let says = |words: &[&str]| words.iter().any(|it| message.starts_with(it));
    match code {
        Code::Internal
            if says(&[
                "failed to decode Protobuf message",
                "protocol error",
                "Unexpected EOF",
                "Error decompressing",
            ]) =>
        {
            Some(Code::InvalidArgument)
        }
        // As documented; tonic says OUT_OF_RANGE, and for what becomes too long when decompressed the right one.
        Code::OutOfRange if says(&["Error, decoded message length"]) => {
            Some(Code::ResourceExhausted)
        }
        Code::ResourceExhausted if says(&["Error decompressing: size limit"]) => Some(code),
        _ => None,
    }
}
