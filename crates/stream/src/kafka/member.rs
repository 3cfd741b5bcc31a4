//! A member of a consumer group.

use std::collections::{HashMap, HashSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::warn;

use super::aside::Aside;
use super::calls::{blocking, signed, unsigned};
use super::context::{KafkaContext, answer};
use super::settings::Settings;
use crate::envelope::Envelope;
use crate::error::LogError;
use crate::membership::{Change, MemberEvent, Offsets, Place, TopicIds};
use crate::metrics::Metrics;
use crate::options::ConsumerOptions;
use crate::record::{Received, StartAt, TopicPartition, Watermarks};

/// How long a full buffer is left as it is before the partitions are paused: pausing throws away
/// what the client has fetched ahead, so it must not happen for every batch.
const PAUSE_AFTER: Duration = Duration::from_secs(1);

/// How long it may take to hear where a partition stands: reading waits for it, so it is rather asked again.
const PLACES_TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) struct KafkaMember {
    session: Aside<Session>,
    group: String,
    max_batch: usize,
    drain_timeout: Duration,
    /// Records that came while others were handled.
    ahead: VecDeque<Received>,
    /// Since when there is no more room in `ahead`.
    full_since: Option<Instant>,
    paused: bool,
    names: Names,
    /// The topics that are read: commits say of which topic they are.
    topics: TopicIds,
    /// Topics that were made again: what comes of them is read from offsets of the old ones.
    stale: HashSet<Arc<str>>,
}

/// What is closed together.
struct Session {
    consumer: Arc<StreamConsumer<KafkaContext>>,
    changes: mpsc::UnboundedReceiver<Change>,
    /// Changes handed out and not answered yet.
    unanswered: VecDeque<Owed>,
    /// Goes away last, and so tells that the group is left.
    left: Option<oneshot::Sender<Infallible>>,
}

/// A change that librdkafka waits for the answer to.
struct Owed {
    assigned: bool,
    partitions: TopicPartitionList,
}

impl std::fmt::Debug for KafkaMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaMember").field("group", &self.group).finish_non_exhaustive()
    }
}

impl KafkaMember {
    pub(super) fn join(
        settings: &Settings,
        options: &ConsumerOptions,
        metrics: Metrics,
    ) -> Result<Self, LogError> {
        let (sender, changes) = mpsc::unbounded_channel();
        let context = KafkaContext::of_member(&options.client_id, metrics, &options.group, sender);
        let consumer: StreamConsumer<_> =
            StreamConsumer::from_config_and_context(&settings.member(options), context)
                .map_err(|error| settings.client_error(error))?;
        let topics: Vec<&str> = options.topics.iter().map(|it| &**it).collect();
        consumer.subscribe(&topics).map_err(|error| {
            LogError::failed(format!("subscribe to {}", topics.join(" ")), error)
        })?;
        let consumer = Arc::new(consumer);
        let session = Session { consumer, changes, unanswered: VecDeque::new(), left: None };
        Ok(Self {
            session: Aside::new(session),
            group: options.group.clone(),
            max_batch: options.max_batch.max(1),
            drain_timeout: options.drain_timeout,
            ahead: VecDeque::new(),
            full_since: None,
            paused: false,
            names: Names::default(),
            topics: TopicIds::new(),
            stale: HashSet::new(),
        })
    }

    pub(crate) async fn next(&mut self) -> Result<MemberEvent, LogError> {
        let consumer = self.session.consumer.clone();
        loop {
            // Before what was read is handed over: a record that was read after a change was said may be one that
            // should not have been read.
            while let Ok(change) = self.session.changes.try_recv() {
                if let Some(change) = self.hand_out(change) {
                    return Ok(MemberEvent::Change(change));
                }
            }
            if !self.ahead.is_empty() {
                let n_records = self.ahead.len().min(self.max_batch);
                return Ok(MemberEvent::Records(self.ahead.drain(..n_records).collect()));
            }
            self.resume()?;
            tokio::select! {
                biased;
                // The client's own poll, below, is what brings these.
                Some(change) = self.session.changes.recv() => {
                    if let Some(change) = self.hand_out(change) {
                        return Ok(MemberEvent::Change(change));
                    }
                }
                polled = consumer.recv() => {
                    if let Some(record) = accept(&consumer, &mut self.names, polled)? {
                        self.keep(record);
                        self.take_what_is_there()?;
                    }
                }
            }
        }
    }

