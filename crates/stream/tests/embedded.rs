//! What only the embedded log has to show: that it is durable, one process's own, and clean.
//!
//! The tests of the kill start this file's own program again as a child; `child` is what runs there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shadowline_stream::{
    Bytes, CancellationToken, Cleanup, ConsumerOptions, Envelope, Handler, HandlerError, Log,
    LogConfig, LogError, Origin, OutRecord, PartitionCount, ProduceError, Producer,
    ProducerOptions, ReadEvent, Received, StartAt, TableEvent, TableReader, TopicPartition,
    TopicSpec, Watermarks, consume,
};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

const CHILD_DIR: &str = "EMBEDDED_LOG_TEST_DIR";
const N_PARTITIONS: u32 = 6;

fn spec(name: &str, cleanup: Cleanup) -> TopicSpec {
    let partitions = PartitionCount::Exactly(N_PARTITIONS);
    TopicSpec { name: name.into(), partitions, replication: 1, cleanup, max_message_bytes: 100_000 }
}

async fn try_open(dir: &Path) -> Result<Log, LogError> {
    Log::open(&LogConfig::embedded(dir)).await
}

/// A log with the topics `events`, kept for ever, and `table`, compacted.
async fn open(dir: &Path) -> Log {
    let log = try_open(dir).await.expect("a directory nobody else uses");
    let events = spec("events", Cleanup::Delete { retention: None });
    log.ensure_topics(&[events, spec("table", Cleanup::Compact)])
        .await
        .expect("topics as they were");
    log
}

fn producer(log: &Log) -> Producer {
    log.producer(ProducerOptions::new("test")).expect("its settings are fine")
}

fn record(topic: &str, key: &str, value: Option<&str>) -> OutRecord {
    let time = jiff::Timestamp::UNIX_EPOCH;
    OutRecord {
        topic: topic.into(),
        partition: None,
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        value: value.map(|it| Bytes::copy_from_slice(it.as_bytes())),
        envelope: Envelope::new(key, "shadowline.test.v1", "/test", time),
    }
}

async fn send_numbers(log: &Log, numbers: std::ops::Range<u64>) {
    let producer = producer(log);
    for number in numbers {
        let text = number.to_string();
        producer.send(record("events", &text, Some(&text))).await.expect("room");
    }
}

fn number(record: &Received) -> u64 {
    let value = record.value.as_deref().expect("a value");
    std::str::from_utf8(value).expect("text").parse().expect("a number")
}

fn chain(error: impl Into<anyhow::Error>) -> String {
    format!("{:#}", error.into())
}

async fn read_all(log: &Log, topic: &str) -> Vec<Received> {
    let mut reader = log.reader(topic, StartAt::Earliest).await.expect("the topic is there");
    reader.read_to_end().await.expect("an undamaged log")
}

/// Who holds which partition; two at a time would be seen.
type Held = Arc<Mutex<BTreeSet<TopicPartition>>>;

/// Passes records on, and watches that a partition has one owner at a time.
struct Collect {
    name: u32,
    held: Held,
    records: mpsc::UnboundedSender<(u32, Received)>,
    changes: mpsc::UnboundedSender<(u32, usize)>,
    mine: BTreeSet<TopicPartition>,
}

impl Handler for Collect {
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, StartAt)>, HandlerError> {
        for at in partitions {
            assert!(self.held.lock().expect("no panic").insert(at.clone()), "{at} has an owner");
            self.mine.insert(at.clone());
        }
        self.changes.send((self.name, self.mine.len())).expect("the test listens");
        Ok(Vec::new())
    }

    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        for record in records {
            assert!(
                self.mine.contains(&record.topic_partition()),
                "a record of a partition not held"
            );
            self.records.send((self.name, record.clone())).expect("the test listens");
        }
        // Lets others run in the middle of a batch.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            assert!(self.held.lock().expect("no panic").remove(at), "{at} was not held");
            self.mine.remove(at);
        }
        self.changes.send((self.name, self.mine.len())).expect("the test listens");
    }
}

/// The members of a group, and what they see.
struct Members {
    log: Log,
    held: Held,
    sender: mpsc::UnboundedSender<(u32, Received)>,
    records: mpsc::UnboundedReceiver<(u32, Received)>,
    change_sender: mpsc::UnboundedSender<(u32, usize)>,
    changes: mpsc::UnboundedReceiver<(u32, usize)>,
    /// How many partitions each has.
    sizes: BTreeMap<u32, usize>,
}

