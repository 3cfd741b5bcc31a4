//! A property that the client refuses, said without its value.

use rdkafka::error::KafkaError;

/// A property that no client can have. Its value is not told: it may be a password under a misspelt name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("kafka property `{property}`: {wrong}")]
pub(crate) struct BadProperty {
    property: String,
    wrong: String,
}

impl BadProperty {
    /// What is wrong with a property, if that is what the error is about.
    pub(crate) fn of(error: &KafkaError) -> Option<Self> {
        let KafkaError::ClientConfig(_, said, property, value) = error else { return None };
        let wrong = match said.starts_with("No such configuration property") {
            true => "the client has none of this name; expected one of librdkafka's".to_owned(),
            // librdkafka repeats the value.
            false if value.is_empty() => said.clone(),
            false => said.replace(value.as_str(), "********"),
        };
        Some(Self { property: property.clone(), wrong })
    }
}
