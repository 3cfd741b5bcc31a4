//! A topic on disk: its configuration and its partitions.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use shadowline_error::chain;
use shadowline_segment_log::{
    AppendError, FileError, OpenError, Options, ReadError, SegmentLog, write_atomically,
};
use tokio::sync::Notify;
use tracing::{debug, info, warn};

use super::codec::{self, DecodeError};
use crate::{Cleanup, LogError, Received, TopicDescription, TopicId, TopicPartition, TopicSpec};

const CONFIG_FILE: &str = "topic.json";
const FORMAT: u32 = 1;
/// Compaction rewrites closed segments, so those of a compacted topic are small.
const COMPACTED_SEGMENT_BYTES: u64 = 1 << 20;
const SEGMENT_BYTES: u64 = 64 << 20;
/// How long a deletion stays readable, so that who follows the table comes to see it.
const TOMBSTONE_KEPT: Duration = Duration::from_secs(24 * 3600);
/// Fewer superseded records than this are not worth rewriting a table for.
const MIN_SUPERSEDED: u64 = 100;

/// What is written down of a topic when it is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopicConfig {
    format: u32,
    /// Which topic it is of all that had the name; none of those that earlier builds made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<TopicId>,
    partitions: u32,
    cleanup: Policy,
    /// Records are kept at least this long; without it, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_ms: Option<u64>,
    /// The oldest records of a partition go when it is larger than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_bytes: Option<u64>,
    segment_bytes: u64,
    max_message_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Policy {
    Delete,
    Compact,
}

/// Why a topic could not be opened or created.
#[derive(Debug, thiserror::Error)]
pub(super) enum TopicOpenError {
    #[error(
        "`{name}` cannot name a directory: letters, digits, `.`, `_` and `-`, and at most 249 of them"
    )]
    Name { name: String },
    #[error("read {}", path.display())]
    Config { path: PathBuf, source: serde_json::Error },
    #[error("{} has format {found}, this version reads format {FORMAT}", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error("{} is missing, but the topic has {partitions} partitions", path.display())]
    PartitionMissing { path: PathBuf, partitions: u32 },
    #[error("open partition {at}")]
    Partition { at: TopicPartition, source: OpenError },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Refuses what would be no name of a directory, or one of another directory.
pub(super) fn validate_name(name: &str) -> Result<(), TopicOpenError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let usable = !matches!(name, "" | "." | "..") && name.len() <= 249 && name.chars().all(legal);
    if usable { Ok(()) } else { Err(TopicOpenError::Name { name: name.to_owned() }) }
}

impl TopicConfig {
    fn new(spec: &TopicSpec, partitions: u32) -> Self {
        let (cleanup, retention, segment_bytes) = match spec.cleanup {
            Cleanup::Delete { retention } => (Policy::Delete, retention, SEGMENT_BYTES),
            Cleanup::Compact => (Policy::Compact, None, COMPACTED_SEGMENT_BYTES),
        };
        Self {
            format: FORMAT,
            id: Some(TopicId::random()),
            partitions,
            cleanup,
            retention_ms: retention.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
            retention_bytes: None,
            segment_bytes,
            max_message_bytes: spec.max_message_bytes,
        }
    }

