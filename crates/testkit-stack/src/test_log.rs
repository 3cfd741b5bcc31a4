//! A log of either kind, with topics that no other test has.

use std::sync::Arc;

use shadowline_stream::{
    Cleanup, KafkaLog, Log, LogConfig, PartitionCount, ProducerOptions, TopicSpec, Topics,
};
use tempfile::TempDir;
use uuid::Uuid;

use crate::KafkaNode;

/// An open log for one test.
#[derive(Debug)]
pub struct TestLog {
    log: Option<Log>,
    config: LogConfig,
    topics: Topics,
    /// Removed with the test; Kafka's belongs to its node.
    _dir: Option<TempDir>,
}

impl TestLog {
    /// An embedded log in a directory of its own.
    pub async fn embedded() -> Self {
        let dir = tempfile::tempdir().expect("make a temporary directory");
        let config = LogConfig::embedded(dir.path().join("log"));
        Self::open(config, Some(dir)).await
    }

    /// Apache Kafka; `None` if there is none, which has been said then.
    pub async fn kafka() -> Option<Self> {
        let bootstrap_servers = KafkaNode::shared().await?;
        Some(Self::open(LogConfig::kafka(bootstrap_servers), None).await)
    }

    /// A log on a node of the test's own.
    pub async fn on(node: &KafkaNode) -> Self {
        Self::open(LogConfig::kafka(node.bootstrap_servers()), None).await
    }

    async fn open(config: LogConfig, dir: Option<TempDir>) -> Self {
        let log = Some(Log::open(&config).await.expect("open the log"));
        let topics = Topics::with_prefix(format!("t{}.", Uuid::new_v4().simple()))
            .expect("a UUID is good for a topic's name");
        Self { log, config, topics, _dir: dir }
    }

    pub fn log(&self) -> &Log {
        self.log.as_ref().expect("it is open between calls")
    }

    /// The cluster, for what only an operator does.
    ///
    /// # Panics
    /// On the embedded log, which has nobody to do it.
    pub fn cluster(&self) -> &KafkaLog {
        match self.log() {
            Log::Kafka(log) => log,
            Log::Embedded(_) => panic!("the embedded log has no operator"),
        }
    }

    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Topics with a prefix of this test's own; not created yet.
    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Creates all of the topics.
    pub async fn create_topics(&self, partitions: u32) {
        self.log().ensure_topics(&self.topics.specs(partitions, 1)).await.expect("create topics");
    }

    /// Creates one topic of the test's own and returns its full name.
    pub async fn create_topic(&self, name: &str, partitions: u32, cleanup: Cleanup) -> Arc<str> {
        let name: Arc<str> = format!("{}{name}", self.topics.prefix()).into();
        let spec = TopicSpec {
            name: name.clone(),
            partitions: PartitionCount::Exactly(partitions),
            replication: 1,
            cleanup,
            max_message_bytes: 1024 * 1024,
        };
        self.log().ensure_topics(&[spec]).await.expect("create topic");
        name
    }

    /// A group that no other test has.
    pub fn group(&self, name: &str) -> String {
        format!("{}{name}", self.topics.prefix())
    }

    pub fn producer(&self) -> shadowline_stream::Producer {
        self.log().producer(ProducerOptions::new("test")).expect("make a producer")
    }

    /// Closes the log and opens it again, as a new process would. Everything made from it must be
    /// dropped before.
    pub async fn reopen(&mut self) {
        drop(self.log.take());
        self.log = Some(Log::open(&self.config).await.expect("open the log again"));
    }
}
