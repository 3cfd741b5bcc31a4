//! Writing: in order within a partition, each record once for as long as the producer lives.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::Delivery;
use crate::embedded::EmbeddedProducer;
use crate::error::{LogError, ProduceError};
use crate::kafka::KafkaProducer;
use crate::log::Log;
use crate::metrics::Metrics;
use crate::options::ProducerOptions;
use crate::partitioner::partition_for;
use crate::record::{OutRecord, Sent};
use crate::traces::Sending;

/// Writes records; cheap to clone, and clones share the order.
///
/// Within a partition records are written in the order in which [`Producer::enqueue`] took them.
/// A log that cannot be reached is waited for indefinitely. When a record fails permanently, those
/// behind it fail too, and nothing more is taken ([`ProduceError::Halted`]) until every
/// [`Delivery`] handed out is awaited or dropped: so no record overtakes one that failed. Then the
/// caller begins again with the first one that failed.
///
/// Dropping the last clone gives up what is not acknowledged yet; [`Producer::flush`] first.
#[derive(Debug, Clone)]
pub struct Producer {
    log: Log,
    client_id: Arc<str>,
    inner: ProducerInner,
}

#[derive(Debug, Clone)]
enum ProducerInner {
    Kafka(KafkaProducer),
    Embedded(EmbeddedProducer),
}

/// A partition that the log has and the client does not know of.
#[derive(Debug, thiserror::Error)]
#[error("partition {partition} is new, and not known to the client yet")]
struct NewPartition {
    partition: u32,
}

impl Log {
    /// A producer; those who share one share its order, too.
    ///
    /// # Errors
    /// If the client does not take its settings.
    pub fn producer(&self, options: ProducerOptions) -> Result<Producer, LogError> {
        let client_id = options.client_id.as_str().into();
        let inner = match self {
            Self::Kafka(log) => ProducerInner::Kafka(log.producer(options)?),
            Self::Embedded(log) => ProducerInner::Embedded(log.producer(options)?),
        };
        Ok(Producer { log: self.clone(), client_id, inner })
    }
}

impl Producer {
    /// Writes a record and waits until it is acknowledged.
    pub async fn send(&self, record: OutRecord) -> Result<Sent, ProduceError> {
        match self.enqueue(record.clone()).await?.await {
            // Only now is it known how large a record may be, and so whether this one is too large.
            Err(ProduceError::BatchTooLarge { .. }) => self.enqueue(record).await?.await,
            sent => sent,
        }
    }

    /// Takes a record into the queue and says where to wait for its acknowledgement. Waits while
    /// the queue is full. Dropping this future before it is ready leaves the record out.
    pub async fn enqueue(&self, record: OutRecord) -> Result<Delivery, ProduceError> {
        let topic = record.topic.clone();
        let enqueued = self.enqueue_uncounted(record).await;
        if let Err(error) = &enqueued {
            self.metrics().send_error(&topic, error.reason());
        }
        enqueued
    }

    async fn enqueue_uncounted(&self, record: OutRecord) -> Result<Delivery, ProduceError> {
        let topic = Arc::clone(&record.topic);
        match self.enqueue_to_partition(record).await {
            Err(ProduceError::NoPartition { partition, .. }) => {
                Err(self.no_partition(&topic, partition).await)
            }
            enqueued => enqueued,
        }
    }

    /// Asks the log whether it is so: the client hears of new partitions later than those who read them, and the topic
    /// may have been made again with others.
    async fn no_partition(&self, topic: &str, partition: u32) -> ProduceError {
        self.log.forget_partitions();
        match self.partitions(topic).await {
            Ok(partitions) if partition < partitions => ProduceError::Failed {
                topic: topic.to_owned(),
                source: Arc::new(NewPartition { partition }),
            },
            Ok(_) => ProduceError::NoPartition { topic: topic.to_owned(), partition },
            Err(error) => error,
        }
    }

    async fn enqueue_to_partition(&self, mut record: OutRecord) -> Result<Delivery, ProduceError> {
        let partition = match record.partition {
            Some(partition) => partition,
            None => {
                let by = record.key.as_deref().unwrap_or(record.envelope.id.as_bytes());
                partition_for(by, self.partitions(&record.topic).await?)
            }
        };
        let sending = Sending::begin(self.log.system(), &self.client_id, &mut record, partition);
        let enqueued = match &self.inner {
            ProducerInner::Kafka(producer) => producer.enqueue(record, partition).await,
            ProducerInner::Embedded(producer) => producer.enqueue(record, partition).await,
        };
        match (enqueued, sending) {
            (Ok(delivery), sending) => Ok(delivery.traced(sending)),
            (Err(error), sending) => {
                if let Some(sending) = sending {
                    sending.end(Err(&error));
                }
                Err(error)
            }
        }
    }

    async fn partitions(&self, topic: &str) -> Result<u32, ProduceError> {
        let topic = topic.to_owned();
        self.log.partitions(&topic).await.map_err(|error| match error {
            LogError::NoTopic { .. } => ProduceError::NoTopic { topic },
            LogError::ReservedProperty { .. }
            | LogError::Client { .. }
            | LogError::Failed { .. }
            | LogError::MadeAgain { .. }
            | LogError::NoPartition { .. } => {
                ProduceError::Failed { topic, source: Arc::new(error) }
            }
        })
    }

    /// Waits until everything taken so far is acknowledged or has failed; which of the two, each
    /// [`Delivery`] says.
    pub async fn flush(&self, within: Duration) -> Result<(), ProduceError> {
        match &self.inner {
            ProducerInner::Kafka(producer) => producer.flush(within).await,
            ProducerInner::Embedded(producer) => producer.flush(within).await,
        }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        self.log.metrics()
    }
}
