//! The idempotent producer, and a new one when the old one gave up.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use shadowline_error::chain;
use tokio::sync::{Notify, oneshot};
use tracing::debug;

use super::aside::Aside;
use super::calls::{blocking, signed, unsigned};
use super::causes::{advice, explain, is_consequence};
use super::context::KafkaContext;
use super::log::KafkaLog;
use super::polled::PolledProducer;
use super::settings::Settings;
use super::size_limits::{SizeLimits, batch_bytes};
use crate::delivery::{Delivery, UnobservedCount};
use crate::error::{LogError, ProduceError, SizeLimit};
use crate::metrics::Metrics;
use crate::options::ProducerOptions;
use crate::record::{OutRecord, Sent};

#[derive(Clone)]
pub(crate) struct KafkaProducer(Arc<Inner>);

struct Inner {
    log: KafkaLog,
    settings: Settings,
    options: ProducerOptions,
    metrics: Metrics,
    client: Mutex<Client>,
    unobserved: UnobservedCount,
    limits: Arc<SizeLimits>,
}

#[derive(Clone)]
struct Client {
    producer: Arc<Aside<PolledProducer<DeliveryContext>>>,
    shared: Arc<Shared>,
}

/// What the client and its callbacks share.
#[derive(Default)]
struct Shared {
    /// Is told of each delivery, because then there is room again.
    room: Notify,
    /// The first error of a record that was taken; after it nothing more is.
    failed: Mutex<Option<String>>,
    /// Why records fail that others take along, as far as it is known.
    cause: Mutex<Option<String>>,
}

/// The failure of a record that another one has taken along. It says why that one failed as soon as that is known: the
/// one that comes first in the order of the caller need not be the one that was refused.
struct TakenAlong(Arc<Shared>);

impl std::fmt::Display for TakenAlong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0.cause.lock() {
            Some(cause) => f.write_str(cause),
            None => {
                f.write_str("another record failed, and to keep the order this one was not sent")
            }
        }
    }
}

impl std::fmt::Debug for TakenAlong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for TakenAlong {}

impl std::fmt::Debug for KafkaProducer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaProducer").field("options", &self.0.options).finish_non_exhaustive()
    }
}

/// What became of one try to enqueue.
enum Try {
    Enqueued(Delivery),
    /// Wait for room on this client, then try again.
    Full(Arc<Shared>),
    Refused(ProduceError),
}

impl KafkaLog {
    pub(crate) fn producer(&self, options: ProducerOptions) -> Result<KafkaProducer, LogError> {
        let (settings, metrics) = (self.settings().clone(), self.metrics().clone());
        let limits = Arc::new(SizeLimits::default());
        let client = Mutex::new(Client::new(&settings, &options, &metrics, &limits)?);
        let (log, unobserved) = (self.clone(), UnobservedCount::default());
        let inner = Inner { log, settings, options, metrics, client, unobserved, limits };
        Ok(KafkaProducer(Arc::new(inner)))
    }
}

impl KafkaProducer {
    pub(crate) async fn enqueue(
        &self,
        record: OutRecord,
        partition: u32,
    ) -> Result<Delivery, ProduceError> {
        self.0.learn_limits().await?;
        loop {
            match self.try_enqueue(&record, partition) {
                Try::Enqueued(delivery) => return Ok(delivery),
                Try::Refused(error) => return Err(error),
                // A delivery between the try and here has left a permit, so it is not missed.
                Try::Full(shared) => shared.room.notified().await,
            }
        }
    }

