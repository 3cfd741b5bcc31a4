//! The REST form of a registry: upload, list, read, remove.

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Multipart, Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use shadowline_api::Role;
use shadowline_api::error::ErrorAnswer;
use shadowline_api::packages::{
    DefaultVersion, InstalledPackage, Package, PackageUpload, PackageVersions, Packages,
};
use shadowline_service::http::{ApiError, Changed, read_json};
use shadowline_service::routes::{Declared, Routes};
use utoipa::OpenApi;

use crate::name::PackageName;
use crate::package::{Hosted, InstallOutcome};
use crate::registry::{Registry, Snapshot};
use crate::removal::{self, remove_all, remove_version};
use crate::requests::{parse_name, parse_version, to_api};
use crate::upload::Upload;
use crate::views;

/// Routes for a registry's packages.
///
/// `POST /v1/models` (multipart: `document`, YAML, and `artefact`, bytes), `GET /v1/models`, `GET` and
/// `DELETE /v1/models/{name}` and `/v1/models/{name}/versions/{version}`, `PUT
/// /v1/models/{name}/default_version`. A service that adds methods to these paths must name the parameters the same.
pub fn routes<T: Send + Sync + 'static>(
    registry: Arc<Registry<T>>,
    max_upload_bytes: usize,
) -> Routes {
    declare::<T>(max_upload_bytes).with_state(registry)
}

/// Whether a model takes requests, for a service that can take one out of work while its package stays: as a layer
/// around [`routes`]. Without it, whatever is installed is ready.
#[derive(Clone)]
pub struct IsReady(pub Arc<dyn Fn(&str) -> bool + Send + Sync>);

impl std::fmt::Debug for IsReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IsReady")
    }
}

/// The same routes as a list.
pub fn declared() -> Vec<Declared> {
    declare::<()>(0).into_declared()
}

fn declare<T: Send + Sync + 'static>(max_upload_bytes: usize) -> Routes<Arc<Registry<T>>> {
    use Role::{Admin, Read};
    const VERSION: &str = "/v1/models/{name}/versions/{version}";
    Routes::new()
        .get(Read, "/v1/models", list::<T>)
        .post(Admin, "/v1/models", install::<T>)
        .layer(DefaultBodyLimit::max(max_upload_bytes))
        .get(Read, "/v1/models/{name}", show::<T>)
        .delete(Admin, "/v1/models/{name}", remove_all::<T>)
        .get(Read, VERSION, show_version::<T>)
        .delete(Admin, VERSION, remove_version::<T>)
        .put(Admin, "/v1/models/{name}/default_version", set_default::<T>)
}

/// The OpenAPI document of [`routes`], for a service to merge into its own.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(paths(
    list,
    install,
    show,
    removal::remove_all,
    show_version,
    removal::remove_version,
    set_default
))]
struct Document;

type Shared<T> = State<Arc<Registry<T>>>;

/// Lists installed packages, and damaged ones with the reason.
#[utoipa::path(get, path = "/v1/models", tag = "packages", responses((status = 200, body = Packages)))]
async fn list<T: Send + Sync + 'static>(State(registry): Shared<T>) -> Json<Packages> {
    let snapshot = registry.snapshot();
    Json(Packages {
        models: snapshot.values().map(|it| view(&snapshot, it)).collect(),
        damaged: registry.unusable().into_iter().map(views::unusable).collect(),
    })
}

/// Shows the versions of one package.
#[utoipa::path(get, path = "/v1/models/{name}", tag = "packages", params(
    ("name" = String, Path, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$", description = "The package's name"),
), responses((status = 200, body = PackageVersions), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
async fn show<T: Send + Sync + 'static>(
    State(registry): Shared<T>,
    Path(name): Path<String>,
    ready: Option<Extension<IsReady>>,
) -> Result<Json<PackageVersions>, ApiError> {
    let ready = ready.map(|Extension(it)| it);
    versions(&registry, &parse_name(name)?, ready.as_ref()).map(Json)
}

