//! Which monitor a detector belongs to, as a checked type.

use jiff::Timestamp;
use prost::Message;

use crate::event_types::{from_timestamp, to_timestamp};
use crate::{DecodeError, event};

/// The message's name in errors.
const NAME: &str = "DetectorHost";

/// Which monitor a detector belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectorHost {
    /// The detector's name.
    pub detector: String,
    /// The service that scores by it, such as `monitor-knn`; all of its replicas have one name.
    pub service: String,
    /// When that service said so.
    pub announced_at: Timestamp,
}

impl DetectorHost {
    /// The message's bytes.
    pub fn encode(&self) -> Vec<u8> {
        event::DetectorHost {
            detector: self.detector.clone(),
            service: self.service.clone(),
            announced_at: Some(to_timestamp(self.announced_at)),
        }
        .encode_to_vec()
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none, or lacks one of its parts.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wire = event::DetectorHost::decode(bytes)
            .map_err(|source| DecodeError::Protobuf { message: NAME, source })?;
        for (part, text) in [("detector", &wire.detector), ("service", &wire.service)] {
            if text.is_empty() {
                return Err(DecodeError::Missing { message: NAME, part });
            }
        }
        let announced_at = from_timestamp(NAME, "announced_at", wire.announced_at)?;
        Ok(Self { detector: wire.detector, service: wire.service, announced_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_is_made_up() {
        let written = DetectorHost {
            detector: "wine_knn".to_owned(),
            service: "monitor-knn".to_owned(),
            announced_at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(DetectorHost::decode(&written.encode()).unwrap(), written);
        let nobody = DetectorHost { service: String::new(), ..written };
        let error = DetectorHost::decode(&nobody.encode()).unwrap_err().to_string();
        assert!(error.contains("service"), "{error}");
    }
}
