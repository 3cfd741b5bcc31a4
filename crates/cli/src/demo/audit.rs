//! An independent reader of the topics, which counts by id what the services have done.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use anyhow::Context;
use parking_lot::Mutex;
use shadowline_stream::{Log, ReadEvent, Received, StartAt, Topics};
use shadowline_wire::event::{Alert, AlertState};
use shadowline_wire::{Inference, Outcome, Score, Subject};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What has been seen on the topics since the audit began.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) shadowed: HashSet<String>,
    /// Requests that were shadowed with an error.
    pub(crate) failed: HashSet<String>,
    /// Records on the inferences topic, repeats counted.
    pub(crate) n_inference_records: usize,
    /// By detector: the inferences that it spoke of.
    pub(crate) scored: BTreeMap<String, HashSet<String>>,
    /// By detector: the inferences that it could not score, with the reason.
    pub(crate) unscored: BTreeMap<String, HashMap<String, String>>,
    pub(crate) alerts: Vec<AlertSeen>,
    /// Records that could not be read.
    pub(crate) unreadable: Vec<String>,
}

/// Notes one record of a topic.
type Note = fn(&mut Seen, &Received) -> anyhow::Result<()>;

/// One change of an alert.
#[derive(Debug, Clone)]
pub(crate) struct AlertSeen {
    pub(crate) spec: String,
    pub(crate) from: AlertState,
    pub(crate) to: AlertState,
    pub(crate) value: Option<f64>,
    pub(crate) sentence: String,
    pub(crate) seen_at: Instant,
}

/// Reads the topics until it is dropped.
#[derive(Debug)]
pub(crate) struct Audit {
    seen: Arc<Mutex<Seen>>,
    changes: watch::Receiver<u64>,
    _stop: tokio_util::sync::DropGuard,
}

impl Audit {
    /// Begins behind what is on the topics now; nothing that comes afterwards is missed.
    pub(crate) async fn start(log: &Log, topics: &Topics) -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (changed, changes) = watch::channel(0);
        let changed = Arc::new(changed);
        let stop = CancellationToken::new();
        let readers: [(Arc<str>, Note); 3] = [
            (topics.inferences(), Seen::inference),
            (topics.scores(), Seen::score),
            (topics.alerts(), Seen::alert),
        ];
        for (topic, note) in readers {
            let reading = || format!("read topic `{topic}`");
            let mut reader = log.reader(&topic, StartAt::Latest).await.with_context(reading)?;
            while !matches!(reader.next().await.with_context(reading)?, ReadEvent::CaughtUp) {}
            let (seen, changed, stop) = (Arc::clone(&seen), Arc::clone(&changed), stop.clone());
            tokio::spawn(async move {
                loop {
                    let event = tokio::select! {
                        () = stop.cancelled() => return,
                        event = reader.next() => event,
                    };
                    let noted = match event {
                        Ok(ReadEvent::Record(record)) => note(&mut seen.lock(), &record),
                        Ok(ReadEvent::CaughtUp) => Ok(()),
                        Err(error) => Err(error.into()),
                    };
                    if let Err(error) = noted {
                        seen.lock().unreadable.push(format!("{topic}: {error:#}"));
                    }
                    changed.send_modify(|it| *it += 1);
                }
            });
        }
        Ok(Self { seen, changes, _stop: stop.drop_guard() })
    }

    /// Looks at what has been seen.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock())
    }

    /// Waits until what has been seen satisfies a condition.
    pub(crate) async fn until(&self, mut condition: impl FnMut(&Seen) -> bool) {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if condition(&self.seen.lock()) {
                return;
            }
            // The readers live as long as this does, and they hold the sender.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Seen {
    /// How many inferences a detector has spoken of.
    pub(crate) fn n_scored(&self, detector: &str) -> usize {
        self.scored.get(detector).map_or(0, HashSet::len)
    }

    /// Whether an alert fires now.
    pub(crate) fn is_firing(&self) -> bool {
        let mut states = BTreeMap::new();
        for AlertSeen { spec, to, .. } in &self.alerts {
            states.insert(spec, *to);
        }
        states.values().any(|it| *it != AlertState::Inactive)
    }

    /// How often alerts began to fire.
    pub(crate) fn n_firings(&self) -> usize {
        self.alerts.iter().filter(|it| it.to == AlertState::Firing).count()
    }

    fn inference(&mut self, record: &Received) -> anyhow::Result<()> {
        let inference = Inference::decode(value(record)?)?;
        self.n_inference_records += 1;
        if matches!(inference.outcome, Outcome::Failed(_)) {
            self.failed.insert(inference.id.clone());
        }
        self.shadowed.insert(inference.id);
        Ok(())
    }

    fn score(&mut self, record: &Received) -> anyhow::Result<()> {
        let Score { subject, metric, result, .. } = Score::decode(value(record)?)?;
        let Subject::Inference(inference_id) = subject else { return Ok(()) };
        if let Err(reason) = result {
            let unscored = self.unscored.entry(metric.name.clone()).or_default();
            unscored.insert(inference_id.clone(), reason.message);
        }
        self.scored.entry(metric.name).or_default().insert(inference_id);
        Ok(())
    }

    fn alert(&mut self, record: &Received) -> anyhow::Result<()> {
        let alert: Alert = prost::Message::decode(value(record)?)?;
        self.alerts.push(AlertSeen {
            from: alert.from_state(),
            to: alert.to_state(),
            spec: alert.spec_name,
            value: alert.value,
            sentence: alert.sentence,
            seen_at: Instant::now(),
        });
        Ok(())
    }
}

fn value(record: &Received) -> anyhow::Result<&[u8]> {
    record.value.as_deref().with_context(|| {
        format!("partition {}, offset {}: no value", record.partition, record.offset)
    })
}
