//! Which log, and where it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// Which of the two logs to open.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum LogConfig {
    /// A cluster of Apache Kafka, or of anything that speaks its protocol.
    Kafka {
        /// Addresses as `HOST:PORT,HOST:PORT`; there is at least one.
        #[serde(deserialize_with = "addresses")]
        bootstrap_servers: String,
        /// Settings of the client by librdkafka's names, for SASL and TLS above all. Those that the
        /// guarantees of this crate rest on cannot be set.
        #[serde(default)]
        properties: BTreeMap<String, String>,
    },
    /// A log in this directory, for this process alone.
    Embedded {
        /// Is created if it is missing.
        dir: PathBuf,
    },
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

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    // librdkafka takes a list without an address, and then waits indefinitely.
    if text.split(',').all(|it| it.trim().is_empty()) {
        return Err(D::Error::custom(format!(
            "`bootstrap_servers` is `{text}`; expected addresses as HOST:PORT,HOST:PORT"
        )));
    }
    Ok(text)
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
