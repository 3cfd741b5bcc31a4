//! The REST endpoints: the Open Inference Protocol with the calls of Triton's dialect, KServe's first protocol, and predict
//! by named fields.
//!
//! Start at [`declare`] for the routes. `infer.rs` answers tensors, of which `body.rs` has the request and `answer.rs` the
//! answer; `predict.rs` answers named fields and instances; `models.rs` says what is there, and `unsupported.rs` what is
//! not.

mod answer;
mod body;
mod coding;
mod infer;
mod instances;
mod json;
mod models;
mod predict;
mod tensors;
mod unsupported;
mod verbs;

use std::sync::Arc;

use axum::Extension;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shadowline_api::Role;
use shadowline_service::health::Health;
use shadowline_service::http::{ApiError, BodyError, RequestTrace};
use shadowline_service::routes::{Declared, Routes};

use self::verbs::mind_verbs;
use crate::describe::header_text;
use crate::error::PredictError;
use crate::grpc::{DROPPED_TAGS, INFERENCE_ID};
use crate::metrics::Endpoint;
use crate::models::NotFound;
use crate::predict::{Answer, Inputs, Predictor, Refusal, Request, Tags};

#[derive(Debug, Clone)]
struct Shared {
    predictor: Arc<Predictor>,
    health: Health,
    message_bytes: usize,
}

/// The routes of all REST endpoints.
pub(crate) fn routes(predictor: Arc<Predictor>, health: Health, message_bytes: usize) -> Routes {
    declare(message_bytes).with_state(Shared { predictor, health, message_bytes })
}

/// The same routes as a list.
pub(crate) fn declared() -> Vec<Declared> {
    declare(0).into_declared()
}

fn declare(message_bytes: usize) -> Routes<Shared> {
    use Role::{Admin, Predict, Public, Read};
    let ours = Routes::new()
        .get(Public, "/v2", models::server_metadata)
        .get(Public, "/v2/health/live", models::live)
        .get(Public, "/v2/health/ready", models::server_ready)
        .get(Predict, "/v2/models/stats", models::all_statistics)
        .get(Predict, "/v2/models/{name}", models::metadata)
        .get(Predict, "/v2/models/{name}/versions/{version}", models::metadata)
        .get(Predict, "/v2/models/{name}/ready", models::ready)
        .get(Predict, "/v2/models/{name}/versions/{version}/ready", models::ready)
        .get(Predict, "/v2/models/{name}/config", models::config)
        .get(Predict, "/v2/models/{name}/versions/{version}/config", models::config)
        .get(Predict, "/v2/models/{name}/stats", models::statistics)
        .get(Predict, "/v2/models/{name}/versions/{version}/stats", models::statistics)
        .post(Predict, "/v2/models/{name}/infer", infer::infer)
        .post(Predict, "/v2/models/{name}/versions/{version}/infer", infer::infer)
        .post(Read, "/v2/repository/index", models::index)
        .post(Admin, "/v2/repository/models/{name}/load", models::load)
        .post(Admin, "/v2/repository/models/{name}/unload", models::unload)
        .post(Predict, "/v1/models/{name}:predict", predict::predict)
        .post(Predict, "/v1/models/{name}/versions/{version}:predict", predict::predict)
        // Bodies are read by their own limit; what is left is small.
        .layer(DefaultBodyLimit::max(message_bytes));
    ours.merge(unsupported::declare())
}

/// The parameters of every path here.
#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    #[serde(default)]
    version: String,
}

fn to_api(error: NotFound) -> ApiError {
    PredictError::from(error).to_api()
}

fn with_id(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(HeaderName::from_static(INFERENCE_ID), id);
    }
    response
}

/// An answer with what its headers say of it.
fn with_headers(response: Response, answer: &Answer) -> Response {
    let mut response = with_id(response, &answer.id);
    if let Some(dropped) = &answer.dropped_tags
        && let Ok(dropped) = HeaderValue::from_str(&header_text(dropped))
    {
        response.headers_mut().insert(HeaderName::from_static(DROPPED_TAGS), dropped);
    }
    response
}

fn refused(refusal: &Refusal) -> Response {
    with_id(refusal.error.to_api().into_response(), &refusal.id)
}

type Trace = Option<Extension<RequestTrace>>;

/// Why a body is no request.
struct Undecodable(PredictError);

impl From<String> for Undecodable {
    fn from(message: String) -> Self {
        Self(PredictError::Tensors(message))
    }
}

impl From<BodyError> for Undecodable {
    fn from(error: BodyError) -> Self {
        Self(match error {
            BodyError::TooLarge { .. } => PredictError::TooLarge(error.to_string()),
            BodyError::Unreadable(_) => PredictError::Tensors(error.to_string()),
        })
    }
}

/// Refuses a body that is no request, which is shadowed and counted all the same.
async fn undecodable(
    shared: &Shared,
    endpoint: Endpoint,
    target: Target,
    trace: Trace,
    Undecodable(error): Undecodable,
) -> Response {
    let request = Request {
        endpoint,
        model_name: target.name,
        model_version: target.version,
        id: String::new(),
        tags: Tags::default(),
        trace: trace.map(|Extension(it)| it.0),
        inputs: Inputs::Unusable { tensors: Vec::new(), error },
        outputs: Vec::new(),
    };
    match shared.predictor.undecodable(request).await {
        Err(refusal) => refused(&refusal),
        Ok(_) => ApiError::invalid("body: expected a request").into_response(),
    }
}

/// Puts the routes of packages beside those of predictions: their paths differ by the verb behind the name alone.
pub(crate) fn beside_packages(ours: Routes, packages: Routes) -> Routes {
    ours.merge(packages).layer(from_fn(mind_verbs))
}
