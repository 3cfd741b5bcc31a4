//! The settings of every kind of client.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::bad_property::BadProperty;
use super::size_limits::BatchLimit;
use crate::error::LogError;
use crate::options::{ConsumerOptions, ProducerOptions};

/// What the guarantees of this crate rest on, or what it names itself.
const RESERVED: &[&str] = &[
    "acks",
    "request.required.acks",
    "bootstrap.servers",
    "metadata.broker.list",
    "client.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.protocol",
    "message.timeout.ms",
    "delivery.timeout.ms",
    "statistics.interval.ms",
    "transactional.id",
];

/// librdkafka's own.
const DEFAULT_BATCH_BYTES: u64 = 1_000_000;
const BATCH_OVERHEAD_BYTES: u64 = 128;

/// What an operator set, over our own defaults.
#[derive(Clone)]
pub(super) struct Settings {
    bootstrap_servers: String,
    properties: BTreeMap<String, String>,
}

impl Settings {
    pub(super) fn new(
        bootstrap_servers: &str,
        properties: &BTreeMap<String, String>,
    ) -> Result<Self, LogError> {
        if let Some(property) = properties.keys().find(|it| RESERVED.contains(&it.as_str())) {
            return Err(LogError::ReservedProperty { property: property.clone() });
        }
        Ok(Self { bootstrap_servers: bootstrap_servers.to_owned(), properties: properties.clone() })
    }

    pub(super) fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    pub(super) fn client_error(&self, error: KafkaError) -> LogError {
        let bootstrap_servers = self.bootstrap_servers.clone();
        let source = match BadProperty::of(&error) {
            Some(bad) => bad.into(),
            None => error.into(),
        };
        LogError::Client { bootstrap_servers, source }
    }

    /// `pairs` are defaults, which the operator's properties go over.
    fn config(&self, client_id: &str, pairs: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            // A broker that comes back is noticed within a second.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.keepalive.enable", "true")
            // A broker that has taken a request and does not answer, as one that has just started may, is asked anew.
            .set("socket.timeout.ms", "15000");
        for (name, value) in pairs {
            config.set(*name, *value);
        }
        for (name, value) in &self.properties {
            config.set(name, value);
        }
        config.set("bootstrap.servers", &self.bootstrap_servers).set("client.id", client_id);
        config
    }

    pub(super) fn admin(&self) -> ClientConfig {
        let mut config = self.config("shadowline-admin", &[]);
        // Nobody takes what it says out of its queue.
        config.set_log_level(RDKafkaLogLevel::Emerg);
        config
    }

    /// A client that asks for metadata and offsets.
    pub(super) fn asking(&self) -> ClientConfig {
        self.telling_ids(self.config("shadowline-admin", &[]))
    }

    /// Has the client say the ids of topics in its log, which is the only place where it does; see
    /// [`id_change`](super::topic_ids::id_change).
    fn telling_ids(&self, mut config: ClientConfig) -> ClientConfig {
        let debug = match self.properties.get("debug") {
            Some(also) => format!("{also},topic"),
            None => "topic".to_owned(),
        };
        config.set("debug", debug).set_log_level(RDKafkaLogLevel::Debug);
        config
    }

    /// A client that asks for the offsets of a group and does not join it.
    pub(super) fn group_reader(&self, group: &str) -> ClientConfig {
        let mut config = self.config("shadowline-admin", &[]);
        config.set("group.id", group).set("enable.auto.commit", "false");
        config
    }

    /// `batch` is what topics allow that have refused larger batches.
    pub(super) fn producer(
        &self,
        options: &ProducerOptions,
        batch: Option<BatchLimit>,
    ) -> ClientConfig {
        let linger_ms = millis(options.linger);
        let max_in_flight = options.max_in_flight.max(1).to_string();
        let max_message_bytes = options.max_message_bytes.to_string();
        let defaults = [
            ("linger.ms", linger_ms.as_str()),
            ("queue.buffering.max.messages", &max_in_flight),
            ("message.max.bytes", &max_message_bytes),
            ("request.timeout.ms", "10000"),
            // Partitions that were added are known after this.
            ("topic.metadata.refresh.interval.ms", "10000"),
        ];
        let mut config = self.config(&options.client_id, &defaults);
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // Records are waited with, not given up: the spool is the queue.
            .set("message.timeout.ms", "0")
            // A record that fails takes those behind it along, so none overtakes it.
            .set("enable.gapless.guarantee", "true");
        if let Some(batch) = batch {
            let own = config.get("batch.size").and_then(|it| it.parse().ok());
            // The client does not count all that a batch has beside its records.
            let most = batch.bytes.saturating_sub(BATCH_OVERHEAD_BYTES);
            let bytes = own.unwrap_or(DEFAULT_BATCH_BYTES).min(most).max(1);
            config.set("batch.size", bytes.to_string());
            if batch.one_by_one {
                config.set("batch.num.messages", "1");
            }
        }
        config
    }

    pub(super) fn member(&self, options: &ConsumerOptions) -> ClientConfig {
        let defaults = [
            ("auto.offset.reset", "earliest"),
            // A rolling restart leaves the partitions of the others alone.
            ("partition.assignment.strategy", "cooperative-sticky"),
            // A member that died is missed after this, a rebalance is heard of after that. It is the least that brokers
            // take by default: after an outage of the only broker a member joins anew, and waits for its former self
            // to be missed.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "500"),
        ];
        let mut config = self.telling_ids(self.reading(&options.client_id, &defaults));
        config
            .set("group.id", &options.group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("statistics.interval.ms", "1000");
        config
    }

    /// A client that reads partitions without a group; the name is only one for the client's sake.
    pub(super) fn reader(&self, unused_group: &str) -> ClientConfig {
        let defaults = [("auto.offset.reset", "earliest")];
        let mut config = self.telling_ids(self.reading("shadowline-reader", &defaults));
        config
            .set("group.id", unused_group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true");
        config
    }

    fn reading(&self, client_id: &str, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut pairs = vec![
            ("fetch.wait.max.ms", "100"),
            ("fetch.error.backoff.ms", "100"),
            // The default of a second would be a second of latency whenever the local queue is full.
            ("fetch.queue.backoff.ms", "20"),
            ("queued.max.messages.kbytes", "32768"),
            ("fetch.message.max.bytes", "8388608"),
            // Partitions that were added, or a topic that was deleted and comes back, are noticed after this.
            ("topic.metadata.refresh.interval.ms", "10000"),
        ];
        pairs.extend_from_slice(defaults);
        self.config(client_id, &pairs)
    }
}

fn millis(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_guarantees_rest_on_cannot_be_set() {
        let set = |name: &str| {
            Settings::new("b:1", &BTreeMap::from([(name.to_owned(), "1".to_owned())])).err()
        };
        assert!(set("sasl.username").is_none());
        assert_eq!(
            set("acks").unwrap().to_string(),
            "kafka property `acks` cannot be set: shadowline sets it itself"
        );
    }

    #[test]
    fn an_operators_property_goes_over_a_default() {
        let properties = BTreeMap::from([("linger.ms".to_owned(), "9".to_owned())]);
        let settings = Settings::new("b:1", &properties).unwrap();
        let config = settings.producer(&ProducerOptions::new("p"), None);
        assert_eq!(config.get("linger.ms"), Some("9"));
        assert_eq!(config.get("acks"), Some("all"));
    }
}
