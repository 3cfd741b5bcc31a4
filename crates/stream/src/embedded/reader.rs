//! Reading a topic without a group.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;

use super::open::OpenLog;
use super::topic::{Partition, Topic};
use crate::error::LogError;
use crate::record::{ReadEvent, Received, StartAt};

const CHUNK_BYTES: usize = 1 << 20;
const CHUNK_RECORDS: usize = 500;

#[derive(Debug)]
pub(crate) struct EmbeddedReader {
    /// Keeps the log open.
    _log: Arc<OpenLog>,
    reading: Vec<Position>,
    appended: Arc<Notify>,
    /// Read and not handed out yet.
    ahead: VecDeque<Received>,
    caught_up: bool,
}

#[derive(Debug)]
struct Position {
    partition: Arc<Partition>,
    next: u64,
    /// Where the partition ended when reading began.
    end: u64,
}

impl EmbeddedReader {
    pub(super) fn open(log: Arc<OpenLog>, topic: &Topic, from: StartAt) -> Self {
        let appended = Arc::new(Notify::new());
        let position = |partition: &Arc<Partition>| {
            partition.listen(&appended);
            let end = partition.high();
            let next = match from {
                // Without a group nothing is committed.
                StartAt::Committed | StartAt::Earliest => partition.low(),
                StartAt::Offset(offset) => partition.within(offset),
                StartAt::Latest => end,
            };
            Position { partition: partition.clone(), next, end }
        };
        let reading = topic.partitions.iter().map(position).collect();
        Self { _log: log, reading, appended, ahead: VecDeque::new(), caught_up: false }
    }

    pub(crate) async fn next(&mut self) -> Result<ReadEvent, LogError> {
        loop {
            if let Some(record) = self.ahead.pop_front() {
                return Ok(ReadEvent::Record(record));
            }
            if !self.caught_up && self.reading.iter().all(|it| it.end <= it.next) {
                self.caught_up = true;
                return Ok(ReadEvent::CaughtUp);
            }
            let mut is_moved = false;
            for Position { partition, next, .. } in &mut self.reading {
                // Compaction can have taken the last records, so that offsets are left and no record has one.
                if *next < partition.high() {
                    partition.read_into(next, CHUNK_BYTES, CHUNK_RECORDS, &mut self.ahead)?;
                    is_moved = true;
                }
            }
            if !is_moved {
                // What was appended since we looked has left a permit.
                self.appended.notified().await;
            }
        }
    }
}

impl Drop for EmbeddedReader {
    fn drop(&mut self) {
        for position in &self.reading {
            position.partition.unlisten(&self.appended);
        }
    }
}
