//! Bodies of requests that come too slowly are given up.
//!
//! Counted is only the time in which somebody waits for the body: a handler may take its own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::CONNECTION;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::ApiError;

/// How long a sender may send nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// What has to come in a second, once the patience is used up.
const BYTES_PER_SECOND: u64 = 1024;

/// The body came too slowly.
#[derive(Debug, thiserror::Error)]
#[error(
    "it came too slowly: nothing for {} s, or less than {BYTES_PER_SECOND} bytes in a second",
    PATIENCE.as_secs()
)]
struct TooSlow;

/// Whether a body was given up, for the answer.
#[derive(Debug, Clone, Default)]
pub(super) struct GivenUp(Arc<AtomicBool>);

impl GivenUp {
    /// Puts the time limit around a body that is still to come.
    pub(super) fn limited(&self, body: Body) -> Body {
        match body.is_end_stream() {
            true => body,
            false => Body::new(Timed {
                body,
                given_up: self.clone(),
                waiting: None,
                waited: Duration::ZERO,
                n_bytes: 0,
            }),
        }
    }

    /// Makes of the refusal of a body that was given up one that says so.
    pub(super) fn explain(&self, response: &mut Response) {
        if !self.0.load(Ordering::Acquire) || response.status().is_success() {
            return;
        }
        let status = StatusCode::REQUEST_TIMEOUT;
        *response.status_mut() = status;
        // What else comes on this connection is the rest of the body.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let error = ApiError::new(status, "request_timeout", format!("body: {TooSlow}"));
        response.extensions_mut().insert(error);
    }
}

struct Timed {
    body: Body,
    given_up: GivenUp,
    /// Since when it is waited for, and until when it will be.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    waited: Duration,
    n_bytes: u64,
}

impl Timed {
    /// How long may be waited now.
    fn patience(&self) -> Duration {
        let earned = Duration::from_secs(self.n_bytes / BYTES_PER_SECOND);
        (PATIENCE + earned).saturating_sub(self.waited).min(PATIENCE)
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        match Pin::new(&mut this.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                if let Some((since, _)) = this.waiting.take() {
                    this.waited += since.elapsed();
                }
                if let Some(Ok(frame)) = &frame
                    && let Some(data) = frame.data_ref()
                {
                    this.n_bytes += data.len() as u64;
                }
                Poll::Ready(frame)
            }
            Poll::Pending => {
                let patience = this.patience();
                let (_, timer) = this.waiting.get_or_insert_with(|| {
                    let now = Instant::now();
                    (now, Box::pin(sleep_until(now + patience)))
                });
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.given_up.0.store(true, Ordering::Release);
                Poll::Ready(Some(Err(axum::Error::new(TooSlow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// Reads a body of pieces that come one by one, each after a pause; how much of it came, and when it was over.
    async fn read(pieces: Vec<(u64, usize)>) -> (usize, Duration, bool) {
        let pieces = stream::unfold(pieces.into_iter(), async |mut pieces| {
            let (seconds, n_bytes) = pieces.next()?;
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![0; n_bytes])), pieces))
        });
        let given_up = GivenUp::default();
        let body = given_up.limited(Body::from_stream(pieces));
        let began = Instant::now();
        let mut stream = body.into_data_stream();
        let mut n_bytes = 0;
        while let Some(Ok(piece)) = futures_util::StreamExt::next(&mut stream).await {
            n_bytes += piece.len();
        }
        (n_bytes, began.elapsed(), given_up.0.load(Ordering::Acquire))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_take_its_time_as_long_as_it_comes() {
        // A hundred seconds, at twice the least speed.
        let (n_bytes, _, given_up) = read(vec![(1, 2048); 100]).await;
        assert_eq!((n_bytes, given_up), (204_800, false));
        let (n_bytes, took, given_up) = read(vec![(0, 10_000_000), (100, 1)]).await;
        assert_eq!((n_bytes, took.as_secs(), given_up), (10_000_000, 20, true));
        // Byte by byte, never silent for long.
        let (n_bytes, took, given_up) = read(vec![(9, 1); 100]).await;
        assert_eq!((n_bytes, took.as_secs(), given_up), (2, 20, true));
    }
}
