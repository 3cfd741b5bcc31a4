//! The gRPC endpoints: the Open Inference Protocol with the calls of Triton's dialect, and Shadowline's own predict call.
//!
//! `infer.rs` answers tensors, one request or a stream of them; `unsupported.rs` has what is refused with a sentence.

mod infer;
mod unsupported;

use std::collections::BTreeMap;
use std::sync::Arc;

use shadowline_service::health::Health;
use shadowline_service::traces::{self, KeyValue, ServerSpan, SpanContext};
use shadowline_wire::inference::grpc_inference_service_server::GrpcInferenceService;
use shadowline_wire::inference::repository_index_response::ModelIndex;
use shadowline_wire::inference::*;
use shadowline_wire::serving::prediction_service_server::PredictionService;
use shadowline_wire::serving::{PredictRequest, PredictResponse};
use shadowline_wire::{named_values, open_inference};
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use tonic::{Request as GrpcRequest, Response, Status, Streaming};

use crate::describe;
use crate::error::PredictError;
use crate::metrics::Endpoint;
use crate::models::{LoadRefused, NotFound};
use crate::predict::{Answer, Inputs, Predictor, Refusal, Request, Tags};

/// The metadata in which every answer, an error too, has the inference's id.
pub const INFERENCE_ID: &str = "shadowline-inference-id";

/// The metadata in which an answer says which of the caller's tags were dropped, and why.
pub const DROPPED_TAGS: &str = "shadowline-dropped-tags";

const PREDICT: &str = "shadowline.serving.v1.PredictionService/Predict";
const MODEL_INFER: &str = "inference.GRPCInferenceService/ModelInfer";

/// The name of the server in its metadata.
pub(crate) const SERVER_NAME: &str = "shadowline-serving";

/// Both services; clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct GrpcEndpoints {
    pub(crate) predictor: Arc<Predictor>,
    pub(crate) health: Health,
    /// Ends streams, which have no end of their own.
    pub(crate) stop: CancellationToken,
}

/// An id as metadata, into which letters beyond ASCII do not fit: tonic would send them, against the protocol. The caller
/// who chose such an id knows it.
fn in_metadata(id: &str) -> Option<MetadataValue<Ascii>> {
    MetadataValue::try_from(id).ok().filter(|_| id.is_ascii())
}

/// Converts a refusal to a status, with the id that it was recorded under.
fn to_status(refusal: &Refusal) -> Status {
    let mut status = refusal.error.to_status();
    if let Some(id) = in_metadata(&refusal.id) {
        status.metadata_mut().insert(INFERENCE_ID, id);
    }
    status
}

