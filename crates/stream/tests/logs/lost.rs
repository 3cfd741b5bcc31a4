//! Retention takes what a group has not read yet.

use prometheus_client::registry::Registry;
use shadowline_stream::{
    CancellationToken, Cleanup, ConsumerOptions, Handler, HandlerError, Lost, TopicPartition,
    consume,
};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::TestLog;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };

/// What a handler was told, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Lost(u64, u64),
    Number(u64),
}

/// Handles nothing while it is shut, and fails the first time that it is told of a loss.
struct Telling {
    told: mpsc::UnboundedSender<Told>,
    is_open: watch::Receiver<bool>,
    n_told_of_losses: usize,
}

impl Handler for Telling {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        self.is_open.wait_for(|it| *it).await.map_err(HandlerError::fatal)?;
        for record in records {
            self.told.send(Told::Number(number(record))).map_err(HandlerError::fatal)?;
        }
        Ok(())
    }

    async fn lost(&mut self, lost: &[Lost]) -> Result<(), HandlerError> {
        self.n_told_of_losses += 1;
        if self.n_told_of_losses == 1 {
            return Err(HandlerError::retry("not now"));
        }
        for it in lost {
            assert!(it.topic_id.is_some(), "kafka gives topics ids");
            self.told.send(Told::Lost(it.from, it.to)).map_err(HandlerError::fatal)?;
        }
        Ok(())
    }
}

struct Running {
    told: mpsc::UnboundedReceiver<Told>,
    open: watch::Sender<bool>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(log: &TestLog, topic: &Arc<str>, is_open: bool) -> Self {
        let (told, telling) = mpsc::unbounded_channel();
        let (open, is_open) = watch::channel(is_open);
        let stop = CancellationToken::new();
        let options = ConsumerOptions {
            max_batch: 1,
            tick_every: Duration::from_millis(50),
            retry_after: (Duration::from_millis(1), Duration::from_millis(50)),
            ..ConsumerOptions::new(log.group("readers"), [topic.clone()])
        };
        let (log, ending) = (log.log().clone(), stop.clone());
        let task = tokio::spawn(async move {
            let mut handler = Telling { told, is_open, n_told_of_losses: 0 };
            consume(&log, options, &mut handler, ending).await.unwrap();
        });
        Self { told: telling, open, stop, task }
    }

