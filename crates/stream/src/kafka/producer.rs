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
use tracing::warn;

use super::aside::Aside;
use super::calls::{blocking, signed, unsigned};
use super::context::KafkaContext;
use super::polled::PolledProducer;
use super::settings::Settings;
use crate::delivery::{Delivery, UnobservedCount};
use crate::error::{LogError, ProduceError};
use crate::metrics::Metrics;
use crate::options::ProducerOptions;
use crate::record::{OutRecord, Sent};

#[derive(Clone)]
pub(crate) struct KafkaProducer(Arc<Inner>);

struct Inner {
    settings: Settings,
    options: ProducerOptions,
    metrics: Metrics,
    client: Mutex<Client>,
    unobserved: UnobservedCount,
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
}

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

impl KafkaProducer {
    pub(super) fn new(
        settings: Settings,
        options: ProducerOptions,
        metrics: Metrics,
    ) -> Result<Self, LogError> {
        let client = Mutex::new(Client::new(&settings, &options, &metrics)?);
        let unobserved = UnobservedCount::default();
        Ok(Self(Arc::new(Inner { settings, options, metrics, client, unobserved })))
    }

    pub(crate) async fn enqueue(
        &self,
        record: OutRecord,
        partition: u32,
    ) -> Result<Delivery, ProduceError> {
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
            size_bytes,
            limit_bytes: self.0.options.max_message_bytes,
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
                let error = refused.delivery_opaque.error(error);
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
        warn!(client = %self.options.client_id, error = earlier, "producer is recreated after an error");
        let fresh = Client::new(&self.settings, &self.options, &self.metrics).map_err(|error| {
            ProduceError::Failed { topic: topic.to_owned(), source: Arc::new(error) }
        })?;
        *current = fresh.clone();
        Ok(fresh)
    }
}

impl Client {
    fn new(
        settings: &Settings,
        options: &ProducerOptions,
        metrics: &Metrics,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let context = DeliveryContext {
            inner: KafkaContext::new(&options.client_id, metrics.clone()),
            metrics: metrics.clone(),
            shared: shared.clone(),
        };
        let producer = PolledProducer::new(&settings.producer(options), context)
            .map_err(|error| settings.client_error(error))?;
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
    size_bytes: u64,
    limit_bytes: u64,
    result: oneshot::Sender<Result<Sent, ProduceError>>,
}

impl Pending {
    fn error(&self, error: KafkaError) -> ProduceError {
        let topic = self.topic.to_string();
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                ProduceError::TooLarge {
                    topic,
                    size_bytes: self.size_bytes,
                    limit_bytes: self.limit_bytes,
                }
            }
            Some(RDKafkaErrorCode::UnknownPartition) => {
                ProduceError::NoPartition { topic, partition: self.partition }
            }
            Some(RDKafkaErrorCode::UnknownTopic | RDKafkaErrorCode::UnknownTopicOrPartition) => {
                ProduceError::NoTopic { topic }
            }
            _ => ProduceError::Failed { topic, source: Arc::new(error) },
        }
    }
}

struct DeliveryContext {
    inner: KafkaContext,
    metrics: Metrics,
    shared: Arc<Shared>,
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for DeliveryContext {
    type DeliveryOpaque = Box<Pending>;

    fn delivery(&self, delivered: &DeliveryResult<'_>, pending: Box<Pending>) {
        let result = match delivered {
            Ok(message) => {
                self.inner.reached();
                self.metrics.sent(&pending.topic);
                Ok(Sent {
                    partition: message.partition().cast_unsigned(),
                    offset: unsigned(message.offset()),
                })
            }
            Err((error, _)) => {
                let error = pending.error(error.clone());
                self.metrics.send_error(&pending.topic, error.reason());
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
