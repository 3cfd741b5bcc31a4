//! Traces, sent over OTLP when the standard `OTEL_…` variables ask for it.
//!
//! | variable | means |
//! | --- | --- |
//! | `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` | the collector, such as `http://localhost:4317`; without either there are no traces |
//! | `OTEL_EXPORTER_OTLP_PROTOCOL`, `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL` | `grpc`, the only one there is |
//! | `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_EXPORTER_OTLP_TIMEOUT` and their `_TRACES_` forms | as OpenTelemetry has them |
//! | `OTEL_TRACES_SAMPLER`, `OTEL_TRACES_SAMPLER_ARG` | which requests that come without a trace get one; `parentbased_always_on` if left out |
//! | `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES` | what the spans say they are from; the program's name if left out |
//! | `OTEL_TRACES_EXPORTER` | `otlp` or `none` |
//! | `OTEL_SDK_DISABLED` | `true` for no traces, whatever else is set |
//! | `OTEL_BSP_…` | the queue of spans, as OpenTelemetry has it |
//!
//! A span is put into a queue, and dropped when that is full: a collector that is slow or gone delays nothing and
//! fails nothing. Settings that cannot be followed are logged as an error, and the program runs without traces.
//!
//! Spans are made by OpenTelemetry's own interface in the few places that need one, and not of the events of
//! `tracing`: so a program without a collector has nothing to pay. Records carry their trace in their headers;
//! [`shadowline-stream`] makes the spans of sending and processing them.
//!
//! [`shadowline-stream`]: ../../shadowline_stream/index.html

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::http::HeaderMap;
use jiff::Timestamp;
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prometheus_client::encoding::EncodeLabelSet;

pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::SpanContext;

/// How long the end of a program waits for the spans that are not sent yet.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// How long one export may take, unless a variable says otherwise; no longer than a flush waits.
const EXPORT_WITHIN: Duration = Duration::from_secs(3);

/// Whether there is somebody to send spans to.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Why what the variables ask for cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A variable has a value that is not known here.
    #[error("environment variable `{name}` is `{value}`; expected {expected}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: &'static str,
    },
    /// The exporter refuses its settings.
    #[error("make the OTLP exporter")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// What the variables ask for.
#[derive(Debug, Clone)]
struct Asked {
    endpoint: String,
    sampler: Sampler,
    /// Whether a variable says what the spans are from.
    is_named: bool,
}

/// The traces of this process while it runs; [`Traces::flush`] sends what is left.
#[derive(Debug)]
#[must_use = "without a flush at the end the last spans are lost"]
pub struct Traces(Option<SdkTracerProvider>);

/// Starts to send spans if the variables ask for it. Must be called in the async runtime, before the services start.
///
/// Variables that cannot be followed are logged, and there are no traces then.
pub fn start(program: &'static str, version: &'static str) -> Traces {
    let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let started = asked(variable).and_then(|asked| match asked {
        Some(asked) => provider(&asked, program, version).map(|it| Some((asked, it))),
        None => Ok(None),
    });
    match started {
        Ok(Some((asked, provider))) => {
            global::set_tracer_provider(provider.clone());
            IS_ON.store(true, Ordering::Relaxed);
            tracing::info!(endpoint = asked.endpoint, "traces are sent over OTLP");
            Traces(Some(provider))
        }
        Ok(None) => Traces(None),
        Err(error) => {
            let error = format!("{:#}", anyhow::Error::new(error));
            tracing::error!(error, "no traces are sent");
            Traces(None)
        }
    }
}

impl Traces {
    /// Sends the spans that are left, for a bounded time.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        IS_ON.store(false, Ordering::Relaxed);
        // It blocks its thread while the runtime has to send.
        let work =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_WITHIN));
        match tokio::time::timeout(FLUSH_WITHIN * 2, work).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last spans were not sent"),
            Ok(Err(error)) => tracing::warn!(%error, "the last spans were not sent"),
            Err(_) => tracing::warn!("the last spans were not sent in time"),
        }
    }
}

