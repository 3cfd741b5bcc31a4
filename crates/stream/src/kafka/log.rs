//! The cluster: its topics, partitions and offsets, and what is made from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use shadowline_error::{BoxError, chain};
use tracing::{debug, info};

use super::aside::Aside;
use super::calls::{ASK_TIMEOUT, blocking, signed, unsigned};
use super::context::KafkaContext;
use super::member::KafkaMember;
use super::reader::KafkaReader;
use super::settings::Settings;
use crate::error::LogError;
use crate::metrics::Metrics;
use crate::options::ConsumerOptions;
use crate::record::{Committed, StartAt, TopicPartition, Watermarks};
use crate::topic_id::TopicId;
use crate::topics::{Cleanup, TopicDescription, TopicSpec};

/// What the client has said waits in its queue already; this is only the end of the queue.
const HEARD_WITHIN: Duration = Duration::from_millis(1);

/// A Kafka cluster; cheap to clone.
#[derive(Clone)]
pub struct KafkaLog(Arc<Inner>);

struct Inner {
    settings: Settings,
    metrics: Metrics,
    /// Asks for metadata and offsets; reads nothing.
    client: Aside<BaseConsumer<KafkaContext>>,
    admin: Aside<AdminClient<KafkaContext>>,
    /// Asked anew with every [`KafkaLog::reachable`], and after a failure: partitions can be added, and a topic be
    /// made again with others.
    partitions: Mutex<HashMap<String, u32>>,
}

impl std::fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaLog")
            .field("bootstrap_servers", &self.0.settings.bootstrap_servers())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Takes in what the client has to say: errors, and the ids of topics. Nobody else polls it.
    fn hear_what_was_said(&self) {
        while self.client.poll(HEARD_WITHIN).is_some() {}
    }
}

impl KafkaLog {
    pub(crate) fn open(
        bootstrap_servers: &str,
        properties: &BTreeMap<String, String>,
        metrics: Metrics,
    ) -> Result<Self, LogError> {
        let settings = Settings::new(bootstrap_servers, properties)?;
        let context = || KafkaContext::new("shadowline-admin", metrics.clone());
        let client = BaseConsumer::from_config_and_context(&settings.asking(), context())
            .map_err(|error| settings.client_error(error))?;
        let admin = AdminClient::from_config_and_context(&settings.admin(), context())
            .map_err(|error| settings.client_error(error))?;
        let (client, admin) = (Aside::new(client), Aside::new(admin));
        let partitions = Mutex::default();
        Ok(Self(Arc::new(Inner { settings, metrics, client, admin, partitions })))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn admin(&self) -> &AdminClient<KafkaContext> {
        &self.0.admin
    }

    /// Runs a blocking call of the client where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        attempt: String,
        call: impl FnOnce(&Inner) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, LogError> {
        let inner = self.0.clone();
        let answer = blocking(attempt, move || {
            let answer = call(&inner);
            inner.hear_what_was_said();
            answer
        });
        answer.await.map_err(|error| match self.0.client.context().refusal() {
            // A client that is refused gets no answer, and the error says no more than that.
            Some(refusal) => LogError::failed(refusal, error),
            None => error,
        })
    }

    pub(crate) async fn reachable(&self, within: Duration) -> Result<(), LogError> {
        let attempt = format!("ask kafka at {}", self.0.settings.bootstrap_servers());
        // The name of a topic that need not exist, because all topics may be a long list.
        let call = move |inner: &Inner| {
            inner.client.fetch_metadata(Some("__consumer_offsets"), within).map(drop)
        };
        self.ask(attempt, call).await?;
        let clients = self.0.metrics.all_reachable();
        if !clients.is_empty() {
            info!(clients = clients.join(" "), "kafka is reachable again");
        }
        self.refresh_partitions().await;
        Ok(())
    }

    /// Asks the cluster each time; `None` if there is no such topic.
    async fn fetch_partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let asked = topic.to_owned();
        let partitions = self
            .ask(format!("read metadata of topic `{topic}`"), move |inner| {
                let metadata = inner.client.fetch_metadata(Some(&asked), ASK_TIMEOUT)?;
                let Some(topic) = metadata.topics().iter().find(|it| it.name() == asked) else {
                    return Ok(None);
                };
                match topic.error().map(RDKafkaErrorCode::from) {
                    None => Ok(Some(topic.partitions().len())),
                    // The last is a topic that was just made.
                    Some(
                        RDKafkaErrorCode::UnknownTopicOrPartition
                        | RDKafkaErrorCode::UnknownTopic
                        | RDKafkaErrorCode::LeaderNotAvailable,
                    ) => Ok(None),
                    Some(code) => Err(KafkaError::MetadataFetch(code)),
                }
            })
            .await?;
        // A topic that is being created shows up without partitions first.
        let partitions = partitions.filter(|it| *it > 0).and_then(|it| u32::try_from(it).ok());
        if let Some(partitions) = partitions {
            self.0.partitions.lock().insert(topic.to_owned(), partitions);
        }
        Ok(partitions)
    }

