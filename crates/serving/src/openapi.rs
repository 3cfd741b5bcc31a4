//! What `/openapi.json` says of the REST endpoints. The routes are in `rest.rs`: most serve two of these paths, with and
//! without a version, so each path is described by a function of its own that nobody calls.

use shadowline_api::inference::{
    IndexRequest, IndexedModel, InferAnswer, InferRequest, Live, ModelMetadata, ModelReady,
    PredictAnswer, PredictRequest, Ready, ServerMetadata,
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
        model_metadata,
        model_version_metadata,
        model_ready,
        model_version_ready,
        infer,
        infer_version,
        repository_index,
        repository_load,
        repository_unload,
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
    /// Predicts by named fields, with a model's newest version.
    #[utoipa::path(post, path = "/v1/models/{name}:predict", tag = "predict", request_body = PredictRequest, params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = PredictAnswer),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
        (status = 413, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    predict

    /// Predicts by named fields, with one version of a model.
    #[utoipa::path(post, path = "/v1/models/{name}/versions/{version}:predict", tag = "predict", request_body = PredictRequest, params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = u64, Path, description = "Its version"),
    ), responses(
        (status = 200, body = PredictAnswer),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
        (status = 413, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    predict_version

    /// Predicts by tensors, with a model's newest version.
    #[utoipa::path(post, path = "/v2/models/{name}/infer", tag = "Open Inference Protocol", request_body = InferRequest, params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = InferAnswer),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    infer

    /// Predicts by tensors, with one version of a model.
    #[utoipa::path(post, path = "/v2/models/{name}/versions/{version}/infer", tag = "Open Inference Protocol", request_body = InferRequest, params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = u64, Path, description = "Its version"),
    ), responses(
        (status = 200, body = InferAnswer),
        (status = 400, body = ref("#/components/schemas/ErrorAnswer"), description = "The request breaks the model's contract; it is shadowed as an error"),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    infer_version

    /// Shows what this server is.
    #[utoipa::path(get, path = "/v2", tag = "Open Inference Protocol", responses((status = 200, body = ServerMetadata)))]
    server_metadata

    /// Says that the server is alive.
    #[utoipa::path(get, path = "/v2/health/live", tag = "Open Inference Protocol", responses((status = 200, body = Live)))]
    live

    /// Says whether the server is ready.
    #[utoipa::path(get, path = "/v2/health/ready", tag = "Open Inference Protocol", responses(
        (status = 200, body = Ready),
        (status = 503, body = Ready),
    ))]
    ready

    /// Shows what a model reads and answers, and its versions.
    #[utoipa::path(get, path = "/v2/models/{name}", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses((status = 200, body = ModelMetadata), (status = 404, body = ref("#/components/schemas/ErrorAnswer"))))]
    model_metadata

    /// Shows what one version of a model reads and answers.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = u64, Path, description = "Its version"),
    ), responses((status = 200, body = ModelMetadata), (status = 404, body = ref("#/components/schemas/ErrorAnswer"))))]
    model_version_metadata

    /// Says whether a model answers.
    #[utoipa::path(get, path = "/v2/models/{name}/ready", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses(
        (status = 200, body = ModelReady),
        (status = 503, body = ModelReady),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    model_ready

    /// Says whether one version of a model answers.
    #[utoipa::path(get, path = "/v2/models/{name}/versions/{version}/ready", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
        ("version" = u64, Path, description = "Its version"),
    ), responses(
        (status = 200, body = ModelReady),
        (status = 503, body = ModelReady),
        (status = 404, body = ref("#/components/schemas/ErrorAnswer")),
    ))]
    model_version_ready

    /// Lists the models of the repository.
    #[utoipa::path(post, path = "/v2/repository/index", tag = "Open Inference Protocol", request_body = IndexRequest, responses(
        (status = 200, body = Vec<IndexedModel>),
    ))]
    repository_index

    /// Loads a model again that was unloaded, or whose package came into the directory by another way.
    #[utoipa::path(post, path = "/v2/repository/models/{name}/load", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses((status = 200), (status = 404, body = ref("#/components/schemas/ErrorAnswer")), (status = 409, body = ref("#/components/schemas/ErrorAnswer"))))]
    repository_load

    /// Takes a model out of service; its package stays.
    #[utoipa::path(post, path = "/v2/repository/models/{name}/unload", tag = "Open Inference Protocol", params(
        ("name" = String, Path, description = "The model's name"),
    ), responses((status = 200), (status = 404, body = ref("#/components/schemas/ErrorAnswer"))))]
    repository_unload
}

#[cfg(test)]
mod tests {
    use super::*;

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
