//! From the spool to the log: in order, retried until it succeeds, and off the request path.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use prost::Message;
use shadowline_error::chain;
use shadowline_segment_log::{Spool, SpoolError};
use shadowline_service::clock;
use shadowline_service::disk;
use shadowline_service::health::Component;
use shadowline_stream::{
    Bytes, DeadLetters, Delivery, Envelope, Log, Origin, OutRecord, ProduceError, Producer, Sent,
    TopicSpec, Topics,
};
use shadowline_wire::INFERENCE_TYPE;
/// What the drainer last failed at, for the component of the broker.
pub(crate) use shadowline_worker::LastError;
use shadowline_worker::watch_log;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::metrics::ServingMetrics;
use crate::shadow::Shadow;
use crate::spool_record::{SOURCE, SpoolRecord};

/// How many records may be on their way at once, and how large they may be together.
pub(crate) const MAX_IN_FLIGHT: usize = 2048;
const MAX_IN_FLIGHT_BYTES: usize = 16 * 1024 * 1024;
/// What is read from the spool in one go.
const READ_BYTES: usize = 1024 * 1024;
const READ_RECORDS: usize = 512;
/// How long a new record waits for others, so that one reading serves many.
const LINGER: Duration = Duration::from_millis(1);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3);

/// Why sending had to stop and begin again at the checkpoint.
#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error("send the inferences of the spool")]
    Produce { sequence: u64, source: ProduceError },
    #[error("read the spool")]
    Spool(#[from] SpoolError),
    #[error("read the spool")]
    Task(#[from] tokio::task::JoinError),
}

/// Sends what is in the spool to the log.
#[derive(Debug)]
pub(crate) struct Drainer {
    pub(crate) spool: Arc<Spool>,
    pub(crate) log: Log,
    pub(crate) producer: Producer,
    pub(crate) topics: Topics,
    pub(crate) specs: Vec<TopicSpec>,
    pub(crate) shadow: Arc<Shadow>,
    pub(crate) metrics: ServingMetrics,
    pub(crate) last_error: Arc<LastError>,
    /// Wakes the drainer when something was appended.
    pub(crate) appended: Arc<Notify>,
    /// Nothing is appended any more: send the rest, then end.
    pub(crate) finish: CancellationToken,
    /// End now; what has not been sent stays in the spool.
    pub(crate) give_up: CancellationToken,
}

/// Reports whether the log can be reached and accepts what is sent to it, until the token is cancelled.
pub(crate) async fn watch_broker(
    log: Log,
    last_error: Arc<LastError>,
    component: Component,
    stop: CancellationToken,
) {
    let watching = watch_log(log, component, last_error);
    let _cancelled: Option<()> = stop.run_until_cancelled(watching).await;
}

/// A record on its way.
struct InFlight {
    sequence: u64,
    size_bytes: usize,
    /// Why it goes to the dead letters, if it does.
    dead: Option<String>,
    /// None for one that is given up, and only waits for its turn.
    delivery: Option<Delivery>,
}

/// What is known of records that the log found too large, by their sequence.
type Oversized = BTreeMap<u64, TooLarge>;

enum TooLarge {
    /// The record, in the log's words.
    Record(String),
    /// Its dead letter as well.
    DeadLetterToo,
}

/// How one pass over the spool ended.
enum Pass {
    /// Everything has been sent, or there is no more time.
    Over,
    /// Some records were sent; then one failed.
    Failed(DrainError),
}

/// One pass: what was read and what is on its way, from the checkpoint on.
struct Window {
    /// The last sequence that was read.
    cursor: u64,
    read: VecDeque<(u64, Bytes)>,
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// Nothing more was there when last looked.
    caught_up: bool,
}

impl Window {
    fn has_room(&self) -> bool {
        self.in_flight.len() < MAX_IN_FLIGHT && self.in_flight_bytes < MAX_IN_FLIGHT_BYTES
    }
}

impl Drainer {
    /// Sends until [`Self::finish`] is cancelled and the spool is empty, or [`Self::give_up`] is cancelled.
    pub(crate) async fn run(self) {
        self.log.metrics().show_dead_letters(&self.topics.inferences());
        if self.give_up.run_until_cancelled(self.prepare_topics()).await.is_none() {
            return;
        }
        let mut oversized = Oversized::new();
        let mut backoff = FIRST_BACKOFF;
        loop {
            let checkpoint = self.spool.acknowledged();
            let error = match self.pass(&mut oversized).await {
                Pass::Over => return,
                Pass::Failed(error) => error,
            };
            let (reason, sequence) = (chain(&error), error.sequence());
            if self.last_error.set(Some(reason.clone())) {
                warn!(error = reason, sequence, "sending begins again at the checkpoint");
            } else {
                debug!(error = reason, sequence, "sending begins again at the checkpoint");
            }
            self.metrics.drain_retries.inc();
            if checkpoint < self.spool.acknowledged() {
                backoff = FIRST_BACKOFF;
            }
            if self.give_up.run_until_cancelled(tokio::time::sleep(backoff)).await.is_none() {
                return;
            }
            backoff = LONGEST_BACKOFF.min(backoff * 2);
        }
    }

    /// Creates the topics, retrying until the log is available.
    async fn prepare_topics(&self) {
        let mut backoff = FIRST_BACKOFF;
        loop {
            match self.log.ensure_topics(&self.specs).await {
                Ok(()) => {
                    self.last_error.set(None);
                    return;
                }
                Err(error) => {
                    let reason = chain(&error);
                    if self.last_error.set(Some(reason.clone())) {
                        warn!(error = reason, "topics are not ready; inferences wait in the spool");
                    }
                }
            }
            tokio::time::sleep(backoff).await;
            backoff = LONGEST_BACKOFF.min(backoff * 2);
        }
    }

    async fn pass(&self, oversized: &mut Oversized) -> Pass {
        let mut window = Window {
            cursor: self.spool.acknowledged(),
            read: VecDeque::new(),
            in_flight: VecDeque::new(),
            in_flight_bytes: 0,
            caught_up: false,
        };
        let mut arrived = None;
        loop {
            if let Err(error) = self.settle(&mut window, arrived.take(), oversized).await {
                return Pass::Failed(error);
            }
            let finishing = self.finish.is_cancelled();
            if window.read.is_empty()
                && window.has_room()
                && (!window.caught_up || finishing)
                && let Err(error) = self.read(&mut window).await
            {
                return self.failed(error, &mut window, oversized).await;
            }
            match self.give_up.run_until_cancelled(self.send(&mut window, oversized)).await {
                None => return Pass::Over,
                Some(Ok(())) => {}
                Some(Err(error)) => return self.failed(error, &mut window, oversized).await,
            }
            if finishing && window.read.is_empty() && window.in_flight.is_empty() {
                return Pass::Over;
            }
            let idle = window.read.is_empty() && window.caught_up && window.has_room();
            let more_to_read = window.read.is_empty() && !window.caught_up && window.has_room();
            if more_to_read {
                continue;
            }
            tokio::select! {
                () = self.give_up.cancelled() => return Pass::Over,
                result = first_delivery(&mut window.in_flight), if !window.in_flight.is_empty() => {
                    arrived = Some(result);
                }
                () = self.appended.notified(), if idle => {
                    window.caught_up = false;
                    tokio::time::sleep(LINGER).await;
                }
                () = self.finish.cancelled(), if !finishing => {}
            }
        }
    }

    /// Ends a pass. What has arrived before the failure is kept: the checkpoint moves over it, so that it is not sent
    /// again.
    async fn failed(
        &self,
        error: DrainError,
        window: &mut Window,
        oversized: &mut Oversized,
    ) -> Pass {
        if let Err(also) = self.settle(window, None, oversized).await {
            warn!(error = chain(&also), "settle what was sent before a failure");
        }
        Pass::Failed(error)
    }

    /// Takes the deliveries that are there, from the oldest on, and moves the checkpoint behind them. `arrived` is the
    /// oldest's, if it has been awaited.
    async fn settle(
        &self,
        window: &mut Window,
        mut arrived: Option<Result<Option<Sent>, ProduceError>>,
        oversized: &mut Oversized,
    ) -> Result<(), DrainError> {
        let mut acknowledged = None;
        let mut failed = None;
        let mut n_drained = 0;
        while !window.in_flight.is_empty() {
            let result = match arrived.take() {
                Some(result) => result,
                None => match first_delivery(&mut window.in_flight).now_or_never() {
                    Some(result) => result,
                    None => break,
                },
            };
            let Some(record) = window.in_flight.pop_front() else { break };
            window.in_flight_bytes -= record.size_bytes;
            match result {
                Ok(sent) => {
                    n_drained += 1;
                    let too_large = oversized.remove(&record.sequence).is_some();
                    if let (Some(reason), Some(_)) = (record.dead, sent) {
                        self.note_dead_letter(record.sequence, &reason, too_large);
                    }
                    acknowledged = Some(record.sequence);
                }
                Err(source) => {
                    if let ProduceError::TooLarge { .. } = source {
                        let found = match record.dead {
                            None => TooLarge::Record(source.to_string()),
                            Some(_) => TooLarge::DeadLetterToo,
                        };
                        oversized.insert(record.sequence, found);
                    }
                    failed = Some(DrainError::Produce { sequence: record.sequence, source });
                    break;
                }
            }
        }
        if let Some(sequence) = acknowledged {
            self.metrics.drained.inc_by(n_drained);
            if self.last_error.set(None) {
                info!("inferences are sent to the log again");
            }
            let spool = Arc::clone(&self.spool);
            match tokio::task::spawn_blocking(move || spool.acknowledge(sequence)).await? {
                Ok(()) => {}
                // The records were sent. The next acknowledgement moves the checkpoint over them too, and if there is
                // none they are sent again and dropped by their readers as repeats.
                Err(error) => warn!(error = chain(&error), "the checkpoint of the spool is late"),
            }
            self.shadow.has_room();
        }
        failed.map_or(Ok(()), Err)
    }

    async fn read(&self, window: &mut Window) -> Result<(), DrainError> {
        let (spool, after) = (Arc::clone(&self.spool), window.cursor);
        let read = move || spool.read_after(after, READ_BYTES, READ_RECORDS);
        let records = tokio::task::spawn_blocking(read).await??;
        window.caught_up = records.is_empty();
        if let Some((sequence, _)) = records.last() {
            window.cursor = *sequence;
        }
        window.read = records.into();
        Ok(())
    }

    /// Gives the producer what was read, as far as there is room.
    async fn send(&self, window: &mut Window, oversized: &mut Oversized) -> Result<(), DrainError> {
        while window.has_room() {
            let Some((sequence, bytes)) = window.read.front() else { break };
            let (sequence, size_bytes) = (*sequence, bytes.len());
            let (record, dead) = self.to_record(sequence, bytes, oversized.get(&sequence));
            let enqueued = match oversized.get(&sequence) {
                Some(TooLarge::DeadLetterToo) => None,
                Some(TooLarge::Record(_)) | None => Some(self.producer.enqueue(record).await),
            };
            let delivery = match enqueued {
                Some(Ok(delivery)) => Some(delivery),
                Some(Err(error @ ProduceError::TooLarge { .. })) => {
                    let found = match dead {
                        None => TooLarge::Record(error.to_string()),
                        Some(_) => TooLarge::DeadLetterToo,
                    };
                    oversized.insert(sequence, found);
                    continue;
                }
                Some(Err(source)) => return Err(DrainError::Produce { sequence, source }),
                None => {
                    let reason = dead.as_deref();
                    error!(
                        sequence,
                        reason, "inference lost: not even its dead letter fits into the log"
                    );
                    None
                }
            };
            window.read.pop_front();
            window.in_flight_bytes += size_bytes;
            window.in_flight.push_back(InFlight { sequence, size_bytes, dead, delivery });
        }
        Ok(())
    }

    /// Counts and says that the log has a dead letter, once for each record, however often it was tried.
    fn note_dead_letter(&self, sequence: u64, reason: &str, too_large: bool) {
        warn!(sequence, reason, "an inference went to the dead letters");
        self.log.metrics().dead_letter(&self.topics.inferences());
        if too_large {
            self.metrics.oversized.inc();
        }
    }

    /// A record of the spool as the log gets it: an inference, or the dead letter of one that is too large or no
    /// inference, with the reason.
    fn to_record(
        &self,
        sequence: u64,
        bytes: &Bytes,
        too_large: Option<&TooLarge>,
    ) -> (OutRecord, Option<String>) {
        let origin = Origin { instance: self.spool.instance(), sequence };
        let (record, reason) = match SpoolRecord::decode(bytes.clone()) {
            Ok(record) => {
                let words = |it: &TooLarge| match it {
                    TooLarge::Record(words) => words.clone(),
                    TooLarge::DeadLetterToo => "too large, and so is its dead letter".to_owned(),
                };
                (Some(record), too_large.map(words))
            }
            Err(error) => (None, Some(format!("not a record of the spool: {error}"))),
        };
        let key = record.as_ref().map(|it| Bytes::copy_from_slice(it.id.as_bytes()));
        let (record, reason) = match (record, reason) {
            (Some(record), None) => {
                let out = OutRecord {
                    topic: self.topics.inferences(),
                    partition: None,
                    key,
                    value: Some(record.message(origin)),
                    envelope: record.envelope(INFERENCE_TYPE, origin),
                };
                return (out, None);
            }
            (record, reason) => (record, reason.unwrap_or_default()),
        };
        let place = format!("{}/{sequence}", origin.instance);
        let mut envelope = match &record {
            Some(record) => record.envelope(DeadLetters::EVENT_TYPE, origin),
            None => Envelope::new("", DeadLetters::EVENT_TYPE, SOURCE, clock::now()),
        };
        envelope.id = place;
        envelope.origin = Some(origin);
        envelope.extensions = BTreeMap::from([
            ("reason".to_owned(), reason.clone()),
            ("deadtopic".to_owned(), self.topics.inferences().to_string()),
        ]);
        let value = match &record {
            Some(record) => record.message_without_tensors(origin),
            None => bytes.clone(),
        };
        let topic = self.topics.dead_letters();
        let out = OutRecord { topic, partition: None, key, value: Some(value), envelope };
        (out, Some(reason))
    }
}

impl DrainError {
    /// The first record that has to be sent again, if it is one of them that failed.
    fn sequence(&self) -> Option<u64> {
        match self {
            Self::Produce { sequence, .. } => Some(*sequence),
            Self::Spool(_) | Self::Task(_) => None,
        }
    }
}

/// Waits for the oldest record's acknowledgement, and leaves the record where it is.
async fn first_delivery(in_flight: &mut VecDeque<InFlight>) -> Result<Option<Sent>, ProduceError> {
    match in_flight.front_mut().and_then(|it| it.delivery.as_mut()) {
        Some(delivery) => delivery.await.map(Some),
        None => Ok(None),
    }
}

/// Syncs the spool to the disk periodically, and looks how much room there is, until the token is cancelled.
pub(crate) async fn sync_often(
    spool: Arc<Spool>,
    dir: PathBuf,
    every: Duration,
    component: Component,
    stop: CancellationToken,
) {
    component.ok();
    let mut synced = None;
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        let state = (spool.last_sequence(), spool.acknowledged());
        if let Some(full) = disk::full(&dir) {
            component.degraded(full);
            continue;
        }
        if synced == Some(state) {
            component.ok();
            continue;
        }
        let to_sync = Arc::clone(&spool);
        match tokio::task::spawn_blocking(move || to_sync.sync()).await {
            Ok(Ok(())) => {
                synced = Some(state);
                component.ok();
            }
            Ok(Err(error)) => component.degraded(format!(
                "the spool cannot be synced, a power failure would lose inferences: {}",
                chain(&error)
            )),
            Err(error) => component.degraded(format!("syncing the spool failed: {error}")),
        }
    }
}
