//! The settings of the model server.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shadowline_service::http::{HttpSettings, OptionalHttpSettings};
use shadowline_service::settings::{Layers, NonZeroDuration, SettingsError, at_least, path};
use shadowline_service::telemetry;
use shadowline_stream::LogConfig;
pub use shadowline_worker::TopicSettings;
use shadowline_worker::local_kafka;

/// The settings a model server starts from, as TOML.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Settings of the model server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the spool is, and the models unless [`Config::models_dir`] says otherwise.
    #[serde(deserialize_with = "path")]
    pub data_dir: PathBuf,
    /// Where the packages of models are.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "path")]
    pub models_dir: Option<PathBuf>,
    /// How long a stop may take.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Where gRPC listens.
    pub grpc: HttpSettings,
    /// Where HTTP listens.
    pub http: HttpSettings,
    /// A port of its own for operators; none if its address is empty.
    pub operate: OptionalHttpSettings,
    /// What a request may ask for.
    pub limits: Limits,
    /// How the spool is kept.
    pub spool: SpoolSettings,
    /// What the topics are called, and how new ones are made.
    pub topics: TopicSettings,
    /// The log that inferences go to. A process that hosts several services opens one for all of them.
    #[serde(default = "local_kafka")]
    pub log: LogConfig,
    /// How log messages are written.
    #[serde(default)]
    pub telemetry: telemetry::Settings,
}

const MIN_MESSAGE_BYTES: u64 = 1024;
const MIN_LARGE_REQUESTS: u64 = 1;
const MIN_STREAMS: u64 = 1;
const MIN_SPOOL_BYTES: u64 = 4096;
const MIN_SEGMENT_BYTES: u64 = 4096;

/// What a request may ask for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// The largest message of a request.
    #[serde(deserialize_with = "at_least::<MIN_MESSAGE_BYTES, _, _>")]
    pub message_bytes: usize,
    /// The largest artefact that can be installed.
    #[serde(deserialize_with = "at_least::<1, _, _>")]
    pub upload_bytes: usize,
    /// How long one request may take.
    pub request_timeout: NonZeroDuration,
    /// How many large requests are computed at the same time.
    #[serde(deserialize_with = "at_least::<MIN_LARGE_REQUESTS, _, _>")]
    pub large_requests: usize,
    /// How many requests one connection may have open.
    #[serde(deserialize_with = "at_least::<MIN_STREAMS, _, _>")]
    pub streams_per_connection: u32,
}

/// How the spool is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpoolSettings {
    /// What may wait to be sent to the log.
    #[serde(deserialize_with = "at_least::<MIN_SPOOL_BYTES, _, _>")]
    pub max_bytes: u64,
    /// The size of one of its files.
    #[serde(deserialize_with = "at_least::<MIN_SEGMENT_BYTES, _, _>")]
    pub segment_bytes: u64,
    /// How often it is synced to the disk.
    pub fsync_interval: NonZeroDuration,
    /// What happens when it takes no more.
    pub when_full: WhenFull,
}

/// What happens to a prediction whose shadow cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenFull {
    /// It is answered; the shadow is dropped and counted.
    KeepServing,
    /// It is refused with `RESOURCE_EXHAUSTED`.
    Refuse,
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

    /// Checks the settings of a caller that did not read them, by the same bounds.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first setting that cannot work.
    pub fn check(&self) -> Result<(), ConfigError> {
        let not_less = |key, got: u64, least: u64| {
            if least <= got {
                Ok(())
            } else {
                let expected = format!("at least {least}");
                Err(ConfigError { key, got: got.to_string(), expected })
            }
        };
        let size = |size: usize| u64::try_from(size).unwrap_or(u64::MAX);
        not_less("limits.message_bytes", size(self.limits.message_bytes), MIN_MESSAGE_BYTES)?;
        not_less("limits.large_requests", size(self.limits.large_requests), MIN_LARGE_REQUESTS)?;
        not_less(
            "limits.streams_per_connection",
            self.limits.streams_per_connection.into(),
            MIN_STREAMS,
        )?;
        not_less("spool.max_bytes", self.spool.max_bytes, MIN_SPOOL_BYTES)?;
        not_less("spool.segment_bytes", self.spool.segment_bytes, MIN_SEGMENT_BYTES)?;
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
            |it| it.spool.segment_bytes = 1,
            "setting `spool.segment_bytes` is 1; expected at least 4096",
        );
    }

    #[test]
    fn a_setting_that_cannot_work_is_refused_by_its_key() {
        let refused = |key: &str, value: &str| {
            let layers = Layers::defaults(DEFAULTS).unwrap().set("flag", key, value);
            layers.extract::<Config>().unwrap_err().to_string()
        };
        let least = |key: &str, found: &str, least: u32| {
            format!("flag: key `{key}`: found {found}, expected at least {least}")
        };
        let key = "limits.message_bytes";
        assert_eq!(refused(key, "7"), least(key, "7", 1024));
        let key = "limits.upload_bytes";
        assert_eq!(refused(key, "0"), least(key, "0", 1));
        let key = "spool.fsync_interval";
        let expected = format!("flag: key `{key}`: found 0s, expected a time longer than zero");
        assert_eq!(refused(key, "0s"), expected);
        assert!(refused("topics.partitions", "0").contains("a whole number of at least 1"));
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