    async fn next(&mut self) -> Told {
        let next = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        next.expect("something is told").expect("the consumer runs")
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

async fn write(log: &TestLog, topic: &Arc<str>, numbers: std::ops::Range<u64>) {
    let producer = log.producer();
    for number in numbers {
        producer.send(numbered(topic, 0, number)).await.unwrap();
    }
}

fn n_lost(log: &TestLog) -> String {
    let mut registry = Registry::default();
    log.log().metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|it| it.starts_with("shadowline_consumer_lost_records_total"));
    line.and_then(|it| it.rsplit(' ').next()).unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_while_nobody_read_is_counted_and_told_at_the_start() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("gone", 1, KEPT).await;
    // A group that has read nothing yet knows from its first start on what it has not read.
    let first = Running::start(&log, &topic, true);
    wait_for("the start is committed", PATIENCE, async || {
        let committed = log.log().committed(&log.group("readers"), &topic).await.unwrap();
        committed[0].offset == Some(0)
    })
    .await;
    assert_eq!(n_lost(&log), "0");
    first.stop().await;
    write(&log, &topic, 0..30).await;
    log.cluster().drop_records(&topic, 0, 25).await.unwrap();

    let mut second = Running::start(&log, &topic, true);
    assert_eq!(second.next().await, Told::Lost(0, 25));
    for number in 25..30 {
        assert_eq!(second.next().await, Told::Number(number));
    }
    assert_eq!(n_lost(&log), "25");
    second.stop().await;

    // Told once: the next start knows that it is done with.
    let mut third = Running::start(&log, &topic, true);
    write(&log, &topic, 30..31).await;
    assert_eq!(third.next().await, Told::Number(30));
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_under_a_reader_is_counted_and_told_before_what_comes_after_it() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("going", 1, KEPT).await;
    let mut running = Running::start(&log, &topic, true);
    write(&log, &topic, 0..3).await;
    for number in 0..3 {
        assert_eq!(running.next().await, Told::Number(number));
    }
    // Large ones, so that the client has not fetched them all by the time that they go.
    running.open.send_replace(false);
    let producer = log.producer();
    for number in 3..400 {
        let large = vec![b'0'; 500_000];
        let value = [large, number.to_string().into_bytes()].concat();
        producer
            .send(OutRecord { value: Some(value.into()), ..numbered(&topic, 0, number) })
            .await
            .unwrap();
    }
    log.cluster().drop_records(&topic, 0, 399).await.unwrap();
    running.open.send_replace(true);
    let mut next = 3;
    loop {
        match running.next().await {
            Told::Number(number) => {
                assert_eq!(number, next, "what was fetched before is not lost");
                next = number + 1;
            }
            Told::Lost(from, to) => {
                assert_eq!((from, to), (next, 399));
                break;
            }
        }
    }
    assert_eq!(running.next().await, Told::Number(399));
    assert_eq!(n_lost(&log), (399 - next).to_string());

    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_is_told_although_nothing_comes_after_it() {
    let Some(log) = TestLog::kafka().await else { return };
    let topic = log.create_topic("silent", 1, KEPT).await;
    let mut running = Running::start(&log, &topic, false);
    let producer = log.producer();
    for number in 0..300 {
        let value = [vec![b'0'; 500_000], number.to_string().into_bytes()].concat();
        producer
            .send(OutRecord { value: Some(value.into()), ..numbered(&topic, 0, number) })
            .await
            .unwrap();
    }
    log.cluster().drop_records(&topic, 0, 300).await.unwrap();
    running.open.send_replace(true);
    let mut next = 0;
    let (from, to) = loop {
        match running.next().await {
            Told::Number(number) => next = number + 1,
            Told::Lost(from, to) => break (from, to),
        }
    };
    assert_eq!((from, to), (next, 300));
    running.stop().await;
}

/// The embedded log drops whole segments, and looks for old ones when it is opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_log_tells_what_it_dropped() {
    let mut log = TestLog::embedded().await;
    let topic =
        log.create_topic("short", 1, Cleanup::Delete { retention: Some(Duration::ZERO) }).await;
    let stop = CancellationToken::new();
    let (told, mut telling) = mpsc::unbounded_channel();
    let options = ConsumerOptions {
        tick_every: Duration::from_millis(10),
        ..ConsumerOptions::new(log.group("readers"), [topic.clone()])
    };
    struct Embedded(mpsc::UnboundedSender<Vec<Lost>>);
    impl Handler for Embedded {
        async fn handle(&mut self, _records: &[Received]) -> Result<(), HandlerError> {
            Ok(())
        }
        async fn lost(&mut self, lost: &[Lost]) -> Result<(), HandlerError> {
            self.0.send(lost.to_vec()).map_err(HandlerError::fatal)
        }
    }
    let first = {
        let (log, options, stop) = (log.log().clone(), options.clone(), stop.clone());
        let told = told.clone();
        tokio::spawn(async move { consume(&log, options, &mut Embedded(told), stop).await })
    };
    wait_for("the start is committed", PATIENCE, async || {
        let committed = log.log().committed(&log.group("readers"), &topic).await.unwrap();
        committed[0].offset == Some(0)
    })
    .await;
    stop.cancel();
    first.await.unwrap().unwrap();
    write(&log, &topic, 0..7).await;
    log.reopen().await;
    let stop = CancellationToken::new();
    let second = {
        let (log, stop) = (log.log().clone(), stop.clone());
        tokio::spawn(async move { consume(&log, options, &mut Embedded(told), stop).await })
    };
    let lost = telling.recv().await.unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].partition, TopicPartition::new(topic, 0));
    assert_eq!((lost[0].from, lost[0].to, lost[0].n_records()), (0, 7, 7));
    assert_eq!(n_lost(&log), "7");
    stop.cancel();
    second.await.unwrap().unwrap();
}
