//! Settings of a monitor.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use shadowline_service::settings::path;
use shadowline_service::{http::HttpSettings, telemetry};
use shadowline_stream::LogConfig;
use shadowline_worker::{GroupName, TopicSettings, local_kafka};

/// Settings of a monitor. A group of one name shares the work, so every replica has the same one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where detectors are installed.
    #[serde(deserialize_with = "path")]
    pub packages_dir: PathBuf,
    /// Packages that are installed at every start: folders that a training wrote.
    #[serde(default, deserialize_with = "one_or_several")]
    pub install: Vec<PathBuf>,
    /// Whether inferences on the log are scored. If not, no log is opened, and only REST is served.
    #[serde(default = "yes")]
    pub watch: bool,
    /// Of monitors that answer predictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prediction: Option<PredictionSettings>,
    /// The consumer group.
    pub group: GroupName,
    /// The most inferences scored at once.
    pub max_batch: NonZeroUsize,
    /// Which scores are taken apart into their features' contributions.
    #[serde(default)]
    pub explain: Explain,
    /// Size limit of an uploaded detector.
    pub max_upload_bytes: NonZeroUsize,
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

/// How predictions are answered.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PredictionSettings {
    /// The model of the paths that name none; empty, it is the only one there is.
    pub model: String,
}

fn yes() -> bool {
    true
}

/// Takes one path as well as a list, because a flag or a variable of the environment is seldom a list.
fn one_or_several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    struct Paths;
    impl<'de> Visitor<'de> for Paths {
        type Value = Vec<PathBuf>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path or a list of paths")
        }
        fn visit_str<E: de::Error>(self, path: &str) -> Result<Self::Value, E> {
            Ok(if path.is_empty() { Vec::new() } else { vec![PathBuf::from(path)] })
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut paths = Vec::new();
            while let Some(path) = list.next_element()? {
                paths.push(path);
            }
            Ok(paths)
        }
    }
    deserializer.deserialize_any(Paths)
}
