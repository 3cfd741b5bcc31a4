//! Settings of the metric-spec service.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shadowline_service::settings::NonZeroDuration;
use shadowline_service::{http::HttpSettings, telemetry};
use shadowline_store::{StoreOptions, StoreUrl};
use shadowline_stream::LogConfig;
use shadowline_worker::{GroupName, TopicSettings, local_kafka};

/// Settings of the metric-spec service.
///
/// To have read one is to know that its values go together.
// `remote` makes a `Config::deserialize` that takes each value by itself; the one below checks them together.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Config {
    /// The database.
    pub store: StoreUrl,
    /// A file with the password for PostgreSQL; none when empty.
    pub store_password_file: PathBuf,
    /// The most connections for reading.
    pub store_readers: NonZeroU32,
    /// The most connections for writing on PostgreSQL; SQLite has one.
    pub store_writers: NonZeroU32,
    /// How long PostgreSQL may take for one statement; from a millisecond to a day.
    #[serde(with = "humantime_serde")]
    pub store_timeout: Duration,
    /// The consumer group, and the name under which the database keeps how far it has read.
    pub group: GroupName,
    /// The most scores applied in one transaction.
    pub max_batch: NonZeroUsize,
    /// How long checks are kept.
    pub checks_retention: NonZeroDuration,
    /// How long changes of alerts are kept; the last one of each spec stays as long as the spec.
    pub alerts_retention: NonZeroDuration,
    /// Where alerts go besides the topic.
    pub alertmanager: AlertmanagerSettings,
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

/// A setting that does not go with another.
#[derive(Debug, thiserror::Error)]
#[error("setting `{key}` {wrong}; expected {expected}")]
pub struct ConfigError {
    key: &'static str,
    wrong: String,
    expected: &'static str,
}

impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let config = Self::deserialize(deserializer)?;
        config.store_options().map_err(D::Error::custom)?;
        Ok(config)
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl Config {
    /// How the database is used, checked as a whole.
    pub(crate) fn store_options(&self) -> Result<StoreOptions, ConfigError> {
        let refused = |key, wrong: &str, expected| {
            Err(ConfigError { key, wrong: wrong.to_owned(), expected })
        };
        let has_file = !self.store_password_file.as_os_str().is_empty();
        if has_file && self.store.path().is_some() {
            let expected = "it with an address of PostgreSQL only";
            return refused("store_password_file", "is set, and `store` is a file", expected);
        }
        if has_file && self.store.has_password() {
            let expected = "the password in one place";
            return refused("store_password_file", "is set, and `store` has a password", expected);
        }
        if !(Duration::from_millis(1)..=Duration::from_secs(86_400)).contains(&self.store_timeout) {
            let found = humantime_serde::re::humantime::format_duration(self.store_timeout);
            let wrong = format!("is {found}");
            return refused("store_timeout", &wrong, "a time from 1ms to 1d");
        }
        Ok(StoreOptions {
            readers: self.store_readers,
            writers: self.store_writers,
            timeout: self.store_timeout,
            password_file: has_file.then(|| self.store_password_file.clone()),
        })
    }
}

/// How alerts are delivered to Alertmanager.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertmanagerSettings {
    /// Every Alertmanager of the cluster; each gets every alert.
    pub urls: Vec<PeerUrl>,
    /// How often a firing alert is sent again.
    pub resend_every: NonZeroDuration,
    /// How long a resolution is sent again.
    pub resolved_for: NonZeroDuration,
    /// How long one delivery may take.
    pub timeout: NonZeroDuration,
    /// Where people reach this service; made of the HTTP address when empty.
    #[serde(deserialize_with = "address_of_people")]
    pub external_url: String,
}

fn address_of_people<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_address = |it: &str| {
        Url::parse(it).is_ok_and(|it| matches!(it.scheme(), "http" | "https") && it.has_host())
    };
    match text.is_empty() || is_address(&text) {
        true => Ok(text),
        false => Err(D::Error::custom(
            "found no http or https address, expected one such as https://shadowline.example.org, or nothing",
        )),
    }
}