    /// Fills a batch with what has been fetched already.
    fn take_what_is_there(&mut self) -> Result<(), LogError> {
        let consumer = self.session.consumer.clone();
        while self.ahead.len() < self.max_batch {
            let Some(polled) = consumer.recv().now_or_never() else { break };
            if let Some(record) = accept(&consumer, &mut self.names, polled)? {
                self.keep(record);
            }
        }
        Ok(())
    }

    fn keep(&mut self, record: Received) {
        if !self.stale.contains(&record.topic) {
            self.ahead.push_back(record);
        }
    }

    pub(crate) async fn poll(&mut self) -> Result<Change, LogError> {
        let consumer = self.session.consumer.clone();
        loop {
            while let Ok(change) = self.session.changes.try_recv() {
                if let Some(change) = self.hand_out(change) {
                    return Ok(change);
                }
            }
            if self.ahead.len() >= self.max_batch && !self.paused {
                // Kept, because this future may be dropped and made again before the time is over.
                let full_since = *self.full_since.get_or_insert_with(Instant::now);
                tokio::time::sleep_until(full_since + PAUSE_AFTER).await;
                self.pause()?;
            }
            tokio::select! {
                biased;
                Some(change) = self.session.changes.recv() => {
                    if let Some(change) = self.hand_out(change) {
                        return Ok(change);
                    }
                }
                polled = consumer.recv() => {
                    if let Some(record) = accept(&consumer, &mut self.names, polled)? {
                        self.keep(record);
                    }
                }
            }
        }
    }

    /// Takes note of a change; `None` if it is no news.
    fn hand_out(&mut self, change: Change) -> Option<Change> {
        match &change {
            Change::Assigned(partitions) => {
                self.session.unanswered.push_back(Owed { assigned: true, ..Owed::of(partitions) });
            }
            Change::Revoked { partitions, .. } => {
                self.session.unanswered.push_back(Owed::of(partitions));
                self.ahead.retain(|it| !partitions.contains(&it.topic_partition()));
            }
            Change::MadeAgain { topic, id } => {
                // Told also when the client first hears of a topic.
                self.topics.get(topic).filter(|known| *known != id)?;
                self.stale.insert(Arc::clone(topic));
                self.ahead.retain(|it| it.topic != *topic);
            }
        }
        Some(change)
    }