/// Reads what is asked for; none if nothing is.
fn asked(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Asked>, TracesError> {
    let refused = |name, value, expected| Err(TracesError::Variable { name, value, expected });
    if variable("OTEL_SDK_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    match variable("OTEL_TRACES_EXPORTER").as_deref() {
        None | Some("otlp") => {}
        Some("none") => return Ok(None),
        Some(other) => {
            return refused("OTEL_TRACES_EXPORTER", other.to_owned(), "`otlp` or `none`");
        }
    }
    let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        .or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let Some(endpoint) = endpoint else { return Ok(None) };
    let protocols = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
    // The first that is set counts.
    let protocol = protocols.iter().find_map(|name| variable(name).map(|it| (*name, it)));
    if let Some((name, value)) = protocol
        && value != "grpc"
    {
        return refused(name, value, "`grpc`: this program sends OTLP over gRPC only");
    }
    let is_named = variable("OTEL_SERVICE_NAME").is_some()
        || variable("OTEL_RESOURCE_ATTRIBUTES")
            .is_some_and(|it| it.split(',').any(|it| it.trim().starts_with("service.name=")));
    Ok(Some(Asked { endpoint, sampler: sampler(variable)?, is_named }))
}

/// The sampler by OpenTelemetry's names. Read here, because the library would pass over one that it does not know.
fn sampler(variable: impl Fn(&str) -> Option<String>) -> Result<Sampler, TracesError> {
    const NAME: &str = "OTEL_TRACES_SAMPLER";
    const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
    let ratio = || {
        let text = variable(ARGUMENT).unwrap_or_else(|| "1.0".to_owned());
        match text.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(Sampler::TraceIdRatioBased(ratio)),
            _ => Err(TracesError::Variable {
                name: ARGUMENT,
                value: text,
                expected: "a share from 0 to 1",
            }),
        }
    };
    let below_parent = |root| Sampler::ParentBased(Box::new(root));
    match variable(NAME).as_deref() {
        None | Some("parentbased_always_on") => Ok(below_parent(Sampler::AlwaysOn)),
        Some("parentbased_always_off") => Ok(below_parent(Sampler::AlwaysOff)),
        Some("parentbased_traceidratio") => Ok(below_parent(ratio()?)),
        Some("always_on") => Ok(Sampler::AlwaysOn),
        Some("always_off") => Ok(Sampler::AlwaysOff),
        Some("traceidratio") => ratio(),
        Some(other) => Err(TracesError::Variable {
            name: NAME,
            value: other.to_owned(),
            expected: "one of always_on, always_off, traceidratio, parentbased_always_on, \
                       parentbased_always_off, parentbased_traceidratio",
        }),
    }
}

fn provider(
    asked: &Asked,
    program: &'static str,
    version: &'static str,
) -> Result<SdkTracerProvider, TracesError> {
    // The endpoint, the headers and the timeout are read from the variables by the exporter itself.
    let mut exporter = SpanExporter::builder().with_tonic();
    let has_timeout = ["OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    if !has_timeout {
        exporter = exporter.with_timeout(EXPORT_WITHIN);
    }
    let exporter = exporter.build().map_err(TracesError::Exporter)?;
    let mut resource = Resource::builder().with_attributes([
        KeyValue::new("service.version", version),
        KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
    ]);
    if !asked.is_named {
        resource = resource.with_service_name(program);
    }
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.build())
        .with_sampler(asked.sampler.clone())
        .with_batch_exporter(exporter);
    Ok(provider.build())
}

/// Whether spans are sent anywhere.
pub fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// The trace that a request's headers name; none if they name none, or one that has no meaning.
///
/// Source: W3C Trace Context.
pub fn of_headers(headers: &HeaderMap) -> Option<SpanContext> {
    struct Headers<'a>(&'a HeaderMap);
    impl Extractor for Headers<'_> {
        fn get(&self, key: &str) -> Option<&str> {
            self.0.get(key)?.to_str().ok()
        }
        fn keys(&self) -> Vec<&str> {
            self.0.keys().map(axum::http::HeaderName::as_str).collect()
        }
    }
    headers.get("traceparent")?;
    let context =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    Some(context.span().span_context().clone()).filter(SpanContext::is_valid)
}

/// The span of a request that is being answered. It ends when it is dropped.
#[derive(Debug)]
pub struct ServerSpan(BoxedSpan);

