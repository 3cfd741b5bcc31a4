//! Up to which event time everything was seen, where events come through several partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The event time up to which nothing more is expected: the least of the partitions' newest event times, less the
/// allowed lateness. It never goes back.
///
/// A partition that is idle holds nothing back: one in which nothing was seen for `idle_after` of wall time. When all
/// are idle, the newest event time of all counts, less the lateness: the last window ends although no traffic follows.
/// A partition that was added and has seen nothing yet holds the watermark where it is until it is idle.
#[derive(Debug, Clone, PartialEq)]
pub struct Watermark {
    lateness: SignedDuration,
    idle_after: SignedDuration,
    partitions: BTreeMap<u32, Partition>,
    reached: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Partition {
    /// The newest event time seen in it.
    newest: Option<Timestamp>,
    /// The wall time at which something was last seen in it, or at which it was added.
    active_at: Timestamp,
}

impl Watermark {
    /// Starts without partitions.
    ///
    /// # Units
    /// `lateness` is event time, `idle_after` wall time.
    pub fn new(lateness: Duration, idle_after: Duration) -> Self {
        let signed = |it| SignedDuration::try_from(it).unwrap_or(SignedDuration::MAX);
        Self {
            lateness: signed(lateness),
            idle_after: signed(idle_after),
            partitions: BTreeMap::new(),
            reached: None,
        }
    }

    /// Expects events of a partition from now on; one that is known already stays as it is.
    pub fn add(&mut self, partition: u32, now: Timestamp) {
        self.partitions.entry(partition).or_insert(Partition { newest: None, active_at: now });
    }

    /// Expects no more events of a partition, because it is read by somebody else now.
    pub fn remove(&mut self, partition: u32) {
        self.partitions.remove(&partition);
    }

    /// Notes an event. Events within a partition may come out of order.
    pub fn observe(&mut self, partition: u32, at: Timestamp, now: Timestamp) {
        self.add(partition, now);
        if let Some(partition) = self.partitions.get_mut(&partition) {
            partition.newest = partition.newest.max(Some(at));
            partition.active_at = partition.active_at.max(now);
        }
    }

    /// Moves the watermark to where it is at this wall time, and returns it; `None` before the first event.
    pub fn advance(&mut self, now: Timestamp) -> Option<Timestamp> {
        let is_active = |it: &&Partition| now.duration_since(it.active_at) < self.idle_after;
        let active: Vec<_> = self.partitions.values().filter(is_active).collect();
        let newest = if active.is_empty() {
            self.partitions.values().filter_map(|it| it.newest).max()
        } else {
            // `None`, of one that has seen nothing, is less than any time.
            active.iter().map(|it| it.newest).min().flatten()
        };
        let found = newest.map(|it| it.checked_sub(self.lateness).unwrap_or(Timestamp::MIN));
        self.reached = self.reached.max(found);
        self.reached
    }

    /// Returns whether an event comes too late: whatever it belongs to may have been judged without it.
    pub fn is_late(&self, at: Timestamp) -> bool {
        self.reached.is_some_and(|it| at < it)
    }
}