    pub(crate) async fn places(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<Place>, LogError> {
        let (consumer, asked) = (self.session.consumer.clone(), partitions.to_vec());
        let attempt = format!("read offsets of group `{}` and what is there", self.group);
        blocking(attempt, move || {
            let committed = consumer.committed_offsets(to_list(&asked), PLACES_TIMEOUT)?;
            let mut places = Vec::with_capacity(asked.len());
            for at in &asked {
                let (topic, partition) = (&at.topic, signed(at.partition));
                let (low, high) = consumer.fetch_watermarks(topic, partition, PLACES_TIMEOUT)?;
                let there = Watermarks { low: unsigned(low), high: unsigned(high) };
                let entry = committed.find_partition(topic, partition);
                if let Some(entry) = &entry {
                    entry.error()?;
                }
                let offset = entry.as_ref().and_then(|it| it.offset().to_raw());
                places.push(Place {
                    // Without a commit it is one of the client's own words, which are negative.
                    committed: offset.and_then(|it| u64::try_from(it).ok()),
                    committed_of: entry.and_then(|it| it.metadata().parse().ok()),
                    there,
                });
            }
            Ok(places)
        })
        .await
    }

    pub(crate) fn taken(&self) -> Vec<(TopicPartition, u64)> {
        let mut taken = self.session.consumer.context().taken();
        // What was read before it went is still to come.
        taken.retain(|(at, _)| !self.ahead.iter().any(|it| it.topic_partition() == *at));
        taken
    }

    pub(crate) async fn start(
        &mut self,
        from: &[(TopicPartition, StartAt)],
        topics: &TopicIds,
    ) -> Result<(), LogError> {
        self.session.unanswered.pop_front();
        self.topics.clone_from(topics);
        let mut list = TopicPartitionList::new();
        for (at, start_at) in from {
            list.add_partition_offset(&at.topic, signed(at.partition), kafka_offset(*start_at))
                .map_err(|error| LogError::failed(format!("start {at} at {start_at:?}"), error))?;
        }
        for (at, start_at) in from {
            if let StartAt::Offset(offset) = start_at {
                self.session.consumer.context().begun(at, *offset);
            }
        }
        self.answer(true, &list)?;
        // The client keeps the pause of a partition that left and came back, and has none for a new one. So all are
        // resumed, and as long as the buffer is full `poll` pauses all of them anew.
        self.paused = true;
        self.resume()
    }

    pub(crate) async fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.session.unanswered.pop_front();
        self.session.consumer.context().ended(partitions);
        self.answer(false, &to_list(partitions))
    }

    fn answer(&self, assigned: bool, list: &TopicPartitionList) -> Result<(), LogError> {
        answer(&*self.session.consumer, assigned, list).map_err(|error| {
            LogError::failed(format!("answer a rebalance of group `{}`", self.group), error)
        })
    }

    /// Sends a commit without waiting for it; a refusal comes back to the context.
    pub(crate) fn commit(&self, offsets: &Offsets) -> Result<(), LogError> {
        self.session
            .consumer
            .commit(&offset_list(offsets, &self.topics)?, CommitMode::Async)
            .map_err(|error| self.commit_error(error))
    }

    pub(crate) async fn commit_now(
        &self,
        offsets: &Offsets,
        within: Duration,
    ) -> Result<(), LogError> {
        let (consumer, list) = (self.session.consumer.clone(), offset_list(offsets, &self.topics)?);
        let attempt = format!("commit offsets of group `{}`", self.group);
        let commit = blocking(attempt, move || consumer.commit(&list, CommitMode::Sync));
        match tokio::time::timeout(within, commit).await {
            Ok(committed) => committed,
            Err(elapsed) => {
                Err(LogError::failed(format!("commit offsets of group `{}`", self.group), elapsed))
            }
        }
    }

    fn commit_error(&self, error: KafkaError) -> LogError {
        LogError::failed(format!("commit offsets of group `{}`", self.group), error)
    }

    fn pause(&mut self) -> Result<(), LogError> {
        let pause = |it: &TopicPartitionList| self.session.consumer.pause(it);
        let paused = self.session.consumer.assignment().and_then(|it| pause(&it));
        self.paused = true;
        paused.map_err(|error| LogError::failed("pause partitions", error))
    }

    fn resume(&mut self) -> Result<(), LogError> {
        self.full_since = None;
        if !self.paused {
            return Ok(());
        }
        let resume = |it: &TopicPartitionList| self.session.consumer.resume(it);
        let resumed = self.session.consumer.assignment().and_then(|it| resume(&it));
        self.paused = false;
        resumed.map_err(|error| LogError::failed("resume partitions", error))
    }

