//! The consumer loop: one for both logs.
//!
//! What differs between the logs is a [`Member`] of a group: it says which partitions come and go
//! and hands over records. Everything else is here: when the handler is called, what is done when
//! it fails, and that a partition is only let go when what was read of it is finished.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use shadowline_error::{BoxError, chain};

use crate::backoff::Backoff;
use crate::embedded::EmbeddedMember;
use crate::error::LogError;
use crate::kafka::KafkaMember;
use crate::log::Log;
use crate::membership::{Change, MemberEvent, Offsets};
use crate::options::ConsumerOptions;
use crate::record::{Received, StartAt, TopicPartition};
use crate::traces::Processing;

/// What is done with the records of a group.
pub trait Handler: Send {
    /// Partitions came to this process. Says where to begin each one; those left out begin at
    /// [`StartAt::Committed`].
    fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Vec<(TopicPartition, StartAt)>, HandlerError>> + Send {
        let _ = partitions;
        std::future::ready(Ok(Vec::new()))
    }

    /// Handles records; those of one partition are in order and follow those of the call before.
    ///
    /// A record's trace is the span of its processing, where that is traced, and else the one that it came with.
    ///
    /// `Ok` commits them. After [`HandlerError::Retry`] the same records come again, as far as
    /// their partitions are still here. When a partition must be let go and the future takes too
    /// long ([`ConsumerOptions::drain_timeout`]), it is dropped where it waits.
    fn handle(
        &mut self,
        records: &[Received],
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Partitions leave this process. What was handled of them is committed already, unless they
    /// were lost.
    fn revoked(&mut self, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        let _ = partitions;
        std::future::ready(())
    }

    /// Is told after each change how many partitions this process has; 0 is a share, too, of a
    /// group with more members than partitions.
    fn rebalanced(&mut self, n_partitions: usize) {
        let _ = n_partitions;
    }

    /// Is called every [`ConsumerOptions::tick_every`], with records or without, but never while
    /// another call runs.
    fn tick(&mut self) -> impl Future<Output = Result<(), HandlerError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Why a handler could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may work later: a database that is unavailable, a log that does not answer.
    #[error("temporary failure")]
    Retry(#[source] BoxError),
    /// It never will: the loop ends.
    #[error("permanent failure")]
    Fatal(#[source] BoxError),
}

impl HandlerError {
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::Retry(source.into())
    }

    pub fn fatal(source: impl Into<BoxError>) -> Self {
        Self::Fatal(source.into())
    }
}

/// Why a consumer loop ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ConsumeError {
    #[error("consume as group `{group}`")]
    Log { group: String, source: LogError },
    #[error("handle records of group `{group}`")]
    Handler { group: String, source: BoxError },
}

/// Reads topics as a member of a group, until it is stopped.
///
/// A stop finishes the batch in flight, commits, and leaves the group. A log that cannot be
/// reached is waited for.
///
/// # Errors
/// If the handler gives up, or the log refuses in a way that waiting does not cure.
pub async fn consume(
    log: &Log,
    options: ConsumerOptions,
    handler: &mut impl Handler,
    stop: CancellationToken,
) -> Result<(), ConsumeError> {
    let log_error = |source| ConsumeError::Log { group: options.group.clone(), source };
    log.metrics().joined(&options.group, &options.topics);
    let member = match log {
        Log::Kafka(log) => log.join(&options).await.map(Member::Kafka),
        Log::Embedded(log) => log.join(&options).await.map(Member::Embedded),
    };
    let mut consumer = Consumer {
        log,
        options: &options,
        handler,
        member: member.map_err(log_error)?,
        changes: VecDeque::new(),
        owned: HashSet::new(),
        handled: BTreeMap::new(),
        stop,
    };
    let ended = consumer.run().await;
    consumer.leave().await;
    ended
}

/// A member of a consumer group, on either log. What a log must be able to do:
///
/// - `next` waits for a change of the membership or for records, changes first, and hands records
///   over as soon as there are any. Records of a partition come after its `Assigned` was answered
///   with `start`, and none come after its `Revoked`.
/// - `poll` is called while records are handled or waited with: it keeps the membership alive and
///   returns when there is a change. Records that arrive meanwhile it keeps for `next`, up to a bound.
/// - `start` and `release` answer an `Assigned` and a `Revoked`; until `release` no other member gets
///   the partitions.
/// - Dropping any of the futures loses nothing.
#[derive(Debug)]
pub(crate) enum Member {
    Kafka(KafkaMember),
    Embedded(EmbeddedMember),
}

impl Member {
    async fn next(&mut self) -> Result<MemberEvent, LogError> {
        match self {
            Self::Kafka(member) => member.next().await,
            Self::Embedded(member) => member.next().await,
        }
    }

