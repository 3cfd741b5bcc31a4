//! The log: either of the two behind one set of calls.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::info;

use crate::config::LogConfig;
use crate::embedded::EmbeddedLog;
use crate::error::{LogError, TopicError};
use crate::kafka::KafkaLog;
use crate::metrics::Metrics;
use crate::record::{Committed, Watermarks};
use crate::topic_id::TopicId;
use crate::topics::{PartitionCount, TopicDescription, TopicSpec};

/// How long a topic that was made may take to be known everywhere.
const KNOWN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// An open log; cheap to clone.
#[derive(Debug, Clone)]
pub enum Log {
    Kafka(KafkaLog),
    Embedded(EmbeddedLog),
}

impl Log {
    /// Opens the embedded log, or makes a client for Kafka.
    ///
    /// A cluster that cannot be reached is no error here: it may come back, and the spool does not
    /// wait for it. [`Log::reachable`] asks.
    ///
    /// # Errors
    /// If a setting is not understood or the directory cannot be used.
    pub async fn open(config: &LogConfig) -> Result<Self, LogError> {
        let metrics = Metrics::default();
        match config {
            LogConfig::Kafka { bootstrap_servers, properties } => {
                Ok(Self::Kafka(KafkaLog::open(bootstrap_servers, properties, metrics)?))
            }
            LogConfig::Embedded { dir } => {
                Ok(Self::Embedded(EmbeddedLog::open(dir, metrics).await?))
            }
        }
    }

    /// The metrics of this log and of everything made from it.
    pub fn metrics(&self) -> &Metrics {
        match self {
            Self::Kafka(log) => log.metrics(),
            Self::Embedded(log) => log.metrics(),
        }
    }

    /// Asks whether the log answers within a time.
    pub async fn reachable(&self, within: Duration) -> Result<(), LogError> {
        match self {
            Self::Kafka(log) => log.reachable(within).await,
            Self::Embedded(_) => Ok(()),
        }
    }

    /// Creates the topics that are missing and checks those that exist, in the order given.
    ///
    /// # Errors
    /// The first topic that is not as it must be, and what is wrong with it.
    pub async fn ensure_topics(&self, specs: &[TopicSpec]) -> Result<(), TopicError> {
        for spec in specs {
            self.ensure_topic(spec).await?;
        }
        Ok(())
    }

    async fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        let check_error = |source| TopicError::Check { topic: spec.name.to_string(), source };
        let partitions = match &spec.partitions {
            PartitionCount::Exactly(partitions) => *partitions,
            PartitionCount::SameAs(other) => {
                let Some(other) = self.describe(other).await.map_err(check_error)? else {
                    return Err(TopicError::NothingToMatch {
                        topic: spec.name.to_string(),
                        same_as: other.to_string(),
                    });
                };
                other.partitions
            }
        };
        if partitions == 0 || spec.replication == 0 {
            return Err(TopicError::Empty { topic: spec.name.to_string() });
        }
        if let Some(actual) = self.describe(&spec.name).await.map_err(check_error)? {
            return spec.validate(partitions, &actual);
        }
        let create_error = |source| TopicError::Create {
            topic: spec.name.to_string(),
            partitions,
            replication: spec.replication,
            source,
        };
        let created = match self {
            Self::Kafka(log) => log.create_topic(spec, partitions).await,
            Self::Embedded(log) => log.create_topic(spec, partitions).await,
        };
        if created.map_err(create_error)? {
            info!(topic = %spec.name, partitions, "topic created");
        }
        // A topic is made before every broker knows of it, and another process may have been faster in making it. What
        // comes next, a topic that must match this one or a record for it, needs it to be known.
        let patience = Instant::now() + KNOWN_WITHIN;
        loop {
            match self.describe(&spec.name).await.map_err(check_error)? {
                Some(actual) => return spec.validate(partitions, &actual),
                None if patience <= Instant::now() => return Ok(()),
                None => sleep(LOOK_AGAIN_AFTER).await,
            }
        }
    }

    /// A topic as it is, or `None` if there is none.
    pub async fn describe(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        match self {
            Self::Kafka(log) => log.describe(topic).await,
            Self::Embedded(log) => log.describe(topic).await,
        }
    }

    /// Which topic a name leads to now; `None` if the log gives topics no ids, as Kafka before 2.8.
    ///
    /// # Errors
    /// If there is no such topic, or the log does not answer.
    pub async fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, LogError> {
        match self {
            Self::Kafka(log) => log.topic_id(topic).await,
            Self::Embedded(log) => log.topic_id(topic),
        }
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// If there is no such topic, or the log does not answer.
    pub async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        match self {
            Self::Kafka(log) => log.partitions(topic).await,
            Self::Embedded(log) => log.partitions(topic).await,
        }
    }

    /// Has topics asked anew how many partitions they have.
    pub(crate) fn forget_partitions(&self) {
        match self {
            Self::Kafka(log) => log.forget_partitions(),
            Self::Embedded(_) => {}
        }
    }

    /// Between which offsets a partition has records.
    pub async fn watermarks(&self, topic: &str, partition: u32) -> Result<Watermarks, LogError> {
        match self {
            Self::Kafka(log) => log.watermarks(topic, partition).await,
            Self::Embedded(log) => log.watermarks(topic, partition).await,
        }
    }

    /// What a group has committed of each partition of a topic.
    pub async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Committed>, LogError> {
        match self {
            Self::Kafka(log) => log.committed(group, topic).await,
            Self::Embedded(log) => log.committed(group, topic).await,
        }
    }

    /// The name that OpenTelemetry's conventions have for it; they have none for a log of our own.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::Kafka(_) => "kafka",
            Self::Embedded(_) => "shadowline",
        }
    }
}
