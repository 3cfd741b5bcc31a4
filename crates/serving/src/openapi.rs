//! What `/openapi.json` says of the REST endpoints. The routes are in `rest/mod.rs`: most serve two of these paths, with and
//! without a version, so each path is described by a function of its own that is never called.

use shadowline_api::error::ProtocolError;
use shadowline_api::inference::{
    IndexRequest, IndexedModel, InferAnswer, InferRequest, Live, ModelConfig, ModelMetadata,
    ModelReady, PredictAnswers, PredictBody, RawBytes, Ready, RepositoryRequest, ServerMetadata,
    StatisticsAnswer,
};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shadowline serving",
        description = "Answers predictions, over the Open Inference Protocol and by named fields, and shadows each of them."
    ),
    paths(
        predict,
        predict_version,
        server_metadata,
        live,
        ready,
        all_statistics,
        model_metadata,
        model_version_metadata,
        model_ready,
        model_version_ready,
        model_config,
        model_version_config,
        model_statistics,
        model_version_statistics,
        infer,
        infer_version,
        repository_index,
        repository_load,
        repository_unload,
        system_regions,
        system_region,
        system_register,
        system_unregister,
        system_unregister_all,
        cuda_regions,
        cuda_region,
        cuda_register,
        cuda_unregister,
        cuda_unregister_all,
        trace_setting,
        update_trace_setting,
        model_trace_setting,
        update_model_trace_setting,
        log_settings,
        update_log_settings,
    )
)]
struct Document;

/// Returns the OpenAPI document.
///
/// # Panics
/// Never: the document is made of constants.
pub fn openapi_json() -> String {
    let mut document = Document::openapi();
    document.merge(shadowline_packages::openapi());
    let mut json = document.to_pretty_json().expect("an OpenAPI document can be written as JSON");
    json.push('\n');
    json
}