    async fn poll(&mut self) -> Result<Change, LogError> {
        match self {
            Self::Kafka(member) => member.poll().await,
            Self::Embedded(member) => member.poll().await,
        }
    }

    async fn start(&mut self, from: &[(TopicPartition, StartAt)]) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.start(from).await,
            Self::Embedded(member) => member.start(from).await,
        }
    }

    /// Commits; need not wait until it is durable.
    async fn commit(&mut self, offsets: &Offsets) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.commit(offsets),
            Self::Embedded(member) => member.commit(offsets).await,
        }
    }

    /// Commits and waits until it is done.
    async fn commit_now(&mut self, offsets: &Offsets, within: Duration) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.commit_now(offsets, within).await,
            Self::Embedded(member) => member.commit(offsets).await,
        }
    }

    async fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.release(partitions).await,
            Self::Embedded(member) => member.release(partitions).await,
        }
    }

    async fn leave(self) {
        match self {
            Self::Kafka(member) => member.leave().await,
            Self::Embedded(member) => member.leave().await,
        }
    }
}

struct Consumer<'a, H> {
    log: &'a Log,
    options: &'a ConsumerOptions,
    handler: &'a mut H,
    member: Member,
    /// Changes that came while records were handled.
    changes: VecDeque<Change>,
    owned: HashSet<TopicPartition>,
    /// What was handled and perhaps not durably committed yet.
    handled: Offsets,
    stop: CancellationToken,
}

/// What became of a call of the handler.
enum Handled {
    Done,
    Again(BoxError),
    /// It took too long after its partitions had to be let go.
    Dropped,
}