impl Members {
    fn new(log: &Log) -> Self {
        let (sender, records) = mpsc::unbounded_channel();
        let (change_sender, changes) = mpsc::unbounded_channel();
        let (held, sizes) = (Held::default(), BTreeMap::new());
        Self { log: log.clone(), held, sender, records, change_sender, changes, sizes }
    }

    fn join(&mut self, name: u32) -> (CancellationToken, JoinHandle<()>) {
        self.sizes.insert(name, 0);
        let mut handler = Collect {
            name,
            held: self.held.clone(),
            records: self.sender.clone(),
            changes: self.change_sender.clone(),
            mine: BTreeSet::new(),
        };
        let mut options = ConsumerOptions::new("group", ["events".into()]);
        options.max_batch = 10;
        let (log, stop) = (self.log.clone(), CancellationToken::new());
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            consume(&log, options, &mut handler, stopped).await.expect("the log works");
        });
        (stop, task)
    }

    /// Waits until these members have so many partitions each.
    async fn settle(&mut self, sizes: &[(u32, usize)]) {
        while sizes.iter().any(|(name, size)| self.sizes.get(name) != Some(size)) {
            let (name, size) = self.changes.recv().await.expect("we hold a sender");
            self.sizes.insert(name, size);
        }
    }

    async fn take(&mut self, n_records: usize) -> Vec<(u32, Received)> {
        let mut taken = Vec::new();
        for _ in 0..n_records {
            taken.push(self.records.recv().await.expect("we hold a sender"));
        }
        taken
    }
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let dir = TempDir::new().unwrap();
    let mut sent = record("events", "key", Some("value"));
    sent.partition = Some(4);
    sent.envelope.origin = Some(Origin { instance: Uuid::from_u128(5), sequence: 17 });
    sent.envelope.extensions = BTreeMap::from([("note".to_owned(), "hällo".to_owned())]);
    let tombstone = record("table", "gone", None);
    {
        let log = open(dir.path()).await;
        let producer = producer(&log);
        let place = producer.send(sent.clone()).await.unwrap();
        assert_eq!((place.partition, place.offset), (4, 0));
        assert_eq!(producer.send(sent.clone()).await.unwrap().offset, 1);
        producer.send(tombstone).await.unwrap();
    }
    // No second set of topics is made: what is on disk is compared with what is asked for.
    let log = open(dir.path()).await;
    assert_eq!(log.watermarks("events", 4).await.unwrap(), Watermarks { low: 0, high: 2 });
    let read = read_all(&log, "events").await;
    assert_eq!(read.iter().map(|it| it.offset).collect::<Vec<_>>(), [0, 1]);
    for record in read {
        assert_eq!((&record.key, &record.value), (&sent.key, &sent.value));
        assert_eq!(record.envelope.as_ref().unwrap(), &sent.envelope);
        assert!(record.timestamp.is_some());
    }
    let table = read_all(&log, "table").await;
    assert_eq!((table.len(), &table[0].value), (1, &None));
    let description = log.describe("table").await.unwrap().unwrap();
    assert_eq!((description.partitions, &*description.cleanup_policy), (6, "compact"));
    assert_eq!(log.describe("nothing").await.unwrap(), None);
}

#[tokio::test]
async fn a_directory_in_use_is_refused() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let error = chain(try_open(dir.path()).await.unwrap_err());
    assert!(
        error.contains("is in use") && error.contains(&*dir.path().to_string_lossy()),
        "{error}"
    );
    // Closed is what has no holder any more: not the log, nor what was made from it.
    let reader = log.reader("events", StartAt::Earliest).await.unwrap();
    drop(log);
    assert!(try_open(dir.path()).await.is_err());
    drop(reader);
    assert!(try_open(dir.path()).await.is_ok());
}

