//! The gRPC endpoints: the Open Inference Protocol and Shadowline's own predict call.

use std::collections::BTreeMap;
use std::sync::Arc;

use shadowline_service::health::Health;
use shadowline_service::traces::{self, KeyValue, ServerSpan, SpanContext};
use shadowline_wire::inference::grpc_inference_service_server::GrpcInferenceService;
use shadowline_wire::inference::infer_parameter::ParameterChoice;
use shadowline_wire::inference::model_infer_request::InferRequestedOutputTensor;
use shadowline_wire::inference::repository_index_response::ModelIndex;
use shadowline_wire::inference::{
    InferParameter, ModelInferRequest, ModelInferResponse, ModelMetadataRequest,
    ModelMetadataResponse, ModelReadyRequest, ModelReadyResponse, RepositoryIndexRequest,
    RepositoryIndexResponse, RepositoryModelLoadRequest, RepositoryModelLoadResponse,
    RepositoryModelUnloadRequest, RepositoryModelUnloadResponse, ServerLiveRequest,
    ServerLiveResponse, ServerMetadataRequest, ServerMetadataResponse, ServerReadyRequest,
    ServerReadyResponse,
};
use shadowline_wire::serving::prediction_service_server::PredictionService;
use shadowline_wire::serving::{PredictRequest, PredictResponse};
use shadowline_wire::{named_values, open_inference};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request as GrpcRequest, Response, Status};

use crate::error::PredictError;
use crate::metrics::Endpoint;
use crate::models::{LoadRefused, NotFound};
use crate::predict::{Answer, Inputs, Predictor, Refusal, Request};

/// The metadata in which every answer, an error too, has the inference's id.
pub const INFERENCE_ID: &str = "shadowline-inference-id";

const PREDICT: &str = "shadowline.serving.v1.PredictionService/Predict";
const MODEL_INFER: &str = "inference.GRPCInferenceService/ModelInfer";

/// The name of the server in its metadata.
pub(crate) const SERVER_NAME: &str = "shadowline-serving";

/// Both services; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct GrpcEndpoints {
    pub(crate) predictor: Arc<Predictor>,
    pub(crate) health: Health,
}

/// Converts a refusal to a status, with the id that it was recorded under.
fn to_status(refusal: &Refusal) -> Status {
    let mut status = refusal.error.to_status();
    // An id with letters beyond ASCII does not fit into metadata; the caller who chose it knows it.
    if let Ok(id) = MetadataValue::try_from(&refusal.id) {
        status.metadata_mut().insert(INFERENCE_ID, id);
    }
    status
}

fn with_id<T>(message: T, id: &str) -> Response<T> {
    let mut response = Response::new(message);
    if let Ok(id) = MetadataValue::try_from(id) {
        response.metadata_mut().insert(INFERENCE_ID, id);
    }
    response
}

/// The trace of one call, and the span of its answering, if spans are sent anywhere.
struct Call {
    span: Option<ServerSpan>,
    caller: Option<SpanContext>,
}

impl Call {
    /// Begins below the caller's span. By OpenTelemetry's conventions for gRPC; `method` is the method's full name.
    fn begin(method: &'static str, metadata: &MetadataMap) -> Self {
        let caller = traces::of_headers(metadata.as_ref());
        let span = ServerSpan::begin(method, caller.as_ref(), || {
            vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", method)]
        });
        Self { span, caller }
    }

    /// What the inference goes on with.
    fn trace(&self) -> Option<SpanContext> {
        self.span.as_ref().map(ServerSpan::context).or(self.caller.as_ref()).cloned()
    }

