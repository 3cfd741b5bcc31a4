//! The routes that every service has: health, status and metrics.

use axum::Json;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shadowline_api::Role;
use shadowline_api::status::{Alive, Condition, Root};

use crate::health::Health;
use crate::metrics::Metrics;
use crate::routes::Routes;

/// What the routes ask.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub(super) health: Health,
    pub(super) metrics: Metrics,
}

pub(super) fn routes() -> Routes<System> {
    Routes::new()
        .get(Role::Public, "/", root)
        .get(Role::Public, "/livez", livez)
        .get(Role::Public, "/readyz", readyz)
        .get(Role::Read, "/v1/status", status)
        // Both paths, because scrapers of mounted metrics apps ask for the second.
        .get(Role::Read, "/metrics", scrape)
        .get(Role::Read, "/metrics/", scrape)
}

/// Says where to look; to clients of KServe's first protocol, that the server is alive.
async fn root(State(System { health, .. }): State<System>) -> Json<Root> {
    Json(Root {
        status: "alive".to_owned(),
        service: health.service().to_owned(),
        docs: "/docs".to_owned(),
        openapi: "/openapi.json".to_owned(),
        health: "/readyz".to_owned(),
    })
}

async fn livez(State(System { health, .. }): State<System>) -> Json<Alive> {
    let uptime_seconds = health.uptime().as_secs();
    let message = format!("{} is alive", health.service());
    Json(Alive { message, status: Condition::Ok, uptime_seconds })
}

async fn readyz(State(System { health, .. }): State<System>) -> Response {
    let report = health.report();
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// Returns everything that the service knows of itself; 200 whatever its state is, since it did answer.
async fn status(State(System { health, metrics }): State<System>) -> Response {
    Json(health.status(metrics.version())).into_response()
}

async fn scrape(State(System { metrics, .. }): State<System>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok());
    let (content_type, body) = metrics.negotiated(accept);
    ([(CONTENT_TYPE, content_type)], body).into_response()
}
