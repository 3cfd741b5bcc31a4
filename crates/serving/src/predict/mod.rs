//! A prediction from its request to its answer, the same for every endpoint, in three steps:
//!
//! 1. [`accept`]: the request is checked as a whole. Synchronous. What is not accepted is recorded as the error that its
//!    caller gets.
//! 2. [`compute`]: the model is asked. May await.
//! 3. [`record`]: the inference is appended to the spool and counted. Synchronous.
//!
//! **Invariant:** what was accepted is computed and recorded, once, whether its caller waits or hangs up. A caller that
//! hangs up drops the future of [`Predictor::predict`], so everything from acceptance on has no `await` in it, or runs in
//! a task of its own. A request whose caller is gone before it was accepted leaves nothing.

mod accept;
mod compute;
mod record;
mod request;
mod tags;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::SpanContext;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, error, error_span};
use uuid::Uuid;

use self::accept::{Accepted, Arrival, RequestContext, accept, reject};
use self::record::Recorder;
pub(crate) use self::request::{Answer, Inputs, Refusal, Request};
pub(crate) use self::tags::Tags;
use crate::backend::Backend;
use crate::error::PredictError;
use crate::metrics::{Endpoint, ServingMetrics, UNKNOWN_MODEL};
use crate::models::Models;
use crate::shadow::Shadow;

/// Elements from which on a request is computed off the threads that answer.
const LARGE_ELEMENTS: usize = 4096;

/// What all predictions share.
#[derive(Debug)]
pub(crate) struct Predictor {
    pub(crate) models: Arc<Models>,
    shadow: Arc<Shadow>,
    metrics: ServingMetrics,
    request_timeout: Duration,
    large: Arc<Semaphore>,
    /// What runs on without its caller.
    detached: TaskTracker,
}

/// A request after its synchronous part.
enum Begun {
    Ended(Result<Answer, Refusal>),
    /// The model answers later.
    Awaiting(Box<Accepted>),
}

impl Predictor {
    pub(crate) fn new(
        models: Arc<Models>,
        shadow: Arc<Shadow>,
        metrics: ServingMetrics,
        request_timeout: Duration,
        large_requests: usize,
    ) -> Self {
        let large = Arc::new(Semaphore::new(large_requests));
        let detached = TaskTracker::new();
        Self { models, shadow, metrics, request_timeout, large, detached }
    }

    /// Answers a request. When this returns an answer, the inference is in the spool.
    pub(crate) async fn predict(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        let arrival = Arrival::now();
        if LARGE_ELEMENTS <= request.inputs.n_elements() {
            return self.predict_large(request, arrival).await;
        }
        match self.begin(request, arrival) {
            Begun::Ended(result) => result,
            Begun::Awaiting(accepted) => {
                let call = Call::of(&accepted);
                let this = Arc::clone(self);
                let task = self.detached.spawn(async move { this.end(*accepted).await });
                self.wait(call, task).await
            }
        }
    }

    /// Refuses a request whose message could not be read at all: it is shadowed as an error, and counted as those that
    /// gRPC itself cannot read.
    pub(crate) async fn undecodable(self: &Arc<Self>, request: Request) -> Result<Answer, Refusal> {
        self.count_undecodable();
        self.predict(request).await
    }

    /// Counts a message that could not be read.
    pub(crate) fn count_undecodable(&self) {
        self.metrics.undecodable();
    }

    /// Accepts a request and, where its model answers at once, computes and records it: all without an `await`, so that
    /// nothing can come between.
    fn begin(&self, request: Request, arrival: Arrival) -> Begun {
        let _logged_with = span_of(request.trace.as_ref()).entered();
        let accepted = match accept(&self.models, request, arrival) {
            Ok(accepted) => accepted,
            Err(rejected) => return Begun::Ended(Err(self.recorder().rejected(*rejected))),
        };
        match &accepted.model.backend {
            Backend::Inline(backend) => {
                let computed = compute::inline(backend, &accepted);
                Begun::Ended(self.recorder().computed(accepted, computed))
            }
            Backend::Awaited(_) => Begun::Awaiting(Box::new(accepted)),
        }
    }

