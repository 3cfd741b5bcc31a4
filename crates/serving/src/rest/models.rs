//! What there is: the server, its models, and the repository that they come from.

use std::sync::Arc;

use axum::Json as JsonBody;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use shadowline_api::inference::{
    ConfiguredTensor, Done, Duration, IndexedModel, InferStatistics, Live, ModelConfig,
    ModelMetadata, ModelReady, ModelStatistics, Ready, ServerMetadata, StatisticsAnswer,
    TensorMetadata,
};
use shadowline_contract::Field;
use shadowline_service::http::{ApiError, read_body};
use shadowline_wire::inference::{self as wire, StatisticDuration};
use shadowline_wire::open_inference;

use super::json::{Json, Members};
use super::{Shared, Target, to_api};
use crate::describe;
use crate::grpc::SERVER_NAME;
use crate::models::{LoadRefused, Model, NotFound};

pub(super) async fn server_metadata() -> JsonBody<ServerMetadata> {
    JsonBody(ServerMetadata {
        name: SERVER_NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: describe::EXTENSIONS.map(str::to_owned).to_vec(),
    })
}

pub(super) async fn live() -> JsonBody<Live> {
    JsonBody(Live { live: true })
}

pub(super) async fn server_ready(State(shared): State<Shared>) -> Response {
    let ready = shared.health.report().is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JsonBody(Ready { ready })).into_response()
}

pub(super) async fn ready(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<Response, ApiError> {
    let ready = match shared.predictor.models.find(&name, &version) {
        Ok(_) => true,
        Err(NotFound::Unloaded { .. }) => false,
        Err(error) => return Err(to_api(error)),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, JsonBody(ModelReady { name, ready })).into_response())
}

