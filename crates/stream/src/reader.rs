//! Reading a topic without a group: from a place on, to its end, and then on.

use bytes::Bytes;
use tracing::warn;

use crate::embedded::EmbeddedReader;
use crate::error::LogError;
use crate::kafka::KafkaReader;
use crate::log::Log;
use crate::record::{ReadEvent, Received, StartAt};

/// Reads all partitions of a topic; see [`Log::reader`].
#[derive(Debug)]
pub struct Reader {
    inner: ReaderInner,
}

#[derive(Debug)]
enum ReaderInner {
    Kafka(KafkaReader),
    Embedded(EmbeddedReader),
}

impl Log {
    /// Reads all partitions of a topic without a group, and never commits.
    ///
    /// # Errors
    /// If there is no such topic, or the log does not answer.
    pub async fn reader(&self, topic: &str, from: StartAt) -> Result<Reader, LogError> {
        let inner = match self {
            Self::Kafka(log) => ReaderInner::Kafka(log.reader(topic, from).await?),
            Self::Embedded(log) => ReaderInner::Embedded(log.reader(topic, from).await?),
        };
        Ok(Reader { inner })
    }
}

impl Reader {
    /// Waits for the next record. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Result<ReadEvent, LogError> {
        match &mut self.inner {
            ReaderInner::Kafka(reader) => reader.next().await,
            ReaderInner::Embedded(reader) => reader.next().await,
        }
    }

    /// Reads up to the end and returns what was there.
    pub async fn read_to_end(&mut self) -> Result<Vec<Received>, LogError> {
        let mut records = Vec::new();
        loop {
            match self.next().await? {
                ReadEvent::Record(record) => records.push(record),
                ReadEvent::CaughtUp => return Ok(records),
            }
        }
    }
}

/// Reads a compacted topic as the table it is: a value for each key, and its changes.
#[derive(Debug)]
pub struct TableReader {
    reader: Reader,
}

/// A change of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableEvent {
    Upsert {
        key: Bytes,
        value: Bytes,
    },
    Delete {
        key: Bytes,
    },
    /// The table is as it was when reading began; from here on it is followed. Comes once.
    CaughtUp,
}

impl TableReader {
    /// Opens a table at its beginning.
    pub async fn open(log: &Log, topic: &str) -> Result<Self, LogError> {
        Ok(Self { reader: log.reader(topic, StartAt::Earliest).await? })
    }

    /// Waits for the next change. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Result<TableEvent, LogError> {
        loop {
            let record = match self.reader.next().await? {
                ReadEvent::CaughtUp => return Ok(TableEvent::CaughtUp),
                ReadEvent::Record(record) => record,
            };
            match (record.key, record.value) {
                (Some(key), Some(value)) => return Ok(TableEvent::Upsert { key, value }),
                (Some(key), None) => return Ok(TableEvent::Delete { key }),
                (None, _) => {
                    let (topic, partition, offset) =
                        (&record.topic, record.partition, record.offset);
                    warn!(%topic, partition, offset, "record without a key passed over in a table");
                }
            }
        }
    }
}
