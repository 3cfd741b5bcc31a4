//! HTTP as every service speaks it: health, metrics, JSON errors, request ids, graceful shutdown.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use axum::{Json, Router};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use serde::{Deserialize, Serialize};
use serde_json::json;
use shadowline_error::chain;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, error_span, info, warn};

use crate::health::Health;
use crate::health_metrics::HealthCollector;
use crate::metrics::Metrics;
use crate::traces::{self, Exemplar, KeyValue, ServerSpan, SpanContext};

/// The header a request's id comes in and goes out by.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which an answer says under which id it was written down.
const INFERENCE_ID: HeaderName = HeaderName::from_static("shadowline-inference-id");

/// Size limit of a request body where a route sets none of its own, in bytes.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// How long open connections may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Where a service listens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port, for example `127.0.0.1:8010`; port 0 takes any free one.
    pub listen: String,
}

impl HttpSettings {
    /// Opens the port.
    ///
    /// # Errors
    /// The operating system's, with the address in its text.
    pub async fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::bind(&self.listen).await.map_err(|error| {
            io::Error::new(error.kind(), format!("listen on `{}`: {error}", self.listen))
        })
    }
}

/// The id of the request being answered; handlers can take it as an extension.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The trace of the request being answered; handlers can take it as an extension.
#[derive(Debug, Clone)]
pub struct RequestTrace(pub SpanContext);

/// A REST error: a stable code for programs, a message for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word in snake case.
    pub code: &'static str,
    /// What was wrong, where, and what was expected.
    pub message: String,
}

impl ApiError {
    /// Makes an error answer.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: message.into() }
    }

    /// 400 `invalid_argument`: the caller sent something that cannot be right.
    pub fn invalid(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, "invalid_argument", message)
    }

    /// 404 `not_found`.
    pub fn not_found(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 409 `conflict`: right by itself, but not with what is there already.
    pub fn conflict(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 503 `unavailable`: this service cannot do it now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// 500 `internal`: logs the cause and keeps it from the caller.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(error), "request failed");
        ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the request failed inside the service; its log says why under this request id",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status;
        // The body is written by `finish_request`, which knows the request's id.
        let mut response = status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A service's whole HTTP side: `/livez`, `/readyz`, `/v1/status`, `/metrics` and its own routes.
pub fn router(health: &Health, metrics: &Metrics, api: Router) -> Router {
    let durations = register_metrics(health, metrics).durations;
    let version = metrics.version();
    let base = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(health.clone())
        .merge(Router::new().route("/v1/status", get(status)).with_state((health.clone(), version)))
        .merge(
            // Both paths, because scrapers of mounted metrics apps ask for the second.
            Router::new()
                .route("/metrics", get(scrape))
                .route("/metrics/", get(scrape))
                .with_state(metrics.clone()),
        );
    base.merge(api)
        .fallback(|request: Request| async move {
            ApiError::not_found(format!("there is nothing at `{}`", request.uri().path()))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(durations, finish_request))
}

/// Answers requests until `stop`, then lets those in flight finish, for a bounded time.
///
/// # Errors
/// The operating system's, when the port can no longer be served.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> io::Result<()> {
    // Whoever asked for port 0 reads here which one it became.
    info!(http = %listener.local_addr()?, "serving HTTP");
    let listener = listener.tap_io(|stream| {
        // Answers are small and somebody waits for each.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "no TCP_NODELAY");
        }
    });
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().cancelled_owned());
    let out_of_patience = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = serving.into_future() => result,
        () = out_of_patience => {
            warn!("connections still open after the grace period were cut off");
            Ok(())
        }
    }
}

/// The metrics that every service's HTTP side has.
pub(crate) struct HttpMetrics {
    durations: Durations,
}

impl HttpMetrics {
    /// Makes one series of each.
    pub(crate) fn touch(&self) {
        let Self { durations } = self;
        let labels = HttpLabels { method: "GET", route: "/livez".to_owned(), status: 200 };
        drop(durations.get_or_create(&labels));
    }
}

pub(crate) fn register_metrics(health: &Health, metrics: &Metrics) -> HttpMetrics {
    metrics.register_collector(HealthCollector::new(health.clone()));
    HttpMetrics {
        durations: metrics.register(
            "shadowline_http_request_duration_seconds",
            "Time to answer an HTTP request",
            Durations::new_with_constructor(duration_histogram),
        ),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    method: &'static str,
    route: String,
    status: u16,
}

type DurationHistogram = HistogramWithExemplars<Exemplar>;
type Durations = Family<HttpLabels, DurationHistogram, fn() -> DurationHistogram>;

fn duration_histogram() -> DurationHistogram {
    let buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    DurationHistogram::new(buckets.into_iter())
}

/// The methods in use, so that a caller cannot make up label values.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "HEAD" => "HEAD",
        _ => "other",
    }
}

async fn livez(State(health): State<Health>) -> Response {
    let uptime_seconds = health.uptime().as_secs();
    let message = format!("{} is alive", health.service());
    Json(json!({"status": "ok", "message": message, "uptime_seconds": uptime_seconds}))
        .into_response()
}

