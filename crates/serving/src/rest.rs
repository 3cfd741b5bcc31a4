//! The REST endpoints: the Open Inference Protocol's REST form, and predict by named fields.
//!
//! `POST /v1/models/{name}:predict` takes either the fields themselves, `{"age": 39, "workclass": "Private"}`, or an
//! object with the names of `PredictRequest`: `{"inputs": {…}, "inference_id": "…", "tags": {…}}`. A body whose member
//! `inputs` is an object is the latter; no field can be mistaken for that, because no field's value is an object.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json as JsonBody};
use serde::Deserialize;
use serde_json::json;
use shadowline_api::Role;
use shadowline_contract::{DataType, NamedTensor, Tensor, TensorData, Value};
use shadowline_service::health::Health;
use shadowline_service::http::{ApiError, RequestTrace};
use shadowline_service::routes::{Declared, Routes};
use shadowline_wire::{named_values, open_inference};

use crate::error::PredictError;
use crate::grpc::{INFERENCE_ID, SERVER_NAME};
use crate::json::Json;
use crate::metrics::Endpoint;
use crate::models::{LoadRefused, Model, NotFound, clip};
use crate::predict::{Answer, Inputs, Predictor, Refusal, Request};

#[derive(Debug, Clone)]
struct Shared {
    predictor: Arc<Predictor>,
    health: Health,
    message_bytes: usize,
}

/// The routes of both REST endpoints.
pub(crate) fn routes(predictor: Arc<Predictor>, health: Health, message_bytes: usize) -> Routes {
    declare(message_bytes).with_state(Shared { predictor, health, message_bytes })
}

/// The same routes as a list.
pub(crate) fn declared() -> Vec<Declared> {
    declare(0).into_declared()
}

fn declare(message_bytes: usize) -> Routes<Shared> {
    use Role::{Admin, Predict, Public, Read};
    Routes::new()
        .get(Public, "/v2", server_metadata)
        .get(Public, "/v2/health/live", async || JsonBody(json!({"live": true})))
        .get(Public, "/v2/health/ready", server_ready)
        .get(Predict, "/v2/models/{name}", model_metadata)
        .get(Predict, "/v2/models/{name}/versions/{version}", model_metadata)
        .get(Predict, "/v2/models/{name}/ready", model_ready)
        .get(Predict, "/v2/models/{name}/versions/{version}/ready", model_ready)
        .post(Predict, "/v2/models/{name}/infer", infer)
        .post(Predict, "/v2/models/{name}/versions/{version}/infer", infer)
        .post(Read, "/v2/repository/index", repository_index)
        .post(Admin, "/v2/repository/models/{name}/load", repository_load)
        .post(Admin, "/v2/repository/models/{name}/unload", repository_unload)
        .post(Predict, "/v1/models/{name}:predict", predict)
        .post(Predict, "/v1/models/{name}/versions/{version}:predict", predict)
        .layer(DefaultBodyLimit::max(message_bytes))
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

async fn server_metadata() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    let extensions = ["model_repository"];
    JsonBody(json!({"name": SERVER_NAME, "version": version, "extensions": extensions}))
        .into_response()
}

async fn server_ready(State(shared): State<Shared>) -> Response {
    let ready = shared.health.report().is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JsonBody(json!({"ready": ready}))).into_response()
}

async fn model_ready(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<Response, ApiError> {
    let ready = match shared.predictor.models.find(&name, &version) {
        Ok(_) => true,
        Err(NotFound::Unloaded { .. }) => false,
        Err(error) => return Err(to_api(error)),
    };
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, JsonBody(json!({"name": name, "ready": ready}))).into_response())
}