impl ServerSpan {
    /// Begins below the caller's span, or begins a trace; none if spans are sent nowhere.
    pub fn begin(
        name: impl Into<Cow<'static, str>>,
        caller: Option<&SpanContext>,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> Option<Self> {
        is_on().then(|| {
            let builder = SpanBuilder::from_name(name)
                .with_kind(SpanKind::Server)
                .with_attributes(attributes());
            Self(tracer().build_with_context(builder, &parent(caller)))
        })
    }

    /// What goes on below this span, and with the request to others.
    pub fn context(&self) -> &SpanContext {
        self.0.span_context()
    }

    /// Says more of the request.
    pub fn set(&mut self, key: &'static str, value: impl Into<opentelemetry::Value>) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    /// Says that the server failed, by a word of a small set and a sentence.
    pub fn failed(&mut self, error_type: impl Into<opentelemetry::StringValue>, message: String) {
        self.0.set_attribute(KeyValue::new("error.type", error_type.into()));
        self.0.set_status(Status::error(message));
    }
}

/// Writes down a step of the service's own work, which began at `began` and is over, in the trace of the request that
/// it was done for. Returns what comes after it in the trace; none if the trace is not sampled, or sent nowhere.
pub fn step(
    name: impl Into<Cow<'static, str>>,
    below: Option<&SpanContext>,
    began: Timestamp,
    attributes: impl FnOnce() -> Vec<KeyValue>,
) -> Option<SpanContext> {
    let below = below.filter(|it| is_on() && it.is_sampled())?;
    let builder = SpanBuilder::from_name(name)
        .with_kind(SpanKind::Internal)
        .with_start_time(SystemTime::from(began))
        .with_attributes(attributes());
    let span = tracer().build_with_context(builder, &parent(Some(below)));
    span.is_recording().then(|| span.span_context().clone())
}

fn parent(context: Option<&SpanContext>) -> Context {
    match context {
        Some(context) => Context::new().with_remote_span_context(context.clone()),
        None => Context::new(),
    }
}

fn tracer() -> global::BoxedTracer {
    let scope = InstrumentationScope::builder("shadowline").with_version(env!("CARGO_PKG_VERSION"));
    global::tracer_with_scope(scope.build())
}

/// The label of an exemplar: a trace in which a measured value can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Exemplar {
    trace_id: String,
}

/// The exemplar of a request's trace; none unless it is sampled, since there is nothing to see else.
pub fn exemplar(context: Option<&SpanContext>) -> Option<Exemplar> {
    let context = context.filter(|it| it.is_sampled())?;
    Some(Exemplar { trace_id: context.trace_id().to_string() })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(variables: &'static [(&'static str, &'static str)]) -> Result<Option<Asked>, String> {
        let variable =
            |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        asked(variable).map_err(|it| it.to_string())
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");

    #[test]
    fn nothing_set_is_nothing_done() {
        for variables in [
            &[][..],
            &[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_SAMPLER", "always_on")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(matches!(with(variables), Ok(None)), "{variables:?}");
        }
    }

    #[test]
    fn the_variables_are_followed() {
        let asked = with(&[ENDPOINT]).unwrap().unwrap();
        let default = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        assert_eq!(format!("{:?}", asked.sampler), format!("{default:?}"));
        assert_eq!((asked.endpoint.as_str(), asked.is_named), ("http://c:4317", false));
        let asked = with(&[
            ENDPOINT,
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a=b, service.name=mine"),
        ]);
        let asked = asked.unwrap().unwrap();
        assert_eq!(asked.endpoint, "http://t:4317");
        assert_eq!(format!("{:?}", asked.sampler), "TraceIdRatioBased(0.25)");
        assert!(asked.is_named);
    }

    #[test]
    fn what_cannot_be_followed_is_said() {
        for (variables, word) in [
            (&[ENDPOINT, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")][..], "over gRPC only"),
            (&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")], "`zipkin`; expected `otlp`"),
            (&[ENDPOINT, ("OTEL_TRACES_SAMPLER", "xray")], "`xray`; expected one of always_on"),
            (
                &[
                    ENDPOINT,
                    ("OTEL_TRACES_SAMPLER", "traceidratio"),
                    ("OTEL_TRACES_SAMPLER_ARG", "25"),
                ],
                "`OTEL_TRACES_SAMPLER_ARG` is `25`; expected a share from 0 to 1",
            ),
        ] {
            let error = with(variables).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn headers_name_the_callers_trace() {
        let mut headers = HeaderMap::new();
        assert_eq!(of_headers(&headers), None);
        headers.insert("traceparent", HeaderValue::from_static("00-x"));
        assert_eq!(of_headers(&headers), None);
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", HeaderValue::from_static(text));
        headers.insert("tracestate", HeaderValue::from_static("vendor=1"));
        let context = of_headers(&headers).unwrap();
        assert_eq!(context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
        assert_eq!(context.trace_state().header(), "vendor=1");
        assert!(context.is_sampled());
        assert!(exemplar(Some(&context)).is_some());
        let unsampled = text.replace("-01", "-00");
        headers.insert("traceparent", HeaderValue::from_str(&unsampled).unwrap());
        assert_eq!(exemplar(of_headers(&headers).as_ref()), None);
    }

    #[test]
    fn without_a_collector_there_are_no_spans() {
        assert!(ServerSpan::begin("x", None, Vec::new).is_none());
        assert_eq!(step("x", None, Timestamp::UNIX_EPOCH, Vec::new), None);
    }
}