    fn try_enqueue(&self, record: &OutRecord, partition: u32) -> Try {
        let mut current = self.0.client.lock();
        let client = match self.0.usable(&mut current, &record.topic) {
            Ok(client) => client,
            Err(error) => return Try::Refused(error),
        };
        let mut headers = OwnedHeaders::new();
        for (name, value) in record.envelope.to_headers() {
            headers = headers.insert(Header { key: &name, value: Some(&value) });
        }
        let size_bytes = record.key.as_ref().map_or(0, |it| it.len() as u64)
            + record.value.as_ref().map_or(0, |it| it.len() as u64);
        let (result, delivered) = oneshot::channel();
        let pending = Pending {
            topic: record.topic.clone(),
            partition,
            batch_bytes: batch_bytes(size_bytes, &headers),
            result,
        };
        let mut out = BaseRecord::<[u8], [u8], _>::with_opaque_to(&record.topic, Box::new(pending))
            .partition(signed(partition))
            .headers(headers);
        if let Some(key) = &record.key {
            out = out.key(key);
        }
        if let Some(value) = &record.value {
            out = out.payload(value);
        }
        match client.producer.send(out) {
            Ok(()) => {
                let unobserved = self.0.unobserved.one_more();
                Try::Enqueued(Delivery::waiting(record.topic.clone(), delivered, unobserved))
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                Try::Full(client.shared.clone())
            }
            Err((error, refused)) => {
                let error = match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::MessageSizeTooLarge) => ProduceError::TooLarge {
                        topic: record.topic.to_string(),
                        size_bytes,
                        limit_bytes: self.0.options.max_message_bytes,
                        limit: SizeLimit::Producer,
                    },
                    _ => refused.delivery_opaque.error(error, &self.0.limits, &client.shared),
                };
                if !error.is_permanent() {
                    client.shared.fail(&error);
                }
                Try::Refused(error)
            }
        }
    }

    pub(crate) async fn flush(&self, within: Duration) -> Result<(), ProduceError> {
        let client = self.0.client.lock().clone();
        let flushed = blocking("flush".to_owned(), move || {
            let flushed = client.producer.flush(within);
            Ok((flushed, client.producer.in_flight_count()))
        });
        match flushed.await {
            Ok((Ok(()), _)) => Ok(()),
            Ok((Err(_), n_records)) => Err(ProduceError::FlushTimeout {
                n_records: usize::try_from(n_records).unwrap_or(0),
                waited: within,
            }),
            Err(error) => Err(ProduceError::Failed {
                topic: "every topic".to_owned(),
                source: Arc::new(error),
            }),
        }
    }
}

impl Inner {
    /// Asks how large the records of a topic may be, where the broker has refused some.
    async fn learn_limits(&self) -> Result<(), ProduceError> {
        for topic in self.limits.unknown() {
            let described = self.log.describe(&topic).await.map_err(|error| {
                ProduceError::Failed { topic: topic.to_string(), source: Arc::new(error) }
            })?;
            // A topic that is gone says so when something is sent to it.
            if let Some(described) = described {
                self.limits.learn(&topic, described.max_message_bytes);
            }
        }
        Ok(())
    }

    /// The client, or a new one after the old one failed and all deliveries were told so.
    fn usable(&self, current: &mut Client, topic: &str) -> Result<Client, ProduceError> {
        let mut failed = current.shared.failed.lock().clone();
        if failed.is_none() {
            failed = current.producer.client().fatal_error().map(|(_, reason)| reason);
        }
        let Some(earlier) = failed else { return Ok(current.clone()) };
        if !self.unobserved.is_zero() {
            return Err(ProduceError::Halted { earlier });
        }
        // The sender of the record says that it failed.
        debug!(client = %self.options.client_id, error = earlier, "producer is recreated after an error");
        let fresh =
            Client::new(&self.settings, &self.options, &self.metrics, &self.limits).map_err(
                |error| ProduceError::Failed { topic: topic.to_owned(), source: Arc::new(error) },
            )?;
        // What failed may have failed because a topic is another one now.
        self.log.forget_partitions();
        *current = fresh.clone();
        Ok(fresh)
    }
}

impl Client {
    fn new(
        settings: &Settings,
        options: &ProducerOptions,
        metrics: &Metrics,
        limits: &Arc<SizeLimits>,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let context = DeliveryContext {
            inner: KafkaContext::new(&options.client_id, metrics.clone()),
            metrics: metrics.clone(),
            shared: shared.clone(),
            limits: limits.clone(),
        };
        let config = settings.producer(options, limits.batch());
        let producer =
            PolledProducer::new(&config, context).map_err(|error| settings.client_error(error))?;
        Ok(Self { producer: Arc::new(Aside::new(producer)), shared })
    }
}