async fn model_metadata(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<Response, ApiError> {
    let models = &shared.predictor.models;
    let model = models.find(&name, &version).map_err(to_api)?;
    let versions: Vec<String> = match version.is_empty() {
        true => models.versions(&name).iter().map(|it| it.version_text.clone()).collect(),
        false => vec![model.version_text.clone()],
    };
    let tensors = |fields| {
        let all = open_inference::metadata(fields).into_iter();
        all.map(|it| json!({"name": it.name, "datatype": it.datatype, "shape": it.shape}))
            .collect::<Vec<_>>()
    };
    let Model { name, signature, backend, metadata, .. } = &*model;
    Ok(JsonBody(json!({
        "name": name,
        "versions": versions,
        "platform": backend.platform(),
        "inputs": tensors(signature.inputs()),
        "outputs": tensors(signature.outputs()),
        "properties": metadata,
    }))
    .into_response())
}

async fn repository_index(State(shared): State<Shared>, body: Bytes) -> Result<Response, ApiError> {
    #[derive(Default, Deserialize)]
    struct Filter {
        #[serde(default)]
        ready: bool,
    }
    let Filter { ready } = if body.is_empty() {
        Filter::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::invalid(format!("body: {error}")))?
    };
    let index = shared.predictor.models.index().into_iter();
    let models: Vec<_> = index
        .filter(|it| it.is_ready || !ready)
        .map(|it| {
            let state = if it.is_ready { "READY" } else { "UNAVAILABLE" };
            let version = it.version.to_string();
            json!({"name": it.name, "version": version, "state": state, "reason": it.reason})
        })
        .collect();
    Ok(JsonBody(models).into_response())
}

async fn repository_load(
    State(shared): State<Shared>,
    Path(Target { name, .. }): Path<Target>,
) -> Result<Response, ApiError> {
    let models = Arc::clone(&shared.predictor.models);
    let work = tokio::task::spawn_blocking(move || models.load(&name));
    match work.await.map_err(|error| ApiError::internal(&error))? {
        Ok(()) => Ok(JsonBody(json!({})).into_response()),
        Err(LoadRefused::NotFound(error)) => Err(to_api(error)),
        Err(error @ LoadRefused::Unusable { .. }) => Err(ApiError::conflict(error.to_string())),
        Err(LoadRefused::Store(error)) => Err(ApiError::internal(&error)),
    }
}

async fn repository_unload(
    State(shared): State<Shared>,
    Path(Target { name, .. }): Path<Target>,
) -> Result<Response, ApiError> {
    shared.predictor.models.unload(&name).map_err(to_api)?;
    Ok(JsonBody(json!({})).into_response())
}

fn with_id(mut response: Response, id: &str) -> Response {
    if let Ok(id) = HeaderValue::from_str(id) {
        response.headers_mut().insert(HeaderName::from_static(INFERENCE_ID), id);
    }
    response
}

fn refused(refusal: &Refusal) -> Response {
    with_id(refusal.error.to_api().into_response(), &refusal.id)
}

/// The body's bytes, or how it is too long.
fn read_body(
    body: Result<Bytes, BytesRejection>,
    headers: &HeaderMap,
    limit: usize,
) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        let status = rejection.status();
        if status != StatusCode::PAYLOAD_TOO_LARGE {
            return ApiError::new(status, "invalid_argument", rejection.body_text());
        }
        let length = headers.get("content-length").and_then(|it| it.to_str().ok());
        let got = length.unwrap_or("more");
        let message = format!("body: expected at most {limit} bytes, got {got}");
        ApiError::new(status, "too_large", message)
    })
}

#[derive(Deserialize)]
struct InferBody {
    #[serde(default)]
    id: String,
    #[serde(default)]
    parameters: BTreeMap<String, serde_json::Value>,
    inputs: Vec<InferInput>,
    #[serde(default)]
    outputs: Vec<InferOutput>,
}

#[derive(Deserialize)]
struct InferInput {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    data: Json,
}

#[derive(Deserialize)]
struct InferOutput {
    name: String,
}