#[tokio::test]
async fn what_cannot_be_written_is_said() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let producer = producer(&log);
    let large = "x".repeat(100_001);
    let error = producer.send(record("events", "", Some(&large))).await.unwrap_err();
    assert!(matches!(
        error,
        ProduceError::TooLarge { size_bytes: 100_001, limit_bytes: 100_000, .. }
    ));
    let error = producer.send(record("nothing", "key", None)).await.unwrap_err();
    assert!(matches!(error, ProduceError::NoTopic { .. }), "{error}");
    let mut out = record("events", "key", None);
    out.partition = Some(6);
    let error = producer.send(out).await.unwrap_err();
    assert!(matches!(error, ProduceError::NoPartition { partition: 6, .. }), "{error}");
    let mut out = record("table", "key", Some("value"));
    out.key = None;
    let error = chain(producer.send(out).await.unwrap_err());
    assert!(error.ends_with("a record of a compacted topic must have a key"), "{error}");
    assert!(matches!(log.watermarks("events", 6).await, Err(LogError::NoPartition { .. })));
    assert!(matches!(
        log.reader("nothing", StartAt::Earliest).await,
        Err(LogError::NoTopic { .. })
    ));
    for name in ["", "..", "a/b", "ü", &"x".repeat(250)] {
        let spec = spec(name, Cleanup::Compact);
        let error = chain(log.ensure_topics(&[spec]).await.unwrap_err());
        assert!(error.contains("cannot name a directory"), "{error}");
    }
}

#[tokio::test]
async fn damage_is_named_with_its_place() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    let config = dir.path().join("topics/events/topic.json");
    let text = fs::read_to_string(&config).unwrap();
    for (changed, expected) in [
        (
            text.replace("\"format\": 1", "\"format\": 2"),
            "has format 2, this version reads format 1",
        ),
        (text.replace("cleanup", "cleanupp"), "unknown field `cleanupp`"),
        (text.replace("\"partitions\": 6", "\"partitions\": 7"), "events/6 is missing"),
    ] {
        fs::write(&config, changed).unwrap();
        let error = chain(try_open(dir.path()).await.unwrap_err());
        assert!(error.contains(expected) && error.contains("topic `events`"), "{error}");
    }
    fs::write(&config, text).unwrap();
    open(dir.path()).await;
}

#[tokio::test]
async fn a_topic_whose_creation_was_cut_off_is_created() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).await);
    fs::remove_file(dir.path().join("topics/events/topic.json")).unwrap();
    let log = try_open(dir.path()).await.unwrap();
    assert_eq!(log.describe("events").await.unwrap(), None);
    drop(log);
    let log = open(dir.path()).await;
    send_numbers(&log, 0..10).await;
    assert_eq!(read_all(&log, "events").await.len(), 10);
}

#[tokio::test]
async fn a_group_goes_on_where_it_committed_also_after_opening_again() {
    let dir = TempDir::new().unwrap();
    {
        let log = open(dir.path()).await;
        let mut members = Members::new(&log);
        let (stop, task) = members.join(1);
        send_numbers(&log, 0..100).await;
        members.take(100).await;
        stop.cancel();
        task.await.unwrap();
        let committed = log.committed("group", "events").await.unwrap();
        assert_eq!(committed.iter().map(|it| it.offset.unwrap()).sum::<u64>(), 100);
        let nobody = log.committed("another", "events").await.unwrap();
        assert!(nobody.iter().all(|it| it.offset.is_none()));
    }
    let log = open(dir.path()).await;
    let mut members = Members::new(&log);
    let (stop, task) = members.join(1);
    send_numbers(&log, 100..200).await;
    let mut numbers: Vec<_> = members.take(100).await.iter().map(|it| number(&it.1)).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(100..200));
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn members_share_the_partitions_and_each_record_is_handled_once() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let mut members = Members::new(&log);
    let writer = {
        let log = log.clone();
        tokio::spawn(async move { send_numbers(&log, 0..20_000).await })
    };
    let (stop_1, task_1) = members.join(1);
    members.settle(&[(1, 6)]).await;
    let (stop_2, task_2) = members.join(2);
    members.settle(&[(1, 3), (2, 3)]).await;
    let (stop_3, task_3) = members.join(3);
    members.settle(&[(1, 2), (2, 2), (3, 2)]).await;
    stop_1.cancel();
    task_1.await.unwrap();
    members.settle(&[(2, 3), (3, 3)]).await;
    stop_3.cancel();
    task_3.await.unwrap();
    members.settle(&[(2, 6)]).await;
    writer.await.unwrap();

    let records = members.take(20_000).await;
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, record) in &records {
        let expected = next.entry(record.partition).or_default();
        assert_eq!(record.offset, *expected, "in order, without a gap, once");
        *expected += 1;
    }
    assert!(
        records.iter().map(|it| number(&it.1)).collect::<BTreeSet<_>>().into_iter().eq(0..20_000)
    );
    stop_2.cancel();
    task_2.await.unwrap();
    assert!(members.records.try_recv().is_err(), "nothing twice");
}