    /// Leaves the group and waits until it is left, so that the others go on at once.
    pub(crate) async fn leave(mut self) {
        let (left, is_left) = oneshot::channel::<Infallible>();
        self.session.left = Some(left);
        let (group, wait) = (self.group.clone(), self.drain_timeout);
        drop(self);
        // Nothing is ever sent: the other end goes away when the group is left.
        if tokio::time::timeout(wait, is_left).await.is_err() {
            warn!(%group, ?wait, "the group is not left yet, kafka does not answer");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.consumer.context().set_closing();
        while let Ok(change) = self.changes.try_recv() {
            match change {
                Change::Assigned(partitions) => {
                    self.unanswered.push_back(Owed { assigned: true, ..Owed::of(&partitions) });
                }
                Change::Revoked { partitions, .. } => {
                    self.unanswered.push_back(Owed::of(&partitions));
                }
                Change::MadeAgain { .. } => {}
            }
        }
        // The client waits for an answer to each, or it could not be closed.
        for Owed { assigned, partitions } in self.unanswered.drain(..) {
            if let Err(error) = answer(&*self.consumer, assigned, &partitions) {
                warn!(%error, "answer a rebalance while leaving");
            }
        }
    }
}

impl Owed {
    /// The answer to partitions that go.
    fn of(partitions: &[TopicPartition]) -> Self {
        Self { assigned: false, partitions: to_list(partitions) }
    }
}

/// A record, or `None` for an error that is no end.
pub(super) fn accept(
    consumer: &StreamConsumer<KafkaContext>,
    names: &mut Names,
    polled: KafkaResult<BorrowedMessage<'_>>,
) -> Result<Option<Received>, LogError> {
    match polled {
        Ok(message) => {
            consumer.context().works();
            Ok(Some(names.received(&message)))
        }
        Err(error @ KafkaError::MessageConsumptionFatal(_)) => {
            Err(LogError::failed("read records", error))
        }
        Err(KafkaError::MessageConsumption(RDKafkaErrorCode::PollExceeded)) => {
            warn!("removed from the group: no poll in time");
            Ok(None)
        }
        // Told to the context already, with the broker's words.
        Err(_) => Ok(None),
    }
}

/// Makes records of messages; the name of a topic is kept once.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Arc<str>>);

impl Names {
    pub(super) fn received(&mut self, message: &BorrowedMessage<'_>) -> Received {
        let topic = match self.0.get(message.topic()) {
            Some(name) => name.clone(),
            None => {
                let name: Arc<str> = message.topic().into();
                self.0.insert(message.topic().to_owned(), name.clone());
                name
            }
        };
        let headers = message.headers().into_iter().flat_map(|it| it.iter());
        Received {
            topic,
            partition: message.partition().cast_unsigned(),
            offset: unsigned(message.offset()),
            key: message.key().map(bytes::Bytes::copy_from_slice),
            value: message.payload().map(bytes::Bytes::copy_from_slice),
            timestamp: message
                .timestamp()
                .to_millis()
                .and_then(|it| jiff::Timestamp::from_millisecond(it).ok()),
            envelope: Envelope::from_headers(headers.filter_map(|it| Some((it.key, it.value?)))),
        }
    }
}

pub(super) fn kafka_offset(start_at: StartAt) -> Offset {
    match start_at {
        StartAt::Committed => Offset::Stored,
        StartAt::Offset(offset) => Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)),
        StartAt::Earliest => Offset::Beginning,
        StartAt::Latest => Offset::End,
    }
}

fn to_list(partitions: &[TopicPartition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        list.add_partition(&at.topic, signed(at.partition));
    }
    list
}

/// What is committed, each with the id of its topic: the broker keeps the offset of a name, whatever that leads to.
fn offset_list(offsets: &Offsets, topics: &TopicIds) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for (at, offset) in offsets {
        let mut entry = list.add_partition(&at.topic, signed(at.partition));
        entry
            .set_offset(kafka_offset(StartAt::Offset(*offset)))
            .map_err(|error| LogError::failed(format!("commit {at}"), error))?;
        if let Some(id) = topics.get(&at.topic) {
            entry.set_metadata(id.to_string());
        }
    }
    Ok(list)
}
