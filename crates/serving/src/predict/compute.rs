//! The second step: the model is asked, and its answer is held against its own contract.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use shadowline_contract::{Batch, NamedTensor};
use shadowline_error::{BoxError, chain};
use tracing::error;

use super::accept::Accepted;
use crate::backend::{AwaitedBackend, InlineBackend};
use crate::error::PredictError;
use crate::models::Model;

/// What a model said, or what it panicked with.
type Said = Result<Result<Vec<NamedTensor>, BoxError>, Box<dyn Any + Send>>;

/// Asks a model that answers on this thread.
pub(super) fn inline(backend: &InlineBackend, accepted: &Accepted) -> Result<Batch, PredictError> {
    let Accepted { model, inputs, .. } = accepted;
    // A model's panic must not take others' requests with it. The model is not changed by predicting, so there
    // is no half-done state to be seen afterwards.
    let said = catch_unwind(AssertUnwindSafe(|| backend.predict(inputs)));
    validate(model, inputs.n_records(), said)
}

/// Asks a model that answers later. The caller runs this to its end.
pub(super) async fn awaited(
    backend: &AwaitedBackend,
    accepted: &Accepted,
) -> Result<Batch, PredictError> {
    let Accepted { model, inputs, .. } = accepted;
    // As `inline`. The block is there for a panic that comes before there is a future.
    let asking = async { backend.predict(inputs).await };
    let said = AssertUnwindSafe(asking).catch_unwind().await;
    validate(model, inputs.n_records(), said)
}

fn validate(model: &Model, n_records: usize, said: Said) -> Result<Batch, PredictError> {
    let answer = match said {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Err(failed(model, chain(error.as_ref()))),
        Err(panic) => return Err(failed(model, format!("it panicked: {}", panic_text(&*panic)))),
    };
    match model.signature.validate_outputs(answer) {
        Ok(outputs) if outputs.n_records() == n_records => Ok(outputs),
        Ok(outputs) => {
            let reason = format!("it answered {} of {n_records} records", outputs.n_records());
            Err(failed(model, reason))
        }
        Err(source) => {
            let (model, version) = (model.name.clone(), model.version_text.clone());
            Err(PredictError::Answer { model, version, source: source.into() })
        }
    }
}

fn failed(model: &Model, reason: String) -> PredictError {
    error!(model = model.name, version = model.version_text, reason, "model failed");
    PredictError::Model { model: model.name.clone(), version: model.version_text.clone(), reason }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it said nothing")
}