#[tokio::test]
async fn a_member_that_is_dropped_leaves_its_partitions_to_others() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let mut members = Members::new(&log);
    let (_stop, task) = members.join(1);
    members.settle(&[(1, 6)]).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    // Its handler never came to hear of it.
    members.held.lock().unwrap().clear();
    let (stop, task) = members.join(2);
    members.settle(&[(2, 6)]).await;
    send_numbers(&log, 0..10).await;
    assert_eq!(members.take(10).await.len(), 10);
    stop.cancel();
    task.await.unwrap();
}

/// Works on one batch until it is allowed to end.
struct Slow {
    begun: mpsc::UnboundedSender<()>,
    end: Arc<tokio::sync::Semaphore>,
}

impl Handler for Slow {
    async fn handle(&mut self, _records: &[Received]) -> Result<(), HandlerError> {
        self.begun.send(()).expect("the test listens");
        self.end.acquire().await.expect("never closed").forget();
        Ok(())
    }
}

#[tokio::test]
async fn a_partition_is_given_away_when_its_batch_is_done() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    send_numbers(&log, 0..50).await;
    let (begun, mut is_begun) = mpsc::unbounded_channel();
    let end = Arc::new(tokio::sync::Semaphore::new(0));
    let stop_slow = CancellationToken::new();
    let slow = {
        let (log, stop, end) = (log.clone(), stop_slow.clone(), end.clone());
        let options = ConsumerOptions::new("group", ["events".into()]);
        tokio::spawn(async move { consume(&log, options, &mut Slow { begun, end }, stop).await })
    };
    is_begun.recv().await.unwrap();
    let mut members = Members::new(&log);
    let (stop, task) = members.join(2);
    // Time for the new member to be given something, if anybody did that: it is not.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(members.changes.try_recv().is_err());
    end.add_permits(1);
    members.settle(&[(2, 3)]).await;
    // All fifty are committed by the slow one, so the new one has only what comes now.
    send_numbers(&log, 50..100).await;
    end.add_permits(100);
    let (_, record) = members.records.recv().await.unwrap();
    assert!(50 <= number(&record));
    stop.cancel();
    stop_slow.cancel();
    task.await.unwrap();
    slow.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_record_passes_from_topic_to_topic_as_soon_as_it_is_there() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let mut reader = log.reader("events", StartAt::Latest).await.unwrap();
    assert!(matches!(reader.next().await.unwrap(), ReadEvent::CaughtUp));
    let mut members = Members::new(&log);
    let (stop, task) = members.join(1);
    for turn in 0..1000 {
        send_numbers(&log, turn..turn + 1).await;
        let (_, record) = members.records.recv().await.unwrap();
        assert_eq!(number(&record), turn);
        match reader.next().await.unwrap() {
            ReadEvent::Record(record) => assert_eq!(number(&record), turn),
            ReadEvent::CaughtUp => panic!("comes once"),
        }
    }
    stop.cancel();
    task.await.unwrap();
}