    pub(crate) async fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, LogError> {
        match self.fetch_partitions(topic).await? {
            Some(_) => Ok(self.0.client.context().topic_id(topic)),
            None => Err(LogError::NoTopic { topic: topic.to_owned() }),
        }
    }

    /// Has topics asked anew the next time how many partitions they have.
    pub(crate) fn forget_partitions(&self) {
        self.0.partitions.lock().clear();
    }

    /// Asks anew how many partitions the topics have that are written to.
    async fn refresh_partitions(&self) {
        let known: Vec<_> = self.0.partitions.lock().keys().cloned().collect();
        for topic in known {
            match self.fetch_partitions(&topic).await {
                Ok(Some(_)) => {}
                Ok(None) => drop(self.0.partitions.lock().remove(&topic)),
                // Then what is known is as good as anything.
                Err(error) => debug!(topic, error = chain(&error), "partitions not known anew"),
            }
        }
    }

    pub(crate) async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        if let Some(known) = self.0.partitions.lock().get(topic) {
            return Ok(*known);
        }
        self.fetch_partitions(topic)
            .await?
            .ok_or_else(|| LogError::NoTopic { topic: topic.to_owned() })
    }

    pub(crate) async fn describe(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        let Some(partitions) = self.fetch_partitions(topic).await? else {
            return Ok(None);
        };
        let attempt = || format!("read configuration of topic `{topic}`");
        let options = AdminOptions::new().request_timeout(Some(ASK_TIMEOUT));
        let described = self
            .0
            .admin
            .describe_configs([&ResourceSpecifier::Topic(topic)], &options)
            .await
            .map_err(|error| LogError::failed(attempt(), error))?;
        let config = match described.into_iter().next() {
            Some(Ok(config)) => config,
            Some(Err(RDKafkaErrorCode::UnknownTopicOrPartition)) => return Ok(None),
            Some(Err(code)) => return Err(LogError::failed(attempt(), code)),
            None => return Err(LogError::failed(attempt(), "the broker named no configuration")),
        };
        // That of a topic that was just made, from a broker that has not heard of it.
        if config.entries.is_empty() {
            return Ok(None);
        }
        let entry = |name: &str| {
            let value = config.get(name).and_then(|it| it.value.clone());
            value.ok_or_else(|| LogError::failed(attempt(), format!("`{name}` is missing")))
        };
        let max_message_bytes = entry("max.message.bytes")?;
        Ok(Some(TopicDescription {
            partitions,
            cleanup_policy: entry("cleanup.policy")?,
            max_message_bytes: max_message_bytes.parse().map_err(|error| {
                LogError::failed(format!("{}: `{max_message_bytes}`", attempt()), error)
            })?,
        }))
    }

    /// `false` if the topic exists already.
    pub(crate) async fn create_topic(
        &self,
        spec: &TopicSpec,
        partitions: u32,
    ) -> Result<bool, BoxError> {
        let max_message_bytes = spec.max_message_bytes.to_string();
        let retention = match spec.cleanup {
            Cleanup::Delete { retention: Some(retention) } => retention.as_millis().to_string(),
            Cleanup::Delete { retention: None } | Cleanup::Compact => "-1".to_owned(),
        };
        let topic = NewTopic::new(
            &spec.name,
            i32::try_from(partitions)?,
            TopicReplication::Fixed(i32::from(spec.replication)),
        )
        .set("cleanup.policy", spec.cleanup.policy())
        .set("max.message.bytes", &max_message_bytes)
        .set("retention.ms", &retention);
        let options = AdminOptions::new()
            .request_timeout(Some(ASK_TIMEOUT))
            .operation_timeout(Some(ASK_TIMEOUT));
        let created = self.0.admin.create_topics([&topic], &options).await?;
        for result in created {
            match result {
                Ok(_) => {}
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => return Ok(false),
                Err((_, code)) => return Err(code.into()),
            }
        }
        // The broker answers before all of its metadata say so.
        let until = tokio::time::Instant::now() + ASK_TIMEOUT;
        while self.fetch_partitions(&spec.name).await? != Some(partitions) {
            if tokio::time::Instant::now() > until {
                return Err("created, but the broker does not list it".into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(true)
    }

    pub(crate) async fn watermarks(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Watermarks, LogError> {
        let partitions = self.partitions(topic).await?;
        if partition >= partitions {
            return Err(LogError::NoPartition { topic: topic.to_owned(), partition, partitions });
        }
        let asked = topic.to_owned();
        self.ask(format!("read watermarks of {topic}/{partition}"), move |inner| {
            let (low, high) =
                inner.client.fetch_watermarks(&asked, signed(partition), ASK_TIMEOUT)?;
            Ok(Watermarks { low: unsigned(low), high: unsigned(high) })
        })
        .await
    }

    pub(crate) async fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Committed>, LogError> {
        let partitions = self.partitions(topic).await?;
        let attempt = format!("read offsets of group `{group}` on `{topic}`");
        // A client belongs to one group, so each question has a client of its own. It never joins.
        let context = KafkaContext::new("shadowline-admin", self.0.metrics.clone());
        let config = self.0.settings.group_reader(group);
        let topic: Arc<str> = topic.into();
        blocking(attempt, move || {
            let client: BaseConsumer<_> = BaseConsumer::from_config_and_context(&config, context)?;
            let mut asked = TopicPartitionList::new();
            for partition in 0..partitions {
                asked.add_partition(&topic, signed(partition));
            }
            let offsets = client.committed_offsets(asked, ASK_TIMEOUT)?;
            let mut committed = Vec::new();
            for entry in offsets.elements() {
                entry.error()?;
                let offset = match entry.offset() {
                    Offset::Offset(offset) => Some(unsigned(offset)),
                    Offset::Beginning
                    | Offset::End
                    | Offset::Stored
                    | Offset::Invalid
                    | Offset::OffsetTail(_) => None,
                };
                let partition =
                    TopicPartition::new(topic.clone(), entry.partition().cast_unsigned());
                committed.push(Committed { partition, offset });
            }
            Ok(committed)
        })
        .await
    }

    pub(crate) async fn reader(&self, topic: &str, from: StartAt) -> Result<KafkaReader, LogError> {
        let partitions = self.partitions(topic).await?;
        KafkaReader::open(&self.0.settings, self.0.metrics.clone(), topic, partitions, from)
    }

    pub(crate) async fn join(&self, options: &ConsumerOptions) -> Result<KafkaMember, LogError> {
        KafkaMember::join(&self.0.settings, options, self.0.metrics.clone())
    }
}
