//! The REST side: metric specs, checks and alerts, and the page that explains them.

mod alerts;
mod checks;
mod query;
mod specs;
mod views;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use shadowline_error::chain;
use shadowline_service::{docs, http::ApiError};
use shadowline_store::{Store, StoreError};
use utoipa::OpenApi;

use crate::engine::{ChangeError, Handle};

/// A metric spec is a page of text at most.
const MAX_SPEC_BYTES: usize = 64 * 1024;

const UNAVAILABLE: &str =
    "the database cannot be used at the moment, try again later; /readyz says what is wrong";

/// What every handler has.
#[derive(Debug, Clone)]
struct Api {
    engine: Handle,
    store: Store,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shadowline metric specs",
        description = "Registers metric specs, and shows what they judged and which alerts that raised. \
                       A spec says when it alerts: `value OPERATOR threshold` true is a breach."
    ),
    paths(
        specs::create,
        specs::list,
        specs::show,
        specs::put,
        specs::patch,
        specs::delete,
        specs::versions,
        checks::list,
        checks::count,
        alerts::current,
        alerts::history,
    ),
    components(schemas(views::ErrorAnswer))
)]
struct Document;

/// Returns the OpenAPI document.
///
/// # Panics
/// Never: the document is made of constants.
pub fn openapi_json() -> String {
    let mut json =
        Document::openapi().to_pretty_json().expect("an OpenAPI document can be written as JSON");
    json.push('\n');
    json
}

/// Whether the database was opened; until then every request is answered by 503.
pub(crate) type Opened = Arc<AtomicBool>;

pub(crate) fn router(engine: Handle, store: Store, opened: Opened) -> Router {
    let specs = get(specs::list).post(specs::create);
    let spec = get(specs::show).put(specs::put).patch(specs::patch).delete(specs::delete);
    Router::new()
        .route("/v1/metric-specs", specs)
        .route("/v1/metric-specs/{key}", spec)
        .route("/v1/metric-specs/{key}/versions", get(specs::versions))
        .layer(DefaultBodyLimit::max(MAX_SPEC_BYTES))
        .route("/v1/checks", get(checks::list))
        .route("/v1/checks/count", get(checks::count))
        .route("/v1/alerts", get(alerts::current))
        .route("/v1/alerts/history", get(alerts::history))
        .route_layer(from_fn_with_state(opened, refuse_until_opened))
        .with_state(Api { engine, store })
        .merge(docs::router("Shadowline metric specs", openapi_json()))
}

/// The one place where failures of a change meet HTTP. No `_` arm: a new variant must choose its code.
fn refused(error: ChangeError) -> ApiError {
    match error {
        ChangeError::NotFound { .. } => ApiError::not_found(error.to_string()),
        ChangeError::NameTaken { .. } => ApiError::conflict(error.to_string()),
        ChangeError::OtherName { .. } | ChangeError::Spec(_) => {
            ApiError::invalid(error.to_string())
        }
        ChangeError::Store(source) => store_failed(&source),
        ChangeError::Stopped => ApiError::unavailable(error.to_string()),
    }
}

/// The database may come back, so the caller is told to try again; its cause is for the log.
fn store_failed(error: &StoreError) -> ApiError {
    tracing::error!(error = chain(error), "request failed");
    ApiError::unavailable(UNAVAILABLE)
}

async fn refuse_until_opened(
    State(opened): State<Opened>,
    request: Request,
    next: Next,
) -> Response {
    if opened.load(Ordering::Relaxed) {
        next.run(request).await
    } else {
        ApiError::unavailable(UNAVAILABLE).into_response()
    }
}
