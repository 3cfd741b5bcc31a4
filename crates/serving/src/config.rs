//! The settings of the model server.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shadowline_service::http::HttpSettings;
use shadowline_service::settings::{Layers, SettingsError};
use shadowline_service::telemetry;
use shadowline_stream::{LogConfig, Topics};

/// The settings a model server starts from, as TOML.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Settings of the model server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the spool is, and the models unless [`Config::models_dir`] says otherwise.
    pub data_dir: PathBuf,
    /// Where the packages of models are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models_dir: Option<PathBuf>,
    /// How long a stop may take.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Where gRPC listens.
    pub grpc: HttpSettings,
    /// Where HTTP listens.
    pub http: HttpSettings,
    /// What a request may ask for.
    pub limits: Limits,
    /// How the spool is kept.
    pub spool: SpoolSettings,
    /// What the topics are called, and how new ones are made.
    pub topics: TopicSettings,
    /// The log that inferences go to. A process that hosts several services opens one for all of them.
    #[serde(default = "local_kafka")]
    pub log: LogConfig,
    /// How log lines are written.
    #[serde(default)]
    pub telemetry: telemetry::Settings,
}

/// What a request may ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest message of a request.
    pub message_bytes: usize,
    /// The largest artefact that can be installed.
    pub upload_bytes: usize,
    /// How long one request may take.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// How many large requests are computed at the same time.
    pub large_requests: usize,
    /// How many requests one connection may have open.
    pub streams_per_connection: u32,
}

/// How the spool is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolSettings {
    /// What may wait to be sent to the log.
    pub max_bytes: u64,
    /// The size of one of its files.
    pub segment_bytes: u64,
    /// How often it is synced to the disk.
    #[serde(with = "humantime_serde")]
    pub fsync_interval: Duration,
    /// What happens when it takes no more.
    pub when_full: WhenFull,
}

/// What happens to a prediction whose shadow cannot be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// It is answered; the shadow is dropped and counted.
    KeepServing,
    /// It is refused with `RESOURCE_EXHAUSTED`.
    Refuse,
}

/// What the topics are called, and how new ones are made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopicSettings {
    /// How their names begin.
    pub prefix: Topics,
    /// How many partitions a new topic gets.
    pub partitions: u32,
    /// How many brokers keep a new topic.
    pub replication: u16,
}

/// A setting that no server can run with.
#[derive(Debug, thiserror::Error)]
#[error("setting `{key}` is {got}; expected {expected}")]
pub struct ConfigError {
    /// The setting's name.
    pub key: &'static str,
    /// What it is.
    pub got: String,
    /// What it must be.
    pub expected: String,
}

fn local_kafka() -> LogConfig {
    LogConfig::kafka("localhost:9092")
}

impl Config {
    /// The defaults, with the data in a directory of the caller's choice.
    ///
    /// # Errors
    /// If the built-in settings are broken, which a test rules out.
    pub fn in_dir(data_dir: impl Into<PathBuf>) -> Result<Self, SettingsError> {
        let mut config: Self = Layers::defaults(DEFAULTS)?.extract()?;
        config.data_dir = data_dir.into();
        Ok(config)
    }

    /// Where the packages of models are.
    pub fn models_dir(&self) -> PathBuf {
        self.models_dir.clone().unwrap_or_else(|| self.data_dir.join("models"))
    }

    /// Where the spool is.
    pub fn spool_dir(&self) -> PathBuf {
        self.data_dir.join("spool")
    }

    /// Checks what types alone cannot say.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let at_least = |key, got: u64, least: u64, why: &str| {
            if least <= got {
                Ok(())
            } else {
                let expected = format!("at least {least}{why}");
                Err(ConfigError { key, got: got.to_string(), expected })
            }
        };
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        at_least("limits.message_bytes", size(self.limits.message_bytes), 1024, "")?;
        at_least("limits.large_requests", size(self.limits.large_requests), 1, "")?;
        at_least(
            "limits.streams_per_connection",
            self.limits.streams_per_connection.into(),
            1,
            "",
        )?;
        at_least("spool.max_bytes", self.spool.max_bytes, 4096, "")?;
        at_least("spool.segment_bytes", self.spool.segment_bytes, 4096, "")?;
        at_least("topics.partitions", self.topics.partitions.into(), 1, "")?;
        at_least("topics.replication", self.topics.replication.into(), 1, "")?;
        for (key, time) in [
            ("limits.request_timeout", self.limits.request_timeout),
            ("spool.fsync_interval", self.spool.fsync_interval),
        ] {
            if time.is_zero() {
                let expected = "a time longer than zero".to_owned();
                return Err(ConfigError { key, got: "0s".to_owned(), expected });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_settings_that_work() {
        let config = Config::in_dir("somewhere").unwrap();
        config.check().unwrap();
        assert_eq!(config.limits.message_bytes, 4 * 1024 * 1024);
        assert_eq!(config.spool.when_full, WhenFull::KeepServing);
        assert_eq!(config.spool_dir(), PathBuf::from("somewhere/spool"));
        assert_eq!(config.models_dir(), PathBuf::from("somewhere/models"));
    }

    #[test]
    fn a_setting_that_cannot_work_is_named() {
        let check = |change: fn(&mut Config), expected: &str| {
            let mut config = Config::in_dir("somewhere").unwrap();
            change(&mut config);
            assert_eq!(config.check().unwrap_err().to_string(), expected);
        };
        check(
            |it| it.limits.message_bytes = 7,
            "setting `limits.message_bytes` is 7; expected at least 1024",
        );
        check(
            |it| it.spool.fsync_interval = Duration::ZERO,
            "setting `spool.fsync_interval` is 0s; expected a time longer than zero",
        );
        check(
            |it| it.topics.partitions = 0,
            "setting `topics.partitions` is 0; expected at least 1",
        );
    }

    #[test]
    fn the_embedded_log_can_be_chosen_over_the_default() {
        let layers = Layers::defaults(DEFAULTS)
            .unwrap()
            .set("test", "log.kind", "embedded")
            .set("test", "log.dir", "/data/log")
            .set("test", "spool.when_full", "refuse");
        let config: Config = layers.extract().unwrap();
        assert_eq!(config.log, LogConfig::embedded("/data/log"));
        assert_eq!(config.spool.when_full, WhenFull::Refuse);
        let error = layers.set("test", "spool.when_ful", "x").extract::<Config>().unwrap_err();
        assert!(error.to_string().contains("did you mean `when_full`"), "{error}");
    }
}
