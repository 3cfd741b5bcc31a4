//! A member of a consumer group, on either log.

use std::time::Duration;

use crate::embedded::EmbeddedMember;
use crate::error::LogError;
use crate::kafka::KafkaMember;
use crate::log::Log;
use crate::membership::{Change, MemberEvent, Offsets, Place, TopicIds};
use crate::options::ConsumerOptions;
use crate::record::{StartAt, TopicPartition};

/// A member of a consumer group, on either log. What a log must be able to do:
///
/// - `next` waits for a change of the membership or for records, changes first, and hands records
///   over as soon as there are any. Records of a partition come after its `Assigned` was answered
///   with `start`, and none come after its `Revoked`, or after its topic was made again.
/// - `poll` is called while records are handled or waited with: it keeps the membership alive and
///   returns when there is a change. Records that arrive meanwhile it keeps for `next`, up to a bound.
/// - `places` says where the group stands and what is there; `taken`, which partitions the log begins behind
///   what was handed over last, with nothing more to hand over before that.
/// - `start` and `release` answer an `Assigned` and a `Revoked`; until `release` nobody else gets
///   the partitions.
/// - Dropping any of the futures loses nothing.
#[derive(Debug)]
pub(crate) enum Member {
    Kafka(Box<KafkaMember>),
    Embedded(EmbeddedMember),
}

impl Member {
    pub(crate) async fn join(log: &Log, options: &ConsumerOptions) -> Result<Self, LogError> {
        match log {
            Log::Kafka(log) => log.join(options).await.map(|it| Self::Kafka(Box::new(it))),
            Log::Embedded(log) => log.join(options).await.map(Self::Embedded),
        }
    }

    pub(crate) async fn next(&mut self) -> Result<MemberEvent, LogError> {
        match self {
            Self::Kafka(member) => member.next().await,
            Self::Embedded(member) => member.next().await,
        }
    }

    pub(crate) async fn poll(&mut self) -> Result<Change, LogError> {
        match self {
            Self::Kafka(member) => member.poll().await,
            Self::Embedded(member) => member.poll().await,
        }
    }

    /// Where each of the partitions stands, in their order.
    pub(crate) async fn places(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Place>, LogError> {
        match self {
            Self::Kafka(member) => member.places(partitions).await,
            Self::Embedded(member) => member.places(partitions),
        }
    }

    /// Begins to read; `topics` are the ids of the topics that the places are of.
    pub(crate) async fn start(
        &mut self,
        from: &[(TopicPartition, StartAt)],
        topics: &TopicIds,
    ) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.start(from, topics).await,
            Self::Embedded(member) => member.start(from).await,
        }
    }

    /// Partitions of which the log dropped what comes next, with the first offset that it still has.
    pub(crate) fn taken(&mut self) -> Vec<(TopicPartition, u64)> {
        match self {
            Self::Kafka(member) => member.taken(),
            Self::Embedded(member) => member.taken(),
        }
    }

    /// Commits; need not wait until it is durable.
    pub(crate) async fn commit(&mut self, offsets: &Offsets) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.commit(offsets),
            Self::Embedded(member) => member.commit(offsets).await,
        }
    }

    /// Commits and waits until it is done.
    pub(crate) async fn commit_now(
        &mut self,
        offsets: &Offsets,
        within: Duration,
    ) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.commit_now(offsets, within).await,
            Self::Embedded(member) => member.commit(offsets).await,
        }
    }

    pub(crate) async fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.release(partitions).await,
            Self::Embedded(member) => member.release(partitions).await,
        }
    }

    pub(crate) async fn leave(self) {
        match self {
            Self::Kafka(member) => member.leave().await,
            Self::Embedded(member) => member.leave().await,
        }
    }
}