/// What is known of the versions of one package.
fn versions<T: Send + Sync + 'static>(
    registry: &Registry<T>,
    name: &PackageName,
    is_ready: Option<&IsReady>,
) -> Result<PackageVersions, ApiError> {
    let snapshot = registry.snapshot();
    let hosted = snapshot.values().filter(|it| it.package.key.name == *name);
    let versions: Vec<_> = hosted.map(|it| view(&snapshot, it)).collect();
    let damaged = registry.unusable().into_iter().filter(|it| it.name == name.as_str());
    let damaged: Vec<_> = damaged.map(views::unusable).collect();
    if versions.is_empty() && damaged.is_empty() {
        return Err(ApiError::not_found(format!("there is no model `{name}`")));
    }
    let default_version = snapshot.default_version(name.as_str()).map(NonZeroU64::get);
    let ready =
        !versions.is_empty() && is_ready.is_none_or(|IsReady(is_ready)| is_ready(name.as_str()));
    Ok(PackageVersions { name: name.to_string(), default_version, ready, versions, damaged })
}

/// A package as an answer has it.
fn view<T>(snapshot: &Snapshot<T>, hosted: &Hosted<T>) -> Package {
    let key = &hosted.package.key;
    let is_default = snapshot.default_version(key.name.as_str()) == Some(key.version);
    views::package(&hosted.package, is_default)
}

/// Shows one version of a package.
#[utoipa::path(get, path = "/v1/models/{name}/versions/{version}", tag = "packages", params(
    ("name" = String, Path, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$", description = "The package's name"),
    ("version" = u64, Path, minimum = 1, description = "Its version, from 1"),
), responses((status = 200, body = Package), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
async fn show_version<T: Send + Sync + 'static>(
    State(registry): Shared<T>,
    Path((name, version)): Path<(String, String)>,
) -> Result<Json<Package>, ApiError> {
    let (name, version) = (parse_name(name)?, parse_version(&version)?);
    let snapshot = registry.snapshot();
    let hosted = snapshot.find(name.as_str(), Some(version)).ok_or_else(|| {
        ApiError::not_found(format!("there is no model `{name}` version {version}"))
    })?;
    Ok(Json(view(&snapshot, hosted)))
}

/// Installs a package: a document without a version gets the next one.
#[utoipa::path(post, path = "/v1/models", tag = "packages",
    request_body(content = PackageUpload, content_type = "multipart/form-data"),
    responses(
        (status = 201, body = InstalledPackage, description = "A new version"),
        (status = 200, body = InstalledPackage, description = "The same content was there already"),
        (status = 400, body = ErrorAnswer, description = "The document or the form is not one"),
        (status = 409, body = ErrorAnswer, description = "The version is taken by other content"),
        (status = 413, body = ErrorAnswer),
        (status = 422, body = ErrorAnswer, description = "The artefact cannot be used here"),
        (status = 408, body = ErrorAnswer, description = "It came too slowly"),
        (status = 503, body = ErrorAnswer, description = "Too many others are uploaded; try again later"),
        (status = 507, body = ErrorAnswer, description = "The disk has no room for it"),
    ))]
async fn install<T: Send + Sync + 'static>(
    State(registry): Shared<T>,
    parts: Multipart,
) -> Result<(StatusCode, Extension<Changed>, Json<InstalledPackage>), ApiError> {
    let (upload, installing) = {
        let _receiving = registry.turns().receive().await?;
        let upload = Upload::receive(registry.dir(), parts).await?;
        (upload, registry.turns().install().await?)
    };
    let registry_too = Arc::clone(&registry);
    let work = tokio::task::spawn_blocking(move || {
        let _installing = installing;
        let artefacts = upload.artefacts()?;
        registry_too.install(upload.document, &artefacts).map_err(to_api)
    });
    let (package, outcome) = work.await.map_err(|error| ApiError::internal(&error))??;
    let status = match outcome {
        InstallOutcome::Installed => StatusCode::CREATED,
        InstallOutcome::Unchanged => StatusCode::OK,
    };
    let is_default =
        registry.snapshot().default_version(package.key.name.as_str()) == Some(package.key.version);
    let model = views::package(&package, is_default);
    let installed = InstalledPackage { outcome: views::outcome(outcome), model };
    let done = match outcome {
        InstallOutcome::Installed => "installed",
        InstallOutcome::Unchanged => "was there already",
    };
    let said =
        Changed(format!("package `{}` version {} {done}", package.key.name, package.key.version));
    Ok((status, Extension(said), Json(installed)))
}