    /// Computes and records what was accepted. It runs in a task, which goes on when the caller hangs up.
    async fn end(&self, accepted: Accepted) -> Result<Answer, Refusal> {
        let span = span_of(accepted.context.trace.as_ref());
        let model = Arc::clone(&accepted.model);
        let computing = async {
            match &model.backend {
                Backend::Inline(backend) => compute::inline(backend, &accepted),
                Backend::Awaited(backend) => compute::awaited(backend, &accepted).await,
            }
        };
        let computed = computing.instrument(span.clone()).await;
        span.in_scope(|| self.recorder().computed(accepted, computed))
    }

    /// Accepts and computes on a thread of its own, so that small requests do not wait behind a large one.
    async fn predict_large(
        self: &Arc<Self>,
        mut request: Request,
        arrival: Arrival,
    ) -> Result<Answer, Refusal> {
        let limit = self.request_timeout;
        let deadline = arrival.started + limit;
        let permit = tokio::time::timeout_at(deadline, Arc::clone(&self.large).acquire_owned());
        let permit = match permit.await {
            Ok(permit) => permit.expect("the semaphore is never closed"),
            Err(_) => {
                let error = PredictError::TimedOut { limit };
                return Err(self.recorder().rejected(reject(request, arrival, error)));
            }
        };
        if request.id.is_empty() {
            // Chosen here, so that a refusal before the record is made names the same.
            request.id = Uuid::now_v7().to_string();
        }
        let call = Call { endpoint: request.endpoint, id: request.id.clone(), arrival };
        let this = Arc::clone(self);
        let id = call.id.clone();
        let task = self.detached.spawn(async move {
            let that = Arc::clone(&this);
            let begun = tokio::task::spawn_blocking(move || that.begin(request, arrival)).await;
            let result = match begun {
                Ok(Begun::Ended(result)) => result,
                Ok(Begun::Awaiting(accepted)) => this.end(*accepted).await,
                Err(error) => Err(cut_off(id, &error)),
            };
            drop(permit);
            result
        });
        self.wait(call, task).await
    }

    /// Waits for a task for as long as a request may take.
    async fn wait(
        &self,
        call: Call,
        task: JoinHandle<Result<Answer, Refusal>>,
    ) -> Result<Answer, Refusal> {
        let Call { endpoint, id, arrival } = call;
        let limit = self.request_timeout;
        match tokio::time::timeout_at(arrival.started + limit, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(error)) => Err(cut_off(id, &error)),
            // The task goes on, and records and counts under its model how it ended.
            Err(_) => {
                let error = PredictError::TimedOut { limit };
                self.metrics.refused(UNKNOWN_MODEL, UNKNOWN_MODEL, endpoint, error.code_name());
                Err(Refusal { id, error })
            }
        }
    }

    /// Waits until everything that was accepted is recorded; nothing may be asked any more.
    pub(crate) async fn finish(&self) {
        self.detached.close();
        self.detached.wait().await;
    }

    fn recorder(&self) -> Recorder<'_> {
        Recorder { shadow: &self.shadow, metrics: &self.metrics }
    }
}

/// What a caller is told by if its task does not answer.
struct Call {
    endpoint: Endpoint,
    id: String,
    arrival: Arrival,
}

impl Call {
    fn of(accepted: &Accepted) -> Self {
        let RequestContext { endpoint, id, arrival, .. } = &accepted.context;
        Self { endpoint: *endpoint, id: id.clone(), arrival: *arrival }
    }
}

/// The refusal of a request whose task ended without a result, which is a bug of ours.
fn cut_off(id: String, error: &JoinError) -> Refusal {
    error!(%error, "a prediction ended without a result");
    let (model, version) = (UNKNOWN_MODEL.to_owned(), String::new());
    let reason = "it was cut off".to_owned();
    Refusal { id, error: PredictError::Model { model, version, reason } }
}

/// What failures are logged in: at the level of errors, so that each is logged with its request's trace.
fn span_of(trace: Option<&SpanContext>) -> Span {
    match trace {
        Some(trace) => {
            error_span!("predict", trace_id = %trace.trace_id(), span_id = %trace.span_id())
        }
        None => Span::none(),
    }
}
