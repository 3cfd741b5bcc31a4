//! A consumer group with one member: what is handled, committed, repeated.

use std::collections::HashMap;

use shadowline_stream::{
    CancellationToken, Cleanup, ConsumeError, ConsumerOptions, Handler, HandlerError,
    TopicPartition, consume,
};
use shadowline_testkit_stack::{TestLog, on_both_logs};

use super::*;

const KEPT: Cleanup = Cleanup::Delete { retention: None };

/// Notes what it is given, and stops the loop when it has had enough.
#[derive(Default)]
struct Noting {
    start_at: HashMap<u32, StartAt>,
    /// The calls that are to fail, counted from 0, and how.
    failures: HashMap<usize, fn() -> HandlerError>,
    enough: usize,
    calls: Vec<Vec<u64>>,
    handled: Vec<(u32, u64)>,
    n_ticks: usize,
    revoked: Vec<TopicPartition>,
    stop: CancellationToken,
}

impl Handler for Noting {
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, StartAt)>, HandlerError> {
        let known = |it: &TopicPartition| Some((it.clone(), *self.start_at.get(&it.partition)?));
        Ok(partitions.iter().filter_map(known).collect())
    }

    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        let call_idx = self.calls.len();
        self.calls.push(records.iter().map(number).collect());
        if let Some(failure) = self.failures.get(&call_idx) {
            return Err(failure());
        }
        self.handled.extend(records.iter().map(|it| (it.partition, number(it))));
        if self.handled.len() >= self.enough {
            self.stop.cancel();
        }
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) {
        self.revoked.extend_from_slice(partitions);
    }

    async fn tick(&mut self) -> Result<(), HandlerError> {
        self.n_ticks += 1;
        if self.enough == 0 {
            self.stop.cancel();
        }
        Ok(())
    }
}

impl Noting {
    fn until(enough: usize) -> Self {
        Self { enough, ..Self::default() }
    }

    async fn run(&mut self, log: &TestLog, topic: &Arc<str>) -> Result<(), ConsumeError> {
        let options = ConsumerOptions {
            max_batch: 10,
            tick_every: Duration::from_millis(20),
            retry_after: (Duration::from_millis(1), Duration::from_millis(50)),
            ..ConsumerOptions::new(log.group("readers"), [topic.clone()])
        };
        let stop = self.stop.clone();
        let consumed = consume(log.log(), options, self, stop);
        tokio::time::timeout(PATIENCE, consumed).await.expect("enough is handled in time")
    }

    fn of(&self, partition: u32) -> Vec<u64> {
        self.handled.iter().filter(|it| it.0 == partition).map(|it| it.1).collect()
    }
}

async fn write(log: &TestLog, topic: &Arc<str>, partition: u32, numbers: std::ops::Range<u64>) {
    let producer = log.producer();
    let mut deliveries = Vec::new();
    for number in numbers {
        deliveries.push(producer.enqueue(numbered(topic, partition, number)).await.unwrap());
    }
    for delivery in deliveries {
        delivery.await.unwrap();
    }
}