async fn infer(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
    trace: Option<Extension<RequestTrace>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let body = read_body(body, &headers, shared.message_bytes)?;
    let body: InferBody = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("body: {error}")))?;
    let mut tensors = Vec::with_capacity(body.inputs.len());
    let mut first_error = None;
    for input in body.inputs {
        match to_tensor(input) {
            Ok(tensor) => tensors.push(tensor),
            Err(message) => {
                first_error.get_or_insert(message);
            }
        }
    }
    let inputs = match first_error {
        None => Inputs::Tensors(tensors),
        Some(message) => Inputs::Unreadable { tensors, message },
    };
    let tags = body.parameters.into_iter().filter_map(|(key, value)| match value {
        serde_json::Value::String(text) => Some((key, text)),
        _ => None,
    });
    let request = Request {
        endpoint: Endpoint::OpenInferenceRest,
        model_name: name,
        model_version: version,
        id: body.id,
        tags: tags.collect(),
        trace: trace.map(|Extension(it)| it.0),
        inputs,
        outputs: body.outputs.into_iter().map(|it| it.name).collect(),
    };
    let Answer { id, model, outputs, .. } = match shared.predictor.predict(request).await {
        Ok(answer) => answer,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let tensors: Vec<_> = outputs
        .columns()
        .iter()
        .map(|column| {
            let datatype = column.tensor.data_type().open_inference();
            let (shape, data) = (column.tensor.shape(), flat(column.tensor.data()));
            json!({"name": column.name, "datatype": datatype, "shape": shape, "data": data})
        })
        .collect();
    let answer = json!({
        "model_name": model.name,
        "model_version": model.version_text,
        "id": id,
        "outputs": tensors,
    });
    Ok(with_id(JsonBody(answer).into_response(), &id))
}

/// A tensor of JSON, whose data may be nested or flat.
fn to_tensor(input: InferInput) -> Result<NamedTensor, String> {
    let InferInput { name, shape, datatype, data } = input;
    let field = clip(&name);
    let data_type = DataType::from_open_inference(&datatype)
        .map_err(|error| format!("field `{field}`: {error}"))?;
    let dims = shape.iter().map(|it| usize::try_from(*it)).collect::<Result<Vec<_>, _>>().map_err(
        |_| format!("field `{field}`: shape {shape:?}; expected dimensions of 0 or more"),
    )?;
    let value = data
        .into_value()
        .map_err(|got| format!("field `{field}`: expected a list of {datatype}, got {got}"))?;
    let mut leaves = Vec::new();
    match value {
        Value::List(items) => flatten(Value::List(items), &mut leaves),
        _ => return Err(format!("field `{field}`: expected `data` to be a list, got one value")),
    }
    let tensor =
        Tensor::from_values(&name, data_type, dims, leaves).map_err(|it| it.to_string())?;
    Ok(NamedTensor { name, tensor })
}

fn flatten(value: Value, into: &mut Vec<Value>) {
    match value {
        Value::List(items) => items.into_iter().for_each(|it| flatten(it, into)),
        leaf => into.push(leaf),
    }
}

fn flat(data: &TensorData) -> serde_json::Value {
    match data {
        TensorData::Bool(values) => json!(values),
        TensorData::Int8(values) => json!(values),
        TensorData::Int16(values) => json!(values),
        TensorData::Int32(values) => json!(values),
        TensorData::Int64(values) => json!(values),
        TensorData::Uint8(values) => json!(values),
        TensorData::Uint16(values) => json!(values),
        TensorData::Uint32(values) => json!(values),
        TensorData::Uint64(values) => json!(values),
        TensorData::Float32(values) => json!(values),
        TensorData::Float64(values) => json!(values),
        TensorData::String(values) => json!(values),
    }
}

