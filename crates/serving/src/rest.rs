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
use shadowline_api as api;
use shadowline_api::Role;
use shadowline_api::inference::{
    Done, IndexRequest, IndexedModel, InferAnswer, InferOutput, InferTensor, Live, ModelMetadata,
    ModelReady, PredictAnswer, Ready, ServerMetadata, TensorMetadata,
};
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
        .get(Public, "/v2/health/live", async || JsonBody(Live { live: true }))
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

async fn server_metadata() -> JsonBody<ServerMetadata> {
    JsonBody(ServerMetadata {
        name: SERVER_NAME.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        extensions: vec!["model_repository".to_owned()],
    })
}

async fn server_ready(State(shared): State<Shared>) -> Response {
    let ready = shared.health.report().is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, JsonBody(Ready { ready })).into_response()
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
    Ok((status, JsonBody(ModelReady { name, ready })).into_response())
}

async fn model_metadata(
    State(shared): State<Shared>,
    Path(Target { name, version }): Path<Target>,
) -> Result<JsonBody<ModelMetadata>, ApiError> {
    let models = &shared.predictor.models;
    let model = models.find(&name, &version).map_err(to_api)?;
    let versions: Vec<String> = match version.is_empty() {
        true => models.versions(&name).iter().map(|it| it.version_text.clone()).collect(),
        false => vec![model.version_text.clone()],
    };
    let tensors = |fields| {
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

async fn repository_index(
    State(shared): State<Shared>,
    body: Bytes,
) -> Result<JsonBody<Vec<IndexedModel>>, ApiError> {
    let IndexRequest { ready } = if body.is_empty() {
        IndexRequest::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|error| ApiError::invalid(format!("body: {error}")))?
    };
    let only_ready = ready.unwrap_or(false);
    let index = shared.predictor.models.index().into_iter();
    let models = index.filter(|it| it.is_ready || !only_ready).map(|it| {
        let state = if it.is_ready { "READY" } else { "UNAVAILABLE" }.to_owned();
        IndexedModel { name: it.name, version: it.version.to_string(), state, reason: it.reason }
    });
    Ok(JsonBody(models.collect()))
}

async fn repository_load(
    State(shared): State<Shared>,
    Path(Target { name, .. }): Path<Target>,
) -> Result<Response, ApiError> {
    let models = Arc::clone(&shared.predictor.models);
    let work = tokio::task::spawn_blocking(move || models.load(&name));
    match work.await.map_err(|error| ApiError::internal(&error))? {
        Ok(()) => Ok(JsonBody(Done {}).into_response()),
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
    Ok(JsonBody(Done {}).into_response())
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

// `api::inference::InferRequest` as a reader needs it: `data` keeps what was sent there instead of a list, for the
// error, and a negative dimension is refused by its field. A test holds both together.
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
    let tensors = outputs.columns().iter().map(|column| InferTensor {
        name: column.name.clone(),
        datatype: column.tensor.data_type().open_inference().to_owned(),
        shape: column.tensor.shape().to_vec(),
        data: flat(column.tensor.data()),
    });
    let answer = InferAnswer {
        model_name: model.name.clone(),
        model_version: model.version_text.clone(),
        id: id.clone(),
        outputs: tensors.collect(),
    };
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

fn flat(data: &TensorData) -> Vec<api::Value> {
    use api::Value;
    fn all<T: Clone>(values: &[T], value: impl Fn(T) -> Value) -> Vec<Value> {
        values.iter().cloned().map(value).collect()
    }
    match data {
        TensorData::Bool(values) => all(values, Value::Bool),
        TensorData::Int8(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int16(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int32(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Int64(values) => all(values, Value::Int),
        TensorData::Uint8(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint16(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint32(values) => all(values, |it| Value::Int(it.into())),
        TensorData::Uint64(values) => all(values, Value::from),
        // As a 64-bit number, which JSON's readers take it for.
        TensorData::Float32(values) => all(values, |it| Value::Float(it.into())),
        TensorData::Float64(values) => all(values, Value::Float),
        TensorData::String(values) => all(values, Value::Text),
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
    let outputs = named_values::values(&answer.outputs, answer.single);
    let body = PredictAnswer {
        model_name: answer.model.name.clone(),
        model_version: answer.model.version_text.clone(),
        inference_id: answer.id.clone(),
        outputs: outputs.into_iter().map(|(name, value)| (name, to_json(value))).collect(),
    };
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

fn to_json(value: Value) -> api::Value {
    match value {
        Value::Null => api::Value::Null,
        Value::Bool(it) => it.into(),
        Value::Int(it) => it.into(),
        Value::Uint(it) => it.into(),
        Value::Float(it) => it.into(),
        Value::String(it) => it.into(),
        Value::List(items) => api::Value::List(items.into_iter().map(to_json).collect()),
        Value::Tensor(tensor) => api::Value::List(flat(tensor.data())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shadowline_api::inference::InferRequest;

    use super::*;

    #[test]
    fn a_body_of_the_open_inference_protocol_is_read_as_the_documented_type_reads_it() {
        let whole = json!({
            "id": "i-1", "parameters": {"team": "risk", "priority": 3}, "newer": [],
            "inputs": [{"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [[39], [40]], "newer": 1}],
            "outputs": [{"name": "label"}],
        });
        let mut bodies = vec![whole.clone()];
        for member in ["id", "parameters", "inputs", "outputs"] {
            let mut without = whole.clone();
            without.as_object_mut().unwrap().remove(member);
            bodies.push(without);
        }
        for member in ["name", "shape", "datatype", "data"] {
            let mut without = whole.clone();
            without["inputs"][0].as_object_mut().unwrap().remove(member);
            bodies.push(without);
        }
        let mut n_read = 0;
        for body in bodies {
            let text = body.to_string();
            let documented = serde_json::from_str::<InferRequest>(&text);
            let (documented, read) = match (documented, serde_json::from_str::<InferBody>(&text)) {
                (Ok(documented), Ok(read)) => (documented, read),
                (documented, read) => {
                    let errors = (documented.unwrap_err(), read.err().map(|it| it.to_string()));
                    assert_eq!(Some(errors.0.to_string()), errors.1, "{text}");
                    continue;
                }
            };
            n_read += 1;
            assert_eq!(read.id, documented.id.unwrap_or_default());
            assert_eq!(read.parameters, documented.parameters.unwrap_or_default());
            assert_eq!(read.outputs, documented.outputs.unwrap_or_default());
            assert_eq!(read.inputs.len(), documented.inputs.len());
            for (read, documented) in read.inputs.into_iter().zip(documented.inputs) {
                assert_eq!((read.name, read.datatype), (documented.name, documented.datatype));
                let shape = documented.shape.into_iter().map(|it| i64::try_from(it).unwrap());
                assert_eq!(read.shape, shape.collect::<Vec<_>>());
                let data = api::Value::List(documented.data);
                assert_eq!(to_json(read.data.into_value().unwrap()), data);
            }
        }
        assert_eq!(n_read, 4);
    }
}
