//! Several members of a group: partitions move while records flow.

use std::collections::{BTreeMap, HashMap, HashSet};

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use shadowline_stream::{
    CancellationToken, Cleanup, ConsumerOptions, Handler, HandlerError, Log, TopicPartition,
    consume,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::on_both_logs;
use tokio::task::JoinHandle;

use super::*;

const PARTITIONS: u32 = 6;
const PER_PARTITION: u64 = 500;

/// What all members together have seen.
#[derive(Default)]
struct Ledger {
    owners: HashMap<u32, &'static str>,
    handled: HashMap<u32, Vec<u64>>,
    by: BTreeMap<&'static str, usize>,
    mistakes: Vec<String>,
}

struct Member {
    name: &'static str,
    ledger: Arc<Mutex<Ledger>>,
    mine: HashSet<u32>,
    /// The batch that fails for as long as this is not cancelled.
    stuck_until: Option<CancellationToken>,
}

impl Handler for Member {
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, StartAt)>, HandlerError> {
        let mut ledger = self.ledger.lock();
        for partition in partitions.iter().map(|it| it.partition) {
            self.mine.insert(partition);
            if let Some(other) = ledger.owners.insert(partition, self.name) {
                ledger.mistakes.push(format!("{} got {partition} while {other} has it", self.name));
            }
        }
        Ok(Vec::new())
    }

    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        if self.stuck_until.as_ref().is_some_and(|it| !it.is_cancelled()) {
            return Err(HandlerError::retry("stuck"));
        }
        // Gives a rebalance the chance to come in between.
        tokio::task::yield_now().await;
        let mut ledger = self.ledger.lock();
        for record in records {
            if ledger.owners.get(&record.partition) != Some(&self.name) {
                let name = self.name;
                ledger.mistakes.push(format!("{name} handled {} without it", record.partition));
            }
            ledger.handled.entry(record.partition).or_default().push(number(record));
        }
        *ledger.by.entry(self.name).or_default() += records.len();
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) {
        let mut ledger = self.ledger.lock();
        for partition in partitions.iter().map(|it| it.partition) {
            if !self.mine.remove(&partition) {
                ledger.mistakes.push(format!("{} let go {partition} without it", self.name));
            }
            ledger.owners.remove(&partition);
        }
    }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(
        log: &Log,
        topic: &Arc<str>,
        name: &'static str,
        ledger: &Arc<Mutex<Ledger>>,
        stuck_until: Option<CancellationToken>,
    ) -> Self {
        let stop = CancellationToken::new();
        let options = ConsumerOptions {
            max_batch: 20,
            client_id: name.to_owned(),
            retry_after: (Duration::from_millis(5), Duration::from_millis(50)),
            ..ConsumerOptions::new(format!("{topic}.group"), [topic.clone()])
        };
        let mut member = Member { name, ledger: ledger.clone(), mine: HashSet::new(), stuck_until };
        let task = tokio::spawn({
            let (log, stop) = (log.clone(), stop.clone());
            async move { consume(&log, options, &mut member, stop).await.unwrap() }
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops in time").unwrap();
    }
}

/// What the metrics say of how far the group is behind.
fn lag(log: &Log, topic: &str, partition: u32) -> Option<u64> {
    let mut registry = Registry::default();
    log.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let labels = format!(r#"{{group="{topic}.group",topic="{topic}",partition="{partition}"}}"#);
    let line = format!("shadowline_consumer_lag_records{labels} ");
    text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok())
}

fn handled_by(ledger: &Mutex<Ledger>, name: &str) -> usize {
    ledger.lock().by.get(name).copied().unwrap_or(0)
}

on_both_logs! {
    async fn members_come_and_go_while_records_flow(log: TestLog) {
        let topic = log.create_topic("moving", PARTITIONS, Cleanup::Delete { retention: None }).await;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let writing = tokio::spawn({
            let (producer, topic) = (log.producer(), topic.clone());
            async move {
                for number in 0..PER_PARTITION {
                    for partition in 0..PARTITIONS {
                        producer.send(numbered(&topic, partition, number)).await.unwrap();
                    }
                }
            }
        });
        let first = Running::start(log.log(), &topic, "first", &ledger, None);
        wait_for("the first handles records", PATIENCE, async || {
            handled_by(&ledger, "first") > 100
        }).await;
        let second = Running::start(log.log(), &topic, "second", &ledger, None);
        wait_for("the second handles records too", PATIENCE, async || {
            handled_by(&ledger, "second") > 100
        }).await;
        first.stop().await;
        let third = Running::start(log.log(), &topic, "third", &ledger, None);
        writing.await.unwrap();
        let expected: Vec<u64> = (0..PER_PARTITION).collect();
        wait_for("every record is handled", PATIENCE, async || {
            let ledger = ledger.lock();
            let n_handled: usize = ledger.handled.values().map(Vec::len).sum();
            n_handled >= expected.len() * PARTITIONS as usize
        }).await;
        second.stop().await;
        third.stop().await;

        let ledger = ledger.lock();
        assert_eq!(ledger.mistakes, Vec::<String>::new());
        assert!(ledger.owners.is_empty(), "all is let go in the end: {:?}", ledger.owners);
        for partition in 0..PARTITIONS {
            // Nobody was killed and nothing failed, so nothing comes twice.
            assert_eq!(ledger.handled[&partition], expected, "partition {partition}");
        }
    }

    async fn a_batch_that_is_stuck_moves_with_its_partition(log: TestLog) {
        let topic = log.create_topic("stuck", 2, Cleanup::Delete { retention: None }).await;
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let producer = log.producer();
        for number in 0..50 {
            for partition in 0..2 {
                producer.send(numbered(&topic, partition, number)).await.unwrap();
            }
        }
        let healed = CancellationToken::new();
        let stuck = Running::start(log.log(), &topic, "stuck", &ledger, Some(healed.clone()));
        wait_for("the first has both partitions", PATIENCE, async || {
            ledger.lock().owners.len() == 2
        }).await;
        wait_for("the lag is told", PATIENCE, async || {
            (0..2).all(|partition| lag(log.log(), &topic, partition) == Some(50))
        }).await;
        let helper = Running::start(log.log(), &topic, "helper", &ledger, None);
        // Retrying does not keep the first from letting one partition go.
        wait_for("the other handles its share", PATIENCE, async || {
            handled_by(&ledger, "helper") >= 50
        }).await;
        assert_eq!(handled_by(&ledger, "stuck"), 0);
        healed.cancel();
        wait_for("the rest is handled", PATIENCE, async || {
            handled_by(&ledger, "stuck") + handled_by(&ledger, "helper") >= 100
        }).await;
        stuck.stop().await;
        helper.stop().await;
        let ledger = ledger.lock();
        assert_eq!(ledger.mistakes, Vec::<String>::new());
        for partition in 0..2 {
            assert_eq!(ledger.handled[&partition], (0..50).collect::<Vec<_>>());
        }
    }
}
