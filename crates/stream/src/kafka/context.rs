//! What librdkafka tells us on the side: errors, statistics, changes of the membership.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use prometheus_client::metrics::gauge::Gauge;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{ClientContext, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::causes::{advice, is_consequence};
use super::topic_ids::id_change;
use crate::membership::Change;
use crate::metrics::Metrics;
use crate::record::TopicPartition;
use crate::topic_id::TopicId;

/// Logs an outage once, and its end.
pub(super) struct KafkaContext {
    client_id: String,
    metrics: Metrics,
    /// 1 while no broker answers.
    unreachable: Gauge,
    /// What is wrong beside outages, until something works again.
    complaint: Mutex<Option<RDKafkaErrorCode>>,
    /// The broker's words for why it does not let the client in.
    refusal: Mutex<Option<String>>,
    /// The topics that the client knows, by name.
    topics: Mutex<HashMap<String, TopicId>>,
    /// A topic that was known has another id now; for readers without a group.
    made_again: AtomicBool,
    /// Only with a group.
    membership: Option<Membership>,
}

struct Membership {
    group: String,
    changes: mpsc::UnboundedSender<Change>,
    /// Where the group stands in the partitions that are read here.
    done: Mutex<HashMap<TopicPartition, Done>>,
    /// The task that answers a change has ended.
    closing: AtomicBool,
}

/// Where a group stands in a partition.
#[derive(Debug, Clone, Copy)]
struct Done {
    /// Where reading began.
    begun: u64,
    /// The first offset that the log still has, while it is behind everything that was fetched.
    taken_up_to: Option<u64>,
}

impl KafkaContext {
    pub(super) fn new(client_id: &str, metrics: Metrics) -> Self {
        // Shown from the beginning: what is not there cannot be told from what is well.
        let unreachable = metrics.unreachable(client_id);
        Self {
            client_id: client_id.to_owned(),
            metrics,
            unreachable,
            complaint: Mutex::new(None),
            refusal: Mutex::new(None),
            topics: Mutex::default(),
            made_again: AtomicBool::new(false),
            membership: None,
        }
    }

    pub(super) fn of_member(
        client_id: &str,
        metrics: Metrics,
        group: &str,
        changes: mpsc::UnboundedSender<Change>,
    ) -> Self {
        let closing = AtomicBool::new(false);
        let done = Mutex::default();
        let membership = Some(Membership { group: group.to_owned(), changes, done, closing });
        Self { membership, ..Self::new(client_id, metrics) }
    }

    /// From now on changes are answered at once, without asking anyone.
    pub(super) fn set_closing(&self) {
        if let Some(membership) = &self.membership {
            membership.closing.store(true, Ordering::SeqCst);
        }
    }

    /// The topic that a name leads to, as far as the client has heard.
    pub(super) fn topic_id(&self, topic: &str) -> Option<TopicId> {
        self.topics.lock().get(topic).copied()
    }

    /// Whether a topic that was known was deleted and made again since this was last asked.
    pub(super) fn take_made_again(&self) -> bool {
        self.made_again.swap(false, Ordering::SeqCst)
    }

    /// Reading these partitions begins, with nothing to do before the offset.
    pub(super) fn begun(&self, at: &TopicPartition, offset: u64) {
        if let Some(membership) = &self.membership {
            let done = Done { begun: offset, taken_up_to: None };
            membership.done.lock().insert(at.clone(), done);
        }
    }

    /// Partitions are read no more.
    pub(super) fn ended(&self, partitions: &[TopicPartition]) {
        if let Some(membership) = &self.membership {
            membership.done.lock().retain(|at, _| !partitions.contains(at));
        }
    }

    /// Partitions of which what comes next is gone, with the first offset that is there. Each is told until something
    /// of it is fetched.
    pub(super) fn taken(&self) -> Vec<(TopicPartition, u64)> {
        let Some(membership) = &self.membership else { return Vec::new() };
        let done = membership.done.lock();
        done.iter().filter_map(|(at, done)| Some((at.clone(), done.taken_up_to?))).collect()
    }

    /// Why the broker does not let the client in, if it does not.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().clone()
    }

    /// What the client is there for works.
    pub(super) fn works(&self) {
        self.reached();
        if self.complaint.lock().take().is_some() {
            self.metrics.complaint(&self.client_id, None);
            info!(client = %self.client_id, "kafka does what is asked again");
        }
    }

    /// Something came from a broker.
    pub(super) fn reached(&self) {
        *self.refusal.lock() = None;
        if self.unreachable.get() != 0 && self.unreachable.set(0) != 0 {
            if self.metrics.n_unreachable() == 0 {
                info!(client = %self.client_id, "kafka is reachable again");
            } else {
                debug!(client = %self.client_id, "kafka is reachable again");
            }
        }
    }

    /// Logs an error, but not the same one again and again.
    pub(super) fn note_error(&self, error: &KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            warn!(client = %self.client_id, %error, reason, "kafka client error");
            return;
        };
        // The end of a partition comes as an error, too, and is none.
        if code == RDKafkaErrorCode::PartitionEOF {
            return;
        }
        if is_outage(code) {
            // One line of a process, not one of each of its clients.
            let is_first = self.metrics.n_unreachable() == 0;
            if self.unreachable.set(1) != 0 || !is_first {
                debug!(client = %self.client_id, %error, reason, "kafka is still unreachable");
            } else {
                warn!(client = %self.client_id, %error, reason, "kafka is unreachable, waiting for it");
            }
            return;
        }
        let said = match advice(code, None) {
            Some(advice) => format!("{advice}: {reason}"),
            None => reason.to_owned(),
        };
        if code == RDKafkaErrorCode::Authentication {
            *self.refusal.lock() = Some(said.clone());
        }
        // What a producer fails at, the one whose record it is says.
        if is_consequence(code) {
            debug!(client = %self.client_id, %error, reason, "kafka client error");
            return;
        }
        if self.complaint.lock().replace(code) == Some(code) {
            debug!(client = %self.client_id, %error, reason = said, "kafka client error again");
        } else {
            warn!(client = %self.client_id, %error, reason = said, "kafka client error");
            self.metrics.complaint(&self.client_id, Some(said));
        }
    }
}

