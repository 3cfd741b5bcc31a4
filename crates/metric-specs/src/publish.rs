//! From the outboxes to the topics.
//!
//! A record leaves its outbox when the log has acknowledged it. So an outage of the log delays it, and the end of
//! this process may send it twice; its readers see the same id.

use std::time::Duration;

use shadowline_error::{BoxError, chain};
use shadowline_service::health::Component;
use shadowline_store::{Store, StoreError};
use shadowline_stream::{Log, OutRecord, ProduceError, Producer, Topics};
use shadowline_wire::WatchedSpec;
use shadowline_worker::{Backoff, read_table};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::alert_traces::AlertTraces;
use crate::metrics::MetricSpecsMetrics;
use crate::records::{alert_record, spec_key, spec_record};

/// How many records are taken from an outbox at once.
const PORTION: u32 = 100;
/// How often it is asked whether the topic of the specs is still the same.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
/// The wait before an attempt is repeated: it doubles from the first to the second.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Sends what is in the outboxes.
#[derive(Debug, Clone)]
pub(crate) struct Publisher {
    pub(crate) store: Store,
    pub(crate) producer: Producer,
    pub(crate) topics: Topics,
    pub(crate) metrics: MetricSpecsMetrics,
    pub(crate) traces: AlertTraces,
}

/// Which of the outboxes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outbox {
    Specs,
    Alerts,
}

impl Outbox {
    /// The name of the receiver in metrics.
    fn target(self) -> &'static str {
        match self {
            Self::Specs => "metric_specs_topic",
            Self::Alerts => "alerts_topic",
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("read or empty an outbox")]
    Store(#[from] StoreError),
    #[error("publish")]
    Produce(#[from] ProduceError),
}

impl Publisher {
    /// Sends what is in an outbox now and whenever there is more, until `ending`.
    pub(crate) async fn run(
        self,
        outbox: Outbox,
        mut wake: watch::Receiver<()>,
        health: Component,
        ending: CancellationToken,
    ) {
        self.metrics.receiver(outbox.target());
        let work = async {
            let mut backoff = Backoff::new(RETRY_AFTER.0, RETRY_AFTER.1);
            loop {
                wake.mark_unchanged();
                match self.drain(outbox).await {
                    Ok(()) => {
                        health.ok();
                        backoff.reset();
                        if wake.changed().await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        // Judging goes on; what is not sent yet is kept.
                        health.degraded(chain(&error));
                        backoff.wait().await;
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = ending.cancelled() => {}
        }
    }

    async fn drain(&self, outbox: Outbox) -> Result<(), PublishError> {
        match outbox {
            Outbox::Specs => self.drain_specs().await,
            Outbox::Alerts => self.drain_alerts().await,
        }
    }

    async fn drain_specs(&self) -> Result<(), PublishError> {
        let topic = self.topics.metric_specs();
        loop {
            let changes = self.store.unpublished_spec_changes(PORTION).await?;
            self.metrics.outbox("metric-specs", changes.len());
            if changes.is_empty() {
                return Ok(());
            }
            for change in changes {
                self.send(Outbox::Specs.target(), spec_record(&topic, &change)).await?;
                self.store.spec_change_published(change.change_no).await?;
            }
        }
    }

    async fn drain_alerts(&self) -> Result<(), PublishError> {
        let topic = self.topics.alerts();
        loop {
            let events = self.store.unpublished_alert_events(PORTION).await?;
            self.metrics.outbox("alerts", events.len());
            if events.is_empty() {
                return Ok(());
            }
            for event in events {
                let mut record = alert_record(&topic, &event);
                record.envelope.trace = self.traces.of(&event.event.id);
                self.send(Outbox::Alerts.target(), record).await?;
                self.store.alert_event_published(event.event_no).await?;
                self.traces.forget(&event.event.id);
            }
        }
    }

    /// Puts every spec into the outbox again if the topic does not have them all, because it was recreated.
    pub(crate) async fn restore_specs(&self, log: &Log) -> Result<(), BoxError> {
        let there = read_table(log, &self.topics.metric_specs(), |_, value| {
            WatchedSpec::decode(value).map_or(0, |it| it.version)
        })
        .await?;
        let specs = self.store.specs(None).await?;
        let missing = specs
            .iter()
            .filter(|it| there.get(&spec_key(it)) != Some(&u64::from(it.version.0)))
            .count();
        // What waits in the outbox is missing, too, and will come.
        if missing > 0 && self.store.unpublished_spec_changes(1).await?.is_empty() {
            warn!(n_specs = missing, "the topic lacks metric specs, they are sent again");
            self.store.republish_specs().await?;
        }
        Ok(())
    }

    /// Sends the specs again whenever their topic was deleted and made again: who follows it would else find none, and
    /// watch nothing. `wake` wakes the task that empties the outbox.
    pub(crate) async fn follow_topic(&self, log: &Log, wake: &watch::Sender<()>) {
        let topic = self.topics.metric_specs();
        let mut known = None;
        loop {
            // Without an answer, or without a topic, there is nothing to send to either.
            if let Ok(Some(id)) = log.topic_id(&topic).await {
                let is_new = known.is_some_and(|it| it != id);
                match if is_new { self.restore_specs(log).await } else { Ok(()) } {
                    Ok(()) => known = Some(id),
                    Err(error) => warn!(
                        error = chain(&*error),
                        "the topic of metric specs was made again and is not compared with the database yet"
                    ),
                }
                if is_new {
                    wake.send_replace(());
                }
            }
            tokio::time::sleep(LOOKED_AT_EVERY).await;
        }
    }

    async fn send(&self, target: &str, record: OutRecord) -> Result<(), PublishError> {
        let sent = self.producer.send(record).await;
        self.metrics.delivery(target, sent.is_ok());
        match sent {
            Ok(_) => Ok(()),
            Err(failed) if failed.is_permanent() => {
                // A permanent failure: the records behind it must not wait.
                error!(
                    target,
                    error = chain(&failed),
                    "a record was refused permanently and is left out"
                );
                Ok(())
            }
            Err(failed) => Err(failed.into()),
        }
    }
}