async fn readyz(State(health): State<Health>) -> Response {
    let report = health.report();
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

/// Says everything that the service can say of itself; 200 however it is, since it can be asked.
async fn status(State((health, version)): State<(Health, &'static str)>) -> Response {
    Json(health.status(version)).into_response()
}

async fn scrape(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|it| it.to_str().ok());
    let (content_type, body) = metrics.negotiated(accept);
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

/// Gives the request its id, measures it, and turns every error into the one JSON form.
async fn finish_request(
    State(durations): State<Durations>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = match request.extensions().get::<MatchedPath>() {
        Some(matched) => matched.as_str().to_owned(),
        None => "unknown".to_owned(),
    };
    let caller = traces::of_headers(request.headers());
    let mut span = match is_question_of_machines(&route) {
        true => None,
        false => begin_span(&request, &route, caller.as_ref()),
    };
    let trace = span.as_ref().map(ServerSpan::context).cloned().or(caller);
    // At this level, so that a failure is logged with its request's id.
    let log_span = match &trace {
        Some(trace) => {
            request.extensions_mut().insert(RequestTrace(trace.clone()));
            let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
            error_span!("http", request_id = id, %method, path, %trace_id, %span_id)
        }
        None => error_span!("http", request_id = id, %method, path),
    };
    let response = next.run(request).instrument(log_span).await;
    let mut response = as_json_error(response, &method, &path, &id).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let labels =
        HttpLabels { method: method_label(&method), route, status: response.status().as_u16() };
    if let Some(span) = &mut span {
        end_span(span, &response);
    }
    let exemplar = traces::exemplar(trace.as_ref());
    durations.get_or_create(&labels).observe(started.elapsed().as_secs_f64(), exemplar, None);
    debug!(request_id = id, %method, path, status = response.status().as_u16(), "answered");
    response
}

/// Whether a path is asked again and again by those who watch the service, and belongs to nobody's request.
fn is_question_of_machines(route: &str) -> bool {
    matches!(route, "/livez" | "/readyz" | "/metrics" | "/metrics/" | "/v1/status")
}

/// The span of a request, by OpenTelemetry's conventions for HTTP servers.
fn begin_span(request: &Request, route: &str, caller: Option<&SpanContext>) -> Option<ServerSpan> {
    let method = method_label(request.method());
    ServerSpan::begin(format!("{method} {route}"), caller, || {
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("url.path", request.uri().path().to_owned()),
            KeyValue::new("url.scheme", "http"),
        ];
        let host = request.headers().get("host").and_then(|it| it.to_str().ok());
        if let Some(host) = host {
            let (address, port) = host.rsplit_once(':').unwrap_or((host, ""));
            attributes.push(KeyValue::new("server.address", address.to_owned()));
            if let Ok(port) = port.parse::<u16>() {
                attributes.push(KeyValue::new("server.port", i64::from(port)));
            }
        }
        attributes
    })
}

fn end_span(span: &mut ServerSpan, response: &Response) {
    let status = response.status();
    span.set("http.response.status_code", i64::from(status.as_u16()));
    if let Some(id) = response.headers().get(INFERENCE_ID).and_then(|it| it.to_str().ok()) {
        span.set("shadowline.inference.id", id.to_owned());
    }
    if status.is_server_error() {
        let reason = status.canonical_reason().unwrap_or("the request failed");
        span.failed(status.as_u16().to_string(), reason.to_owned());
    }
}

/// The caller's id if it is one that can be logged and sent back, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|it| it.to_str().ok());
    match given {
        Some(id) if (1..=128).contains(&id.len()) && id.bytes().all(|it| it.is_ascii_graphic()) => {
            id.to_owned()
        }
        _ => uuid::Uuid::now_v7().to_string(),
    }
}

/// Leaves answers and JSON bodies alone, and writes the JSON of every other error.
async fn as_json_error(mut response: Response, method: &Method, path: &str, id: &str) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let error = match response.extensions_mut().remove::<ApiError>() {
        Some(error) => error,
        None => {
            let json = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
            if json.is_some_and(|it| it.starts_with("application/json")) {
                return response;
            }
            let body = std::mem::replace(response.body_mut(), Body::empty());
            // What axum itself has to say about a request is far shorter.
            let text = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
            foreign_error(status, method, path, String::from_utf8_lossy(&text).trim())
        }
    };
    let body = json!({"error": {"code": error.code, "message": error.message, "request_id": id}});
    let mut headers = std::mem::take(response.headers_mut());
    headers.remove(CONTENT_LENGTH);
    headers.remove(CONTENT_TYPE);
    let mut answer = (status, Json(body)).into_response();
    answer.headers_mut().extend(headers);
    answer
}