on_both_logs! {
    async fn a_restart_goes_on_behind_what_was_committed(log: TestLog) {
        let topic = log.create_topic("resumed", 2, KEPT).await;
        write(&log, &topic, 0, 0..30).await;
        write(&log, &topic, 1, 0..30).await;
        let mut first = Noting::until(60);
        first.run(&log, &topic).await.unwrap();
        assert_eq!(first.of(0), (0..30).collect::<Vec<_>>());
        assert_eq!(first.of(1), (0..30).collect::<Vec<_>>());
        assert!(first.calls.iter().all(|it| it.len() <= 10), "{:?}", first.calls);
        assert_eq!(first.revoked.len(), 2, "both partitions are let go at the end");
        let committed = log.log().committed(&log.group("readers"), &topic).await.unwrap();
        assert_eq!(committed.iter().map(|it| it.offset).collect::<Vec<_>>(), [Some(30), Some(30)]);

        log.reopen().await;
        write(&log, &topic, 1, 30..40).await;
        let mut second = Noting::until(10);
        second.run(&log, &topic).await.unwrap();
        assert_eq!(second.handled, (30..40).map(|it| (1, it)).collect::<Vec<_>>());
    }

    async fn the_lag_after_a_restart_counts_from_where_reading_begins(log: TestLog) {
        let topic = log.create_topic("lagging", 2, KEPT).await;
        write(&log, &topic, 0, 0..30).await;
        write(&log, &topic, 1, 0..30).await;
        // As a service that keeps its offsets elsewhere: all is done of one partition, and nothing is sent any more.
        let mut noting = Noting { start_at: HashMap::from([(0, StartAt::Offset(30))]), ..Noting::until(31) };
        let (stop, group) = (noting.stop.clone(), log.group("readers"));
        let metrics = log.log().metrics().clone();
        let waiting = shadowline_testkit::wait_for("the lag is known", PATIENCE, async || {
            let lag = metrics.group_lag(&group);
            lag.iter().any(|it| it.n_partitions == 2 && it.n_records == Some(0))
        });
        let (ran, ()) = tokio::join!(noting.run(&log, &topic), async {
            waiting.await;
            stop.cancel();
        });
        ran.unwrap();
        assert_eq!(noting.handled.len(), 30);
    }

    async fn reading_starts_where_the_handler_says(log: TestLog) {
        let topic = log.create_topic("started", 4, KEPT).await;
        for partition in 0..4 {
            write(&log, &topic, partition, 0..20).await;
        }
        // Everything is committed, and still partition 0 begins at 15, and partition 1 at 0.
        Noting::until(80).run(&log, &topic).await.unwrap();
        let start_at = [(0, StartAt::Offset(15)), (1, StartAt::Earliest), (2, StartAt::Latest)];
        let mut again = Noting { start_at: start_at.into(), ..Noting::until(25) };
        again.run(&log, &topic).await.unwrap();
        assert_eq!(again.of(0), (15..20).collect::<Vec<_>>());
        assert_eq!(again.of(1), (0..20).collect::<Vec<_>>());
        assert_eq!((again.of(2), again.of(3)), (vec![], vec![]));
    }

    async fn a_batch_comes_again_until_it_is_handled(log: TestLog) {
        let topic = log.create_topic("again", 1, KEPT).await;
        write(&log, &topic, 0, 0..100).await;
        let not_now: fn() -> HandlerError = || HandlerError::retry("not now");
        let failures = [1, 2, 3].map(|it| (it, not_now)).into();
        let mut handler = Noting { failures, ..Noting::until(100) };
        handler.run(&log, &topic).await.unwrap();
        assert_eq!(handler.of(0), (0..100).collect::<Vec<_>>());
        assert!(!handler.calls[1].is_empty());
        for again in 2..=4 {
            assert_eq!(handler.calls[again], handler.calls[1], "the very same batch");
        }
    }

    async fn a_fatal_error_ends_the_loop_and_commits_nothing_of_the_batch(log: TestLog) {
        let topic = log.create_topic("fatal", 1, KEPT).await;
        write(&log, &topic, 0, 0..5).await;
        let never: fn() -> HandlerError = || HandlerError::fatal("never");
        let mut handler = Noting { failures: [(0, never)].into(), ..Noting::until(5) };
        let error = handler.run(&log, &topic).await.unwrap_err();
        assert!(matches!(error, ConsumeError::Handler { .. }), "{error:?}");
        let mut next = Noting::until(5);
        next.run(&log, &topic).await.unwrap();
        assert_eq!(next.of(0), (0..5).collect::<Vec<_>>());
    }

    async fn ticks_come_without_records(log: TestLog) {
        let topic = log.create_topic("silent", 1, KEPT).await;
        let mut handler = Noting::until(0);
        handler.run(&log, &topic).await.unwrap();
        assert!(handler.n_ticks > 0 && handler.calls.is_empty());
    }

    async fn a_record_is_handed_over_at_once(log: TestLog) {
        let topic = log.create_topic("prompt", 1, KEPT).await;
        let stop = CancellationToken::new();
        let (seen, mut sees) = tokio::sync::mpsc::unbounded_channel();
        let consumer = tokio::spawn({
            let (log, stop) = (log.log().clone(), stop.clone());
            let options = ConsumerOptions::new(format!("{topic}.g"), [topic.clone()]);
            async move { consume(&log, options, &mut Telling(seen), stop).await }
        });
        let producer = log.producer();
        // The first one waits for the group to form.
        producer.send(numbered(&topic, 0, 0)).await.unwrap();
        sees.recv().await.unwrap();
        let mut waits = Vec::new();
        for number in 1..=20 {
            let sent_at = tokio::time::Instant::now();
            producer.send(numbered(&topic, 0, number)).await.unwrap();
            assert_eq!(sees.recv().await, Some(number));
            waits.push(sent_at.elapsed());
        }
        waits.sort();
        assert!(waits[10] < Duration::from_millis(100), "half of them took longer: {waits:?}");
        stop.cancel();
        consumer.await.unwrap().unwrap();
    }
}

/// Tells the numbers it is given.
struct Telling(tokio::sync::mpsc::UnboundedSender<u64>);

impl Handler for Telling {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        for record in records {
            self.0.send(number(record)).map_err(HandlerError::fatal)?;
        }
        Ok(())
    }
}