/// An answer's message with what its metadata says of it.
fn respond<T>(message: T, answer: &Answer) -> Response<T> {
    let mut response = Response::new(message);
    let metadata = response.metadata_mut();
    if let Some(id) = in_metadata(&answer.id) {
        metadata.insert(INFERENCE_ID, id);
    }
    if let Some(dropped) = &answer.dropped_tags
        && let Ok(dropped) = MetadataValue::try_from(describe::header_text(dropped))
    {
        metadata.insert(DROPPED_TAGS, dropped);
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

/// The names of parameters that have a value; one without is as if left out.
fn named(parameters: &BTreeMap<String, ModelRepositoryParameter>) -> impl Iterator<Item = &str> {
    parameters.iter().filter(|(_, it)| it.parameter_choice.is_some()).map(|(name, _)| name.as_str())
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
            Err(error) => Inputs::unreadable(Vec::new(), error.to_string()),
        };
        let request = Request {
            endpoint: Endpoint::Predict,
            model_name,
            model_version,
            id: inference_id,
            tags: Tags::from(tags),
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
        Ok(respond(response, &answer))
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
            extensions: describe::EXTENSIONS.map(str::to_owned).to_vec(),
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
        }))
    }

    async fn model_infer(
        &self,
        request: GrpcRequest<ModelInferRequest>,
    ) -> Result<Response<ModelInferResponse>, Status> {
        let call = Call::begin(MODEL_INFER, request.metadata());
        let infer::Asked { request, is_raw } = infer::read(request.into_inner(), call.trace());
        let result = self.predictor.predict(request).await;
        call.end(&result);
        let answer = result.map_err(|it| to_status(&it))?;
        Ok(respond(infer::write(&answer, is_raw), &answer))
    }

    type ModelStreamInferStream = infer::Answers;

    async fn model_stream_infer(
        &self,
        request: GrpcRequest<Streaming<ModelInferRequest>>,
    ) -> Result<Response<infer::Answers>, Status> {
        let caller = traces::of_headers(request.metadata().as_ref());
        let requests = request.into_inner();
        let (predictor, stop) = (Arc::clone(&self.predictor), self.stop.clone());
        Ok(Response::new(infer::stream(predictor, requests, caller, stop)))
    }

    async fn model_config(
        &self,
        request: GrpcRequest<ModelConfigRequest>,
    ) -> Result<Response<ModelConfigResponse>, Status> {
        let ModelConfigRequest { name, version } = request.into_inner();
        let model = self.predictor.models.find(&name, &version);
        let model = model.map_err(|it| PredictError::from(it).to_status())?;
        Ok(Response::new(ModelConfigResponse { config: Some(describe::config(&model)) }))
    }

    async fn model_statistics(
        &self,
        request: GrpcRequest<ModelStatisticsRequest>,
    ) -> Result<Response<ModelStatisticsResponse>, Status> {
        let ModelStatisticsRequest { name, version } = request.into_inner();
        let chosen = self.predictor.models.chosen(&name, &version);
        let chosen = chosen.map_err(|it| PredictError::from(it).to_status())?;
        let model_stats = chosen.iter().map(|it| describe::statistics(it)).collect();
        Ok(Response::new(ModelStatisticsResponse { model_stats }))
    }

    async fn repository_index(
        &self,
        request: GrpcRequest<RepositoryIndexRequest>,
    ) -> Result<Response<RepositoryIndexResponse>, Status> {
        let RepositoryIndexRequest { repository_name, ready: only_ready } = request.into_inner();
        unsupported::repository(&repository_name)?;
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
        let RepositoryModelLoadRequest { repository_name, model_name: name, parameters } =
            request.into_inner();
        unsupported::repository(&repository_name)?;
        unsupported::loading(named(&parameters))?;
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
        let RepositoryModelUnloadRequest { repository_name, model_name: name, parameters } =
            request.into_inner();
        unsupported::repository(&repository_name)?;
        unsupported::unloading(named(&parameters))?;
        match self.predictor.models.unload(&name) {
            Ok(()) => Ok(Response::new(RepositoryModelUnloadResponse {})),
            Err(error) => Err(PredictError::from(error).to_status()),
        }
    }

    async fn system_shared_memory_status(
        &self,
        _: GrpcRequest<SystemSharedMemoryStatusRequest>,
    ) -> Result<Response<SystemSharedMemoryStatusResponse>, Status> {
        Ok(Response::new(SystemSharedMemoryStatusResponse::default()))
    }

    async fn system_shared_memory_register(
        &self,
        _: GrpcRequest<SystemSharedMemoryRegisterRequest>,
    ) -> Result<Response<SystemSharedMemoryRegisterResponse>, Status> {
        Err(Status::unimplemented(describe::NO_SHARED_MEMORY))
    }

    async fn system_shared_memory_unregister(
        &self,
        _: GrpcRequest<SystemSharedMemoryUnregisterRequest>,
    ) -> Result<Response<SystemSharedMemoryUnregisterResponse>, Status> {
        Ok(Response::new(SystemSharedMemoryUnregisterResponse {}))
    }

    async fn cuda_shared_memory_status(
        &self,
        _: GrpcRequest<CudaSharedMemoryStatusRequest>,
    ) -> Result<Response<CudaSharedMemoryStatusResponse>, Status> {
        Ok(Response::new(CudaSharedMemoryStatusResponse::default()))
    }

    async fn cuda_shared_memory_register(
        &self,
        _: GrpcRequest<CudaSharedMemoryRegisterRequest>,
    ) -> Result<Response<CudaSharedMemoryRegisterResponse>, Status> {
        Err(Status::unimplemented(describe::NO_SHARED_MEMORY))
    }

    async fn cuda_shared_memory_unregister(
        &self,
        _: GrpcRequest<CudaSharedMemoryUnregisterRequest>,
    ) -> Result<Response<CudaSharedMemoryUnregisterResponse>, Status> {
        Ok(Response::new(CudaSharedMemoryUnregisterResponse {}))
    }

    async fn trace_setting(
        &self,
        _: GrpcRequest<TraceSettingRequest>,
    ) -> Result<Response<TraceSettingResponse>, Status> {
        Err(Status::unimplemented(describe::NO_TRACE_SETTINGS))
    }

    async fn log_settings(
        &self,
        _: GrpcRequest<LogSettingsRequest>,
    ) -> Result<Response<LogSettingsResponse>, Status> {
        Err(Status::unimplemented(describe::NO_LOG_SETTINGS))
    }
}
