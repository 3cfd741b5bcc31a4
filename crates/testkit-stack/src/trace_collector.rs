//! A collector of traces for tests: OTLP over gRPC, on any free port.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{span, status};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Keeps every span that is sent to it, until it is dropped.
#[derive(Debug)]
pub struct TraceCollector {
    endpoint: String,
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    task: JoinHandle<()>,
}

/// A span as it came; ids are in hexadecimal, and empty where there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectedSpan {
    /// `service.name` of who sent it.
    pub service: String,
    /// What made it: the instrumentation scope.
    pub scope: String,
    pub name: String,
    /// `internal`, `server`, `client`, `producer` or `consumer`.
    pub kind: &'static str,
    pub trace_id: String,
    pub span_id: String,
    pub parent_span_id: String,
    /// As text, whatever their type.
    pub attributes: BTreeMap<String, String>,
    /// Trace and span ids.
    pub links: Vec<(String, String)>,
    pub is_error: bool,
    pub start_nanos: u64,
    pub end_nanos: u64,
}

impl CollectedSpan {
    /// An attribute's text; empty if there is none of this name.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

impl TraceCollector {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind a port");
        let address = listener.local_addr().expect("its address");
        let spans = Arc::new(Mutex::new(Vec::new()));
        let service = TraceServiceServer::new(Keeper(Arc::clone(&spans)));
        let serving =
            Server::builder().add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let task = tokio::spawn(async move { serving.await.expect("serve the collector") });
        Self { endpoint: format!("http://{address}"), spans, task }
    }

    /// The value for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What has come so far.
    pub fn spans(&self) -> Vec<CollectedSpan> {
        self.spans.lock().clone()
    }

    /// What has come so far of one trace.
    pub fn trace(&self, trace_id: &str) -> Vec<CollectedSpan> {
        self.spans.lock().iter().filter(|it| it.trace_id == trace_id).cloned().collect()
    }
}

impl Drop for TraceCollector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Keeper(Arc<Mutex<Vec<CollectedSpan>>>);

#[tonic::async_trait]
impl TraceService for Keeper {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut kept = self.0.lock();
        for resource in request.into_inner().resource_spans {
            let of_resource = resource.resource.unwrap_or_default().attributes;
            let service = texts(of_resource).remove("service.name").unwrap_or_default();
            for scope in resource.scope_spans {
                let name = scope.scope.unwrap_or_default().name;
                kept.extend(scope.spans.into_iter().map(|it| collected(&service, &name, it)));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn collected(
    service: &str,
    scope: &str,
    span: opentelemetry_proto::tonic::trace::v1::Span,
) -> CollectedSpan {
    let kind = match span.kind() {
        span::SpanKind::Unspecified => "unspecified",
        span::SpanKind::Internal => "internal",
        span::SpanKind::Server => "server",
        span::SpanKind::Client => "client",
        span::SpanKind::Producer => "producer",
        span::SpanKind::Consumer => "consumer",
    };
    let is_error = span.status.as_ref().is_some_and(|it| it.code() == status::StatusCode::Error);
    CollectedSpan {
        service: service.to_owned(),
        scope: scope.to_owned(),
        kind,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: hex(&span.parent_span_id),
        attributes: texts(span.attributes),
        links: span.links.iter().map(|it| (hex(&it.trace_id), hex(&it.span_id))).collect(),
        is_error,
        start_nanos: span.start_time_unix_nano,
        end_nanos: span.end_time_unix_nano,
        name: span.name,
    }
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |it: KeyValue| {
        use any_value::Value;
        let text = match it.value.and_then(|it| it.value)? {
            Value::StringValue(text) => text,
            Value::BoolValue(value) => value.to_string(),
            Value::IntValue(value) => value.to_string(),
            Value::DoubleValue(value) => value.to_string(),
            other => format!("{other:?}"),
        };
        Some((it.key, text))
    };
    attributes.into_iter().filter_map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("write to memory");
        text
    })
}
