//! Which log, and where it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::kafka;

/// Which of the two logs to open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", try_from = "RawLogConfig")]
pub enum LogConfig {
    /// A cluster of Apache Kafka, or of anything that speaks its protocol.
    Kafka {
        /// Addresses as `HOST:PORT,HOST:PORT`; there is at least one.
        bootstrap_servers: String,
        /// Settings of the client by librdkafka's names, for SASL and TLS above all; each is one that the client
        /// takes. Those that the guarantees of this crate rest on cannot be set.
        properties: BTreeMap<String, String>,
    },
    /// A log in this directory, for this process alone.
    Embedded {
        /// Is created if it is missing.
        dir: PathBuf,
    },
}

/// What an operator may write. The kind may be left out where the other keys say it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLogConfig {
    kind: Option<Kind>,
    bootstrap_servers: Option<String>,
    properties: Option<BTreeMap<String, String>>,
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Kafka,
    Embedded,
}

impl TryFrom<RawLogConfig> for LogConfig {
    type Error = String;

    fn try_from(raw: RawLogConfig) -> Result<Self, String> {
        let RawLogConfig { kind, bootstrap_servers, properties, dir } = raw;
        let is_of_kafka = bootstrap_servers.is_some() || properties.is_some();
        let kind = match (kind, is_of_kafka, &dir) {
            (Some(kind), ..) => kind,
            (None, true, _) | (None, false, None) => Kind::Kafka,
            (None, false, Some(_)) => Kind::Embedded,
        };
        match kind {
            Kind::Kafka => {
                if dir.is_some() {
                    return Err(
                        "`dir` is of `kind = \"embedded\"`; expected only `bootstrap_servers` and \
                                `properties` with Kafka"
                            .to_owned(),
                    );
                }
                let bootstrap_servers = bootstrap_servers.ok_or(
                    "`bootstrap_servers` is missing; expected addresses as HOST:PORT,HOST:PORT",
                )?;
                // librdkafka takes a list without an address, and then waits indefinitely.
                if bootstrap_servers.split(',').all(|it| it.trim().is_empty()) {
                    return Err(format!(
                        "`bootstrap_servers` is `{bootstrap_servers}`; expected addresses as HOST:PORT,HOST:PORT"
                    ));
                }
                let servers = bootstrap_servers.split(',').map(str::trim);
                if let Some(wrong) = servers.filter(|it| !it.is_empty()).find(|it| !is_address(it))
                {
                    return Err(format!(
                        "`bootstrap_servers` has `{wrong}`; expected addresses as HOST:PORT,HOST:PORT"
                    ));
                }
                let properties = properties.unwrap_or_default();
                kafka::check_properties(&properties)?;
                Ok(Self::Kafka { bootstrap_servers, properties })
            }
            Kind::Embedded => {
                if is_of_kafka {
                    return Err("`bootstrap_servers` and `properties` are of `kind = \"kafka\"`; expected only \
                                `dir` with the embedded log"
                        .to_owned());
                }
                let dir =
                    dir.ok_or("`dir` is missing; expected the directory of the embedded log")?;
                if dir.as_os_str().is_empty() {
                    return Err(
                        "`dir` is empty; expected the directory of the embedded log".to_owned()
                    );
                }
                Ok(Self::Embedded { dir })
            }
        }
    }
}

/// Whether the client can do something with an address: it may have a protocol before it, and no port.
fn is_address(text: &str) -> bool {
    let (_, address) = text.split_once("://").unwrap_or(("", text));
    // What is in brackets is an address of IPv6.
    let after_host = address.rfind(']').map_or(address, |end| &address[end + 1..]);
    let has_host = !address.starts_with(':') && !address.contains(char::is_whitespace);
    has_host
        && match after_host.rsplit_once(':') {
            Some((_, port)) => port.parse::<u16>().is_ok_and(|it| it != 0),
            None => !address.is_empty(),
        }
}

impl LogConfig {
    /// A Kafka cluster without any further settings.
    pub fn kafka(bootstrap_servers: impl Into<String>) -> Self {
        Self::Kafka { bootstrap_servers: bootstrap_servers.into(), properties: BTreeMap::new() }
    }

    /// The embedded log in a directory.
    pub fn embedded(dir: impl Into<PathBuf>) -> Self {
        Self::Embedded { dir: dir.into() }
    }
}

/// Hides the values of the properties: passwords are among them.
impl std::fmt::Debug for LogConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kafka { bootstrap_servers, properties } => f
                .debug_struct("Kafka")
                .field("bootstrap_servers", bootstrap_servers)
                .field("properties", &properties.keys().collect::<Vec<_>>())
                .finish(),
            Self::Embedded { dir } => f.debug_struct("Embedded").field("dir", dir).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogConfig, String> {
        toml::from_str(text).map_err(|it| it.message().to_owned())
    }

    #[test]
    fn the_kind_is_what_the_other_keys_say() {
        let kafka = LogConfig::kafka("b:9092");
        assert_eq!(read("bootstrap_servers = 'b:9092'").unwrap(), kafka);
        assert_eq!(read("kind = 'kafka'\nbootstrap_servers = 'b:9092'").unwrap(), kafka);
        assert_eq!(read("dir = 'here'").unwrap(), LogConfig::embedded("here"));
        for servers in
            ["b", "b:1,c:2,", "[::1]:9092", "[::1]", "SASL_SSL://b:9093", "10.0.0.1:9092"]
        {
            let read = read(&format!("bootstrap_servers = '{servers}'")).unwrap();
            assert_eq!(read, LogConfig::kafka(servers));
        }
        for (text, expected) in [
            ("", "`bootstrap_servers` is missing"),
            ("kind = 'kafka'", "`bootstrap_servers` is missing"),
            ("kind = 'embedded'", "`dir` is missing"),
            ("bootstrap_servers = ' ,'", "expected addresses as HOST:PORT"),
            ("bootstrap_servers = 'b:1,b:99999'", "has `b:99999`"),
            ("bootstrap_servers = ':9092'", "has `:9092`"),
            ("bootstrap_servers = 'b:1,b c'", "has `b c`"),
            ("bootstrap_servers = 'b:1'\ndir = 'here'", "`dir` is of"),
            ("kind = 'embedded'\ndir = 'x'\nproperties = {}", "are of `kind = \"kafka\"`"),
            ("kind = 'kafak'", "unknown variant `kafak`"),
            ("bootstrap_server = 'b:1'", "unknown field `bootstrap_server`"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_not_printed() {
        let config = LogConfig::Kafka {
            bootstrap_servers: "broker:9093".to_owned(),
            properties: BTreeMap::from([("sasl.password".to_owned(), "hunter2".to_owned())]),
        };
        let shown = format!("{config:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    }
}
