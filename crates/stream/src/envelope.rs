//! The headers of a record: CloudEvents 1.0 in Kafka's binary mode, W3C trace context, and the
//! origin.

use std::collections::BTreeMap;

use jiff::Timestamp;
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use uuid::Uuid;

/// Which spool a record came through, and its place in it: what makes effects exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// The spool's own id.
    pub instance: Uuid,
    /// Counts up by one, from 1.
    pub sequence: u64,
}

/// What a record says about itself in its headers.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Unique together with `source`.
    pub id: String,
    /// `ce_type`, such as `shadowline.inference.v1`.
    pub event_type: String,
    /// `ce_source`: a URI reference of who made the event, such as `/serving`.
    pub source: String,
    /// When what it tells of happened.
    pub time: Timestamp,
    /// `content-type` of the value.
    pub content_type: String,
    pub subject: Option<String>,
    /// The span that made the event; not valid ones are left out.
    pub trace: Option<SpanContext>,
    pub origin: Option<Origin>,
    /// Further CloudEvents extensions by name, without `ce_`: lower case letters and digits.
    pub extensions: BTreeMap<String, String>,
}

/// Why headers are not those of one of our records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    #[error("header `{header}` is missing")]
    Missing { header: &'static str },
    #[error("header `{header}` is not UTF-8")]
    NotText { header: String },
    #[error("header `{header}` is `{value}`, expected {expected}")]
    Invalid { header: &'static str, value: String, expected: &'static str },
}

const SPEC_VERSION: &str = "ce_specversion";
const ID: &str = "ce_id";
const TYPE: &str = "ce_type";
const SOURCE: &str = "ce_source";
const TIME: &str = "ce_time";
const SUBJECT: &str = "ce_subject";
const CONTENT_TYPE: &str = "content-type";
const ORIGIN_INSTANCE: &str = "ce_origininstance";
const ORIGIN_SEQUENCE: &str = "ce_originsequence";
const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

impl Envelope {
    /// The content type of a value in protobuf.
    pub const PROTOBUF: &str = "application/protobuf";

    /// An envelope of a protobuf value with what every one must have.
    pub fn new(
        id: impl Into<String>,
        event_type: impl Into<String>,
        source: impl Into<String>,
        time: Timestamp,
    ) -> Self {
        Self {
            id: id.into(),
            event_type: event_type.into(),
            source: source.into(),
            time,
            content_type: Self::PROTOBUF.to_owned(),
            subject: None,
            trace: None,
            origin: None,
            extensions: BTreeMap::new(),
        }
    }

    /// The headers, in a fixed order.
    pub fn to_headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::with_capacity(12);
        let mut put = |name: &str, value: String| headers.push((name.to_owned(), value));
        put(SPEC_VERSION, "1.0".to_owned());
        put(ID, self.id.clone());
        put(TYPE, self.event_type.clone());
        put(SOURCE, self.source.clone());
        put(TIME, self.time.to_string());
        put(CONTENT_TYPE, self.content_type.clone());
        if let Some(subject) = &self.subject {
            put(SUBJECT, subject.clone());
        }
        if let Some(Origin { instance, sequence }) = self.origin {
            put(ORIGIN_INSTANCE, instance.to_string());
            put(ORIGIN_SEQUENCE, sequence.to_string());
        }
        if let Some(trace) = self.trace.as_ref().filter(|it| it.is_valid()) {
            put(TRACEPARENT, format_traceparent(trace));
            let state = trace.trace_state().header();
            if !state.is_empty() {
                put(TRACESTATE, state);
            }
        }
        for (name, value) in &self.extensions {
            put(&format!("ce_{name}"), value.clone());
        }
        headers
    }

    /// Reads the headers of a record. Of a repeated header the last counts; headers that are none
    /// of ours are passed over.
    ///
    /// # Errors
    /// If a required one is missing, or one of ours has no meaning. A `traceparent` that cannot be
    /// read is left out, as W3C Trace Context asks.
    pub fn from_headers<'a>(
        headers: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, EnvelopeError> {
        let mut ours: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, value) in headers {
            let is_ours =
                name.starts_with("ce_") || matches!(name, CONTENT_TYPE | TRACEPARENT | TRACESTATE);
            if is_ours {
                let text = std::str::from_utf8(value)
                    .map_err(|_| EnvelopeError::NotText { header: name.to_owned() })?;
                ours.insert(name, text);
            }
        }
        let mut required =
            |header: &'static str| ours.remove(header).ok_or(EnvelopeError::Missing { header });
        let spec_version = required(SPEC_VERSION)?;
        if !spec_version.starts_with("1.") {
            return Err(invalid(SPEC_VERSION, spec_version, "1.0"));
        }
        let id = required(ID)?.to_owned();
        let event_type = required(TYPE)?.to_owned();
        let source = required(SOURCE)?.to_owned();
        let time = required(TIME)?;
        let time = time.parse().map_err(|_| invalid(TIME, time, "a time as in RFC 3339"))?;
        let content_type = required(CONTENT_TYPE)?.to_owned();
        let origin = match (ours.remove(ORIGIN_INSTANCE), ours.remove(ORIGIN_SEQUENCE)) {
            (None, None) => None,
            (Some(_), None) => return Err(EnvelopeError::Missing { header: ORIGIN_SEQUENCE }),
            (None, Some(_)) => return Err(EnvelopeError::Missing { header: ORIGIN_INSTANCE }),
            (Some(instance), Some(sequence)) => Some(Origin {
                instance: instance
                    .parse()
                    .map_err(|_| invalid(ORIGIN_INSTANCE, instance, "a UUID"))?,
                sequence: sequence
                    .parse()
                    .map_err(|_| invalid(ORIGIN_SEQUENCE, sequence, "a number from 1"))?,
            }),
        };
        let state = ours.remove(TRACESTATE);
        let trace = ours.remove(TRACEPARENT).and_then(|it| parse_traceparent(it, state));
        let subject = ours.remove(SUBJECT).map(str::to_owned);
        let extensions = ours
            .into_iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("ce_")?, value)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self { id, event_type, source, time, content_type, subject, trace, origin, extensions })
    }
}