    fn end(self, result: &Result<Answer, Refusal>) {
        let Some(mut span) = self.span else { return };
        match result {
            Ok(Answer { id, model, .. }) => {
                span.set("rpc.response.status_code", "OK");
                span.set("shadowline.inference.id", id.clone());
                span.set("shadowline.model.name", model.name.clone());
                span.set("shadowline.model.version", model.version_text.clone());
            }
            Err(Refusal { id, error }) => {
                span.set("rpc.response.status_code", error.code_name());
                span.set("shadowline.inference.id", id.clone());
                if error.is_of_server() {
                    span.failed(error.code_name(), error.message());
                }
            }
        }
    }
}

/// Those parameters that are texts: a caller's own, kept as tags.
fn tags_of(parameters: BTreeMap<String, InferParameter>) -> BTreeMap<String, String> {
    parameters
        .into_iter()
        .filter_map(|(key, value)| match value.parameter_choice {
            Some(ParameterChoice::StringParam(text)) => Some((key, text)),
            _ => None,
        })
        .collect()
}

#[tonic::async_trait]
impl PredictionService for GrpcEndpoints {
    async fn predict(
        &self,
        request: GrpcRequest<PredictRequest>,
    ) -> Result<Response<PredictResponse>, Status> {
        let call = Call::begin(PREDICT, request.metadata());
        let PredictRequest { model_name, model_version, inference_id, inputs, tags } =
            request.into_inner();
        let inputs = match named_values::decode(inputs) {
            Ok(values) => Inputs::Values(values),
            Err(error) => Inputs::Unreadable { tensors: Vec::new(), message: error.to_string() },
        };
        let request = Request {
            endpoint: Endpoint::Predict,
            model_name,
            model_version,
            id: inference_id,
            tags,
            trace: call.trace(),
            inputs,
            outputs: Vec::new(),
        };
        let result = self.predictor.predict(request).await;
        call.end(&result);
        let answer = result.map_err(|it| to_status(&it))?;
        let response = PredictResponse {
            model_name: answer.model.name.clone(),
            model_version: answer.model.version_text.clone(),
            inference_id: answer.id.clone(),
            outputs: named_values::encode(&answer.outputs, answer.single),
        };
        Ok(with_id(response, &answer.id))
    }
}

#[tonic::async_trait]
impl GrpcInferenceService for GrpcEndpoints {
    async fn server_live(
        &self,
        _: GrpcRequest<ServerLiveRequest>,
    ) -> Result<Response<ServerLiveResponse>, Status> {
        Ok(Response::new(ServerLiveResponse { live: true }))
    }

    async fn server_ready(
        &self,
        _: GrpcRequest<ServerReadyRequest>,
    ) -> Result<Response<ServerReadyResponse>, Status> {
        Ok(Response::new(ServerReadyResponse { ready: self.health.report().is_ready() }))
    }

    async fn model_ready(
        &self,
        request: GrpcRequest<ModelReadyRequest>,
    ) -> Result<Response<ModelReadyResponse>, Status> {
        let ModelReadyRequest { name, version } = request.into_inner();
        match self.predictor.models.find(&name, &version) {
            Ok(_) => Ok(Response::new(ModelReadyResponse { ready: true })),
            Err(NotFound::Unloaded { .. }) => {
                Ok(Response::new(ModelReadyResponse { ready: false }))
            }
            Err(error) => Err(PredictError::from(error).to_status()),
        }
    }

    async fn server_metadata(
        &self,
        _: GrpcRequest<ServerMetadataRequest>,
    ) -> Result<Response<ServerMetadataResponse>, Status> {
        Ok(Response::new(ServerMetadataResponse {
            name: SERVER_NAME.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            extensions: vec!["model_repository".to_owned()],
        }))
    }