impl Shared {
    fn fail(&self, error: &ProduceError) {
        self.failed.lock().get_or_insert_with(|| chain(error));
    }
}

/// What is known of a record until it is acknowledged.
struct Pending {
    topic: Arc<str>,
    partition: u32,
    /// As large as a batch of this record alone can be.
    batch_bytes: u64,
    result: oneshot::Sender<Result<Sent, ProduceError>>,
}

impl Pending {
    fn error(&self, error: KafkaError, limits: &SizeLimits, shared: &Arc<Shared>) -> ProduceError {
        let topic = self.topic.to_string();
        let code = error.rdkafka_error_code();
        if code.is_some_and(is_consequence) {
            return ProduceError::Failed { topic, source: Arc::new(TakenAlong(shared.clone())) };
        }
        let error = self.own_error(error, limits);
        shared.cause.lock().get_or_insert_with(|| match &error {
            // The caller names the topic, and adds the source.
            ProduceError::Failed { source, .. } => source.to_string(),
            other => other.to_string(),
        });
        error
    }

    fn own_error(&self, error: KafkaError, limits: &SizeLimits) -> ProduceError {
        let topic = self.topic.to_string();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                match limits.refused(&self.topic, self.batch_bytes) {
                    Some(limit_bytes) => ProduceError::TooLarge {
                        topic,
                        size_bytes: self.batch_bytes,
                        limit_bytes,
                        limit: SizeLimit::Topic,
                    },
                    None => ProduceError::BatchTooLarge { topic },
                }
            }
            Some(RDKafkaErrorCode::UnknownPartition) => {
                ProduceError::NoPartition { topic, partition: self.partition }
            }
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                ProduceError::NoTopic { topic }
            }
            _ => {
                let source = Arc::new(explain(error, Some(&self.topic)));
                ProduceError::Failed { topic, source }
            }
        }
    }
}

/// The client's words for why it gave up, with what to look at where they name an error of a record or a right.
fn fatal_cause(reason: &str) -> String {
    // In the broker's words, as the client gives them.
    let known = [
        ("Cluster authorization failed", RDKafkaErrorCode::ClusterAuthorizationFailed),
        ("Topic authorization failed", RDKafkaErrorCode::TopicAuthorizationFailed),
        ("Invalid timestamp", RDKafkaErrorCode::InvalidTimestamp),
        ("Broker failed to validate record", RDKafkaErrorCode::InvalidRecord),
    ];
    let found = known.into_iter().find(|(words, _)| reason.contains(words));
    match found.and_then(|(_, code)| advice(code, None)) {
        Some(advice) => format!("{advice} ({reason})"),
        None => reason.to_owned(),
    }
}

struct DeliveryContext {
    inner: KafkaContext,
    metrics: Metrics,
    shared: Arc<Shared>,
    limits: Arc<SizeLimits>,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.shared.cause.lock().get_or_insert_with(|| fatal_cause(reason));
        }
        self.inner.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for DeliveryContext {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, pending: Box<Pending>) {
        let result = match delivered {
            Ok(message) => {
                self.inner.works();
                self.metrics.sent(&pending.topic);
                Ok(Sent {
                    partition: message.partition().cast_unsigned(),
                    offset: unsigned(message.offset()),
                })
            }
            Err((error, _)) => {
                let is_consequence = error.rdkafka_error_code().is_some_and(is_consequence);
                let error = pending.error(error.clone(), &self.limits, &self.shared);
                // What another record took along was not refused.
                if !is_consequence {
                    self.metrics.send_error(&pending.topic, error.reason());
                }
                // Before the result can be seen, so that nothing is enqueued behind it.
                self.shared.fail(&error);
                Err(error)
            }
        };
        // The delivery was dropped, so its result is not needed.
        drop(pending.result.send(result));
        self.shared.room.notify_one();
    }
}
