//! The metrics of a log and of everything made from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::TopicPartition;

/// Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    sent: Family<TopicLabels, Counter>,
    send_errors: Family<ErrorLabels, Counter>,
    received: Family<GroupTopicLabels, Counter>,
    lost: Family<GroupTopicLabels, Counter>,
    lag: Family<PartitionLabels, Gauge>,
    rebalances: Family<GroupLabels, Counter>,
    retries: Family<GroupLabels, Counter>,
    commit_errors: Family<GroupLabels, Counter>,
    dead_letters: Family<TopicLabels, Counter>,
    unreachable: Family<ClientLabels, Gauge>,
    /// Those that `unreachable` is about.
    clients: Arc<Mutex<BTreeSet<String>>>,
    /// What is wrong with a client beside outages, in words.
    complaints: Arc<Mutex<BTreeMap<String, String>>>,
    /// The partitions that members of this process have, each with its lag once that is known: what `lag` shows, for
    /// those who ask by group.
    reading: Arc<Mutex<BTreeMap<String, Lags>>>,
}

/// The lag of each partition, once it is known.
type Lags = BTreeMap<TopicPartition, Option<u64>>;

/// How far behind a group is, as far as this process reads for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    pub topic: Arc<str>,
    /// How many partitions of the topic are read here.
    pub n_partitions: usize,
    /// Records of those partitions that are not committed yet; none until the log has said it of each.
    pub n_records: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TopicLabels {
    topic: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    topic: String,
    reason: &'static str,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupTopicLabels {
    group: String,
    topic: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    group: String,
    topic: String,
    partition: u32,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabels {
    group: String,
}
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: String,
}

impl Metrics {
    /// Puts all of them into a registry, under names that begin with `shadowline_`.
    pub fn register(&self, registry: &mut Registry) {
        let mut put = |name: &str, help: &str, metric: &dyn Fn(&mut Registry, String, String)| {
            metric(registry, format!("shadowline_{name}"), help.to_owned());
        };
        put("log_records_sent", "Records the log acknowledged", &|r, name, help| {
            r.register(name, help, self.sent.clone());
        });
        put("log_send_errors", "Records the log did not take, by reason", &|r, name, help| {
            r.register(name, help, self.send_errors.clone());
        });
        put("consumer_records", "Records handled and committed", &|r, name, help| {
            r.register(name, help, self.received.clone());
        });
        put(
            "consumer_lost_records",
            "Records that the log dropped before the group had read them",
            &|r, name, help| r.register(name, help, self.lost.clone()),
        );
        put(
            "consumer_lag_records",
            "Records of a partition that the group has not committed yet",
            &|r, name, help| r.register(name, help, self.lag.clone()),
        );
        put(
            "consumer_rebalances",
            "Times that partitions came to this process or left it",
            &|r, name, help| r.register(name, help, self.rebalances.clone()),
        );
        put("consumer_retries", "Batches that had to be handled again", &|r, name, help| {
            r.register(name, help, self.retries.clone());
        });
        put("consumer_commit_errors", "Commits that the log refused", &|r, name, help| {
            r.register(name, help, self.commit_errors.clone());
        });
        put("dead_letters", "Records nobody could read, by their topic", &|r, name, help| {
            r.register(name, help, self.dead_letters.clone());
        });
        put(
            "log_unreachable",
            "1 while no broker answers this client, else 0",
            &|r, name, help| r.register(name, help, self.unreachable.clone()),
        );
    }

    /// How far behind a group is, by topic: the partitions that are read in this process.
    pub fn group_lag(&self, group: &str) -> Vec<GroupLag> {
        let mut lags: Vec<GroupLag> = Vec::new();
        for (at, lag) in self.reading.lock().get(group).into_iter().flatten() {
            match lags.last_mut() {
                Some(last) if last.topic == at.topic => {
                    last.n_partitions += 1;
                    last.n_records = last.n_records.zip(*lag).map(|(sum, lag)| sum + lag);
                }
                _ => {
                    let topic = Arc::clone(&at.topic);
                    lags.push(GroupLag { topic, n_partitions: 1, n_records: *lag });
                }
            }
        }
        lags
    }