/// Errors that waiting cures.
fn is_outage(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::NetworkException
            | Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
    )
}

impl ClientContext for KafkaContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if let Some((topic, id)) = id_change(message) {
            let before = self.topics.lock().insert(topic.to_owned(), id);
            if before.is_some_and(|it| it != id) {
                self.made_again.store(true, Ordering::SeqCst);
            }
            if let Some(membership) = &self.membership {
                // Nobody is there any more if it cannot be sent.
                drop(membership.changes.send(Change::MadeAgain { topic: topic.into(), id }));
            }
            return;
        }
        // What matters of it comes as an error, too, and there it is logged once.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                warn!(target: "librdkafka", client = %self.client_id, facility, message);
            }
            RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => {
                debug!(target: "librdkafka", client = %self.client_id, facility, message);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.note_error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        if statistics.brokers.values().any(|it| it.nodeid >= 0 && it.state == "UP") {
            self.reached();
        }
        let Some(membership) = &self.membership else { return };
        let mut all_done = membership.done.lock();
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                // -1 is the client's own inner partition, and an end below 0 is not known yet.
                let (Ok(number), Ok(end)) =
                    (u32::try_from(*number), u64::try_from(partition.hi_offset))
                else {
                    continue;
                };
                let at = TopicPartition::new(name.as_str(), number);
                let Some(done) = all_done.get_mut(&at) else { continue };
                if partition.fetch_state != "active" {
                    continue;
                }
                let low = u64::try_from(partition.lo_offset).unwrap_or(0);
                // The client knows what is committed only after a commit of its own; nothing before the start is left.
                let committed = u64::try_from(partition.committed_offset).unwrap_or(0);
                let lag = end.saturating_sub(committed.max(done.begun).max(low));
                self.metrics.set_lag(&membership.group, &at, lag);
                // With nothing fetched that waits to be read, what is gone before it will not come any more.
                let fetched = u64::try_from(partition.app_offset).unwrap_or(done.begun);
                let is_gone = partition.fetchq_cnt == 0 && fetched < low;
                done.taken_up_to = is_gone.then_some(low);
            }
        }
    }
}

impl ConsumerContext for KafkaContext {
    /// Passes the change on. librdkafka waits until it is answered by `assign` or `unassign`, and
    /// until then heartbeats go on and no other member gets the partitions.
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        what: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let assigned = what == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if assigned {
            self.works();
        } else {
            self.reached();
        }
        if let Some(membership) = &self.membership
            && !membership.closing.load(Ordering::SeqCst)
        {
            let listed = from_list(partitions);
            let change = if assigned {
                Change::Assigned(listed)
            } else {
                Change::Revoked { partitions: listed, lost: consumer.assignment_lost() }
            };
            if membership.changes.send(change).is_ok() {
                return;
            }
        }
        if let Err(error) = answer(consumer, assigned, partitions) {
            warn!(client = %self.client_id, %error, "answer a rebalance while closing");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        let Err(error) = result else { return };
        if let Some(membership) = &self.membership {
            self.metrics.commit_error(&membership.group);
        }
        self.note_error(&error, "commit offsets");
    }
}

/// Answers a change of the membership as its protocol requires.
pub(super) fn answer<C: Consumer<KafkaContext>>(
    consumer: &C,
    assigned: bool,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    match (consumer.rebalance_protocol(), assigned) {
        (RebalanceProtocol::Cooperative, true) => consumer.incremental_assign(partitions),
        (RebalanceProtocol::Cooperative, false) => consumer.incremental_unassign(partitions),
        (RebalanceProtocol::Eager | RebalanceProtocol::None, true) => consumer.assign(partitions),
        (RebalanceProtocol::Eager | RebalanceProtocol::None, false) => consumer.unassign(),
    }
}

pub(super) fn from_list(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let mut names: Vec<std::sync::Arc<str>> = Vec::new();
    let mut listed = Vec::with_capacity(list.count());
    for entry in list.elements() {
        let name = match names.iter().find(|it| &***it == entry.topic()) {
            Some(name) => name.clone(),
            None => {
                names.push(entry.topic().into());
                names[names.len() - 1].clone()
            }
        };
        listed.push(TopicPartition::new(name, entry.partition().cast_unsigned()));
    }
    listed
}
