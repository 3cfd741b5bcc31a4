//! What happens around every request: its id, its trace, its duration.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use tokio::time::Instant;
use tracing::{Instrument, debug, error_span};

use super::body::run_decoded;
use super::error::as_json_error;
use super::slow_body::GivenUp;
use crate::health::Health;
use crate::health_metrics::HealthCollector;
use crate::metrics::Metrics;
use crate::traces::{self, Exemplar, KeyValue, ServerSpan, SpanContext};

/// The header a request's id comes in and goes out by.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The header in which an answer names the inference it was recorded under.
const INFERENCE_ID: HeaderName = HeaderName::from_static("shadowline-inference-id");

/// The id of the request being answered; handlers can take it as an extension.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// The trace of the request being answered; handlers can take it as an extension.
#[derive(Debug, Clone)]
pub struct RequestTrace(pub SpanContext);

/// The metrics that every service's HTTP side has.
pub(crate) struct HttpMetrics {
    pub(super) durations: Durations,
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
pub(super) struct HttpLabels {
    method: &'static str,
    route: String,
    status: u16,
}

pub(super) type DurationHistogram = HistogramWithExemplars<Exemplar>;
pub(super) type Durations = Family<HttpLabels, DurationHistogram, fn() -> DurationHistogram>;

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

/// Gives the request its id, measures it, and turns every error into the one JSON form.
pub(super) async fn finish_request(
    State(durations): State<Durations>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let has_own_id = request.headers().contains_key(REQUEST_ID);
    let mut id = request_id(request.headers());
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
    let given_up = GivenUp::default();
    let request = request.map(|body| given_up.limited(body));
    let mut response = run_decoded(request, next).instrument(log_span).await;
    given_up.explain(&mut response);
    // What was recorded, also as refused, goes by the id of its record; a caller's own id is not taken from him.
    let recorded = inference_id(&response);
    let named = recorded.map_or_else(|| id.clone(), str::to_owned);
    let mut response = as_json_error(response, &method, &path, &named).await;
    if !has_own_id {
        id = named;
    }
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

/// Whether a path is asked again and again by those who watch the service, and belongs to no user's request.
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
    if let Some(id) = inference_id(response) {
        span.set("shadowline.inference.id", id.to_owned());
    }
    if status.is_server_error() {
        let reason = status.canonical_reason().unwrap_or("the request failed");
        span.failed(status.as_u16().to_string(), reason.to_owned());
    }
}

/// The id of the inference that an answer is of. Not `to_str`, which takes ASCII only: an id may have any letters.
fn inference_id(response: &Response) -> Option<&str> {
    std::str::from_utf8(response.headers().get(INFERENCE_ID)?.as_bytes()).ok()
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
