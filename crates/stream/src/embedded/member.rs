//! A member of a consumer group.

use std::sync::Arc;

use tokio::sync::Notify;

use super::group::Group;
use super::open::OpenLog;
use super::topic::{Partition, Topic};
use crate::error::LogError;
use crate::membership::{Change, MemberEvent, Offsets, Place};
use crate::options::ConsumerOptions;
use crate::record::{Received, StartAt, TopicPartition, Watermarks};

/// A batch is not filled up beyond this, however many records it may have.
const MAX_BATCH_BYTES: usize = 8 << 20;

#[derive(Debug)]
pub(crate) struct EmbeddedMember {
    log: Arc<OpenLog>,
    group: Arc<Group>,
    id: u64,
    max_batch: usize,
    /// There is a change.
    changed: Arc<Notify>,
    /// There is a record in one of the partitions.
    appended: Arc<Notify>,
    reading: Vec<Position>,
    /// Which of them is read first the next time, so that each gets its turn.
    turn: usize,
}

#[derive(Debug)]
struct Position {
    partition: Arc<Partition>,
    next: u64,
}

impl EmbeddedMember {
    pub(super) fn join(
        log: Arc<OpenLog>,
        group: Arc<Group>,
        topics: Vec<Arc<Topic>>,
        options: &ConsumerOptions,
    ) -> Self {
        let changed = Arc::new(Notify::new());
        let id = group.join(topics, changed.clone());
        Self {
            log,
            group,
            id,
            max_batch: options.max_batch.max(1),
            changed,
            appended: Arc::new(Notify::new()),
            reading: Vec::new(),
            turn: 0,
        }
    }

    pub(crate) async fn next(&mut self) -> Result<MemberEvent, LogError> {
        loop {
            if let Some(change) = self.next_change() {
                return Ok(MemberEvent::Change(change));
            }
            let records = self.read()?;
            if !records.is_empty() {
                return Ok(MemberEvent::Records(records));
            }
            // What happened since we looked has left a permit.
            tokio::select! {
                () = self.changed.notified() => {}
                () = self.appended.notified() => {}
            }
        }
    }

    pub(crate) async fn poll(&mut self) -> Result<Change, LogError> {
        loop {
            if let Some(change) = self.next_change() {
                return Ok(change);
            }
            self.changed.notified().await;
        }
    }

    fn next_change(&mut self) -> Option<Change> {
        let change = self.group.next_change(self.id)?;
        if let Change::Revoked { partitions, .. } = &change {
            self.stop_reading(partitions);
        }
        Some(change)
    }

    fn read(&mut self) -> Result<Vec<Received>, LogError> {
        let mut records = Vec::new();
        let n_partitions = self.reading.len();
        for idx in 0..n_partitions {
            let left = self.max_batch - records.len();
            if left == 0 {
                break;
            }
            let Position { partition, next } = &mut self.reading[(self.turn + idx) % n_partitions];
            if *next < partition.high() {
                partition.read_into(next, MAX_BATCH_BYTES / n_partitions, left, &mut records)?;
            }
        }
        self.turn = self.turn.wrapping_add(1);
        Ok(records)
    }

    /// The offsets of a group say nothing of the topic that they are of; the embedded log removes none.
    pub(crate) fn places(&self, partitions: &[TopicPartition]) -> Result<Vec<Place>, LogError> {
        let place = |at: &TopicPartition| {
            let partition = self.log.state.partition(at)?;
            Ok(Place {
                committed: self.group.committed(at),
                committed_of: self.log.state.topic(&at.topic)?.id(),
                there: Watermarks { low: partition.low(), high: partition.high() },
            })
        };
        partitions.iter().map(place).collect()
    }

    pub(crate) fn taken(&mut self) -> Vec<(TopicPartition, u64)> {
        let mut taken = Vec::new();
        for Position { partition, next } in &mut self.reading {
            let low = partition.low();
            if *next < low {
                *next = low;
                taken.push((partition.at.clone(), low));
            }
        }
        taken
    }

    pub(crate) async fn start(
        &mut self,
        from: &[(TopicPartition, StartAt)],
    ) -> Result<(), LogError> {
        for (at, start_at) in from {
            let partition = self.log.state.partition(at)?;
            let next = self.offset_of(&partition, *start_at);
            partition.listen(&self.appended);
            self.reading.push(Position { partition, next });
        }
        // There may be records, and no notification comes for those.
        self.appended.notify_one();
        Ok(())
    }

    fn offset_of(&self, partition: &Partition, start_at: StartAt) -> u64 {
        let committed = self.group.committed(&partition.at);
        match start_at {
            StartAt::Committed => committed.map_or(partition.low(), |it| partition.within(it)),
            StartAt::Offset(offset) => partition.within(offset),
            StartAt::Earliest => partition.low(),
            StartAt::Latest => partition.high(),
        }
    }

    pub(crate) async fn commit(&mut self, offsets: &Offsets) -> Result<(), LogError> {
        let attempt = || format!("commit offsets of group `{}`", self.group.name());
        self.group.commit(self.id, offsets).map_err(|error| LogError::failed(attempt(), error))?;
        for (at, offset) in offsets {
            let lag = self.log.state.partition(at)?.high().saturating_sub(*offset);
            self.log.state.metrics.set_lag(self.group.name(), at, lag);
        }
        Ok(())
    }

    pub(crate) async fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.stop_reading(partitions);
        self.group.release(self.id, partitions);
        for at in partitions {
            self.log.state.metrics.forget_lag(self.group.name(), at);
        }
        Ok(())
    }

    /// Leaves the group; so does dropping the member.
    #[expect(clippy::unused_async, reason = "with Kafka it takes an answer of the broker")]
    pub(crate) async fn leave(self) {
        drop(self);
    }

    fn stop_reading(&mut self, partitions: &[TopicPartition]) {
        self.reading.retain(|it| {
            let stays = !partitions.contains(&it.partition.at);
            if !stays {
                it.partition.unlisten(&self.appended);
            }
            stays
        });
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        for position in self.reading.drain(..) {
            position.partition.unlisten(&self.appended);
            self.log.state.metrics.forget_lag(self.group.name(), &position.partition.at);
        }
        self.group.leave(self.id);
    }
}