    /// Notes that a partition is read here; its lag is not known yet.
    pub(crate) fn reads(&self, group: &str, at: &TopicPartition) {
        let mut reading = self.reading.lock();
        reading.entry(group.to_owned()).or_default().entry(at.clone()).or_default();
    }

    /// Makes one series of each of them, so that their names and labels can be listed.
    pub fn touch(&self) {
        let Self {
            sent,
            send_errors,
            received,
            lost,
            lag,
            rebalances,
            retries,
            commit_errors,
            dead_letters,
            unreachable,
            clients: _,
            complaints: _,
            reading: _,
        } = self;
        let topic = TopicLabels { topic: "topic".to_owned() };
        let group = GroupLabels { group: "group".to_owned() };
        drop(sent.get_or_create(&topic));
        drop(dead_letters.get_or_create(&topic));
        drop(
            send_errors
                .get_or_create(&ErrorLabels { topic: topic.topic.clone(), reason: "reason" }),
        );
        let labels = GroupTopicLabels { group: group.group.clone(), topic: topic.topic.clone() };
        drop(received.get_or_create(&labels));
        drop(lost.get_or_create(&labels));
        let labels = PartitionLabels { group: labels.group, topic: labels.topic, partition: 0 };
        drop(lag.get_or_create(&labels));
        for family in [rebalances, retries, commit_errors] {
            drop(family.get_or_create(&group));
        }
        drop(unreachable.get_or_create(&ClientLabels { client: "client".to_owned() }));
    }

    /// Sets how many records a group is behind; called where the log is known.
    pub(crate) fn set_lag(&self, group: &str, at: &TopicPartition, n_records: u64) {
        if let Some(lag) = self.reading.lock().get_mut(group).and_then(|it| it.get_mut(at)) {
            *lag = Some(n_records);
        }
        let n_records = i64::try_from(n_records).unwrap_or(i64::MAX);
        self.lag.get_or_create(&partition_labels(group, at)).set(n_records);
    }

    /// Forgets the lag of a partition that this process no longer reads.
    pub(crate) fn forget_lag(&self, group: &str, at: &TopicPartition) {
        if let Some(partitions) = self.reading.lock().get_mut(group) {
            partitions.remove(at);
        }
        self.lag.remove(&partition_labels(group, at));
    }

    pub(crate) fn sent(&self, topic: &str) {
        self.sent.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc();
    }

    pub(crate) fn send_error(&self, topic: &str, reason: &'static str) {
        self.send_errors.get_or_create(&ErrorLabels { topic: topic.to_owned(), reason }).inc();
    }

    pub(crate) fn received(&self, group: &str, topic: &str, n_records: u64) {
        let labels = GroupTopicLabels { group: group.to_owned(), topic: topic.to_owned() };
        self.received.get_or_create(&labels).inc_by(n_records);
    }

    pub(crate) fn lost(&self, group: &str, topic: &str, n_records: u64) {
        let labels = GroupTopicLabels { group: group.to_owned(), topic: topic.to_owned() };
        self.lost.get_or_create(&labels).inc_by(n_records);
    }

    pub(crate) fn rebalance(&self, group: &str) {
        self.rebalances.get_or_create(&GroupLabels { group: group.to_owned() }).inc();
    }

    pub(crate) fn retry(&self, group: &str) {
        self.retries.get_or_create(&GroupLabels { group: group.to_owned() }).inc();
    }

    pub(crate) fn commit_error(&self, group: &str) {
        self.commit_errors.get_or_create(&GroupLabels { group: group.to_owned() }).inc();
    }

