//! The only crate that knows Kafka: topics, envelope, origin, consumer loop, and the two logs.
//!
//! Behind [`Log`] are two real, durable logs: Apache Kafka, and an embedded log on local disk for
//! one process on one machine. The layers above see topics, partitions, offsets and commits, and
//! cannot tell which log it is on.
//!
//! It deliberately does not know what the values mean: they are bytes with an [`Envelope`].
//! It promises delivery at least once, in order within a partition; effects that count once are
//! made of the [`Origin`] of a record by the code that has the effects.
//!
//! Start reading at [`Log`], then [`Producer`] for writing, [`consume`] with its [`Handler`] for a
//! consumer group, [`Reader`] and [`TableReader`] for reading a topic without a group.

mod backoff;
mod beginning;
mod config;
mod consumer;
mod dead_letters;
mod delivery;
mod embedded;
mod envelope;
mod error;
mod handler;
mod kafka;
mod log;
mod member;
mod membership;
pub mod metrics;
mod options;
mod partitioner;
mod producer;
mod reader;
mod record;
mod topic_id;
mod topics;
mod traces;

pub use backoff::Backoff;
pub use bytes::Bytes;
pub use config::LogConfig;
pub use consumer::consume;
pub use dead_letters::DeadLetters;
pub use delivery::Delivery;
pub use embedded::EmbeddedLog;
pub use envelope::{Envelope, EnvelopeError, Origin, format_traceparent, parse_traceparent};
pub use error::{ConsumeError, LogError, ProduceError, SizeLimit, TopicError};
pub use handler::{Handler, HandlerError};
pub use kafka::KafkaLog;
pub use log::Log;
pub use metrics::{GroupLag, Metrics};
pub use opentelemetry::trace::SpanContext;
pub use options::{ConsumerOptions, ProducerOptions};
pub use partitioner::partition_for;
pub use producer::Producer;
pub use reader::{Reader, TableEvent, TableReader};
pub use record::{
    Committed, Lost, OutRecord, ReadEvent, Received, Sent, StartAt, TopicPartition, Watermarks,
};
pub use tokio_util::sync::CancellationToken;
pub use topic_id::{TopicId, TopicIdError};
pub use topics::{Cleanup, PartitionCount, TopicDescription, TopicNameError, TopicSpec, Topics};
