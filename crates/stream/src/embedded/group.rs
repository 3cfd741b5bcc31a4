//! Consumer groups: who reads which partition, and how far they have come.
//!
//! A partition has one owner at a time. When it must go to another member, its owner is notified first
//! and the new one gets it when the old one has let go, so no record is handled by two at a time.
//! Partitions that need not move stay where they are.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use shadowline_segment_log::{CheckpointError, DurableCheckpoint, FileError};
use tokio::sync::Notify;

use super::topic::{Topic, TopicOpenError, validate_name};
use crate::membership::{Change, Offsets};
use crate::record::TopicPartition;

/// Why the offsets of a group could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupError {
    #[error(transparent)]
    Name(#[from] TopicOpenError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{at} is not held by this member")]
    NotOwned { at: TopicPartition },
}

#[derive(Debug)]
pub(super) struct Group {
    name: String,
    /// Holds a checkpoint per partition that was ever committed: `<topic>/<partition>`.
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    n_joined: u64,
    members: BTreeMap<u64, Membership>,
    owners: BTreeMap<TopicPartition, Owner>,
    checkpoints: HashMap<TopicPartition, Arc<DurableCheckpoint>>,
}

#[derive(Debug)]
struct Membership {
    topics: Vec<Arc<Topic>>,
    changes: VecDeque<Change>,
    changed: Arc<Notify>,
}

#[derive(Debug, Clone, Copy)]
struct Owner {
    member: u64,
    /// It was told to let go and has not done so yet.
    leaving: bool,
}

