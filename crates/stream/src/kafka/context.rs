//! What librdkafka tells us on the side: errors, statistics, changes of the membership.

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

use crate::membership::Change;
use crate::metrics::Metrics;
use crate::record::TopicPartition;

/// Logs an outage once, and its end.
pub(super) struct KafkaContext {
    client_id: String,
    metrics: Metrics,
    /// 1 while no broker answers.
    unreachable: Gauge,
    last_error: Mutex<Option<String>>,
    /// Only with a group.
    membership: Option<Membership>,
}

struct Membership {
    group: String,
    changes: mpsc::UnboundedSender<Change>,
    /// The task that answers a change has ended.
    closing: AtomicBool,
}

impl KafkaContext {
    pub(super) fn new(client_id: &str, metrics: Metrics) -> Self {
        // Shown from the beginning: what is not there cannot be told from what is well.
        let unreachable = metrics.unreachable(client_id);
        Self {
            client_id: client_id.to_owned(),
            metrics,
            unreachable,
            last_error: Mutex::new(None),
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
        let membership = Some(Membership { group: group.to_owned(), changes, closing });
        Self { membership, ..Self::new(client_id, metrics) }
    }

    /// From now on changes are answered at once, without asking anyone.
    pub(super) fn set_closing(&self) {
        if let Some(membership) = &self.membership {
            membership.closing.store(true, Ordering::SeqCst);
        }
    }

    /// Something came from a broker.
    pub(super) fn reached(&self) {
        if self.unreachable.get() != 0 && self.unreachable.set(0) != 0 {
            info!(client = %self.client_id, "kafka is reachable again");
        }
    }

    /// Logs an error, but not the same one again and again.
    pub(super) fn note_error(&self, error: &KafkaError, reason: &str) {
        if error.rdkafka_error_code().is_some_and(is_outage) {
            if self.unreachable.set(1) != 0 {
                debug!(client = %self.client_id, %error, reason, "kafka is still unreachable");
            } else {
                warn!(client = %self.client_id, %error, reason, "kafka is unreachable, waiting for it");
            }
            return;
        }
        let text = error.to_string();
        let mut last = self.last_error.lock();
        if last.as_deref() == Some(&text) {
            debug!(client = %self.client_id, %error, reason, "kafka client error again");
        } else {
            warn!(client = %self.client_id, %error, reason, "kafka client error");
            *last = Some(text);
        }
    }
}

/// Errors that waiting cures.
pub(super) fn is_outage(code: RDKafkaErrorCode) -> bool {
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
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                // -1 is the client's own inner partition, and an end below 0 is not known yet.
                let (Ok(number), Ok(end)) =
                    (u32::try_from(*number), u64::try_from(partition.hi_offset))
                else {
                    continue;
                };
                // Without a commit yet, all there is remains to be done.
                let done = partition.committed_offset.max(partition.lo_offset).max(0);
                let lag = end.saturating_sub(done.cast_unsigned());
                if partition.fetch_state == "active" {
                    let at = TopicPartition::new(name.as_str(), number);
                    self.metrics.set_lag(&membership.group, &at, lag);
                }
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
        self.reached();
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