pub(super) async fn metadata(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<JsonBody<ModelMetadata>, ApiError> {
    let models = &shared.predictor.models;
    let model = models.find(&name, &version).map_err(to_api)?;
    let versions: Vec<String> = match version.is_empty() {
        true => models.versions(&name).iter().map(|it| it.version_text.clone()).collect(),
        false => vec![model.version_text.clone()],
    };
    let tensors = |fields: &[Field]| {
        let all = open_inference::metadata(fields).into_iter();
        all.map(|it| TensorMetadata { name: it.name, datatype: it.datatype, shape: it.shape })
            .collect()
    };
    let Model { name, signature, backend, metadata, .. } = &*model;
    Ok(JsonBody(ModelMetadata {
        name: name.clone(),
        versions,
        platform: backend.platform().to_owned(),
        inputs: tensors(signature.inputs()),
        outputs: tensors(signature.outputs()),
        properties: metadata.clone(),
    }))
}

pub(super) async fn config(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<JsonBody<ModelConfig>, ApiError> {
    let model = shared.predictor.models.find(&name, &version).map_err(to_api)?;
    let wire::ModelConfig { name, platform, max_batch_size, input, output, backend } =
        describe::config(&model);
    let type_name =
        |it: i32| wire::DataType::try_from(it).unwrap_or_default().as_str_name().to_owned();
    let input = input.into_iter().map(|it| ConfiguredTensor {
        data_type: type_name(it.data_type),
        name: it.name,
        dims: it.dims,
    });
    let output = output.into_iter().map(|it| ConfiguredTensor {
        data_type: type_name(it.data_type),
        name: it.name,
        dims: it.dims,
    });
    Ok(JsonBody(ModelConfig {
        name,
        platform,
        backend,
        max_batch_size,
        input: input.collect(),
        output: output.collect(),
    }))
}

pub(super) async fn all_statistics(
    State(shared): State<Shared>,
) -> Result<JsonBody<StatisticsAnswer>, ApiError> {
    answer_statistics(&shared, "", "")
}

pub(super) async fn statistics(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<JsonBody<StatisticsAnswer>, ApiError> {
    answer_statistics(&shared, &name, &version)
}

fn answer_statistics(
    shared: &Shared,
    name: &str,
    version: &str,
) -> Result<JsonBody<StatisticsAnswer>, ApiError> {
    let chosen = shared.predictor.models.chosen(name, version).map_err(to_api)?;
    let model_stats = chosen.iter().map(|it| of_wire(describe::statistics(it))).collect();
    Ok(JsonBody(StatisticsAnswer { model_stats }))
}

fn of_wire(it: wire::ModelStatistics) -> ModelStatistics {
    let stats = it.inference_stats.unwrap_or_default();
    let duration = |it: Option<StatisticDuration>| {
        let it = it.unwrap_or_default();
        Duration { count: it.count, ns: it.ns }
    };
    ModelStatistics {
        name: it.name,
        version: it.version,
        last_inference: it.last_inference,
        inference_count: it.inference_count,
        execution_count: it.execution_count,
        inference_stats: InferStatistics {
            success: duration(stats.success),
            fail: duration(stats.fail),
            queue: duration(stats.queue),
            compute_input: duration(stats.compute_input),
            compute_infer: duration(stats.compute_infer),
            compute_output: duration(stats.compute_output),
            cache_hit: duration(stats.cache_hit),
            cache_miss: duration(stats.cache_miss),
        },
        batch_stats: Vec::new(),
    }
}

/// The members of a small body, of which none is needed: no bytes at all, and null, are as `{}`.
async fn members(body: Body, limit: usize) -> Result<Members, ApiError> {
    let body = read_body(body, limit).await?;
    let json = match body.is_empty() {
        true => Json::Object(Vec::new()),
        false => Json::read(&body).map_err(ApiError::invalid)?,
    };
    let json = if json.is_null() { Json::Object(Vec::new()) } else { json };
    Members::of(json, "").map_err(ApiError::invalid)
}

pub(super) async fn index(
    State(shared): State<Shared>,
    body: Body,
) -> Result<JsonBody<Vec<IndexedModel>>, ApiError> {
    let mut members = members(body, shared.message_bytes).await?;
    let only_ready = members.truth("ready").map_err(ApiError::invalid)?.unwrap_or(false);
    let index = shared.predictor.models.index().into_iter();
    let models = index.filter(|it| it.is_ready || !only_ready).map(|it| {
        let state = if it.is_ready { "READY" } else { "UNAVAILABLE" }.to_owned();
        IndexedModel { name: it.name, version: it.version.to_string(), state, reason: it.reason }
    });
    Ok(JsonBody(models.collect()))
}

pub(super) async fn load(
    State(shared): State<Shared>,
    Path(Target { name, .. }): Path<Target>,
    body: Body,
) -> Result<Response, ApiError> {
    let mut members = members(body, shared.message_bytes).await?;
    let parameters = members.object("parameters").map_err(ApiError::invalid)?;
    describe::check_loading(parameters.iter().map(|(name, _)| name.as_str()))
        .map_err(ApiError::unimplemented)?;
    let models = Arc::clone(&shared.predictor.models);
    let work = tokio::task::spawn_blocking(move || models.load(&name));
    match work.await.map_err(|error| ApiError::internal(&error))? {
        Ok(()) => Ok(JsonBody(Done {}).into_response()),
        Err(LoadRefused::NotFound(error)) => Err(to_api(error)),
        Err(error @ LoadRefused::Unusable { .. }) => Err(ApiError::conflict(error.to_string())),
        Err(LoadRefused::Store(error)) => Err(ApiError::internal(&error)),
    }
}

pub(super) async fn unload(
    State(shared): State<Shared>,
    Path(Target { name, .. }): Path<Target>,
    body: Body,
) -> Result<Response, ApiError> {
    let mut members = members(body, shared.message_bytes).await?;
    let parameters = members.object("parameters").map_err(ApiError::invalid)?;
    describe::check_unloading(parameters.iter().map(|(name, _)| name.as_str()))
        .map_err(ApiError::unimplemented)?;
    shared.predictor.models.unload(&name).map_err(to_api)?;
    Ok(JsonBody(Done {}).into_response())
}
