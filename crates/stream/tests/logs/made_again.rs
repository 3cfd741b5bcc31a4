//! A topic is deleted and made again under its name.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};
use shadowline_stream::{
    CancellationToken, Cleanup, ConsumerOptions, Handler, HandlerError, LogConfig, LogError,
    ReadEvent, consume,
};
use shadowline_testkit_stack::{KafkaNode, TestLog};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };

struct Numbers(mpsc::UnboundedSender<u64>);

impl Handler for Numbers {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        for record in records {
            self.0.send(number(record)).map_err(HandlerError::fatal)?;
        }
        Ok(())
    }
}

struct Reading {
    numbers: mpsc::UnboundedReceiver<u64>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Reading {
    fn start(log: &TestLog, topic: &Arc<str>) -> Self {
        let (sender, numbers) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let options = ConsumerOptions::new(log.group("readers"), [topic.clone()]);
        let (log, ending) = (log.log().clone(), stop.clone());
        let task = tokio::spawn(async move {
            consume(&log, options, &mut Numbers(sender), ending).await.unwrap();
        });
        Self { numbers, stop, task }
    }

    /// The next numbers, which must come in this order and none between.
    async fn expect(&mut self, numbers: std::ops::Range<u64>) {
        for expected in numbers {
            let next = tokio::time::timeout(PATIENCE, self.numbers.recv()).await;
            assert_eq!(next.expect("a number comes").expect("it runs"), expected);
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn write(log: &TestLog, topic: &Arc<str>, numbers: std::ops::Range<u64>) {
    let producer = log.producer();
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(producer.enqueue(numbered(topic, 0, number)).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

/// Commits as a member of the group of [`Reading`] that is not there any more.
fn commit(log: &TestLog, topic: &str, offset: i64, metadata: &str) {
    let LogConfig::Kafka { bootstrap_servers, .. } = log.config() else { panic!("kafka") };
    let mut config = rdkafka::ClientConfig::new();
    config.set("bootstrap.servers", bootstrap_servers).set("group.id", log.group("readers"));
    let consumer: BaseConsumer = config.create().unwrap();
    let mut offsets = TopicPartitionList::new();
    let mut entry = offsets.add_partition(topic, 0);
    entry.set_offset(Offset::Offset(offset)).unwrap();
    entry.set_metadata(metadata);
    consumer.commit(&offsets, CommitMode::Sync).unwrap();
}

/// Deletes a topic and makes it again at once, with these numbers in it.
async fn make_again(log: &TestLog, name: &str, topic: &Arc<str>, numbers: std::ops::Range<u64>) {
    let old = log.log().topic_id(topic).await.unwrap().expect("kafka gives topics ids");
    log.cluster().delete_topic(topic).await.unwrap();
    // Refused for as long as the old one is not gone.
    shadowline_testkit::wait_for("the topic is made again", PATIENCE, async || {
        log.create_topic(name, 1, KEPT).await;
        log.log().topic_id(topic).await.is_ok_and(|it| it.is_some_and(|it| it != old))
    })
    .await;
    write(log, topic, numbers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_reader_begins_at_the_start_of_a_longer_topic() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("again", 1, KEPT).await;
    let mut reading = Reading::start(&log, &topic);
    write(&log, &topic, 0..100).await;
    reading.expect(0..100).await;
    // Longer than the old one was, so that the old position is one of the new topic.
    make_again(&log, "again", &topic, 1000..1400).await;
    reading.expect(1000..1400).await;
    write(&log, &topic, 1400..1410).await;
    reading.expect(1400..1410).await;
    // And a second time.
    make_again(&log, "again", &topic, 2000..3000).await;
    reading.expect(2000..3000).await;
    reading.stop().await;
    let committed = log.log().committed(&log.group("readers"), &topic).await.unwrap();
    assert_eq!(committed[0].offset, Some(1000));

    let mut reading = Reading::start(&log, &topic);
    write(&log, &topic, 3000..3001).await;
    reading.expect(3000..3001).await;
    reading.stop().await;
}

/// A broker that was restarted gives higher leader epochs than a new topic has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_reader_begins_at_the_start_after_the_broker_was_restarted() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let topic = log.create_topic("epochs", 1, KEPT).await;
    let mut reading = Reading::start(&log, &topic);
    write(&log, &topic, 0..50).await;
    reading.expect(0..50).await;
    for _ in 0..2 {
        node.stop().await;
        node.start().await.unwrap();
    }
    write(&log, &topic, 50..60).await;
    reading.expect(50..60).await;
    make_again(&log, "epochs", &topic, 1000..1100).await;
    reading.expect(1000..1100).await;
    reading.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_that_is_one_of_the_old_topic_is_not_gone_on_at() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("stale", 1, KEPT).await;
    let mut reading = Reading::start(&log, &topic);
    write(&log, &topic, 0..40).await;
    reading.expect(0..40).await;
    reading.stop().await;
    let old = log.log().topic_id(&topic).await.unwrap().unwrap();
    make_again(&log, "stale", &topic, 100..200).await;
    // What a member does that has not heard of it yet when it commits: the broker keeps the offset of the name.
    commit(&log, &topic, 40, &old.to_string());
    let mut reading = Reading::start(&log, &topic);
    reading.expect(100..200).await;
    reading.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_without_a_group_is_told() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("told", 1, KEPT).await;
    write(&log, &topic, 0..5).await;
    let mut reader = log.log().reader(&topic, StartAt::Earliest).await.unwrap();
    assert_eq!(reader.read_to_end().await.unwrap().len(), 5);
    make_again(&log, "told", &topic, 0..20).await;
    let next = tokio::time::timeout(PATIENCE, async {
        loop {
            match reader.next().await {
                Ok(ReadEvent::CaughtUp) => {}
                other => break other,
            }
        }
    });
    let error = next.await.expect("it is told").unwrap_err();
    assert!(matches!(error, LogError::MadeAgain { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_producer_uses_the_partitions_that_a_topic_has_now() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("resized", 6, KEPT).await;
    let producer = log.producer();
    let by_key = |number| OutRecord { partition: None, ..numbered(&topic, 0, number) };
    for number in 0..20 {
        producer.send(by_key(number)).await.unwrap();
    }
    let old = log.log().topic_id(&topic).await.unwrap();
    log.cluster().delete_topic(&topic).await.unwrap();
    shadowline_testkit::wait_for("the topic is made again", PATIENCE, async || {
        log.create_topic("resized", 2, KEPT).await;
        log.log().topic_id(&topic).await.is_ok_and(|it| it != old)
    })
    .await;
    let mut sent = 0;
    shadowline_testkit::wait_for("all is sent", PATIENCE, async || {
        while sent < 20 && producer.send(by_key(sent)).await.is_ok() {
            sent += 1;
        }
        sent == 20
    })
    .await;
    assert_eq!(read_all(log.log(), &topic).await.len(), 20);

    log.cluster().add_partitions(&topic, 5).await.unwrap();
    log.log().reachable(PATIENCE).await.unwrap();
    assert_eq!(log.log().partitions(&topic).await.unwrap(), 5);
    // Known to the log before it is known to the producer: no reason to give up.
    shadowline_testkit::wait_for(
        "a new partition is written to",
        PATIENCE,
        async || match producer.send(numbered(&topic, 4, 99)).await {
            Ok(_) => true,
            Err(error) => {
                assert!(!error.is_permanent(), "{error}");
                false
            }
        },
    )
    .await;
}