    fn load(path: &Path) -> Result<Option<Self>, TopicOpenError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(FileError::at("read", path)(source).into()),
        };
        let config: Self = serde_json::from_slice(&text)
            .map_err(|source| TopicOpenError::Config { path: path.to_owned(), source })?;
        if config.format != FORMAT {
            return Err(TopicOpenError::Format { path: path.to_owned(), found: config.format });
        }
        Ok(Some(config))
    }
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    config: TopicConfig,
    pub(super) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    /// Makes a topic. It is there as soon as its configuration is; a kill before that leaves
    /// directories that the next try uses.
    pub(super) fn create(
        dir: &Path,
        spec: &TopicSpec,
        partitions: u32,
    ) -> Result<Self, TopicOpenError> {
        validate_name(&spec.name)?;
        let config = TopicConfig::new(spec, partitions);
        let topic = Self::open_partitions(dir, spec.name.clone(), config)?;
        let text = serde_json::to_vec_pretty(&topic.config)
            .map_err(|source| TopicOpenError::Config { path: dir.join(CONFIG_FILE), source })?;
        write_atomically(&dir.join(CONFIG_FILE), &text)?;
        Ok(topic)
    }

    /// Opens the topic in a directory; `None` if it was never completely created.
    pub(super) fn open(dir: &Path, name: &str) -> Result<Option<Self>, TopicOpenError> {
        let Some(config) = TopicConfig::load(&dir.join(CONFIG_FILE))? else { return Ok(None) };
        let partitions = config.partitions;
        // An empty one in its place would begin again at offset 0, and readers would miss records.
        for number in 0..partitions {
            let path = dir.join(number.to_string());
            if !path.is_dir() {
                return Err(TopicOpenError::PartitionMissing { path, partitions });
            }
        }
        let topic = Self::open_partitions(dir, name.into(), config)?;
        Ok(Some(topic))
    }

    fn open_partitions(
        dir: &Path,
        name: Arc<str>,
        config: TopicConfig,
    ) -> Result<Self, TopicOpenError> {
        let options = Options { segment_bytes: config.segment_bytes, first_offset: 0 };
        let mut partitions = Vec::new();
        for number in 0..config.partitions {
            let at = TopicPartition::new(name.clone(), number);
            match SegmentLog::open(dir.join(number.to_string()), options.clone()) {
                Ok(log) => partitions.push(Arc::new(Partition::new(at, log))),
                Err(source) => return Err(TopicOpenError::Partition { at, source }),
            }
        }
        Ok(Self { name, config, partitions })
    }

    pub(super) fn describe(&self) -> TopicDescription {
        TopicDescription {
            partitions: self.config.partitions,
            cleanup_policy: match self.config.cleanup {
                Policy::Delete => "delete",
                Policy::Compact => "compact",
            }
            .to_owned(),
            max_message_bytes: self.config.max_message_bytes,
        }
    }

    pub(super) fn id(&self) -> Option<TopicId> {
        self.config.id
    }

    pub(super) fn n_partitions(&self) -> u32 {
        self.config.partitions
    }

    pub(super) fn max_message_bytes(&self) -> u64 {
        self.config.max_message_bytes
    }

    pub(super) fn is_compacted(&self) -> bool {
        self.config.cleanup == Policy::Compact
    }

    pub(super) fn partition(&self, number: u32) -> Result<&Arc<Partition>, LogError> {
        self.partitions.get(number as usize).ok_or_else(|| LogError::NoPartition {
            topic: self.name.to_string(),
            partition: number,
            partitions: self.config.partitions,
        })
    }

    /// Drops records that are too old or too many, or that later ones of their key have replaced.
    pub(super) fn clean_up(&self, now: SystemTime) {
        let retention = self.config.retention_ms.map(Duration::from_millis);
        let older_than = retention.and_then(|it| now.checked_sub(it));
        for partition in &self.partitions {
            let cleaned = match self.config.cleanup {
                Policy::Compact => partition.compact(now).map_err(LogError::from_compaction),
                Policy::Delete => partition.expire(self.config.retention_bytes, older_than),
            };
            if let Err(error) = cleaned {
                let error = chain(&error);
                warn!(partition = %partition.at, error, "clean-up failed, retrying");
            }
        }
    }
}

impl LogError {
    fn from_compaction(source: CompactError) -> Self {
        Self::failed("compact", source)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum CompactError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("offset {offset}")]
    Decode { offset: u64, source: DecodeError },
}

/// One partition, and who waits for its next record.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) at: TopicPartition,
    log: SegmentLog,
    listeners: RwLock<Vec<Arc<Notify>>>,
    /// Where the log ended when compaction last looked at it.
    compacted_up_to: Mutex<u64>,
}

impl Partition {
    /// The offset, or the earliest one if there is no such place in the log.
    ///
    /// A log that ends before it has lost its end, or is another one than was read before. Then what is
    /// there was not read yet, or comes again.
    pub(super) fn within(&self, offset: u64) -> u64 {
        let (low, high) = (self.low(), self.high());
        if (low..=high).contains(&offset) {
            return offset;
        }
        warn!(partition = %self.at, offset, low, high, "no such offset, reads from the earliest on");
        low
    }

    fn new(at: TopicPartition, log: SegmentLog) -> Self {
        Self { at, log, listeners: RwLock::default(), compacted_up_to: Mutex::new(0) }
    }

    pub(super) fn append(&self, record: &[u8]) -> Result<u64, AppendError> {
        let offset = self.log.append(record)?;
        for listener in &*self.listeners.read() {
            listener.notify_one();
        }
        Ok(offset)
    }

