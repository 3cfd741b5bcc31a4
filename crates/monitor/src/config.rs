//! Settings of a monitor.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shadowline_detectors::DetectorKind;
use shadowline_service::{http::HttpSettings, telemetry};
use shadowline_stream::{LogConfig, Topics};

/// Which monitor it is: what tells one monitor's program from another's.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// The service's name, for example `monitor-knn`.
    pub service: &'static str,
    /// The detectors it hosts; packages of another runtime are refused.
    pub detector: DetectorKind,
    /// Version of the program.
    pub version: &'static str,
}

/// Settings of a monitor. A group of one name shares the work, so every replica has the same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where detectors are installed.
    pub packages_dir: PathBuf,
    /// The consumer group.
    pub group: String,
    /// The most inferences scored at once.
    pub max_batch: usize,
    /// Which scores are taken apart into their features' contributions.
    #[serde(default)]
    pub explain: Explain,
    /// Size limit of an uploaded detector.
    pub max_upload_bytes: usize,
    /// Where REST, metrics and health are.
    pub http: HttpSettings,
    /// The topics' names, and what they are made with.
    pub topics: TopicSettings,
    /// Which log; left out, Kafka on this machine. Not a layered default, because the keys of one kind of
    /// log are unknown to the other.
    #[serde(default = "local_kafka")]
    pub log: LogConfig,
    /// The log output.
    #[serde(default)]
    pub telemetry: telemetry::Settings,
}

/// Which scores say how much each feature contributed to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Explain {
    /// Those above the detector's own threshold.
    #[default]
    Anomalies,
    /// All of them.
    All,
    /// None.
    None,
}

/// The topics of an installation; the same in every service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    /// What the topics' names begin with.
    pub prefix: Topics,
    /// Partitions of topics that are made; those that exist keep theirs.
    pub partitions: u32,
    /// Replicas of topics that are made.
    pub replication: u16,
}

fn local_kafka() -> LogConfig {
    LogConfig::kafka("127.0.0.1:9092")
}