macro_rules! described {
    ($($(#[$meta:meta])* $name:ident)+) => {
        $($(#[$meta])* #[expect(dead_code, reason = "only its description is used")] fn $name() {})+
    };
}

described! {
    /// Predicts by named fields or by instances, with a model's default version: the newest, unless it was rolled back.
    #[utoipa::path(post, path = "/v1/models/{name}:predict", tag = "predict", request_body = PredictBody, params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = PredictAnswers, description = "Of `instances`, `{\"predictions\": […]}`"),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract, or is none; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
        (status = 413, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is longer than the setting `limits.message_bytes`"),
        (status = 415, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is in a coding other than gzip and deflate"),
        (status = 429, body = ref("#/components/schemas/ErrorAnswer"), description = "The spool is full, and the setting is to refuse"),
        (status = 500, body = ref("#/components/schemas/ErrorAnswer"), description = "The model failed"),
        (status = 501, body = ref("#/components/schemas/ErrorAnswer"), description = "The request asks for something that is not supported"),
        (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "The server is stopping"),
        (status = 504, body = ref("#/components/schemas/ErrorAnswer"), description = "The request took longer than the setting `limits.request_timeout`"),
    ))]
    predict

    /// Predicts by named fields or by instances, with one version of a model.
    #[utoipa::path(post, path = "/v1/models/{name}/versions/{version}:predict", tag = "predict", request_body = PredictBody, params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, body = PredictAnswers, description = "Of `instances`, `{\"predictions\": […]}`"),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract, or is none; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
        (status = 413, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is longer than the setting `limits.message_bytes`"),
        (status = 415, body = ref("#/components/schemas/ErrorAnswer"), description = "The body is in a coding other than gzip and deflate"),
        (status = 429, body = ref("#/components/schemas/ErrorAnswer"), description = "The spool is full, and the setting is to refuse"),
        (status = 500, body = ref("#/components/schemas/ErrorAnswer"), description = "The model failed"),
        (status = 501, body = ref("#/components/schemas/ErrorAnswer"), description = "The request asks for something that is not supported"),
        (status = 503, body = ref("#/components/schemas/ErrorAnswer"), description = "The server is stopping"),
        (status = 504, body = ref("#/components/schemas/ErrorAnswer"), description = "The request took longer than the setting `limits.request_timeout`"),
    ))]
    predict_version

    /// Predicts by tensors, with a model's default version: the newest, unless it was rolled back.
    #[utoipa::path(post, path = "/v2/models/{name}/infer", tag = "Open Inference Protocol", request_body(content((InferRequest = "application/json"), (RawBytes = "application/octet-stream")), description = "JSON; with the header Inference-Header-Content-Length raw bytes behind it"), params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, content((InferAnswer = "application/json"), (RawBytes = "application/octet-stream")), description = "JSON; where outputs were asked for as raw bytes, these are behind it, and the header Inference-Header-Content-Length says where"),
        (status = 400, body = ProtocolError, description = "The request breaks the model's contract, or is none; it is shadowed as an error"),
        (status = 404, body = ProtocolError),
        (status = 413, body = ProtocolError, description = "The body is longer than the setting `limits.message_bytes`"),
        (status = 415, body = ProtocolError, description = "The body is in a coding other than gzip and deflate"),
        (status = 429, body = ProtocolError, description = "The spool is full, and the setting is to refuse"),
        (status = 500, body = ProtocolError, description = "The model failed"),
        (status = 501, body = ProtocolError, description = "The request asks for something that is not supported"),
        (status = 503, body = ProtocolError, description = "The server is stopping"),
        (status = 504, body = ProtocolError, description = "The request took longer than the setting `limits.request_timeout`"),
    ))]
    infer

    /// Predicts by tensors, with one version of a model.
    #[utoipa::path(post, path = "/v2/models/{name}/versions/{version}/infer", tag = "Open Inference Protocol", request_body(content((InferRequest = "application/json"), (RawBytes = "application/octet-stream")), description = "JSON; with the header Inference-Header-Content-Length raw bytes behind it"), params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, content((InferAnswer = "application/json"), (RawBytes = "application/octet-stream")), description = "JSON; where outputs were asked for as raw bytes, these are behind it, and the header Inference-Header-Content-Length says where"),
        (status = 400, body = ProtocolError, description = "The request breaks the model's contract, or is none; it is shadowed as an error"),
        (status = 404, body = ProtocolError),
        (status = 413, body = ProtocolError, description = "The body is longer than the setting `limits.message_bytes`"),
        (status = 415, body = ProtocolError, description = "The body is in a coding other than gzip and deflate"),
        (status = 429, body = ProtocolError, description = "The spool is full, and the setting is to refuse"),
        (status = 500, body = ProtocolError, description = "The model failed"),
        (status = 501, body = ProtocolError, description = "The request asks for something that is not supported"),
        (status = 503, body = ProtocolError, description = "The server is stopping"),
        (status = 504, body = ProtocolError, description = "The request took longer than the setting `limits.request_timeout`"),
    ))]
    infer_version

    /// Shows what this server is.
    #[utoipa::path(get, path = "/v2", tag = "Open Inference Protocol", responses(
        (status = 200, body = ServerMetadata),
    ))]
    server_metadata

    /// Says that the server is alive.
    #[utoipa::path(get, path = "/v2/health/live", tag = "Open Inference Protocol", responses(
        (status = 200, body = Live),
    ))]
    live

    /// Says whether the server is ready.
    #[utoipa::path(get, path = "/v2/health/ready", tag = "Open Inference Protocol", responses(
        (status = 200, body = Ready),
        (status = 503, body = Ready),
    ))]
    ready

    /// Shows how often and for how long models were asked. A model called `stats` is found by its version.
    #[utoipa::path(get, path = "/v2/models/stats", tag = "Open Inference Protocol", responses(
        (status = 200, body = StatisticsAnswer),
    ))]
    all_statistics

    /// Shows what a model reads and answers, and its versions.
    #[utoipa::path(get, path = "/v2/models/{name}", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = ModelMetadata),
        (status = 404, body = ProtocolError),
    ))]
    model_metadata

    /// Shows what one version of a model reads and answers.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, body = ModelMetadata),
        (status = 404, body = ProtocolError),
    ))]
    model_version_metadata

    /// Says whether a model answers.
    #[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = ModelReady),
        (status = 503, body = ModelReady),
        (status = 404, body = ProtocolError),
    ))]
    model_ready

    /// Says whether one version of a model answers.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/ready", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, body = ModelReady),
        (status = 503, body = ModelReady),
        (status = 404, body = ProtocolError),
    ))]
    model_version_ready

    /// Shows a model as Triton configures models.
    #[utoipa::path(get, path = "/v2/models/{name}/config", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = ModelConfig),
        (status = 404, body = ProtocolError),
    ))]
    model_config

    /// Shows one version of a model as Triton configures models.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/config", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, body = ModelConfig),
        (status = 404, body = ProtocolError),
    ))]
    model_version_config

    /// Shows how often and for how long a model was asked.
    #[utoipa::path(get, path = "/v2/models/{name}/stats", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = StatisticsAnswer),
        (status = 404, body = ProtocolError),
    ))]
    model_statistics

    /// Shows how often and for how long one version of a model was asked.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/stats", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = String, Path, description = "Its version, a whole number from 1"),
    ), responses(
        (status = 200, body = StatisticsAnswer),
        (status = 404, body = ProtocolError),
    ))]
    model_version_statistics

    /// Lists the models of the repository.
    #[utoipa::path(post, path = "/v2/repository/index", tag = "Open Inference Protocol", request_body = Option<IndexRequest>, responses(
        (status = 200, body = Vec<IndexedModel>),
        (status = 400, body = ProtocolError),
        (status = 413, body = ProtocolError),
        (status = 415, body = ProtocolError),
    ))]
    repository_index

    /// Loads a model again that was unloaded, or whose package came into the directory by another way.
    #[utoipa::path(post, path = "/v2/repository/models/{name}/load", tag = "Open Inference Protocol", request_body = Option<RepositoryRequest>, params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200),
        (status = 400, body = ProtocolError),
        (status = 404, body = ProtocolError),
        (status = 409, body = ProtocolError, description = "No version of it can be used"),
        (status = 501, body = ProtocolError, description = "A parameter is not supported"),
        (status = 413, body = ProtocolError),
        (status = 415, body = ProtocolError),
    ))]
    repository_load

    /// Takes a model out of service; its package stays.
    #[utoipa::path(post, path = "/v2/repository/models/{name}/unload", tag = "Open Inference Protocol", request_body = Option<RepositoryRequest>, params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200),
        (status = 400, body = ProtocolError),
        (status = 404, body = ProtocolError),
        (status = 501, body = ProtocolError, description = "A parameter is not supported"),
        (status = 413, body = ProtocolError),
        (status = 415, body = ProtocolError),
    ))]
    repository_unload

    /// Lists the regions of shared memory: there are none.
    #[utoipa::path(get, path = "/v2/systemsharedmemory/status", tag = "not supported", responses(
        (status = 200),
    ))]
    system_regions

    /// Lists a region of shared memory: there is none.
    #[utoipa::path(get, path = "/v2/systemsharedmemory/region/{name}/status", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 200),
    ))]
    system_region

    /// Refuses to register shared memory.
    #[utoipa::path(post, path = "/v2/systemsharedmemory/region/{name}/register", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 501, body = ProtocolError),
    ))]
    system_register

    /// Does nothing, as no region is registered.
    #[utoipa::path(post, path = "/v2/systemsharedmemory/region/{name}/unregister", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 200),
    ))]
    system_unregister

    /// Does nothing, as no region is registered.
    #[utoipa::path(post, path = "/v2/systemsharedmemory/unregister", tag = "not supported", responses(
        (status = 200),
    ))]
    system_unregister_all

    /// Lists the regions of CUDA memory: there are none.
    #[utoipa::path(get, path = "/v2/cudasharedmemory/status", tag = "not supported", responses(
        (status = 200),
    ))]
    cuda_regions

    /// Lists a region of CUDA memory: there is none.
    #[utoipa::path(get, path = "/v2/cudasharedmemory/region/{name}/status", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 200),
    ))]
    cuda_region

    /// Refuses to register CUDA memory.
    #[utoipa::path(post, path = "/v2/cudasharedmemory/region/{name}/register", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 501, body = ProtocolError),
    ))]
    cuda_register

    /// Does nothing, as no region is registered.
    #[utoipa::path(post, path = "/v2/cudasharedmemory/region/{name}/unregister", tag = "not supported", params(
        ("name" = String, Path, description = "The region's name"),
    ), responses(
        (status = 200),
    ))]
    cuda_unregister

    /// Does nothing, as no region is registered.
    #[utoipa::path(post, path = "/v2/cudasharedmemory/unregister", tag = "not supported", responses(
        (status = 200),
    ))]
    cuda_unregister_all

    /// Refuses to show trace settings.
    #[utoipa::path(get, path = "/v2/trace/setting", tag = "not supported", responses(
        (status = 501, body = ProtocolError),
    ))]
    trace_setting

    /// Refuses to change trace settings.
    #[utoipa::path(post, path = "/v2/trace/setting", tag = "not supported", responses(
        (status = 501, body = ProtocolError),
    ))]
    update_trace_setting

    /// Refuses to show a model's trace settings.
    #[utoipa::path(get, path = "/v2/models/{name}/trace/setting", tag = "not supported", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 501, body = ProtocolError),
    ))]
    model_trace_setting

    /// Refuses to change a model's trace settings.
    #[utoipa::path(post, path = "/v2/models/{name}/trace/setting", tag = "not supported", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 501, body = ProtocolError),
    ))]
    update_model_trace_setting

    /// Refuses to show what is logged.
    #[utoipa::path(get, path = "/v2/logging", tag = "not supported", responses(
        (status = 501, body = ProtocolError),
    ))]
    log_settings

    /// Refuses to change what is logged.
    #[utoipa::path(post, path = "/v2/logging", tag = "not supported", responses(
        (status = 501, body = ProtocolError),
    ))]
    update_log_settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_prediction_is_described() {
        let document: serde_json::Value = serde_json::from_str(&openapi_json()).unwrap();
        let refs = |it: &serde_json::Value| {
            let refs = it.as_array().unwrap().iter().filter_map(|it| it["$ref"].as_str());
            refs.map(|it| it.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let schema = |name: &str| &document["components"]["schemas"][name];
        for path in ["/v1/models/{name}:predict", "/v1/models/{name}/versions/{version}:predict"] {
            let operation = &document["paths"][path]["post"];
            let json = |it: &serde_json::Value| it["content"]["application/json"]["schema"].clone();
            assert_eq!(json(&operation["requestBody"])["$ref"], "#/components/schemas/PredictBody");
            let answer = json(&operation["responses"]["200"]);
            assert_eq!(answer["$ref"], "#/components/schemas/PredictAnswers");
        }
        let forms = &schema("PredictBody")["anyOf"];
        assert_eq!(refs(forms), ["PredictRequest", "InstancesRequest"]);
        assert_eq!(forms[2]["type"], "object");
        assert_eq!(refs(&schema("PredictAnswers")["oneOf"]), ["PredictAnswer", "Predictions"]);
        for name in ["PredictRequest", "InstancesRequest", "PredictAnswer", "Predictions"] {
            assert_eq!(schema(name)["type"], "object", "{name}");
        }
    }

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let made = openapi_json();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == made,
            "openapi.json is out of date: run this test with UPDATE_OPENAPI=1"
        );
    }
}