    /// The oldest offset.
    pub(super) fn low(&self) -> u64 {
        self.log.first_offset()
    }

    /// The offset of the next record.
    pub(super) fn high(&self) -> u64 {
        self.log.next_offset()
    }

    /// Has `listener` woken for each record from now on.
    pub(super) fn listen(&self, listener: &Arc<Notify>) {
        self.listeners.write().push(listener.clone());
    }

    pub(super) fn unlisten(&self, listener: &Arc<Notify>) {
        self.listeners.write().retain(|it| !Arc::ptr_eq(it, listener));
    }

    /// Reads records from `next` on into `out`, and moves `next` behind them.
    pub(super) fn read_into(
        &self,
        next: &mut u64,
        max_bytes: usize,
        max_records: usize,
        out: &mut impl Extend<Received>,
    ) -> Result<usize, LogError> {
        let attempt = || format!("read {} at offset {next}", self.at);
        let chunk = match self.log.read(*next, max_bytes, max_records) {
            Ok(chunk) => chunk,
            Err(ReadError::OutOfRange { asked, first, .. }) if asked < first => {
                // A group is told by the gap.
                debug!(partition = %self.at, asked, first, "what comes next was dropped by retention");
                *next = first;
                return self.read_into(next, max_bytes, max_records, out);
            }
            Err(error) => return Err(LogError::failed(attempt(), error)),
        };
        let mut records = Vec::with_capacity(chunk.records.len());
        for (offset, bytes) in chunk.records {
            let decoded = codec::decode(&self.at, offset, bytes);
            records.push(decoded.map_err(|error| LogError::failed(attempt(), error))?);
        }
        let n_records = records.len();
        out.extend(records);
        *next = chunk.next_offset;
        Ok(n_records)
    }

    pub(super) fn sync(&self) -> Result<(), FileError> {
        self.log.sync()
    }

    fn expire(
        &self,
        max_bytes: Option<u64>,
        older_than: Option<SystemTime>,
    ) -> Result<(), LogError> {
        let expired = self.log.expire(max_bytes, older_than);
        let n_segments = expired.map_err(|error| LogError::failed("drop old segments", error))?;
        if 0 < n_segments {
            info!(partition = %self.at, n_segments, low = self.low(), "old segments dropped");
        }
        Ok(())
    }

    /// Rewrites the partition without what later records of the same key have replaced, if that is
    /// much of it.
    fn compact(&self, now: SystemTime) -> Result<(), CompactError> {
        let mut looked_up_to = self.compacted_up_to.lock();
        let high = self.high();
        if *looked_up_to == high {
            return Ok(());
        }
        *looked_up_to = high;
        let forget_before = i64::try_from(
            now.checked_sub(TOMBSTONE_KEPT)
                .and_then(|it| it.duration_since(SystemTime::UNIX_EPOCH).ok())
                .map_or(0, |it| it.as_micros()),
        )
        .unwrap_or(i64::MAX);
        // The offset of the last record of each key, and whether it must stay.
        let mut last = HashMap::new();
        let mut n_records = 0;
        let mut next = self.low();
        while next < high {
            let chunk = self.log.read(next, 1 << 20, usize::MAX)?;
            next = chunk.next_offset;
            for (offset, bytes) in chunk.records {
                let summary = codec::summarize(bytes)
                    .map_err(|source| CompactError::Decode { offset, source })?;
                let stays = !summary.is_tombstone || forget_before <= summary.timestamp_us;
                n_records += 1;
                last.insert(summary.key, (offset, stays));
            }
        }
        let mut stays: Vec<u64> = last.into_values().filter(|it| it.1).map(|it| it.0).collect();
        stays.sort_unstable();
        let n_superseded = n_records - stays.len() as u64;
        if n_superseded < MIN_SUPERSEDED.max(stays.len() as u64) {
            return Ok(());
        }
        // Only closed segments are rewritten.
        self.log.roll()?;
        // What was appended since is not in the list, and not superseded by anything that is.
        self.log.compact(|offset, _| high <= offset || stays.binary_search(&offset).is_ok())?;
        info!(partition = %self.at, n_records, n_kept = stays.len(), "compacted");
        Ok(())
    }
}

/// The wall clock, by which the log stamps records and drops old ones, as a broker does on its own.
#[expect(clippy::disallowed_methods, reason = "the embedded log is the broker, whose clock counts")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