/// Makes a version the default, which answers where a request or a metric spec names none.
///
/// That is a rollback where the version is not the newest. It holds, also through a restart, until the newest version is
/// made the default again or a newer one is installed.
#[utoipa::path(put, path = "/v1/models/{name}/default_version", tag = "packages", params(
    ("name" = String, Path, pattern = "^[A-Za-z][A-Za-z0-9_.-]{0,62}$", description = "The package's name"),
), request_body = DefaultVersion, responses(
    (status = 200, body = PackageVersions),
    (status = 400, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The version cannot be used"),
))]
async fn set_default<T: Send + Sync + 'static>(
    State(registry): Shared<T>,
    Path(name): Path<String>,
    ready: Option<Extension<IsReady>>,
    body: Bytes,
) -> Result<Json<PackageVersions>, ApiError> {
    let name = parse_name(name)?;
    let version = read_default_version(&body)?;
    let work = tokio::task::spawn_blocking(move || {
        registry.set_default(&name, version).map_err(to_api)?;
        versions(&registry, &name, ready.map(|Extension(it)| it).as_ref())
    });
    work.await.map_err(|error| ApiError::internal(&error))?.map(Json)
}

/// Reads `{"version": 1}`.
fn read_default_version(body: &[u8]) -> Result<NonZeroU64, ApiError> {
    let DefaultVersion { version } = read_json(body)?;
    NonZeroU64::new(version)
        .ok_or_else(|| ApiError::invalid("`version`: expected a whole number from 1, got 0"))
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::http::Request;
    use serde_json::{Value, json};
    use shadowline_service::{health::Health, http, metrics::Metrics};
    use tower::ServiceExt;

    use super::*;

    const DOCUMENT: &str = "kind: Model\nname: knn\nruntime: knn\nartefact: knn.sld\n\
         contract: {inputs: {age: int64}, outputs: {score: float64}}\n";

    fn app(dir: &tempfile::TempDir) -> Router {
        let registry = Registry::open(dir.path(), |_, artefacts| match artefacts.model() {
            b"bad" => Err("not a detector".into()),
            _ => Ok(()),
        });
        let api = routes(Arc::new(registry.unwrap()), 4096);
        http::router(&Health::new("test"), &Metrics::new("test", "0.0.0"), api).into_router()
    }

    async fn ask(app: &Router, request: Request<Body>) -> (u16, Value) {
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let value =
            if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (status, value)
    }

    async fn upload(app: &Router, parts: &[(&str, &[u8])]) -> (u16, Value) {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "--B\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--B--\r\n");
        let request = Request::post("/v1/models")
            .header("content-type", "multipart/form-data; boundary=B")
            .body(Body::from(body));
        ask(app, request.unwrap()).await
    }

    async fn get_json(app: &Router, path: &str) -> (u16, Value) {
        ask(app, Request::get(path).body(Body::empty()).unwrap()).await
    }

    async fn delete(app: &Router, path: &str) -> u16 {
        ask(app, Request::delete(path).body(Body::empty()).unwrap()).await.0
    }

    #[tokio::test]
    async fn a_package_comes_is_seen_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&dir);
        let parts = [("document", DOCUMENT.as_bytes()), ("artefact", b"one".as_slice())];
        let (status, body) = upload(&app, &parts).await;
        assert_eq!(
            (status, &body["outcome"], &body["model"]["version"]),
            (201, &json!("installed"), &json!(1))
        );
        let (status, body) = upload(&app, &parts).await;
        assert_eq!((status, &body["outcome"]), (200, &json!("unchanged")));
        // In the other order.
        upload(&app, &[("artefact", b"two"), ("document", DOCUMENT.as_bytes())]).await;
        let (_, body) = get_json(&app, "/v1/models").await;
        assert_eq!(body["models"].as_array().unwrap().len(), 2);
        assert_eq!(body["damaged"], json!([]));
        let (_, body) = get_json(&app, "/v1/models/knn").await;
        assert_eq!(body["versions"][1]["version"], 2);
        let (_, body) = get_json(&app, "/v1/models/knn/versions/2").await;
        assert_eq!(body["contract"]["inputs"]["age"]["type"], "int64");
        assert_eq!(delete(&app, "/v1/models/knn/versions/1").await, 204);
        assert_eq!(delete(&app, "/v1/models/knn/versions/1").await, 404);
        assert_eq!(delete(&app, "/v1/models/knn").await, 204);
        assert_eq!(get_json(&app, "/v1/models/knn").await.0, 404);
        assert_eq!(get_json(&app, "/v1/models/knn/versions/x").await.0, 400);
        // What was deleted has had its number.
        let (_, body) = upload(&app, &parts).await;
        assert_eq!(body["model"]["version"], 3);
    }

    #[tokio::test]
    async fn a_package_is_rolled_back() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&dir);
        for artefact in [b"one".as_slice(), b"two"] {
            upload(&app, &[("document", DOCUMENT.as_bytes()), ("artefact", artefact)]).await;
        }
        let put = async |body: &str| {
            let request = Request::put("/v1/models/knn/default_version");
            ask(&app, request.body(Body::from(body.to_owned())).unwrap()).await
        };
        let (_, body) = get_json(&app, "/v1/models/knn").await;
        assert_eq!(body["default_version"], 2);
        let (status, body) = put(r#"{"version": 1}"#).await;
        assert_eq!((status, &body["default_version"]), (200, &json!(1)));
        assert_eq!(get_json(&app, "/v1/models/knn").await.1, body);
        let (_, body) = get_json(&app, "/v1/models").await;
        let is_default: Vec<_> =
            body["models"].as_array().unwrap().iter().map(|it| &it["is_default"]).collect();
        assert_eq!(is_default, [&json!(true), &json!(false)]);
        for (body, expected, word) in [
            (r#"{"version": 3}"#, 404, "version 3"),
            (r#"{"version": 0}"#, 400, "`version`"),
            (r#"{"version": null}"#, 400, "`version`"),
            (r#"{"version": -1}"#, 400, "`version`"),
            (r#"{"version": "1"}"#, 400, "`version`"),
            (r#"{"version": 2, "version": 1}"#, 400, "`version` came twice"),
            (r#"{"version": 1, "to": 2}"#, 400, "`to`"),
            ("{}", 400, "`version`"),
            ("1", 400, "the body"),
            ("", 400, "the body"),
        ] {
            let (status, answer) = put(body).await;
            assert_eq!(status, expected, "{body}: {answer}");
            assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
        }
    }

    #[tokio::test]
    async fn further_artefacts_come_as_parts_of_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&dir);
        let document = format!("{DOCUMENT}artefacts: {{profile: p.slm}}\n");
        let document = ("document", document.as_bytes());
        let artefact = ("artefact", b"one".as_slice());
        let profile = ("profile", b"three".as_slice());
        let (status, body) = upload(&app, &[document, artefact, profile]).await;
        assert_eq!(
            (status, &body["model"]["artefacts"]["profile"]["size_bytes"]),
            (201, &json!(5))
        );
        let message = async |parts: &[(&str, &[u8])]| {
            let (status, body) = upload(&app, parts).await;
            assert_eq!((status, &body["error"]["code"]), (400, &json!("invalid_argument")));
            body["error"]["message"].as_str().unwrap().to_owned()
        };
        assert!(message(&[document, artefact]).await.contains("`profile` is missing"));
        let plain = ("document", DOCUMENT.as_bytes());
        assert!(message(&[plain, artefact, profile]).await.contains("`profile` is not among"));
        assert!(message(&[document, artefact, profile, profile]).await.contains("part `profile`"));
    }

    #[tokio::test]
    async fn a_bad_upload_says_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let app = app(&dir);
        let document = DOCUMENT.as_bytes();
        let versioned = [document, b"version: 1\n"].concat();
        let misspelt = DOCUMENT.replace("runtime", "runtme");
        assert_eq!(upload(&app, &[("document", document), ("artefact", b"one")]).await.0, 201);
        let large = vec![0; 5000];
        let check = async |parts: &[(&str, &[u8])], status: u16, code: &str, word: &str| {
            let (found, body) = upload(&app, parts).await;
            assert_eq!((found, body["error"]["code"].as_str()), (status, Some(code)), "{body}");
            assert!(body["error"]["message"].as_str().unwrap().contains(word), "{body}");
        };
        check(&[("document", document)], 400, "invalid_argument", "`artefact` is missing").await;
        check(&[("artefact", b"x")], 400, "invalid_argument", "`document` is missing").await;
        check(&[("model", b"x")], 400, "invalid_argument", "part `model`").await;
        check(&[("document", b"\xff")], 400, "invalid_argument", "not UTF-8").await;
        check(&[("document", misspelt.as_bytes())], 400, "invalid_argument", "runtme").await;
        check(
            &[("document", document), ("artefact", b"bad")],
            422,
            "unusable_model",
            "not a detector",
        )
        .await;
        check(&[("document", &versioned), ("artefact", b"two")], 409, "conflict", "other content")
            .await;
        check(&[("document", document), ("artefact", &large)], 413, "too_large", "larger").await;
    }
}
