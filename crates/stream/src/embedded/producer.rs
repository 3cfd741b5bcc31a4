//! Writing.

use std::sync::Arc;
use std::time::Duration;

use super::open::OpenLog;
use super::{codec, topic};
use crate::delivery::Delivery;
use crate::error::{ProduceError, SizeLimit};
use crate::record::{OutRecord, Sent};

/// Whatever the settings say, a record is far from what the lengths on disk can count.
const MAX_RECORD_BYTES: u64 = 1 << 30;

/// Writes at once, so no write is ever pending: the order of records is the order of calls.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddedProducer {
    log: Arc<OpenLog>,
    max_message_bytes: u64,
}

/// A table cannot say what a record without a key replaces.
#[derive(Debug, thiserror::Error)]
#[error("a record of a compacted topic must have a key")]
struct KeyMissing;

impl EmbeddedProducer {
    pub(super) fn new(log: Arc<OpenLog>, max_message_bytes: u64) -> Self {
        Self { log, max_message_bytes }
    }

    pub(crate) async fn enqueue(
        &self,
        record: OutRecord,
        partition: u32,
    ) -> Result<Delivery, ProduceError> {
        self.write(&record, partition).map(|sent| Delivery::done(Ok(sent)))
    }

    fn write(&self, record: &OutRecord, partition: u32) -> Result<Sent, ProduceError> {
        let state = &self.log.state;
        let name = || record.topic.to_string();
        let topic =
            state.topic(&record.topic).map_err(|_| ProduceError::NoTopic { topic: name() })?;
        let at = topic
            .partition(partition)
            .map_err(|_| ProduceError::NoPartition { topic: name(), partition })?;
        let failed = |source: Arc<dyn std::error::Error + Send + Sync>| ProduceError::Failed {
            topic: name(),
            source,
        };
        let size_bytes =
            [&record.key, &record.value].map(|it| it.as_ref().map_or(0, |it| it.len() as u64));
        let size_bytes = size_bytes.iter().sum();
        let own = self.max_message_bytes.min(MAX_RECORD_BYTES);
        let (limit_bytes, limit) = if own <= topic.max_message_bytes() {
            (own, SizeLimit::Producer)
        } else {
            (topic.max_message_bytes(), SizeLimit::Topic)
        };
        if limit_bytes < size_bytes {
            return Err(ProduceError::TooLarge { topic: name(), size_bytes, limit_bytes, limit });
        }
        if topic.is_compacted() && record.key.is_none() {
            return Err(failed(Arc::new(KeyMissing)));
        }
        let bytes = codec::encode(record, topic::now());
        let offset = at.append(&bytes).map_err(|error| failed(Arc::new(error)))?;
        state.metrics.sent(&record.topic);
        Ok(Sent { partition, offset })
    }

    #[expect(clippy::unused_async, reason = "with Kafka there is something to wait for")]
    pub(crate) async fn flush(&self, _within: Duration) -> Result<(), ProduceError> {
        Ok(())
    }
}