#[tokio::test]
async fn a_table_is_compacted_and_reads_as_before() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).await;
    let out = producer(&log);
    for turn in 0..200 {
        for key in 0..10 {
            let value = format!("{turn}");
            // Odd keys are deleted in the end.
            let value = if turn == 199 && key % 2 == 1 { None } else { Some(&*value) };
            out.send(record("table", &format!("key {key}"), value)).await.unwrap();
        }
    }
    let high = |log: Log| async move {
        let mut sum = 0;
        for partition in 0..N_PARTITIONS {
            sum += log.watermarks("table", partition).await.unwrap().high;
        }
        sum
    };
    assert_eq!(high(log.clone()).await, 2000);
    drop((log, out));

    let log = open(dir.path()).await;
    assert_eq!(high(log.clone()).await, 2000, "offsets stay what they were");
    let left = read_all(&log, "table").await;
    assert_eq!(left.len(), 10, "one record of each key, the deletions of today among them");
    let mut table = TableReader::open(&log, "table").await.unwrap();
    let mut values = BTreeMap::new();
    loop {
        match table.next().await.unwrap() {
            TableEvent::Upsert { key, value } => drop(values.insert(key, value)),
            TableEvent::Delete { key } => drop(values.remove(&key)),
            TableEvent::CaughtUp => break,
        }
    }
    let expected: BTreeMap<_, _> = (0..10)
        .step_by(2)
        .map(|it| (Bytes::from(format!("key {it}")), Bytes::from("199")))
        .collect();
    assert_eq!(values, expected);
    // And it is followed.
    producer(&log).send(record("table", "key 1", Some("again"))).await.unwrap();
    let event = table.next().await.unwrap();
    assert_eq!(event, TableEvent::Upsert { key: "key 1".into(), value: "again".into() });
}

#[tokio::test]
async fn old_records_go_and_readers_begin_at_the_oldest() {
    let dir = TempDir::new().unwrap();
    let short = spec("short", Cleanup::Delete { retention: Some(Duration::ZERO) });
    {
        let log = open(dir.path()).await;
        log.ensure_topics(std::slice::from_ref(&short)).await.unwrap();
        let mut out = record("short", "key", Some("old"));
        out.partition = Some(0);
        producer(&log).send(out).await.unwrap();
        send_numbers(&log, 0..5).await;
    }
    let log = open(dir.path()).await;
    assert_eq!(log.watermarks("short", 0).await.unwrap(), Watermarks { low: 1, high: 1 });
    assert_eq!(read_all(&log, "events").await.len(), 5);
    let mut reader = log.reader("short", StartAt::Offset(0)).await.unwrap();
    assert!(matches!(reader.next().await.unwrap(), ReadEvent::CaughtUp));
    let mut out = record("short", "key", Some("new"));
    out.partition = Some(0);
    assert_eq!(producer(&log).send(out).await.unwrap().offset, 1);
    assert!(matches!(reader.next().await.unwrap(), ReadEvent::Record(it) if it.offset == 1));
}

/// Produces until it is killed; without the variable, as in a usual run of the tests, there is
/// nothing to do.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else { return };
    let log = open(&dir).await;
    let (out, mut members) = (producer(&log), Members::new(&log));
    let _member = members.join(1);
    let begin = read_all(&log, "events").await.len() as u64;
    for number in begin.. {
        let text = number.to_string();
        let sent = out.send(record("events", &text, Some(&text))).await.expect("room");
        println!("sent {number} {} {}", sent.partition, sent.offset);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_acknowledged_record_outlives_sigkill() {
    let dir = TempDir::new().unwrap();
    let mut sent: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for n_lines in [1, 500, 77, 3000] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut n_seen = 0;
        // After the kill what is still in the pipe counts too: the child had its acknowledgement.
        for line in output.lines() {
            let line = line.unwrap();
            let Some(words) = line.strip_prefix("sent ") else { continue };
            let words: Vec<u64> = words.split(' ').filter_map(|it| it.parse().ok()).collect();
            let [number, partition, offset] = words[..] else { panic!("{line}") };
            sent.insert((u32::try_from(partition).unwrap(), offset), number);
            n_seen += 1;
            if n_seen == 1 {
                let error = chain(try_open(dir.path()).await.unwrap_err());
                assert!(error.contains("is in use"), "{error}");
            }
            if n_seen == n_lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let log = open(dir.path()).await;
        let read: BTreeMap<_, _> = read_all(&log, "events")
            .await
            .iter()
            .map(|it| ((it.partition, it.offset), number(it)))
            .collect();
        for (place, number) in &sent {
            assert_eq!(read.get(place), Some(number));
        }
        // One more may have been written than the child came to tell.
        assert!(read.len() <= sent.len() + 1);
        let committed = log.committed("group", "events").await.unwrap();
        for it in committed {
            let high = log.watermarks("events", it.partition.partition).await.unwrap().high;
            assert!(it.offset.unwrap_or(0) <= high);
        }
        sent = read;
    }
}
