//! The log: its topics, partitions and offsets, and what is made from it.

use std::path::Path;
use std::sync::Arc;

use shadowline_error::BoxError;

use super::member::EmbeddedMember;
use super::open::OpenLog;
use super::producer::EmbeddedProducer;
use super::reader::EmbeddedReader;
use super::topic::{Partition, Topic, TopicOpenError};
use crate::error::LogError;
use crate::metrics::Metrics;
use crate::options::{ConsumerOptions, ProducerOptions};
use crate::record::{Committed, StartAt, Watermarks};
use crate::topic_id::TopicId;
use crate::topics::{TopicDescription, TopicSpec};

/// A log in a directory, for this process alone; cheap to clone. It is closed when the last clone is
/// dropped, with everything made from it.
#[derive(Debug, Clone)]
pub struct EmbeddedLog(Arc<OpenLog>);

impl EmbeddedLog {
    pub(crate) async fn open(dir: &Path, metrics: Metrics) -> Result<Self, LogError> {
        let dir = dir.to_owned();
        let attempt = format!("open embedded log {}", dir.display());
        // Every record is read to check it, and that can take a while.
        blocking(attempt, move || OpenLog::open(dir, metrics)).await.map(|it| Self(Arc::new(it)))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.state.metrics
    }

    /// `false` if the topic exists already.
    pub(crate) async fn create_topic(
        &self,
        spec: &TopicSpec,
        partitions: u32,
    ) -> Result<bool, BoxError> {
        let (log, spec) = (self.clone(), spec.clone());
        let created = blocking("create its files".to_owned(), move || {
            let state = &log.0.state;
            let _creating = state.creating.lock();
            if state.topics.read().contains_key(&spec.name) {
                return Ok(false);
            }
            let dir = state.dir.join("topics").join(&*spec.name);
            let topic = Topic::create(&dir, &spec, partitions)?;
            state.topics.write().insert(spec.name, Arc::new(topic));
            Ok::<_, TopicOpenError>(true)
        });
        Ok(created.await?)
    }

    pub(crate) async fn describe(&self, topic: &str) -> Result<Option<TopicDescription>, LogError> {
        Ok(self.0.state.topics.read().get(topic).map(|it| it.describe()))
    }

    pub(crate) fn topic_id(&self, topic: &str) -> Result<Option<TopicId>, LogError> {
        Ok(self.0.state.topic(topic)?.id())
    }

    pub(crate) async fn partitions(&self, topic: &str) -> Result<u32, LogError> {
        Ok(self.0.state.topic(topic)?.n_partitions())
    }

    pub(crate) async fn watermarks(
        &self,
        topic: &str,
        partition: u32,
    ) -> Result<Watermarks, LogError> {
        let topic = self.0.state.topic(topic)?;
        let partition = topic.partition(partition)?;
        Ok(Watermarks { low: partition.low(), high: partition.high() })
    }

    pub(crate) async fn committed(
        &self,
        group: &str,
        topic: &str,
    ) -> Result<Vec<Committed>, LogError> {
        let topic = self.0.state.topic(topic)?;
        let group = self.0.state.group(group)?;
        let committed = |partition: &Arc<Partition>| Committed {
            partition: partition.at.clone(),
            offset: group.committed(&partition.at),
        };
        Ok(topic.partitions.iter().map(committed).collect())
    }

    pub(crate) fn producer(&self, options: ProducerOptions) -> Result<EmbeddedProducer, LogError> {
        Ok(EmbeddedProducer::new(self.0.clone(), options.max_message_bytes))
    }

    pub(crate) async fn reader(
        &self,
        topic: &str,
        from: StartAt,
    ) -> Result<EmbeddedReader, LogError> {
        let topic = self.0.state.topic(topic)?;
        Ok(EmbeddedReader::open(self.0.clone(), &topic, from))
    }

    pub(crate) async fn join(&self, options: &ConsumerOptions) -> Result<EmbeddedMember, LogError> {
        let group = self.0.state.group(&options.group)?;
        let topics: Result<Vec<_>, _> =
            options.topics.iter().map(|it| self.0.state.topic(it)).collect();
        Ok(EmbeddedMember::join(self.0.clone(), group, topics?, options))
    }
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