/// The checked address of an Alertmanager, such as `http://am-1:9093`; a path before `/api` may be part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerUrl(Url);

impl PeerUrl {
    /// Returns where alerts are posted to.
    pub(crate) fn alerts(&self) -> Url {
        let mut url = self.0.clone();
        let path = format!("{}/api/v2/alerts", self.0.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// Returns what logs and metrics show: never a password.
    pub(crate) fn label(&self) -> String {
        let port = self.0.port().map_or_else(String::new, |it| format!(":{it}"));
        format!("{}{port}", self.0.host_str().unwrap_or_default())
    }
}

impl TryFrom<String> for PeerUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let expected = "the http or https address of an Alertmanager, such as http://am-1:9093";
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Self(url)),
            Ok(url) => Err(format!(
                "an address of the kind `{}:` was given; expected {expected}",
                url.scheme()
            )),
            // Not the address itself: a password may be in it.
            Err(error) => {
                Err(format!("the address given cannot be read ({error}); expected {expected}"))
            }
        }
    }
}

impl From<PeerUrl> for String {
    fn from(url: PeerUrl) -> Self {
        url.0.into()
    }
}

#[cfg(test)]
mod tests {
    use shadowline_service::settings::{self, Layers};

    use super::*;

    #[test]
    fn the_default_settings_are_whole_and_print_as_settings() {
        let config: Config = Layers::defaults(crate::DEFAULTS).unwrap().extract().unwrap();
        assert_eq!((config.http.listen.as_str(), config.max_batch.get()), ("127.0.0.1:8020", 2000));
        let shown = settings::print(&config).unwrap();
        let again: Config = Layers::defaults(&shown).unwrap().extract().unwrap();
        assert_eq!(again.store, config.store);
        again.store_options().unwrap();
        let refused =
            Layers::defaults(crate::DEFAULTS).unwrap().flags(&["alertmanager.url=x".to_owned()]);
        let error = refused.unwrap().extract::<Config>().unwrap_err().to_string();
        assert!(error.contains("did you mean `urls`"), "{error}");
    }

    #[test]
    fn the_password_of_the_database_is_not_printed_and_stands_in_one_place() {
        let try_read = |flags: &[&str]| -> Result<Config, _> {
            let flags: Vec<_> = flags.iter().map(|it| (*it).to_owned()).collect();
            let layers = Layers::defaults(crate::DEFAULTS).unwrap().flags(&flags);
            layers.unwrap().extract()
        };
        let refused = |flags: &[&str]| try_read(flags).unwrap_err().to_string();
        let read = |flags: &[&str]| try_read(flags).unwrap();
        let with_password = "store=postgres://me:hunter2@db/shadowline";
        let config = read(&[with_password]);
        let shown = format!("{}{config:?}", settings::print(&config).unwrap());
        assert!(shown.contains("postgres://me:********@db/shadowline"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        config.store_options().unwrap();
        let file = "store_password_file=/run/secrets/db";
        let without = read(&["store=postgres://me@db/shadowline", file]);
        let options = without.store_options().unwrap();
        assert_eq!(options.password_file.unwrap(), std::path::Path::new("/run/secrets/db"));
        assert!(refused(&[file]).contains("`store` is a file"));
        assert!(refused(&[with_password, file]).contains("in one place"));
        assert!(refused(&["store_timeout=0s"]).contains("from 1ms to 1d"));
    }

    #[test]
    fn addresses_of_alertmanagers_are_checked_and_never_show_a_password() {
        let read = |text: &str| PeerUrl::try_from(text.to_owned());
        let peer = read("http://me:hunter2@am-1:9093/am/").unwrap();
        assert_eq!(peer.alerts().as_str(), "http://me:hunter2@am-1:9093/am/api/v2/alerts");
        assert_eq!(peer.label(), "am-1:9093");
        for wrong in ["am-1:9093", "ftp://am-1", "", "/api"] {
            assert!(read(wrong).unwrap_err().contains("http://am-1:9093"), "{wrong}");
        }
    }
}
