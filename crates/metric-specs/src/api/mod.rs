//! The REST side: metric specs, checks and alerts, and the page that explains them.

mod alerts;
mod checks;
mod query;
mod specs;
mod views;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use shadowline_api::Role;
use shadowline_error::chain;
use shadowline_service::docs;
use shadowline_service::http::{self, ApiError};
use shadowline_service::routes::{Declared, Routes};
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

pub(crate) fn router(engine: Handle, store: Store, opened: Opened) -> Routes {
    declare()
        .route_layer(from_fn_with_state(opened, refuse_until_opened))
        .with_state(Api { engine, store })
        .merge(docs::routes(Role::Read, "Shadowline metric specs", openapi_json()))
}

/// Returns every route with the role that it needs.
pub fn routes() -> Vec<Declared> {
    let docs = docs::routes(Role::Read, "", String::new()).into_declared();
    [http::declared(), docs, declare().into_declared()].concat()
}

fn declare() -> Routes<Api> {
    use Role::{Operate, Read};
    const SPEC: &str = "/v1/metric-specs/{key}";
    Routes::new()
        .get(Read, "/v1/metric-specs", specs::list)
        .post(Operate, "/v1/metric-specs", specs::create)
        .get(Read, SPEC, specs::show)
        .put(Operate, SPEC, specs::put)
        .patch(Operate, SPEC, specs::patch)
        .delete(Operate, SPEC, specs::delete)
        .get(Read, "/v1/metric-specs/{key}/versions", specs::versions)
        .layer(DefaultBodyLimit::max(MAX_SPEC_BYTES))
        .get(Read, "/v1/checks", checks::list)
        .get(Read, "/v1/checks/count", checks::count)
        .get(Read, "/v1/alerts", alerts::current)
        .get(Read, "/v1/alerts/history", alerts::history)
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

#[cfg(test)]
mod tests {
    use shadowline_service::agreement::differences;

    use super::*;

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(differences(&routes(), &openapi_json()), Vec::<String>::new());
    }
}
