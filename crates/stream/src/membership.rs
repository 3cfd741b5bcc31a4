//! What a member of a consumer group comes upon.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::record::{Received, TopicPartition, Watermarks};
use crate::topic_id::TopicId;

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
    /// The name of a topic that is read leads to this topic now, and to another one before: it was deleted and made
    /// again.
    MadeAgain {
        topic: Arc<str>,
        id: TopicId,
    },
}

/// Offsets at which a group goes on, per partition.
pub(crate) type Offsets = BTreeMap<TopicPartition, u64>;

/// The ids of topics, as far as the log gives them any.
pub(crate) type TopicIds = BTreeMap<Arc<str>, TopicId>;

/// Where a group stands in a partition, and what is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    /// `None` if the group never committed here.
    pub(crate) committed: Option<u64>,
    /// The topic that the commit is of, if it says so.
    pub(crate) committed_of: Option<TopicId>,
    pub(crate) there: Watermarks,
}
