//! What can go wrong with a log.

use shadowline_error::BoxError;

/// Why the log could not be opened, asked or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A setting that this crate makes itself, because its guarantees rest on it.
    #[error("kafka property `{property}` cannot be set: shadowline sets it itself")]
    ReservedProperty { property: String },
    /// A setting that the client does not know or does not accept.
    #[error("create kafka client for {bootstrap_servers}")]
    Client { bootstrap_servers: String, source: BoxError },
    /// The log was asked and did not answer, or answered with an error.
    #[error("{attempt}")]
    Failed { attempt: String, source: BoxError },
    #[error("topic `{topic}` does not exist")]
    NoTopic { topic: String },
    /// Its readers must begin again at its start.
    #[error("topic `{topic}` was deleted and made again")]
    MadeAgain { topic: String },
    #[error("topic `{topic}` has no partition {partition}, it has {partitions}")]
    NoPartition { topic: String, partition: u32, partitions: u32 },
}

impl LogError {
    /// A failed attempt, said as a verb phrase: `read watermarks of scores/3`.
    pub(crate) fn failed(attempt: impl Into<String>, source: impl Into<BoxError>) -> Self {
        Self::Failed { attempt: attempt.into(), source: source.into() }
    }
}

/// Why a consumer loop ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    #[error("consume as group `{group}`")]
    Log { group: String, source: LogError },
    #[error("handle records of group `{group}`")]
    Handler { group: String, source: BoxError },
}

/// Why the topics are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    #[error(
        "topic `{topic}` has {actual} partitions, but must have {expected}, as many as `{same_as}`: \
         recreate it with {expected} partitions"
    )]
    PartitionsDiffer { topic: String, actual: u32, same_as: String, expected: u32 },
    #[error(
        "topic `{topic}` must have as many partitions as `{same_as}`, which does not exist and is \
         not among the topics to create"
    )]
    NothingToMatch { topic: String, same_as: String },
    #[error("topic `{topic}` has cleanup.policy={actual}, but must have cleanup.policy={expected}")]
    CleanupDiffers { topic: String, actual: String, expected: &'static str },
    #[error(
        "topic `{topic}` takes messages up to {actual} bytes (max.message.bytes), but must take \
         {expected}"
    )]
    MessagesTooSmall { topic: String, actual: u64, expected: u64 },
    #[error("topic `{topic}`: a topic has at least 1 partition and 1 replica")]
    Empty { topic: String },
    #[error("create topic `{topic}` with {partitions} partitions and replication {replication}")]
    Create { topic: String, partitions: u32, replication: u16, source: BoxError },
    #[error("check topic `{topic}`")]
    Check { topic: String, source: LogError },
}

impl TopicError {
    /// Says whether the topic is not as it must be, which waiting for the log does not cure.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Create { .. } | Self::Check { .. } => false,
            Self::PartitionsDiffer { .. }
            | Self::NothingToMatch { .. }
            | Self::CleanupDiffers { .. }
            | Self::MessagesTooSmall { .. }
            | Self::Empty { .. } => true,
        }
    }
}

/// Who says how large a record may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeLimit {
    /// The one who writes.
    Producer,
    /// The topic, at the broker.
    Topic,
}

impl std::fmt::Display for SizeLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Producer => "the limit of its producer",
            Self::Topic => "the topic's limit at the broker (max.message.bytes)",
        })
    }
}

/// Why a record was not written, as far as the producer knows.
///
/// What failed may still have been written: sending it again is safe, leaving it out is not.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProduceError {
    #[error(
        "record of {size_bytes} bytes for `{topic}` is larger than {limit}, {limit_bytes} bytes"
    )]
    TooLarge { topic: String, size_bytes: u64, limit_bytes: u64, limit: SizeLimit },
    /// Records that go together are too large together. Each for itself may not be: the next try sends less at once, and
    /// says which one is too large.
    #[error(
        "the broker takes no batch for `{topic}` that is larger than its limit (max.message.bytes)"
    )]
    BatchTooLarge { topic: String },
    #[error("topic `{topic}` has no partition {partition}")]
    NoPartition { topic: String, partition: u32 },
    #[error("topic `{topic}` does not exist")]
    NoTopic { topic: String },
    /// A record before this one failed permanently. To keep the order, nothing more is taken until
    /// every [`Delivery`](crate::Delivery) handed out so far is awaited or dropped.
    #[error("an earlier record failed ({earlier}), and its deliveries are not all awaited yet")]
    Halted { earlier: String },
    #[error("write to `{topic}`")]
    Failed { topic: String, source: std::sync::Arc<dyn std::error::Error + Send + Sync> },
    /// The producer went away before it knew.
    #[error("the producer was closed before `{topic}` acknowledged")]
    Closed { topic: String },
    #[error("{n_records} records were not acknowledged within {waited:?}")]
    FlushTimeout { n_records: usize, waited: std::time::Duration },
}

impl ProduceError {
    /// Says whether sending this very record again can only fail again.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::NoPartition { .. } => true,
            Self::NoTopic { .. }
            | Self::BatchTooLarge { .. }
            | Self::Halted { .. }
            | Self::Failed { .. }
            | Self::Closed { .. }
            | Self::FlushTimeout { .. } => false,
        }
    }

    /// A bounded label for the metric of errors.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::BatchTooLarge { .. } => "batch_too_large",
            Self::NoPartition { .. } => "no_partition",
            Self::NoTopic { .. } => "no_topic",
            Self::Halted { .. } => "halted",
            Self::Failed { .. } => "failed",
            Self::Closed { .. } => "closed",
            Self::FlushTimeout { .. } => "flush_timeout",
        }
    }
}
