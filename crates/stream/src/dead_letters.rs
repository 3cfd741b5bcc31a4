//! Records that could not be read.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::{Envelope, OutRecord, ProduceError, Producer, Received, Topics};

/// Puts records that cannot be read aside, with the reason and the place they came from.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    producer: Producer,
    topic: Arc<str>,
    source: Arc<str>,
}

impl DeadLetters {
    /// The type of a dead letter in its envelope.
    pub const EVENT_TYPE: &str = "shadowline.dead-letter.v1";

    /// `source` says who could not read the record, such as `/monitor-knn`.
    pub fn new(producer: Producer, topics: &Topics, source: impl Into<Arc<str>>) -> Self {
        Self { producer, topic: topics.dead_letters(), source: source.into() }
    }

    /// Writes the bytes of a record as they came, and waits for the acknowledgement. The headers
    /// `ce_reason`, `ce_deadtopic`, `ce_deadpartition` and `ce_deadoffset` tell the rest. A record
    /// that is too large with them goes without its bytes, and `ce_deadsize` tells how many it had.
    pub async fn send(
        &self,
        record: &Received,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), ProduceError> {
        // The same record dead-lettered twice has the same id.
        let id = format!("{}/{}/{}", record.topic, record.partition, record.offset);
        let mut envelope = Envelope::new(id, Self::EVENT_TYPE, &*self.source, now);
        envelope.content_type = "application/octet-stream".to_owned();
        envelope.extensions = BTreeMap::from([
            ("reason".to_owned(), reason.to_owned()),
            ("deadtopic".to_owned(), record.topic.to_string()),
            ("deadpartition".to_owned(), record.partition.to_string()),
            ("deadoffset".to_owned(), record.offset.to_string()),
        ]);
        if let Ok(original) = &record.envelope {
            envelope.trace.clone_from(&original.trace);
            envelope.origin = original.origin;
        }
        let mut out = OutRecord {
            topic: self.topic.clone(),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            envelope,
        };
        match self.producer.send(out.clone()).await {
            Err(ProduceError::TooLarge { .. }) => {
                let size_bytes = record.value.as_ref().map_or(0, |it| it.len());
                out.value = None;
                out.envelope.extensions.insert("deadsize".to_owned(), size_bytes.to_string());
                self.producer.send(out).await?;
            }
            sent => drop(sent?),
        }
        self.producer.metrics().dead_letter(&record.topic);
        Ok(())
    }
}
