//! What an open log consists of: its topics and its groups.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shadowline_error::chain;
use tracing::warn;

use super::group::{Group, GroupError};
use super::topic::{Partition, Topic};
use crate::error::LogError;
use crate::metrics::Metrics;
use crate::record::TopicPartition;

#[derive(Debug)]
pub(super) struct State {
    pub(super) dir: PathBuf,
    pub(super) metrics: Metrics,
    pub(super) topics: RwLock<HashMap<Arc<str>, Arc<Topic>>>,
    pub(super) groups: Mutex<HashMap<String, Arc<Group>>>,
    /// Held while a topic is created.
    pub(super) creating: Mutex<()>,
    /// Dropped last, when all files are closed.
    pub(super) _directory: std::fs::File,
}

impl State {
    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>, LogError> {
        let topic = self.topics.read().get(name).cloned();
        topic.ok_or_else(|| LogError::NoTopic { topic: name.to_owned() })
    }

    pub(super) fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().values().cloned().collect()
    }

    /// A group, with the offsets it has on disk. There is no need to create one.
    pub(super) fn group(&self, name: &str) -> Result<Arc<Group>, LogError> {
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

    pub(super) fn groups(&self) -> Vec<Arc<Group>> {
        self.groups.lock().values().cloned().collect()
    }

    /// Makes everything written so far survive a power failure.
    pub(super) fn sync(&self) {
        for topic in self.topics() {
            for partition in &topic.partitions {
                if let Err(error) = partition.sync() {
                    let error = chain(&error);
                    warn!(partition = %partition.at, error, "sync failed, retrying");
                }
            }
        }
        for group in self.groups() {
            if let Err(error) = group.sync() {
                let error = chain(&error);
                warn!(group = group.name(), error, "sync failed, retrying");
            }
        }
    }

    /// Tells how far groups are behind, also those that are busy with a batch.
    pub(super) fn note_lag(&self) {
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

    /// One partition of a topic.
    pub(super) fn partition(&self, at: &TopicPartition) -> Result<Arc<Partition>, LogError> {
        self.topic(&at.topic)?.partition(at.partition).cloned()
    }
}