impl<H: Handler> Consumer<'_, H> {
    async fn run(&mut self) -> Result<(), ConsumeError> {
        let stop = self.stop.clone();
        let mut ticks = interval(self.options.tick_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Some(change) = self.changes.pop_front() {
                self.change(change).await?;
                continue;
            }
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = ticks.tick() => {
                    self.tick().await?;
                    continue;
                }
                event = self.member.next() => event,
            };
            match event.map_err(|error| self.log_error(error))? {
                MemberEvent::Change(change) => self.change(change).await?,
                MemberEvent::Records(records) => self.handle(records, &mut ticks).await?,
            }
        }
    }

    /// Handles a batch until it is done, its partitions are gone, or the loop must stop.
    async fn handle(
        &mut self,
        mut records: Vec<Received>,
        ticks: &mut tokio::time::Interval,
    ) -> Result<(), ConsumeError> {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.options.retry_after.0, self.options.retry_after.1);
        let mut processing = Processing::begin(self.log.system(), self.options, &mut records);
        while !records.is_empty() {
            match self.handle_once(&records).await? {
                Handled::Done => return self.commit(&records).await,
                Handled::Again(error) => {
                    self.log.metrics().retry(&self.options.group);
                    let error = chain(&*error);
                    processing.again(&error);
                    let n_records = records.len();
                    warn!(group = %self.options.group, n_records, error, wait = ?backoff.peek(), "handle again");
                }
                Handled::Dropped => {
                    let n_records = records.len();
                    warn!(
                        group = %self.options.group, n_records, timeout = ?self.options.drain_timeout,
                        "batch given up: it took too long after its partitions had to be let go"
                    );
                }
            }
            if stop.is_cancelled() {
                return Ok(());
            }
            let until = Instant::now() + backoff.next_wait();
            loop {
                while let Some(change) = self.changes.pop_front() {
                    self.change(change).await?;
                    records.retain(|it| self.owned.contains(&it.topic_partition()));
                }
                if records.is_empty() {
                    break;
                }
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(()),
                    change = self.member.poll() => {
                        self.changes.push_back(change.map_err(|error| self.log_error(error))?);
                    }
                    _ = ticks.tick() => self.tick().await?,
                    () = sleep_until(until) => break,
                }
            }
        }
        Ok(())
    }

    async fn handle_once(&mut self, records: &[Received]) -> Result<Handled, ConsumeError> {
        let mut handling = pin!(self.handler.handle(records));
        // Set as soon as the batch has to come to an end.
        let mut deadline = None;
        let drain_by = || Instant::now() + self.options.drain_timeout;
        let handled = loop {
            tokio::select! {
                biased;
                handled = &mut handling => break handled,
                () = async { sleep_until(deadline.unwrap_or_else(Instant::now)).await },
                    if deadline.is_some() => return Ok(Handled::Dropped),
                () = self.stop.cancelled(), if deadline.is_none() => deadline = Some(drain_by()),
                change = self.member.poll(), if deadline.is_none() => {
                    let change = change.map_err(|source| ConsumeError::Log {
                        group: self.options.group.clone(),
                        source,
                    })?;
                    if matches!(change, Change::Revoked { .. }) {
                        deadline = Some(drain_by());
                    }
                    self.changes.push_back(change);
                }
            }
        };
        match handled {
            Ok(()) => Ok(Handled::Done),
            Err(HandlerError::Retry(error)) => Ok(Handled::Again(error)),
            Err(HandlerError::Fatal(source)) => {
                Err(ConsumeError::Handler { group: self.options.group.clone(), source })
            }
        }
    }

    async fn commit(&mut self, records: &[Received]) -> Result<(), ConsumeError> {
        let mut offsets = Offsets::new();
        let mut n_records: BTreeMap<&str, u64> = BTreeMap::new();
        for record in records {
            offsets.insert(record.topic_partition(), record.offset + 1);
            *n_records.entry(&record.topic).or_default() += 1;
        }
        for (topic, n_records) in n_records {
            self.log.metrics().received(&self.options.group, topic, n_records);
        }
        let committed = self.member.commit(&offsets).await;
        self.handled.extend(offsets);
        self.note_commit(committed);
        Ok(())
    }

    /// A commit that fails is no end: the next one says the same and more, and without any the
    /// records come again.
    fn note_commit(&self, committed: Result<(), LogError>) {
        if let Err(error) = committed {
            self.log.metrics().commit_error(&self.options.group);
            warn!(group = %self.options.group, error = chain(&error), "commit failed");
        }
    }

    async fn tick(&mut self) -> Result<(), ConsumeError> {
        match self.handler.tick().await {
            Ok(()) => Ok(()),
            Err(HandlerError::Retry(error)) => {
                warn!(group = %self.options.group, error = chain(&*error), "tick failed");
                Ok(())
            }
            Err(HandlerError::Fatal(source)) => Err(self.handler_error(source)),
        }
    }

    async fn change(&mut self, change: Change) -> Result<(), ConsumeError> {
        self.log.metrics().rebalance(&self.options.group);
        match change {
            Change::Assigned(partitions) => self.assigned(partitions).await,
            Change::Revoked { partitions, lost } => self.revoked(partitions, lost).await,
        }
    }

    async fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<(), ConsumeError> {
        // None when stopping: the answer is owed nevertheless, but nothing will be read.
        let chosen = self.start_offsets(&partitions).await?.unwrap_or_default();
        let mut from: Vec<_> =
            partitions.iter().map(|it| (it.clone(), StartAt::Committed)).collect();
        for (partition, start_at) in chosen {
            match from.iter_mut().find(|it| it.0 == partition) {
                Some(entry) => entry.1 = start_at,
                None => {
                    let source = format!("start offset for {partition}, which was not assigned");
                    return Err(self.handler_error(source.into()));
                }
            }
        }
        self.member.start(&from).await.map_err(|error| self.log_error(error))?;
        if !partitions.is_empty() {
            info!(group = %self.options.group, partitions = %list(&partitions), "partitions assigned");
        }
        for partition in &partitions {
            self.log.metrics().reads(&self.options.group, partition);
        }
        self.owned.extend(partitions);
        self.handler.rebalanced(self.owned.len());
        Ok(())
    }

    /// Asks the handler where to begin, until it knows; `None` if the loop must stop.
    async fn start_offsets(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Option<Vec<(TopicPartition, StartAt)>>, ConsumeError> {
        let stop = self.stop.clone();
        let mut backoff = Backoff::new(self.options.retry_after.0, self.options.retry_after.1);
        if partitions.is_empty() {
            return Ok(Some(Vec::new()));
        }
        loop {
            match self.handler.assigned(partitions).await {
                Ok(from) => return Ok(Some(from)),
                Err(HandlerError::Fatal(source)) => return Err(self.handler_error(source)),
                Err(HandlerError::Retry(error)) => {
                    let error = chain(&*error);
                    warn!(group = %self.options.group, error, wait = ?backoff.peek(), "ask again where to begin");
                }
            }
            let until = Instant::now() + backoff.next_wait();
            loop {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return Ok(None),
                    change = self.member.poll() => {
                        self.changes.push_back(change.map_err(|error| self.log_error(error))?);
                    }
                    () = sleep_until(until) => break,
                }
            }
        }
    }

    async fn revoked(
        &mut self,
        partitions: Vec<TopicPartition>,
        lost: bool,
    ) -> Result<(), ConsumeError> {
        let mut offsets = Offsets::new();
        for partition in &partitions {
            self.owned.remove(partition);
            if let Some(offset) = self.handled.remove(partition) {
                offsets.insert(partition.clone(), offset);
            }
            self.log.metrics().forget_lag(&self.options.group, partition);
        }
        if lost {
            warn!(
                group = %self.options.group, partitions = %list(&partitions),
                "partitions lost: this process was away for too long"
            );
        } else if !offsets.is_empty() {
            let committed = self.member.commit_now(&offsets, self.options.drain_timeout).await;
            self.note_commit(committed);
        }
        self.handler.revoked(&partitions).await;
        self.member.release(&partitions).await.map_err(|error| self.log_error(error))?;
        self.handler.rebalanced(self.owned.len());
        if !partitions.is_empty() && !lost {
            info!(group = %self.options.group, partitions = %list(&partitions), "partitions revoked");
        }
        Ok(())
    }

    async fn leave(mut self) {
        let handled = std::mem::take(&mut self.handled);
        if !handled.is_empty() {
            let committed = self.member.commit_now(&handled, self.options.drain_timeout).await;
            self.note_commit(committed);
        }
        let owned: Vec<_> = self.owned.drain().collect();
        for partition in &owned {
            self.log.metrics().forget_lag(&self.options.group, partition);
        }
        self.handler.revoked(&owned).await;
        self.member.leave().await;
        debug!(group = %self.options.group, "left the group");
    }

    fn log_error(&self, source: LogError) -> ConsumeError {
        ConsumeError::Log { group: self.options.group.clone(), source }
    }

    fn handler_error(&self, source: BoxError) -> ConsumeError {
        ConsumeError::Handler { group: self.options.group.clone(), source }
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    let mut sorted: Vec<_> = partitions.iter().collect();
    sorted.sort();
    sorted.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
