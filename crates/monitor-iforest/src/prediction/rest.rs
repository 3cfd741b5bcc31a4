//! The routes of predictions.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use shadowline_api::Role;
use shadowline_api::prediction::{
    Information, Place, Prediction, PredictionRequest, Problem, ProblemsAnswer,
};
use shadowline_service::http::{ApiError, read_body};
use shadowline_service::routes::{Declared, Routes};
use tokio::time::Instant;
use utoipa::OpenApi;

use super::models::{Model, Models, NoModel};
use super::problem::{self, unprocessable};
use super::vector::{self, Asked};

/// Size limit of a body: some 50,000 features.
const MAX_BODY_BYTES: usize = 1024 * 1024;

#[derive(OpenApi)]
#[openapi(paths(predict, information, predict_named, information_named))]
struct Document;

/// What the OpenAPI document says of the routes.
pub(crate) fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(super) fn routes(models: Arc<Models>) -> Routes {
    declare().with_state(models)
}

/// The same routes as a list.
pub(crate) fn declared() -> Vec<Declared> {
    declare().into_declared()
}

fn declare() -> Routes<Arc<Models>> {
    use Role::Predict;
    Routes::new()
        .post(Predict, "/prediction", predict)
        .get(Predict, "/model_information", information)
        .post(Predict, "/models/{name}/prediction", predict_named)
        .get(Predict, "/models/{name}/model_information", information_named)
}

/// Says whether a feature vector is an anomaly, by the only model or the one of the settings.
#[utoipa::path(post, path = "/prediction", tag = "predictions", request_body = PredictionRequest, responses(
    (status = 200, body = Prediction),
    (status = 409, body = ref("#/components/schemas/ErrorAnswer"), description = "There are several models, and the path names none"),
    (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The body could not be read"),
    (status = 413, body = ref("#/components/schemas/ErrorAnswer"), description = "The body has more than 1 MiB"),
    (status = 415, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is in a coding other than gzip and deflate"),
    (status = 422, body = ProblemsAnswer, description = "The body is not one; nothing was predicted"),
    (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no model"),
))]
async fn predict(State(models): State<Arc<Models>>, request: Request) -> Response {
    answer(&models, None, request).await
}

/// Says whether a feature vector is an anomaly, by a model of a name.
#[utoipa::path(post, path = "/models/{name}/prediction", tag = "predictions", request_body = PredictionRequest, params(
    ("name" = String, Path, description = "The model's name; its newest version answers"),
), responses(
    (status = 200, body = Prediction),
    (status = 404, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no such model"),
    (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The body could not be read"),
    (status = 413, body = ref("#/components/schemas/ErrorAnswer"), description = "The body has more than 1 MiB"),
    (status = 415, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is in a coding other than gzip and deflate"),
    (status = 422, body = ProblemsAnswer, description = "The body is not one; nothing was predicted"),
    (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no model at all"),
))]
async fn predict_named(
    State(models): State<Arc<Models>>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    answer(&models, Some(&name), request).await
}

/// Shows the parameters of the only model or the one of the settings, as scikit-learn's `get_params`, and more.
#[utoipa::path(get, path = "/model_information", tag = "predictions", responses(
    (status = 200, body = Information),
    (status = 409, body = ref("#/components/schemas/ErrorAnswer"), description = "There are several models, and the path names none"),
    (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no model"),
))]
async fn information(State(models): State<Arc<Models>>) -> Result<Response, ApiError> {
    describe(&models, None)
}

/// Shows the parameters of a model of a name, as scikit-learn's `get_params`, and more.
#[utoipa::path(get, path = "/models/{name}/model_information", tag = "predictions", params(
    ("name" = String, Path, description = "The model's name; its newest version is described"),
), responses(
    (status = 200, body = Information),
    (status = 404, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no such model"),
    (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "There is no model at all"),
))]
async fn information_named(
    State(models): State<Arc<Models>>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    describe(&models, Some(&name))
}

fn describe(models: &Models, name: Option<&str>) -> Result<Response, ApiError> {
    let model = models.find(name).map_err(|no_model| {
        models.metrics.information_of_no_model();
        to_api(no_model)
    })?;
    model.metrics.information();
    Ok(Json(&model.information).into_response())
}

async fn answer(models: &Models, name: Option<&str>, request: Request) -> Response {
    let started = Instant::now();
    let model = match models.find(name) {
        Ok(model) => model,
        Err(no_model) => {
            let error = to_api(no_model);
            models.metrics.asked_no_model(error.code);
            return error.into_response();
        }
    };
    model.metrics.asked();
    let refused = |code| models.metrics.refused(&model.name, code);
    let body = match read_body(request.into_body(), MAX_BODY_BYTES).await {
        Ok(body) => body,
        Err(error) => {
            let error = ApiError::from(error);
            refused(error.code);
            return error.into_response();
        }
    };
    match judge(&model, &body) {
        Ok((prediction, score)) => {
            let answer = Json(&prediction).into_response();
            let asked_score = prediction.anomaly_score.and(Some(score));
            let seconds = started.elapsed().as_secs_f64();
            model.metrics.answered(prediction.is_inlier == 1, asked_score, seconds);
            answer
        }
        Err(problems) => {
            refused(problem::label(&problems));
            unprocessable(problems)
        }
    }
}

/// The answer to a body, and the score of its vector. A few microseconds, so it is not sent to other threads.
fn judge(model: &Model, body: &[u8]) -> Result<(Prediction, f64), Vec<Problem>> {
    let Asked { features, wants_score } = vector::read(body, model.artefact())?;
    let unscored = |reason: String| {
        let msg = format!("Value error, {reason}");
        vec![problem::at(problem::VALUE_ERROR, [Place::from("feature_vector")], msg, &json!(null))]
    };
    let forest = model.forest().ok_or_else(|| unscored("the model is no forest".to_owned()))?;
    let scores = forest.score_samples(features.values.view());
    let score = scores.map_err(|error| unscored(error.to_string()))?[0];
    // As `decision_function` and `predict` have it.
    let is_inlier = if score - forest.offset() < 0.0 { -1 } else { 1 };
    Ok((Prediction { is_inlier, anomaly_score: wants_score.then_some(Some(score)) }, score))
}

fn to_api(no_model: NoModel) -> ApiError {
    match no_model {
        NoModel::NoneInstalled => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_model",
            "no model is here: name a package's folder in the setting `install`, or send one to /v1/models",
        ),
        NoModel::Unknown { name, known } => {
            let known = known.join(", ");
            ApiError::not_found(format!("there is no model `{name}`; there are: {known}"))
        }
        NoModel::Several { known } => {
            let example = known.first().map_or("NAME", String::as_str);
            let message = format!(
                "there are several models: {}; name one in the path, as in /models/{example}/prediction, or in the \
                 setting `prediction.model`",
                known.join(", ")
            );
            ApiError::new(StatusCode::CONFLICT, "several_models", message)
        }
    }
}
