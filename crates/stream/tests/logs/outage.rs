//! Kafka goes away and comes back.

use shadowline_stream::{
    CancellationToken, Cleanup, ConsumerOptions, Handler, HandlerError, Producer, consume,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{KafkaNode, TestLog};
use tokio::sync::{mpsc, watch};

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };
const PARTITIONS: u32 = 3;

struct Collecting(mpsc::UnboundedSender<(u32, u64)>);

impl Handler for Collecting {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        for record in records {
            self.0.send((record.partition, number(record))).map_err(HandlerError::fatal)?;
        }
        Ok(())
    }
}

/// Writes until told to stop, without waiting for acknowledgements, and returns how many.
async fn write_until(
    stop: CancellationToken,
    producer: Producer,
    topic: Arc<str>,
    n_enqueued: watch::Sender<u64>,
) -> u64 {
    let mut deliveries = Vec::new();
    let mut n_written = 0;
    let mut every = tokio::time::interval(Duration::from_millis(1));
    while !stop.is_cancelled() {
        every.tick().await;
        let partition = u32::try_from(n_written % u64::from(PARTITIONS)).unwrap();
        let record = numbered(&topic, partition, n_written);
        deliveries.push(producer.enqueue(record).await.unwrap());
        n_written += 1;
        n_enqueued.send_replace(n_written);
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    n_written
}

/// Runs a producer and a consumer across an outage.
async fn check(outage: impl AsyncFnOnce(&KafkaNode, watch::Receiver<u64>)) {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let topic = log.create_topic("outage", PARTITIONS, KEPT).await;
    let (collected, mut collects) = mpsc::unbounded_channel();
    let stop_reading = CancellationToken::new();
    let reading = tokio::spawn({
        let (log, stop) = (log.log().clone(), stop_reading.clone());
        let options = ConsumerOptions::new(format!("{topic}.group"), [topic.clone()]);
        async move { consume(&log, options, &mut Collecting(collected), stop).await }
    });
    let stop_writing = CancellationToken::new();
    let (n_enqueued, enqueued) = watch::channel(0);
    let (stop, producer) = (stop_writing.clone(), log.producer());
    let writing = tokio::spawn(write_until(stop, producer, topic.clone(), n_enqueued));
    let first = collects.recv().await.expect("records flow before the outage");

    outage(&node, enqueued).await;

    stop_writing.cancel();
    let n_written = tokio::time::timeout(PATIENCE, writing).await.expect("all is written").unwrap();
    let records = read_all(log.log(), &topic).await;
    for partition in 0..PARTITIONS {
        let expected: Vec<_> = (0..n_written)
            .filter(|it| it % u64::from(PARTITIONS) == u64::from(partition))
            .collect();
        assert_eq!(
            numbers_of(&records, partition),
            expected,
            "nothing lost, nothing twice, in order"
        );
    }
    // The consumer goes on by itself; what was not committed in time may come again.
    let mut seen: std::collections::HashSet<_> = [first].into();
    wait_for("the consumer has seen everything", PATIENCE, async || {
        while let Ok(record) = collects.try_recv() {
            seen.insert(record);
        }
        seen.len() as u64 == n_written
    })
    .await;
    stop_reading.cancel();
    tokio::time::timeout(PATIENCE, reading).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_stopped_for_a_while_costs_nothing() {
    check(async |node, mut enqueued| {
        node.stop().await;
        // At one a millisecond, this is an outage of five seconds at least.
        let before = *enqueued.borrow();
        enqueued.wait_for(|it| *it >= before + 5_000).await.unwrap();
        node.start().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_costs_nothing() {
    check(async |node, _| {
        node.kill().await;
        node.start().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_can_be_opened_and_written_to_before_kafka_is_there() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let topic = TestLog::on(&node).await.create_topic("early", 1, KEPT).await;
    node.stop().await;
    let log = TestLog::on(&node).await;
    log.log().reachable(Duration::from_millis(200)).await.expect_err("nobody is there");
    let producer = log.producer();
    let delivery = producer.enqueue(numbered(&topic, 0, 1)).await.unwrap();
    node.start().await.unwrap();
    let sent = tokio::time::timeout(PATIENCE, delivery).await.expect("it arrives").unwrap();
    assert_eq!((sent.partition, sent.offset), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_stops_in_time_while_kafka_is_away() {
    let Some(node) = KafkaNode::start_own().await else { return };
    let log = TestLog::on(&node).await;
    let topic = log.create_topic("away", 1, KEPT).await;
    log.producer().send(numbered(&topic, 0, 1)).await.unwrap();
    let (collected, mut collects) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let reading = tokio::spawn({
        let (log, stop) = (log.log().clone(), stop.clone());
        let options = ConsumerOptions {
            drain_timeout: Duration::from_secs(2),
            ..ConsumerOptions::new(format!("{topic}.group"), [topic.clone()])
        };
        async move { consume(&log, options, &mut Collecting(collected), stop).await }
    });
    collects.recv().await.expect("the record arrives");
    node.kill().await;
    stop.cancel();
    // Twice the drain timeout, for the commit and for leaving, and time to spare.
    tokio::time::timeout(Duration::from_secs(10), reading)
        .await
        .expect("it does not wait for kafka")
        .unwrap()
        .unwrap();
}
