//! What the spool keeps of an inference: its message, and what its headers need.

use jiff::Timestamp;
use prost::Message;
use shadowline_stream::{
    Bytes, Envelope, Origin, SpanContext, format_traceparent, parse_traceparent,
};
use shadowline_wire::event;

/// `ce_source` of every inference.
pub(crate) const SOURCE: &str = "/serving";

/// A record of the spool. Its own encoding is protobuf too, so that a later version can add to it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct SpoolRecord {
    /// The encoded `Inference`, without its origin: its place in the spool is the origin.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) inference: Bytes,
    #[prost(string, tag = "2")]
    pub(crate) id: String,
    /// The model's name and version.
    #[prost(string, tag = "3")]
    pub(crate) subject: String,
    #[prost(string, tag = "4")]
    pub(crate) traceparent: String,
    #[prost(string, tag = "5")]
    pub(crate) tracestate: String,
    /// When the request arrived.
    #[prost(int64, tag = "6")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "7")]
    pub(crate) nanos: i32,
}

impl SpoolRecord {
    pub(crate) fn new(
        id: String,
        subject: String,
        trace: &SpanContext,
        received_at: Timestamp,
        inference: Vec<u8>,
    ) -> Self {
        Self {
            inference: inference.into(),
            id,
            subject,
            traceparent: format_traceparent(trace),
            tracestate: trace.trace_state().header(),
            seconds: received_at.as_second(),
            nanos: received_at.subsec_nanosecond(),
        }
    }

    /// The headers of the record on the log.
    pub(crate) fn envelope(&self, event_type: &str, origin: Origin) -> Envelope {
        let time = Timestamp::new(self.seconds, self.nanos).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut envelope = Envelope::new(self.id.clone(), event_type, SOURCE, time);
        envelope.subject = Some(self.subject.clone());
        envelope.trace = parse_traceparent(&self.traceparent, Some(&self.tracestate));
        envelope.origin = Some(origin);
        envelope
    }

    /// The message with its origin.
    pub(crate) fn message(&self, origin: Origin) -> Bytes {
        // Messages of protobuf can be put one behind the other: the fields of the second join those of the first.
        let tail = event::Inference {
            origin: Some(event::Origin {
                instance: Bytes::copy_from_slice(origin.instance.as_bytes()),
                sequence: origin.sequence,
            }),
            ..event::Inference::default()
        };
        let mut message = Vec::with_capacity(self.inference.len() + tail.encoded_len());
        message.extend_from_slice(&self.inference);
        message.extend_from_slice(&tail.encode_to_vec());
        message.into()
    }

    /// The message without its tensors and tags, for a log that does not take the whole: what remains is small.
    pub(crate) fn message_without_tensors(&self, origin: Origin) -> Bytes {
        let whole = event::Inference::decode(self.message(origin)).unwrap_or_default();
        let small = event::Inference {
            inputs: Vec::new(),
            outputs: Vec::new(),
            tags: std::collections::BTreeMap::new(),
            ..whole
        };
        small.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use shadowline_contract::{NamedTensor, Tensor, TensorData};
    use shadowline_wire::{Inference, ModelRef, Outcome};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_origin_joins_the_message() {
        let tensor = Tensor::vector(TensorData::Int64(vec![39]));
        let inference = Inference {
            id: "a".to_owned(),
            model: ModelRef { name: "census".to_owned(), version: "1".to_owned() },
            received_at: Timestamp::new(1_700_000_000, 5).unwrap(),
            latency: Duration::from_micros(70),
            n_records: 1,
            inputs: vec![NamedTensor { name: "age".to_owned(), tensor }],
            outcome: Outcome::Outputs(Vec::new()),
            tags: BTreeMap::from([("team".to_owned(), "risk".to_owned())]),
            origin: None,
        };
        let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = parse_traceparent(traceparent, None).unwrap();
        let record = SpoolRecord::new(
            inference.id.clone(),
            "census/1".to_owned(),
            &trace,
            inference.received_at,
            inference.encode(),
        );
        let record = SpoolRecord::decode(record.encode_to_vec().as_slice()).unwrap();
        let origin = Origin { instance: Uuid::from_u128(7), sequence: 9 };
        let read = Inference::decode(&record.message(origin)).unwrap();
        let origin_in_message =
            shadowline_wire::Origin { instance: origin.instance, sequence: origin.sequence };
        assert_eq!(read, Inference { origin: Some(origin_in_message), ..inference.clone() });
        let envelope = record.envelope("type", origin);
        assert_eq!(envelope.time, inference.received_at);
        assert_eq!(envelope.trace.map(|it| format_traceparent(&it)).as_deref(), Some(traceparent));
        let small = Inference::decode(&record.message_without_tensors(origin)).unwrap();
        assert_eq!((small.id.as_str(), small.n_records, small.inputs.len()), ("a", 1, 0));
        assert_eq!(small.origin, Some(origin_in_message));
    }
}
