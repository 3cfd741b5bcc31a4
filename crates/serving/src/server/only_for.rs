//! A gRPC port that answers some methods only.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::{Request, Response};
use futures_util::future::Either;
use tonic::Status;
use tower::{Layer, Service};

#[derive(Debug, Clone)]
pub(super) struct OnlyForLayer {
    /// The paths of the methods that are refused.
    pub(super) closed: Arc<HashSet<&'static str>>,
}

#[derive(Debug, Clone)]
pub(super) struct OnlyFor<S> {
    inner: S,
    closed: Arc<HashSet<&'static str>>,
}

impl<S> Layer<S> for OnlyForLayer {
    type Service = OnlyFor<S>;

    fn layer(&self, inner: S) -> OnlyFor<S> {
        OnlyFor { inner, closed: Arc::clone(&self.closed) }
    }
}

impl<S, Q, R> Service<Request<Q>> for OnlyFor<S>
where
    S: Service<Request<Q>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<R>, S::Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let path = request.uri().path();
        if self.closed.contains(path) {
            let message = format!(
                "`{path}` is not for this port, which takes predictions only; expected the REST call on the port \
                 of `operate.listen`"
            );
            return Either::Right(ready(Ok(Status::permission_denied(message).into_http())));
        }
        Either::Left(self.inner.call(request))
    }
}