impl Group {
    pub(super) fn open(groups_dir: &Path, name: &str) -> Result<Self, GroupError> {
        validate_name(name)?;
        let dir = groups_dir.join(name);
        let mut checkpoints = HashMap::new();
        for (topic, topic_dir) in list(&dir)? {
            for (partition, path) in list(&topic_dir)? {
                // Other names are not ours, such as what a kill left of a checkpoint being made.
                if let Ok(partition) = partition.parse() {
                    let at = TopicPartition::new(&*topic, partition);
                    checkpoints.insert(at, Arc::new(DurableCheckpoint::open(path, 0)?));
                }
            }
        }
        Ok(Self {
            name: name.to_owned(),
            dir,
            state: Mutex::new(State { checkpoints, ..State::default() }),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn join(&self, topics: Vec<Arc<Topic>>, changed: Arc<Notify>) -> u64 {
        let mut state = self.state.lock();
        state.n_joined += 1;
        let id = state.n_joined;
        state.members.insert(id, Membership { topics, changes: VecDeque::new(), changed });
        state.rebalance();
        id
    }

    pub(super) fn leave(&self, member: u64) {
        let mut state = self.state.lock();
        state.members.remove(&member);
        state.owners.retain(|_, owner| owner.member != member);
        state.rebalance();
    }

    /// The next change that a member has to answer.
    pub(super) fn next_change(&self, member: u64) -> Option<Change> {
        self.state.lock().members.get_mut(&member)?.changes.pop_front()
    }

    /// A member has finished with partitions; others may have them.
    pub(super) fn release(&self, member: u64, partitions: &[TopicPartition]) {
        let mut state = self.state.lock();
        for at in partitions {
            if state.owners.get(at).is_some_and(|it| it.member == member) {
                state.owners.remove(at);
            }
        }
        state.rebalance();
    }

    /// The offset to go on at; `None` if the group never committed here.
    pub(super) fn committed(&self, at: &TopicPartition) -> Option<u64> {
        self.state.lock().checkpoints.get(at).map(|it| it.get())
    }

    /// Writes down where the group goes on. When it returns, that outlives a kill.
    pub(super) fn commit(&self, member: u64, offsets: &Offsets) -> Result<(), GroupError> {
        let mut state = self.state.lock();
        for (at, offset) in offsets {
            if state.owners.get(at).is_none_or(|it| it.member != member) {
                return Err(GroupError::NotOwned { at: at.clone() });
            }
            match state.checkpoints.get(at) {
                Some(checkpoint) => checkpoint.set(*offset)?,
                None => {
                    let dir = self.dir.join(&*at.topic);
                    std::fs::create_dir_all(&dir)
                        .map_err(FileError::at("create directory", &dir))?;
                    let checkpoint =
                        DurableCheckpoint::open(dir.join(at.partition.to_string()), *offset)?;
                    state.checkpoints.insert(at.clone(), Arc::new(checkpoint));
                }
            }
        }
        Ok(())
    }

    /// Which partitions are being read.
    pub(super) fn owned(&self) -> Vec<TopicPartition> {
        let state = self.state.lock();
        state.owners.iter().filter(|(_, owner)| !owner.leaving).map(|(at, _)| at.clone()).collect()
    }

    pub(super) fn sync(&self) -> Result<(), FileError> {
        // Not under the lock: a commit should not wait for the disk.
        let checkpoints: Vec<_> = self.state.lock().checkpoints.values().cloned().collect();
        checkpoints.iter().try_for_each(|it| it.sync())
    }
}

impl State {
    /// Compares who should have each partition with who has it, and tells those concerned.
    fn rebalance(&mut self) {
        let mut assigned: BTreeMap<u64, Vec<TopicPartition>> = BTreeMap::new();
        let mut revoked: BTreeMap<u64, Vec<TopicPartition>> = BTreeMap::new();
        for (at, target) in self.shares() {
            match self.owners.get_mut(&at) {
                None => {
                    self.owners.insert(at.clone(), Owner { member: target, leaving: false });
                    assigned.entry(target).or_default().push(at);
                }
                Some(owner) if owner.member != target && !owner.leaving => {
                    owner.leaving = true;
                    revoked.entry(owner.member).or_default().push(at);
                }
                // Either it is where it belongs, or its release will bring us here again.
                Some(_) => {}
            }
        }
        for (member, partitions) in revoked {
            self.report(member, Change::Revoked { partitions, lost: false });
        }
        for (member, partitions) in assigned {
            self.report(member, Change::Assigned(partitions));
        }
    }

    fn report(&mut self, member: u64, change: Change) {
        if let Some(member) = self.members.get_mut(&member) {
            member.changes.push_back(change);
            member.changed.notify_one();
        }
    }

    /// Who should have each partition: of each topic its readers have equally many, give or take
    /// one, and as many as possible stay where they are.
    fn shares(&self) -> BTreeMap<TopicPartition, u64> {
        let mut topics: BTreeMap<&Arc<str>, (u32, Vec<u64>)> = BTreeMap::new();
        for (id, member) in &self.members {
            for topic in &member.topics {
                let entry = topics.entry(&topic.name);
                entry.or_insert_with(|| (topic.n_partitions(), Vec::new())).1.push(*id);
            }
        }
        let mut shares = BTreeMap::new();
        for (topic, (n_partitions, readers)) in topics {
            let owner = |number| {
                let at = TopicPartition::new(topic.clone(), number);
                self.owners.get(&at).map(|it| it.member)
            };
            let owners: Vec<_> = (0..n_partitions).map(owner).collect();
            for (number, member) in (0..).zip(share(&owners, &readers)) {
                shares.insert(TopicPartition::new(topic.clone(), number), member);
            }
        }
        shares
    }
}

/// Shares the partitions of one topic among its readers, of whom there is at least one.
fn share(owners: &[Option<u64>], readers: &[u64]) -> Vec<u64> {
    let held = |reader: u64| owners.iter().filter(|it| **it == Some(reader)).count();
    // Those who have most are first to keep one more than the others.
    let mut by_held: Vec<u64> = readers.to_vec();
    by_held.sort_by_key(|it| (std::cmp::Reverse(held(*it)), *it));
    let (each, n_extra) = (owners.len() / readers.len(), owners.len() % readers.len());
    let mut room: BTreeMap<u64, usize> = (0..)
        .zip(by_held)
        .map(|(idx, it)| (it, if idx < n_extra { each + 1 } else { each }))
        .collect();
    let mut shares: Vec<Option<u64>> = Vec::with_capacity(owners.len());
    for owner in owners {
        let keeps = owner.filter(|it| room.get(it).is_some_and(|it| 0 < *it));
        if let Some(left) = keeps.and_then(|it| room.get_mut(&it)) {
            *left -= 1;
        }
        shares.push(keeps);
    }
    let mut rest = room.into_iter().flat_map(|(reader, left)| std::iter::repeat_n(reader, left));
    shares
        .into_iter()
        .map(|it| {
            it.or_else(|| rest.next()).expect("the room of all readers is the number of partitions")
        })
        .collect()
}

/// Names and paths in a directory; none if it is not there.
fn list(dir: &Path) -> Result<Vec<(String, PathBuf)>, FileError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(FileError::at("list", dir)(source)),
    };
    let mut listed = Vec::new();
    for entry in entries {
        let path = entry.map_err(FileError::at("list", dir))?.path();
        if let Some(name) = path.file_name().and_then(|it| it.to_str()) {
            listed.push((name.to_owned(), path.clone()));
        }
    }
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_equal_and_move_no_more_than_they_must(
            owners in prop::collection::vec(prop::option::of(0..6_u64), 1..20),
            readers in prop::collection::btree_set(0..6_u64, 1..6),
        ) {
            let readers: Vec<_> = readers.into_iter().collect();
            let shares = share(&owners, &readers);
            prop_assert_eq!(shares.len(), owners.len());
            let each = owners.len() / readers.len();
            for reader in &readers {
                let n_shares = shares.iter().filter(|it| *it == reader).count();
                prop_assert!((each..=each + 1).contains(&n_shares));
                // Who has no more than the fair share loses nothing.
                let n_held = owners.iter().filter(|it| **it == Some(*reader)).count();
                let n_kept = (0..owners.len())
                    .filter(|idx| owners[*idx] == Some(*reader) && shares[*idx] == *reader)
                    .count();
                prop_assert!(n_held.min(each) <= n_kept);
            }
            let moved_again: Vec<_> = shares.iter().map(|it| Some(*it)).collect();
            prop_assert_eq!(share(&moved_again, &readers), shares, "what is shared well stays");
        }
    }
}