async fn predict(
    State(shared): State<Shared>,
    Path(target): Path<Target>,
    trace: Option<Extension<RequestTrace>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    const VERB: &str = ":predict";
    let Target { mut name, mut version } = target;
    let last = if version.is_empty() { &mut name } else { &mut version };
    match last.strip_suffix(VERB) {
        Some(rest) => *last = rest.to_owned(),
        None => {
            let message = "a model takes POST with `:predict` behind its name or version";
            return Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                message,
            ));
        }
    }
    let body = read_body(body, &headers, shared.message_bytes)?;
    let body: Json = serde_json::from_slice(&body)
        .map_err(|error| ApiError::invalid(format!("body: {error}")))?;
    let PredictBody { fields, id, tags } = PredictBody::read(body)?;
    let mut values = Vec::with_capacity(fields.len());
    let mut error = None;
    for (field, value) in fields {
        match value.into_value() {
            Ok(value) => values.push((field, value)),
            Err(got) => {
                let field = clip(&field);
                error.get_or_insert(format!(
                    "field `{field}`: expected a value or a list, got {got}"
                ));
            }
        }
    }
    let inputs = match error {
        None => Inputs::Values(values),
        Some(message) => Inputs::Unreadable { tensors: Vec::new(), message },
    };
    let request = Request {
        endpoint: Endpoint::PredictRest,
        model_name: name,
        model_version: version,
        id,
        tags,
        trace: trace.map(|Extension(it)| it.0),
        inputs,
        outputs: Vec::new(),
    };
    let answer = match shared.predictor.predict(request).await {
        Ok(answer) => answer,
        Err(refusal) => return Ok(refused(&refusal)),
    };
    let outputs: serde_json::Map<String, serde_json::Value> =
        named_values::values(&answer.outputs, answer.single)
            .into_iter()
            .map(|(name, value)| (name, to_json(value)))
            .collect();
    let body = json!({
        "model_name": answer.model.name,
        "model_version": answer.model.version_text,
        "inference_id": answer.id,
        "outputs": outputs,
    });
    Ok(with_id(JsonBody(body).into_response(), &answer.id))
}

struct PredictBody {
    fields: Vec<(String, Json)>,
    id: String,
    tags: BTreeMap<String, String>,
}

impl PredictBody {
    fn read(body: Json) -> Result<Self, ApiError> {
        let Json::Object(members) = body else {
            return Err(ApiError::invalid(
                "body: expected an object of fields, got something else",
            ));
        };
        let has_envelope = members
            .iter()
            .any(|(name, value)| name == "inputs" && matches!(value, Json::Object(_)));
        let mut read = Self { fields: Vec::new(), id: String::new(), tags: BTreeMap::new() };
        if !has_envelope {
            read.fields = members;
            return Ok(read);
        }
        for (name, value) in members {
            match (name.as_str(), value) {
                ("inputs", Json::Object(fields)) => read.fields.extend(fields),
                ("inference_id", Json::Value(Value::String(id))) => read.id = id,
                ("inference_id", _) => {
                    return Err(ApiError::invalid("inference_id: expected a text"));
                }
                ("tags", Json::Object(tags)) => {
                    for (key, value) in tags {
                        let Json::Value(Value::String(text)) = value else {
                            let key = clip(&key);
                            return Err(ApiError::invalid(format!("tag `{key}`: expected a text")));
                        };
                        read.tags.insert(key, text);
                    }
                }
                ("tags", _) => return Err(ApiError::invalid("tags: expected an object of texts")),
                (other, _) => {
                    let message = format!(
                        "body: unknown member `{}`; expected `inputs`, `inference_id` and `tags`",
                        clip(other)
                    );
                    return Err(ApiError::invalid(message));
                }
            }
        }
        Ok(read)
    }
}

fn to_json(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(it) => json!(it),
        Value::Int(it) => json!(it),
        Value::Uint(it) => json!(it),
        Value::Float(it) => json!(it),
        Value::String(it) => json!(it),
        Value::List(items) => items.into_iter().map(to_json).collect(),
        Value::Tensor(tensor) => flat(tensor.data()),
    }
}