fn invalid(header: &'static str, value: &str, expected: &'static str) -> EnvelopeError {
    // What came is shown, but a header can be as long as a record.
    let value = value.chars().take(64).collect();
    EnvelopeError::Invalid { header, value, expected }
}

/// A span as the header `traceparent` has it.
pub fn format_traceparent(trace: &SpanContext) -> String {
    let (trace_id, span_id) = (trace.trace_id(), trace.span_id());
    format!("00-{trace_id}-{span_id}-{:02x}", trace.trace_flags().to_u8())
}

/// Reads a `traceparent` and its `tracestate`; none if they have no meaning.
///
/// Source: W3C Trace Context, section 3.2; a version we do not know is read as far as version 00
/// goes.
pub fn parse_traceparent(traceparent: &str, state: Option<&str>) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex(version, 2) || !hex(trace, 32) || !hex(span, 16) || !hex(flags, 2) {
        return None;
    }
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let state = state.and_then(|it| it.parse().ok()).unwrap_or(TraceState::NONE);
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        state,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(envelope: &Envelope) -> Result<Envelope, EnvelopeError> {
        let headers = envelope.to_headers();
        Envelope::from_headers(headers.iter().map(|(name, value)| (&**name, value.as_bytes())))
    }

    fn full() -> Envelope {
        Envelope {
            subject: Some("census".to_owned()),
            trace: parse_traceparent(
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                Some("vendor=1"),
            ),
            origin: Some(Origin { instance: Uuid::from_u128(7), sequence: u64::MAX }),
            extensions: BTreeMap::from([("reason".to_owned(), "ünlesbar".to_owned())]),
            ..Envelope::new("id-1", "shadowline.inference.v1", "/serving", Timestamp::UNIX_EPOCH)
        }
    }

    #[test]
    fn everything_comes_back() {
        assert!(full().trace.is_some());
        assert_eq!(read_back(&full()), Ok(full()));
    }

    #[test]
    fn headers_have_the_names_of_the_standards() {
        let names: Vec<_> = full().to_headers().into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names.join(" "),
            "ce_specversion ce_id ce_type ce_source ce_time content-type ce_subject \
             ce_origininstance ce_originsequence traceparent tracestate ce_reason"
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |name: &str, value: Option<&[u8]>, expected: &str| {
            let mut headers = full().to_headers();
            headers.retain(|it| it.0 != name);
            let mut headers: Vec<_> =
                headers.iter().map(|(name, value)| (&**name, value.as_bytes())).collect();
            headers.extend(value.map(|it| (name, it)));
            assert_eq!(Envelope::from_headers(headers).unwrap_err().to_string(), expected);
        };
        check("ce_id", None, "header `ce_id` is missing");
        check("ce_specversion", Some(b"0.3"), "header `ce_specversion` is `0.3`, expected 1.0");
        check("ce_type", Some(b"\xff"), "header `ce_type` is not UTF-8");
        check("ce_time", Some(b"now"), "header `ce_time` is `now`, expected a time as in RFC 3339");
        check("ce_originsequence", None, "header `ce_originsequence` is missing");
        check(
            "ce_originsequence",
            Some(b"-1"),
            "header `ce_originsequence` is `-1`, expected a number from 1",
        );
        check(
            "ce_origininstance",
            Some(b"x"),
            "header `ce_origininstance` is `x`, expected a UUID",
        );
    }

    #[test]
    fn a_broken_traceparent_is_left_out() {
        for broken in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
        ] {
            assert_eq!(parse_traceparent(broken, None), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_read_without_a_panic(
            headers in prop::collection::vec(("(ce_(id|type|time|source|specversion|[a-z]{1,9}))|traceparent|content-type", prop::collection::vec(any::<u8>(), 0..40)), 0..12)
        ) {
            let read = Envelope::from_headers(headers.iter().map(|(name, value)| (&**name, &**value)));
            if let Ok(envelope) = read {
                prop_assert_eq!(read_back(&envelope), Ok(envelope));
            }
        }
    }
}
