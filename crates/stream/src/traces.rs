//! The spans of sending and processing records, by OpenTelemetry's conventions for messaging and for Kafka (1.44).
//!
//! Only a record whose trace is sampled has spans, and only where the program has set a tracer provider; all others
//! cost one look at a flag. A record's headers carry the span that sent it, so that its processing goes on below
//! that: one trace from the request to the alert. Spans of a batch link to the records in it, as a batch belongs to
//! many traces.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use opentelemetry::global::{self, BoxedSpan, BoxedTracer};
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, InstrumentationScope, KeyValue};

use crate::error::ProduceError;
use crate::options::ConsumerOptions;
use crate::record::{OutRecord, Received, Sent};
use shadowline_error::chain;

fn tracer() -> &'static BoxedTracer {
    static TRACER: OnceLock<BoxedTracer> = OnceLock::new();
    TRACER.get_or_init(|| {
        let scope = InstrumentationScope::builder("shadowline-stream")
            .with_version(env!("CARGO_PKG_VERSION"));
        global::tracer_with_scope(scope.build())
    })
}

fn below(parent: &SpanContext) -> Context {
    Context::new().with_remote_span_context(parent.clone())
}

/// The span of a record that is sent, until it is acknowledged.
#[derive(Debug)]
pub(crate) struct Sending(Box<BoxedSpan>);

impl Sending {
    /// Begins below the span that is in the record's envelope, and takes its place there.
    pub(crate) fn begin(
        system: &'static str,
        client_id: &Arc<str>,
        record: &mut OutRecord,
        partition: u32,
    ) -> Option<Self> {
        let parent = record.envelope.trace.as_ref().filter(|it| it.is_sampled())?;
        let mut attributes = vec![
            KeyValue::new("messaging.system", system),
            KeyValue::new("messaging.operation.name", "send"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.destination.name", record.topic.clone()),
            KeyValue::new("messaging.destination.partition.id", partition.to_string()),
            KeyValue::new("messaging.client.id", client_id.clone()),
            KeyValue::new("messaging.message.id", record.envelope.id.clone()),
        ];
        if let Some(key) = record.key.as_deref().and_then(|it| std::str::from_utf8(it).ok()) {
            attributes.push(KeyValue::new("messaging.kafka.message.key", key.to_owned()));
        }
        if record.value.is_none() {
            attributes.push(KeyValue::new("messaging.kafka.message.tombstone", true));
        }
        let builder = SpanBuilder::from_name(format!("send {}", record.topic))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes);
        let span = tracer().build_with_context(builder, &below(parent));
        if !span.is_recording() {
            return None;
        }
        record.envelope.trace = Some(span.span_context().clone());
        Some(Self(Box::new(span)))
    }

    /// Ends with what became of the record.
    pub(crate) fn end(mut self, result: Result<&Sent, &ProduceError>) {
        match result {
            Ok(sent) => {
                let offset = i64::try_from(sent.offset).unwrap_or(i64::MAX);
                self.0.set_attribute(KeyValue::new("messaging.kafka.offset", offset));
            }
            Err(error) => {
                self.0.set_attribute(KeyValue::new("error.type", error.reason()));
                self.0.set_status(Status::error(chain(error)));
            }
        }
        self.0.end();
    }
}

/// The spans of a batch that is handled: one for each record whose trace is sampled, and one of the batch. They end
/// when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Processing(Vec<BoxedSpan>);

impl Processing {
    /// Begins below the spans in the records' envelopes, and takes their place there, so that whatever the handler
    /// does for a record comes below its processing.
    pub(crate) fn begin(
        system: &'static str,
        options: &ConsumerOptions,
        records: &mut [Received],
    ) -> Self {
        let mut spans = Vec::new();
        let mut links: BTreeMap<Arc<str>, (i64, Vec<Link>)> = BTreeMap::new();
        for record in records.iter_mut() {
            let Ok(envelope) = &mut record.envelope else { continue };
            let Some(trace) = envelope.trace.as_ref().filter(|it| it.is_sampled()) else {
                continue;
            };
            let mut attributes = common(system, options, &record.topic);
            attributes.extend([
                KeyValue::new("messaging.destination.partition.id", record.partition.to_string()),
                KeyValue::new(
                    "messaging.kafka.offset",
                    i64::try_from(record.offset).unwrap_or(i64::MAX),
                ),
                KeyValue::new("messaging.message.id", envelope.id.clone()),
            ]);
            if let Some(key) = record.key.as_deref().and_then(|it| std::str::from_utf8(it).ok()) {
                attributes.push(KeyValue::new("messaging.kafka.message.key", key.to_owned()));
            }
            let link = Link::with_context(trace.clone());
            let builder = SpanBuilder::from_name(format!("process {}", record.topic))
                .with_kind(SpanKind::Consumer)
                .with_attributes(attributes)
                .with_links(vec![link.clone()]);
            let span = tracer().build_with_context(builder, &below(trace));
            if span.is_recording() {
                links.entry(record.topic.clone()).or_default().1.push(link);
                envelope.trace = Some(span.span_context().clone());
                spans.push(span);
            }
        }
        for (topic, (n_records, _)) in &mut links {
            *n_records = records.iter().filter(|it| it.topic == *topic).count() as i64;
        }
        for (topic, (n_records, links)) in links {
            // A batch of one is its record.
            if n_records < 2 {
                continue;
            }
            let mut attributes = common(system, options, &topic);
            attributes.push(KeyValue::new("messaging.batch.message_count", n_records));
            let builder = SpanBuilder::from_name(format!("process {topic}"))
                .with_kind(SpanKind::Consumer)
                .with_attributes(attributes)
                .with_links(links);
            spans.push(tracer().build_with_context(builder, &Context::new()));
        }
        Self(spans)
    }

    /// Notes that the records have to be handled again.
    pub(crate) fn again(&mut self, error: &str) {
        for span in &mut self.0 {
            span.add_event("handle again", vec![KeyValue::new("error", error.to_owned())]);
        }
    }
}

fn common(system: &'static str, options: &ConsumerOptions, topic: &Arc<str>) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", system),
        KeyValue::new("messaging.operation.name", "process"),
        KeyValue::new("messaging.operation.type", "process"),
        KeyValue::new("messaging.destination.name", topic.clone()),
        KeyValue::new("messaging.consumer.group.name", options.group.clone()),
        KeyValue::new("messaging.client.id", options.client_id.clone()),
    ]
}