    /// Shows what a group is about to count at zero: a rate needs the value before the first.
    pub(crate) fn joined(&self, group: &str, topics: &[std::sync::Arc<str>]) {
        for topic in topics {
            self.received(group, topic, 0);
            self.lost(group, topic, 0);
            self.show_dead_letters(topic);
        }
        let labels = GroupLabels { group: group.to_owned() };
        for family in [&self.rebalances, &self.retries, &self.commit_errors] {
            drop(family.get_or_create(&labels));
        }
    }

    /// Shows the dead letters of a topic at zero: a rate needs the value before the first.
    pub fn show_dead_letters(&self, topic: &str) {
        drop(self.dead_letters.get_or_create(&TopicLabels { topic: topic.to_owned() }));
    }

    /// Counts a record of this topic that went to the dead letters.
    pub fn dead_letter(&self, topic: &str) {
        self.dead_letters.get_or_create(&TopicLabels { topic: topic.to_owned() }).inc();
    }

    /// Whether no broker answers a client: 1 then, else 0. Clients of one name share it.
    pub(crate) fn unreachable(&self, client: &str) -> Gauge {
        self.clients.lock().insert(client.to_owned());
        self.unreachable.get_or_create(&ClientLabels { client: client.to_owned() }).clone()
    }

    /// What is wrong with clients of a log that answers, in words for an operator; empty if nothing is.
    pub fn complaints(&self) -> Vec<String> {
        self.complaints.lock().values().cloned().collect()
    }

    /// Takes note of what is wrong with a client, or with `None` that nothing is any more.
    pub(crate) fn complaint(&self, client: &str, words: Option<String>) {
        let mut complaints = self.complaints.lock();
        match words {
            Some(words) => drop(complaints.insert(client.to_owned(), words)),
            None => drop(complaints.remove(client)),
        }
    }

    /// How many clients no broker answers.
    pub(crate) fn n_unreachable(&self) -> usize {
        let clients = self.clients.lock().clone();
        clients.into_iter().filter(|it| self.unreachable(it).get() != 0).count()
    }

    /// A broker has answered one client, so it answers the others: those that have nothing to do hear nothing of it.
    /// Returns the clients for which that is news.
    pub(crate) fn all_reachable(&self) -> Vec<String> {
        let clients = self.clients.lock().clone();
        clients.into_iter().filter(|it| self.unreachable(it).set(0) != 0).collect()
    }
}

fn partition_labels(group: &str, at: &TopicPartition) -> PartitionLabels {
    PartitionLabels {
        group: group.to_owned(),
        topic: at.topic.to_string(),
        partition: at.partition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_are_as_documented() {
        let (metrics, mut registry) = (Metrics::default(), Registry::default());
        metrics.register(&mut registry);
        let at = TopicPartition::new("t", 3);
        metrics.set_lag("g", &at, 7);
        metrics.sent("t");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let has = |line: &str| assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        has(r#"shadowline_consumer_lag_records{group="g",topic="t",partition="3"} 7"#);
        has(r#"shadowline_log_records_sent_total{topic="t"} 1"#);
        metrics.forget_lag("g", &at);
        text.clear();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(!text.contains(r#"partition="3""#));
    }

    #[test]
    fn the_lag_of_a_group_is_known_when_that_of_each_partition_is() {
        let metrics = Metrics::default();
        let at = |partition| TopicPartition::new("t", partition);
        let lag = |n_partitions, n_records| GroupLag { topic: "t".into(), n_partitions, n_records };
        // Late news of a partition that is not read here changes nothing.
        metrics.set_lag("g", &at(0), 9);
        assert_eq!(metrics.group_lag("g"), []);
        metrics.reads("g", &at(0));
        metrics.reads("g", &at(1));
        metrics.set_lag("g", &at(0), 3);
        assert_eq!(metrics.group_lag("g"), [lag(2, None)]);
        metrics.set_lag("g", &at(1), 4);
        assert_eq!(metrics.group_lag("g"), [lag(2, Some(7))]);
        metrics.forget_lag("g", &at(0));
        assert_eq!(metrics.group_lag("g"), [lag(1, Some(4))]);
        assert_eq!(metrics.group_lag("other"), []);
    }
}
