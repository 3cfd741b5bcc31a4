//! The embedded log: one process, one machine, on local disk.
//!
//! A record is acknowledged when the kernel has it, so it survives a SIGKILL of the process at any
//! moment; once a second everything is made to survive a power failure, too.
//!
//! In its directory:
//!
//! ```text
//! topics/<topic>/topic.json        how many partitions, and what happens to old records
//! topics/<topic>/<partition>/      segments
//! groups/<group>/<topic>/<partition>   the offset the group goes on at
//! ```
//!
//! Whoever waits for a record is woken by the append itself; nobody asks again and again.

mod codec;
mod group;
mod housekeeping;
mod member;
mod reader;
mod topic;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use shadowline_error::{BoxError, chain};
use shadowline_segment_log::{FileError, OpenError, lock_directory};
use tracing::{info, warn};

pub(crate) use member::EmbeddedMember;
pub(crate) use reader::EmbeddedReader;

use crate::{
    Committed, ConsumerOptions, Delivery, LogError, Metrics, OutRecord, ProduceError,
    ProducerOptions, Sent, StartAt, TopicDescription, TopicPartition, TopicSpec, Watermarks,
};
use group::{Group, GroupError};
use housekeeping::Housekeeping;
use topic::{Partition, Topic, TopicOpenError};

/// A log in a directory, for this process alone; cheap to clone. It is closed when the last clone is
/// dropped, with everything made from it.
#[derive(Debug, Clone)]
pub struct EmbeddedLog(Arc<Open>);