    async fn model_metadata(
        &self,
        request: GrpcRequest<ModelMetadataRequest>,
    ) -> Result<Response<ModelMetadataResponse>, Status> {
        let ModelMetadataRequest { name, version } = request.into_inner();
        let models = &self.predictor.models;
        let model =
            models.find(&name, &version).map_err(|it| PredictError::from(it).to_status())?;
        let versions = match version.is_empty() {
            true => models.versions(&name).iter().map(|it| it.version_text.clone()).collect(),
            false => vec![model.version_text.clone()],
        };
        Ok(Response::new(ModelMetadataResponse {
            name: model.name.clone(),
            versions,
            platform: model.backend.platform().to_owned(),
            inputs: open_inference::metadata(model.signature.inputs()),
            outputs: open_inference::metadata(model.signature.outputs()),
            properties: model.metadata.clone(),
        }))
    }

    async fn model_infer(
        &self,
        request: GrpcRequest<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let call = Call::begin(MODEL_INFER, request.metadata());
        let mut message = request.into_inner();
        let is_raw = !message.raw_input_contents.is_empty();
        let inputs = match open_inference::decode_inputs_partly(&mut message) {
            (tensors, None) => Inputs::Tensors(tensors),
            (tensors, Some(error)) => Inputs::Unreadable { tensors, message: error.to_string() },
        };
        let outputs =
            message.outputs.into_iter().map(|InferRequestedOutputTensor { name, .. }| name);
        let request = Request {
            endpoint: Endpoint::OpenInference,
            model_name: message.model_name,
            model_version: message.model_version,
            id: message.id,
            tags: tags_of(message.parameters),
            trace: call.trace(),
            inputs,
            outputs: outputs.collect(),
        };
        let result = self.predictor.predict(request).await;
        call.end(&result);
        let answer = result.map_err(|it| to_status(&it))?;
        let (outputs, raw_output_contents) =
            open_inference::encode_outputs(&answer.outputs, is_raw);
        let response = ModelInferResponse {
            model_name: answer.model.name.clone(),
            model_version: answer.model.version_text.clone(),
            id: answer.id.clone(),
            parameters: BTreeMap::new(),
            outputs,
            raw_output_contents,
        };
        Ok(with_id(response, &answer.id))
    }

    async fn repository_index(
        &self,
        request: GrpcRequest<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let only_ready = request.into_inner().ready;
        let index = self.predictor.models.index();
        let models = index
            .into_iter()
            .filter(|it| it.is_ready || !only_ready)
            .map(|it| ModelIndex {
                name: it.name,
                version: it.version.to_string(),
                state: if it.is_ready { "READY" } else { "UNAVAILABLE" }.to_owned(),
                reason: it.reason,
            })
            .collect();
        Ok(Response::new(RepositoryIndexResponse { models }))
    }

    async fn repository_model_load(
        &self,
        request: GrpcRequest<RepositoryModelLoadRequest>,
    ) -> Result<Response<RepositoryModelLoadResponse>, Status> {
        let name = request.into_inner().model_name;
        let models = Arc::clone(&self.predictor.models);
        let work = tokio::task::spawn_blocking(move || models.load(&name));
        let loaded = work.await.map_err(|error| {
            tracing::error!(%error, "loading a model ended without a result");
            Status::internal("loading the model failed inside the server; its log says why")
        })?;
        match loaded {
            Ok(()) => Ok(Response::new(RepositoryModelLoadResponse {})),
            Err(LoadRefused::NotFound(error)) => Err(PredictError::from(error).to_status()),
            Err(error @ LoadRefused::Unusable { .. }) => {
                Err(Status::failed_precondition(error.to_string()))
            }
            Err(LoadRefused::Store(error)) => {
                tracing::error!(%error, "packages cannot be read");
                Err(Status::unavailable("the packages of models cannot be read"))
            }
        }
    }

    async fn repository_model_unload(
        &self,
        request: GrpcRequest<RepositoryModelUnloadRequest>,
    ) -> Result<Response<RepositoryModelUnloadResponse>, Status> {
        let name = request.into_inner().model_name;
        match self.predictor.models.unload(&name) {
            Ok(()) => Ok(Response::new(RepositoryModelUnloadResponse {})),
            Err(error) => Err(PredictError::from(error).to_status()),
        }
    }
}
