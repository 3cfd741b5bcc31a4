//! The id that a log gives a topic when it is made.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Which topic it is of all that ever had its name: one that was deleted and made again has another id.
///
/// As text it is what Kafka's own tools show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicId(Uuid);

/// Why a text is no [`TopicId`].
#[derive(Debug, thiserror::Error)]
#[error(
    "`{text}` is not the id of a topic; expected 22 letters and digits such as `Rs5Fz2FzTfqqsTxvAxLcGw`"
)]
pub struct TopicIdError {
    text: String,
}

impl TopicId {
    /// An id that no topic has.
    pub(crate) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The same id as the UUID that it is.
    pub const fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl FromStr for TopicId {
    type Err = TopicIdError;

    /// Takes either alphabet of base 64: Kafka's tools write the one, librdkafka the other.
    fn from_str(text: &str) -> Result<Self, TopicIdError> {
        let not_an_id = || TopicIdError { text: text.to_owned() };
        let safe = text.replace('+', "-").replace('/', "_");
        let bytes = URL_SAFE_NO_PAD.decode(safe).map_err(|_| not_an_id())?;
        let id = Uuid::from_slice(&bytes).map_err(|_| not_an_id())?;
        // A broker that gives topics no ids says so by one of zeros.
        if id.is_nil() { Err(not_an_id()) } else { Ok(Self(id)) }
    }
}

impl TryFrom<String> for TopicId {
    type Error = TopicIdError;

    fn try_from(text: String) -> Result<Self, TopicIdError> {
        text.parse()
    }
}

impl From<TopicId> for String {
    fn from(id: TopicId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_in_either_alphabet_and_written_as_kafka_writes_it() {
        let id: TopicId = "+/5Fz2FzTfqqsTxvAxLcGw".parse().unwrap();
        assert_eq!(id.to_string(), "-_5Fz2FzTfqqsTxvAxLcGw");
        assert_eq!(id.to_string().parse::<TopicId>().unwrap(), id);
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "AAAAAAAAAAAAAAAAAAAAAA", "short", "Rs5Fz2FzTfqqsTxvAxLcG!"] {
            assert!(text.parse::<TopicId>().is_err(), "{text}");
        }
    }
}