/// The error of a request that no handler of ours refused.
fn foreign_error(status: StatusCode, method: &Method, path: &str, text: &str) -> ApiError {
    let code = match status {
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        other if other.is_client_error() => "invalid_argument",
        _ => "internal",
    };
    let message = if status == StatusCode::METHOD_NOT_ALLOWED {
        format!("`{path}` does not take {method}")
    } else if text.is_empty() {
        status.canonical_reason().unwrap_or("the request failed").to_lowercase()
    } else {
        text.to_owned()
    };
    ApiError::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    fn app() -> (Router, Health) {
        let health = Health::new("test");
        let metrics = Metrics::new("test", "0.0.0");
        let api = Router::new()
            .route("/v1/fails", get(|| async { ApiError::conflict("there is one already") }))
            .route(
                "/v1/echo",
                post(|Json(value): Json<serde_json::Value>| async move { Json(value) }),
            );
        (router(&health, &metrics, api), health)
    }

    async fn ask(
        app: &Router,
        request: axum::http::request::Builder,
        body: Vec<u8>,
    ) -> (StatusCode, HeaderMap, String) {
        let response = app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
    }

    fn get_of(path: &str) -> axum::http::request::Builder {
        axum::http::Request::get(path)
    }

    #[tokio::test]
    async fn health_is_said_in_words() {
        let (app, health) = app();
        let log = health.component("log");
        let (status, _, body) = ask(&app, get_of("/readyz"), vec![]).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("log is failing: starting"), "{body}");
        log.degraded("slow");
        let (status, _, body) = ask(&app, get_of("/readyz"), vec![]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("log is degraded: slow"), "{body}");
        assert_eq!(ask(&app, get_of("/livez"), vec![]).await.0, StatusCode::OK);
        let (status, _, body) = ask(&app, get_of("/v1/status"), vec![]).await;
        let shown: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!((status, &shown["version"]), (StatusCode::OK, &json!("0.0.0")));
        assert_eq!(shown["status"], "degraded");
        assert_eq!(shown["last_error"]["message"], "log: slow");
    }

    #[tokio::test]
    async fn metrics_come_in_the_form_asked_for() {
        let (app, _) = app();
        let (_, headers, body) = ask(&app, get_of("/metrics"), vec![]).await;
        assert_eq!(headers[CONTENT_TYPE], crate::metrics::TEXT);
        assert!(!body.contains("# EOF"));
        let request = get_of("/metrics").header(ACCEPT, "application/openmetrics-text");
        let (_, headers, body) = ask(&app, request, vec![]).await;
        assert_eq!(headers[CONTENT_TYPE], crate::metrics::OPENMETRICS);
        assert!(body.ends_with("# EOF\n"));
        assert!(body.contains("route=\"/metrics\""), "{body}");
    }

    #[tokio::test]
    async fn every_error_is_json_with_a_request_id() {
        let (app, _) = app();
        let json =
            |path: &str| axum::http::Request::post(path).header(CONTENT_TYPE, "application/json");
        for (request, body, status, code, word) in [
            (get_of("/v1/fails"), vec![], 409, "conflict", "one already"),
            (get_of("/nowhere"), vec![], 404, "not_found", "/nowhere"),
            (get_of("/v1/echo"), vec![], 405, "method_not_allowed", "does not take GET"),
            (json("/v1/echo"), b"{".to_vec(), 400, "invalid_argument", "JSON"),
            (json("/v1/echo"), vec![b' '; MAX_BODY_BYTES + 1], 413, "too_large", "limit"),
            (
                axum::http::Request::post("/v1/echo"),
                vec![],
                415,
                "unsupported_media_type",
                "Content-Type",
            ),
        ] {
            let (found, headers, body) =
                ask(&app, request.header("x-request-id", "mine-1"), body).await;
            assert_eq!(found.as_u16(), status, "{body}");
            let error = &serde_json::from_str::<serde_json::Value>(&body).unwrap()["error"];
            assert_eq!(error["code"], code);
            assert_eq!(error["request_id"], "mine-1");
            assert!(error["message"].as_str().unwrap().contains(word), "{body}");
            assert_eq!(headers["x-request-id"], "mine-1");
            assert_eq!(headers[CONTENT_TYPE], "application/json");
        }
    }

    #[tokio::test]
    async fn an_id_that_cannot_be_logged_is_replaced() {
        let (app, _) = app();
        for id in ["", "with space", &"x".repeat(129)] {
            let (_, headers, _) =
                ask(&app, get_of("/livez").header("x-request-id", id), vec![]).await;
            assert!(uuid::Uuid::parse_str(headers["x-request-id"].to_str().unwrap()).is_ok());
        }
    }

    #[tokio::test]
    async fn a_stop_lets_requests_in_flight_finish() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (entered, mut inside) = tokio::sync::mpsc::channel(1);
        let (release, released) = tokio::sync::watch::channel(false);
        let api = Router::new().route(
            "/slow",
            get(move || async move {
                entered.send(()).await.unwrap();
                released.clone().wait_for(|it| *it).await.unwrap();
                "done"
            }),
        );
        let app = router(&Health::new("test"), &Metrics::new("test", "0.0.0"), api);
        let listener = HttpSettings { listen: "127.0.0.1:0".into() }.bind().await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, app, stop.clone()));
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        client
            .write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
        inside.recv().await.unwrap();
        stop.cancel();
        release.send(true).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        server.await.unwrap().unwrap();
    }
}
