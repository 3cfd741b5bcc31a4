//! `/v1/metric-specs`

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use shadowline_api::specs::{self, MetricSpecDocument, SpecAnswer, SpecPatch, SpecsAnswer};
use shadowline_evaluation::{MetricSpec, RawMetricSpec};
use shadowline_service::http::{ApiError, Changed, read_json};
use shadowline_store::{SpecKey, StoredSpec};

use super::query::Parameters;
use super::views::{self, ErrorAnswer};
use super::{Api, refused, store_failed};
use crate::engine::{Change, Patch};

fn document(body: &Bytes) -> Result<MetricSpec, ApiError> {
    let raw: RawMetricSpec = read_json(body)?;
    MetricSpec::try_from(raw).map_err(|error| ApiError::invalid(error.to_string()))
}

fn location(stored: &StoredSpec) -> [(axum::http::HeaderName, String); 1] {
    [(LOCATION, format!("/v1/metric-specs/{}", stored.id))]
}

fn answer(stored: &StoredSpec, change: Change) -> impl IntoResponse + use<> {
    let (status, change) = match change {
        Change::Created => (StatusCode::CREATED, specs::Change::Created),
        Change::Updated => (StatusCode::OK, specs::Change::Updated),
        Change::Unchanged => (StatusCode::OK, specs::Change::Unchanged),
    };
    let said = said(stored, change);
    (status, location(stored), said, Json(views::registered(stored, Some(change))))
}

/// What the log says of a change, beside who made it.
fn said(stored: &StoredSpec, change: specs::Change) -> Extension<Changed> {
    let done = match change {
        specs::Change::Created => "created",
        specs::Change::Updated => "changed",
        specs::Change::Unchanged => "left as it was",
        specs::Change::Deleted => "deleted",
    };
    Extension(Changed(format!("metric spec `{}` {done}", stored.spec.name())))
}

/// Registers a new metric spec.
#[utoipa::path(post, path = "/v1/metric-specs", tag = "metric specs", request_body = MetricSpecDocument, responses(
    (status = 201, body = SpecAnswer),
    (status = 400, description = "A field is missing or not as it must be; the message names it", body = ErrorAnswer),
    (status = 409, description = "Another spec has the name", body = ErrorAnswer),
))]
pub(super) async fn create(
    State(api): State<Api>,
    body: Bytes,
) -> Result<impl IntoResponse, ApiError> {
    let stored = api.engine.create(document(&body)?).await.map_err(refused)?;
    Ok(answer(&stored, Change::Created))
}

/// Lists metric specs by name; all, or those of one model.
#[utoipa::path(get, path = "/v1/metric-specs", tag = "metric specs", params(
    ("model" = Option<String>, Query, pattern = "^[^\\x00]*$", description = "Only specs of this model"),
), responses((status = 200, body = SpecsAnswer), (status = 400, body = ErrorAnswer)))]
pub(super) async fn list(
    State(api): State<Api>,
    query: Parameters,
) -> Result<Json<SpecsAnswer>, ApiError> {
    let query = query.only(&["model"])?;
    let specs = api.store.specs(query.text("model")).await.map_err(|it| store_failed(&it))?;
    Ok(Json(SpecsAnswer {
        metric_specs: specs.iter().map(|it| views::registered(it, None)).collect(),
    }))
}

async fn find(api: &Api, key: &str) -> Result<StoredSpec, ApiError> {
    let not_found = || ApiError::not_found(format!("there is no metric spec `{key}`"));
    // PostgreSQL refuses to look for it.
    if key.contains('\0') {
        return Err(not_found());
    }
    let found = api.store.spec(&SpecKey::parse(key)).await.map_err(|it| store_failed(&it))?;
    found.ok_or_else(not_found)
}

/// Shows a metric spec, by its id or its name.
#[utoipa::path(get, path = "/v1/metric-specs/{key}", tag = "metric specs", params(
    ("key" = String, Path, description = "Id or name"),
), responses((status = 200, body = SpecAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn show(
    State(api): State<Api>,
    Path(key): Path<String>,
) -> Result<Json<SpecAnswer>, ApiError> {
    Ok(Json(views::registered(&find(&api, &key).await?, None)))
}

/// Replaces a metric spec, which makes its next version; under a name that is free, registers it.
///
/// A version starts its evaluation afresh: an active alert of the version before is resolved. A document that
/// says what is registered already changes nothing.
#[utoipa::path(put, path = "/v1/metric-specs/{key}", tag = "metric specs", request_body = MetricSpecDocument, params(
    ("key" = String, Path, description = "Id or name"),
), responses(
    (status = 200, body = SpecAnswer), (status = 201, body = SpecAnswer), (status = 400, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer), (status = 409, body = ErrorAnswer),
))]
pub(super) async fn put(
    State(api): State<Api>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<impl IntoResponse, ApiError> {
    let (stored, change) = api.engine.put(key, document(&body)?).await.map_err(refused)?;
    Ok(answer(&stored, change))
}

/// Changes the threshold of a metric spec, or switches it on or off.
#[utoipa::path(patch, path = "/v1/metric-specs/{key}", tag = "metric specs", request_body = SpecPatch, params(
    ("key" = String, Path, description = "Id or name"),
), responses((status = 200, body = SpecAnswer), (status = 400, body = ErrorAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn patch(
    State(api): State<Api>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<impl IntoResponse, ApiError> {
    let SpecPatch { enabled, threshold } = read_json(&body)?;
    if enabled.is_none() && threshold.is_none() {
        return Err(ApiError::invalid(
            "the body names nothing to change; expected `enabled` or `threshold`",
        ));
    }
    let (stored, change) =
        api.engine.patch(key, Patch { threshold, enabled }).await.map_err(refused)?;
    Ok(answer(&stored, change))
}

/// Deletes a metric spec. Its checks and the history of its alerts stay, under its id.
#[utoipa::path(delete, path = "/v1/metric-specs/{key}", tag = "metric specs", params(
    ("key" = String, Path, description = "Id or name"),
), responses((status = 200, description = "What was deleted", body = SpecAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn delete(
    State(api): State<Api>,
    Path(key): Path<String>,
) -> Result<impl IntoResponse, ApiError> {
    let deleted = api.engine.delete(key).await.map_err(refused)?;
    let change = specs::Change::Deleted;
    Ok((said(&deleted, change), Json(views::registered(&deleted, Some(change)))))
}

/// Lists every version of a metric spec, oldest first; also of a deleted one, by its id.
#[utoipa::path(get, path = "/v1/metric-specs/{key}/versions", tag = "metric specs", params(
    ("key" = String, Path, description = "Id or name"),
), responses((status = 200, body = SpecsAnswer), (status = 404, body = ErrorAnswer)))]
pub(super) async fn versions(
    State(api): State<Api>,
    Path(key): Path<String>,
) -> Result<Json<SpecsAnswer>, ApiError> {
    let id = match SpecKey::parse(&key) {
        SpecKey::Id(id) => id,
        SpecKey::Name(_) => find(&api, &key).await?.id,
    };
    let versions = api.store.spec_versions(id).await.map_err(|it| store_failed(&it))?;
    if versions.is_empty() {
        return Err(ApiError::not_found(format!("there is no metric spec `{key}`")));
    }
    Ok(Json(SpecsAnswer {
        metric_specs: versions.iter().map(|it| views::registered(it, None)).collect(),
    }))
}
