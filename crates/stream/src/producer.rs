//! Writing: in order within a partition, each record once for as long as the producer lives.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::embedded::EmbeddedProducer;
use crate::kafka::KafkaProducer;
use crate::traces::Sending;
use crate::{Log, LogError, Metrics, OutRecord, ProduceError, Sent, partition_for};

/// How a producer works.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Its name in the logs and metrics of the broker.
    pub client_id: String,
    /// How many records may wait for their acknowledgement; a further one waits for room.
    pub max_in_flight: usize,
    /// How long a record waits for others to go with it.
    pub linger: Duration,
    /// Larger records are refused at once.
    pub max_message_bytes: u64,
}

impl ProducerOptions {
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            max_in_flight: 10_000,
            linger: Duration::from_millis(2),
            max_message_bytes: crate::topics::DEFAULT_MAX_MESSAGE_BYTES,
        }
    }
}

/// Writes records; cheap to clone, and clones share the order.
///
/// Within a partition records are written in the order in which [`Producer::enqueue`] took them.
/// A log that cannot be reached is waited for without end. When a record fails for good, those
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
pub(crate) enum ProducerInner {
    Kafka(KafkaProducer),
    Embedded(EmbeddedProducer),
}

impl Producer {
    pub(crate) fn new(log: Log, client_id: Arc<str>, inner: ProducerInner) -> Self {
        Self { log, client_id, inner }
    }

    /// Writes a record and waits until it is acknowledged.
    pub async fn send(&self, record: OutRecord) -> Result<Sent, ProduceError> {
        self.enqueue(record).await?.await
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

    async fn enqueue_uncounted(&self, mut record: OutRecord) -> Result<Delivery, ProduceError> {
        let partition = match record.partition {
            Some(partition) => partition,
            None => {
                let by = record.key.as_deref().unwrap_or(record.envelope.id.as_bytes());
                partition_for(by, self.partitions(&record.topic).await?)
            }
        };
        let sending = Sending::begin(&self.log, &self.client_id, &mut record, partition);
        let enqueued = match &self.inner {
            ProducerInner::Kafka(producer) => producer.enqueue(record, partition).await,
            ProducerInner::Embedded(producer) => producer.enqueue(record, partition).await,
        };
        match (enqueued, sending) {
            (Ok(delivery), sending) => Ok(Delivery { sending, ..delivery }),
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

/// The acknowledgement of one record, to be awaited. Dropping it does not take the record back.
#[derive(Debug)]
#[must_use = "only the delivery says whether the record was written"]
pub struct Delivery {
    state: DeliveryState,
    /// Counted until the caller has seen the result or given up on it.
    _unobserved: Option<Unobserved>,
    /// The record's span, if it has one.
    sending: Option<Sending>,
}

#[derive(Debug)]
enum DeliveryState {
    Waiting { topic: Arc<str>, result: oneshot::Receiver<Result<Sent, ProduceError>> },
    Done(Option<Result<Sent, ProduceError>>),
}

/// How many deliveries are handed out and not seen yet.
#[derive(Debug, Clone, Default)]
pub(crate) struct UnobservedCount(Arc<AtomicUsize>);

#[derive(Debug)]
pub(crate) struct Unobserved(UnobservedCount);

impl UnobservedCount {
    pub(crate) fn one_more(&self) -> Unobserved {
        self.0.fetch_add(1, Ordering::SeqCst);
        Unobserved(self.clone())
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

impl Drop for Unobserved {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Delivery {
    /// A delivery whose result will come.
    pub(crate) fn waiting(
        topic: Arc<str>,
        result: oneshot::Receiver<Result<Sent, ProduceError>>,
        unobserved: Unobserved,
    ) -> Self {
        let state = DeliveryState::Waiting { topic, result };
        Self { state, _unobserved: Some(unobserved), sending: None }
    }

    /// A delivery whose result is known already.
    pub(crate) fn done(result: Result<Sent, ProduceError>) -> Self {
        Self { state: DeliveryState::Done(Some(result)), _unobserved: None, sending: None }
    }
}

impl Future for Delivery {
    type Output = Result<Sent, ProduceError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match &mut self.state {
            DeliveryState::Waiting { topic, result } => {
                match std::task::ready!(Pin::new(result).poll(cx)) {
                    Ok(result) => result,
                    Err(_) => Err(ProduceError::Closed { topic: topic.to_string() }),
                }
            }
            DeliveryState::Done(result) => {
                result.take().expect("a delivery is not polled again after it was ready")
            }
        };
        self.state = DeliveryState::Done(None);
        self._unobserved = None;
        if let Some(sending) = self.sending.take() {
            sending.end(result.as_ref());
        }
        Poll::Ready(result)
    }
}
