//! What goes into a log and what comes out.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use crate::topic_id::TopicId;
use crate::{Envelope, EnvelopeError};

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    pub topic: Arc<str>,
    pub partition: u32,
}

impl TopicPartition {
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// Where reading a partition starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartAt {
    /// At the offset committed by the group; at the earliest record if there is none.
    Committed,
    /// At this offset, which is the first one to be read.
    Offset(u64),
    Earliest,
    /// Behind the last record that is there now.
    Latest,
}

/// The offsets between which a partition has records: from `low`, up to but without `high`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    pub low: u64,
    pub high: u64,
}

/// Records of a partition that the log dropped before a group has read them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub partition: TopicPartition,
    /// The first offset that is gone.
    pub from: u64,
    /// The first offset after it that is there.
    pub to: u64,
    /// The topic, if the log gives topics ids.
    pub topic_id: Option<TopicId>,
}

impl Lost {
    /// How many records are gone.
    pub fn n_records(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }
}

/// The offset a group will go on at, per partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub partition: TopicPartition,
    /// `None` if the group never committed here.
    pub offset: Option<u64>,
}

/// A record to be written.
#[derive(Debug, Clone)]
pub struct OutRecord {
    pub topic: Arc<str>,
    /// `None` lets the key choose, see [`partition_for`](crate::partition_for); without a key the
    /// id of the envelope chooses.
    pub partition: Option<u32>,
    pub key: Option<Bytes>,
    /// `None` is a tombstone: on a compacted topic it deletes what has the key.
    pub value: Option<Bytes>,
    pub envelope: Envelope,
}

/// Where a record was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub partition: u32,
    pub offset: u64,
}

/// A record that was read.
#[derive(Debug, Clone)]
pub struct Received {
    pub topic: Arc<str>,
    pub partition: u32,
    pub offset: u64,
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// When it was written, if the log knows.
    pub timestamp: Option<Timestamp>,
    /// What its headers say; an error if they are not those of a CloudEvent.
    pub envelope: Result<Envelope, EnvelopeError>,
}

impl Received {
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }
}

/// What a [`Reader`](crate::Reader) comes upon.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "nearly every event is a record, and none is kept")]
pub enum ReadEvent {
    Record(Received),
    /// Everything that was there when reading began has been read. Comes once.
    CaughtUp,
}