/// The thread is ended before the log is closed.
#[derive(Debug)]
struct Open {
    _housekeeping: Housekeeping,
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    metrics: Metrics,
    topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    groups: Mutex<HashMap<String, Arc<Group>>>,
    /// Held while a topic is created.
    creating: Mutex<()>,
    /// Dropped last, when all files are closed.
    _directory: std::fs::File,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
enum EmbeddedOpenError {
    #[error(
        "{} is in use: an embedded log belongs to one process, and one has it open", dir.display()
    )]
    InUse { dir: PathBuf },
    #[error("lock it")]
    Lock(#[source] OpenError),
    #[error("topic `{topic}`")]
    Topic { topic: String, source: TopicOpenError },
    #[error("start its thread")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

impl EmbeddedLog {
    pub(crate) async fn open(dir: &Path, metrics: Metrics) -> Result<Self, LogError> {
        let dir = dir.to_owned();
        let attempt = format!("open embedded log {}", dir.display());
        // Every record is read to check it, and that can take a while.
        blocking(attempt, move || Self::open_blocking(dir, metrics)).await
    }

    fn open_blocking(dir: PathBuf, metrics: Metrics) -> Result<Self, EmbeddedOpenError> {
        let directory = lock_directory(&dir).map_err(|error| match error {
            OpenError::Locked { dir } => EmbeddedOpenError::InUse { dir },
            other => EmbeddedOpenError::Lock(other),
        })?;
        let topics_dir = dir.join("topics");
        std::fs::create_dir_all(&topics_dir)
            .map_err(FileError::at("create directory", &topics_dir))?;
        let topics = open_topics(&topics_dir)?;
        info!(dir = %dir.display(), n_topics = topics.len(), "embedded log open");
        let inner = Arc::new(Inner {
            dir,
            metrics,
            topics: RwLock::new(topics),
            groups: Mutex::default(),
            creating: Mutex::default(),
            _directory: directory,
        });
        let housekeeping = Housekeeping::start(inner.clone()).map_err(EmbeddedOpenError::Thread)?;
        Ok(Self(Arc::new(Open { _housekeeping: housekeeping, inner })))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.inner.metrics
    }

    /// `false` if the topic exists already.
    pub(crate) async fn create_topic(
        &self,
        spec: &TopicSpec,
        partitions: u32,
    ) -> Result<bool, BoxError> {
        let (log, spec) = (self.clone(), spec.clone());
        let created = blocking("create its files".to_owned(), move || {
            let inner = &log.0.inner;
            let _creating = inner.creating.lock();
            if inner.topics.read().contains_key(&spec.name) {
                return Ok(false);
            }
            let dir = inner.dir.join("topics").join(&*spec.name);
            let topic = Topic::create(&dir, &spec, partitions)?;
            inner.topics.write().insert(spec.name, Arc::new(topic));
            Ok::<_, TopicOpenError>(true)
        });
        Ok(created.await?)
    }

    pub(crate) async fn describe(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        Ok(self.0.inner.topics.read().get(topic).map(|it| it.describe()))
    }

    pub(crate) async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        Ok(self.0.inner.topic(topic)?.n_partitions())
    }

    pub(crate) async fn watermarks(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Watermarks, LogError> {
        let topic = self.0.inner.topic(topic)?;
        let partition = topic.partition(partition)?;
        Ok(Watermarks { low: partition.low(), high: partition.high() })
    }

    pub(crate) async fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Committed>, LogError> {
        let topic = self.0.inner.topic(topic)?;
        let group = self.0.inner.group(group)?;
        let committed = |partition: &Arc<Partition>| Committed {
            partition: partition.at.clone(),
            offset: group.committed(&partition.at),
        };
        Ok(topic.partitions.iter().map(committed).collect())
    }

    pub(crate) fn producer(&self, options: ProducerOptions) -> Result<EmbeddedProducer, LogError> {
        Ok(EmbeddedProducer { log: self.clone(), max_message_bytes: options.max_message_bytes })
    }

    pub(crate) async fn reader(
        &self,
        topic: &str,
        from: StartAt,
    ) -> Result<EmbeddedReader, LogError> {
        let topic = self.0.inner.topic(topic)?;
        Ok(EmbeddedReader::open(self.clone(), &topic, from))
    }

    pub(crate) async fn join(&self, options: &ConsumerOptions) -> Result<EmbeddedMember, LogError> {
        let group = self.0.inner.group(&options.group)?;
        let topics: Result<Vec<_>, _> =
            options.topics.iter().map(|it| self.0.inner.topic(it)).collect();
        Ok(EmbeddedMember::join(self.clone(), group, topics?, options))
    }

    fn partition(&self, at: &TopicPartition) -> Result<Arc<Partition>, LogError> {
        self.0.inner.topic(&at.topic)?.partition(at.partition).cloned()
    }
}

impl Inner {
    fn topic(&self, name: &str) -> Result<Arc<Topic>, LogError> {
        let topic = self.topics.read().get(name).cloned();
        topic.ok_or_else(|| LogError::NoTopic { topic: name.to_owned() })
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().values().cloned().collect()
    }

    /// A group, with the offsets it has on disk. There is no need to create one.
    fn group(&self, name: &str) -> Result<Arc<Group>, LogError> {
        let mut groups = self.groups.lock();
        if let Some(group) = groups.get(name) {
            return Ok(group.clone());
        }
        let group = Group::open(&self.dir.join("groups"), name).map_err(|error: GroupError| {
            LogError::failed(format!("read offsets of group `{name}`"), error)
        })?;
        let group = Arc::new(group);
        groups.insert(name.to_owned(), group.clone());
        Ok(group)
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        self.groups.lock().values().cloned().collect()
    }

    /// Makes everything written so far survive a power failure.
    fn sync(&self) {
        for topic in self.topics() {
            for partition in &topic.partitions {
                if let Err(error) = partition.sync() {
                    let error = chain(&error);
                    warn!(partition = %partition.at, error, "sync failed, it is tried again");
                }
            }
        }
        for group in self.groups() {
            if let Err(error) = group.sync() {
                let error = chain(&error);
                warn!(group = group.name(), error, "sync failed, it is tried again");
            }
        }
    }

    /// Tells how far groups are behind, also those that are busy with a batch.
    fn note_lag(&self) {
        for group in self.groups() {
            for at in group.owned() {
                let Ok(topic) = self.topic(&at.topic) else { continue };
                let Ok(partition) = topic.partition(at.partition) else { continue };
                let next = group.committed(&at).unwrap_or(0).max(partition.low());
                let lag = partition.high().saturating_sub(next);
                self.metrics.set_lag(group.name(), &at, lag);
            }
        }
    }
}

/// Writes at once, so nothing is ever under way: the order of records is the order of calls.
#[derive(Debug, Clone)]
pub(crate) struct EmbeddedProducer {
    log: EmbeddedLog,
    max_message_bytes: u64,
}

/// A table cannot say what a record without a key replaces.
#[derive(Debug, thiserror::Error)]
#[error("a record of a compacted topic must have a key")]
struct KeyMissing;

impl EmbeddedProducer {
    pub(crate) async fn enqueue(
        &self,
        record: OutRecord,
        partition: u32,
    ) -> Result<Delivery, ProduceError> {
        self.write(&record, partition).map(|sent| Delivery::done(Ok(sent)))
    }

    fn write(&self, record: &OutRecord, partition: u32) -> Result<Sent, ProduceError> {
        let inner = &self.log.0.inner;
        let name = || record.topic.to_string();
        let topic =
            inner.topic(&record.topic).map_err(|_| ProduceError::NoTopic { topic: name() })?;
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
        let limit_bytes =
            self.max_message_bytes.min(topic.max_message_bytes()).min(MAX_RECORD_BYTES);
        if limit_bytes < size_bytes {
            return Err(ProduceError::TooLarge { topic: name(), size_bytes, limit_bytes });
        }
        if topic.is_compacted() && record.key.is_none() {
            return Err(failed(Arc::new(KeyMissing)));
        }
        let bytes = codec::encode(record, topic::now());
        let offset = at.append(&bytes).map_err(|error| failed(Arc::new(error)))?;
        inner.metrics.sent(&record.topic);
        Ok(Sent { partition, offset })
    }

    #[expect(clippy::unused_async, reason = "with Kafka there is something to wait for")]
    pub(crate) async fn flush(&self, _within: Duration) -> Result<(), ProduceError> {
        Ok(())
    }
}

/// Whatever the settings say, a record is far from what the lengths on disk can count.
const MAX_RECORD_BYTES: u64 = 1 << 30;

fn open_topics(dir: &Path) -> Result<HashMap<Arc<str>, Arc<Topic>>, EmbeddedOpenError> {
    let mut topics = HashMap::new();
    let now = SystemTime::from(topic::now());
    for entry in std::fs::read_dir(dir).map_err(FileError::at("list", dir))? {
        let path = entry.map_err(FileError::at("list", dir))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        let opened = Topic::open(&path, name)
            .map_err(|source| EmbeddedOpenError::Topic { topic: name.to_owned(), source })?;
        if let Some(topic) = opened {
            topic.clean_up(now);
            topics.insert(topic.name.clone(), Arc::new(topic));
        }
    }
    Ok(topics)
}

/// Runs what takes longer than a moment where it does not hold up the async threads.
async fn blocking<T, E>(
    attempt: String,
    call: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, LogError>
where
    T: Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    match tokio::task::spawn_blocking(call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(LogError::Failed { attempt, source: error.into() }),
        Err(panicked) => Err(LogError::failed(attempt, panicked)),
    }
}
