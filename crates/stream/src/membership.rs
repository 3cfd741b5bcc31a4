//! What a member of a consumer group comes upon.

use std::collections::BTreeMap;

use crate::record::{Received, TopicPartition};

#[derive(Debug)]
pub(crate) enum MemberEvent {
    Change(Change),
    Records(Vec<Received>),
}

/// A change of the partitions that a member has.
#[derive(Debug)]
pub(crate) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked {
        partitions: Vec<TopicPartition>,
        /// Somebody else may have them already, so nothing can be committed any more.
        lost: bool,
    },
}

/// Offsets at which a group goes on, per partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, u64>;
