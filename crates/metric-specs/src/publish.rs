//! From the outboxes to the topics.
//!
//! A record leaves its outbox when the log has acknowledged it. So an outage of the log delays it, and the end of
//! this process may send it twice; whoever reads it sees the same id.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use shadowline_error::{BoxError, chain};
use shadowline_evaluation::{
    Aggregate, AlertState, MetricSelector, MetricSpec, Span, VersionSelector,
};
use shadowline_service::clock;
use shadowline_service::health::Component;
use shadowline_store::{RecordedAlertEvent, SpecChange, Store, StoreError, StoredSpec};
use shadowline_stream::{Bytes, Envelope, Log, OutRecord, ProduceError, Producer, Topics};
use shadowline_wire::{
    ALERT_TYPE, METRIC_SPEC_TYPE, MetricRef, ModelRef, WatchedSpec, event, to_timestamp,
};
use shadowline_worker::{Backoff, read_table};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::alert_traces::AlertTraces;
use crate::metrics::MetricSpecsMetrics;

/// How many records are taken from an outbox at once.
const PORTION: u32 = 100;
/// The wait before an attempt is repeated: it doubles from the first to the second.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
const SOURCE: &str = "/metric-specs";

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
    /// What metrics call the receiver.
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

    async fn send(&self, target: &str, record: OutRecord) -> Result<(), PublishError> {
        let sent = self.producer.send(record).await;
        self.metrics.delivery(target, sent.is_ok());
        match sent {
            Ok(_) => Ok(()),
            Err(failed) if failed.is_permanent() => {
                // It can never be sent, and those behind it must not wait for that.
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

fn spec_key(spec: &StoredSpec) -> Bytes {
    Bytes::from(spec.id.to_string())
}

fn spec_record(topic: &Arc<str>, change: &SpecChange) -> OutRecord {
    let key = Bytes::from(change.id.to_string());
    let (value, version, time) = match &change.to {
        Some(spec) => {
            (Some(Bytes::from(watched(spec).encode())), spec.version.to_string(), spec.updated_at)
        }
        None => (None, "deleted".to_owned(), clock::now()),
    };
    let envelope =
        Envelope::new(format!("{}/{version}", change.id), METRIC_SPEC_TYPE, SOURCE, time);
    OutRecord { topic: Arc::clone(topic), partition: None, key: Some(key), value, envelope }
}

fn watched(stored: &StoredSpec) -> WatchedSpec {
    let spec = &stored.spec;
    WatchedSpec {
        id: stored.id.to_string(),
        name: spec.name().to_string(),
        version: stored.version.0.into(),
        enabled: spec.enabled(),
        model: ModelRef {
            name: spec.model().name.clone(),
            version: spec.model().version.to_string(),
        },
        monitor: metric(spec).monitor(),
        document_json: serde_json::to_string(spec)
            .expect("a checked spec has finite numbers and text keys"),
        changed_at: stored.updated_at,
    }
}

/// What a spec judges; the newest version has none here.
fn metric(spec: &MetricSpec) -> MetricRef {
    let version = match spec.metric() {
        MetricSelector::Monitor { version: VersionSelector::Exactly(version), .. } => {
            version.to_string()
        }
        MetricSelector::Monitor { version: VersionSelector::Any, .. }
        | MetricSelector::Drift { .. }
        | MetricSelector::Quality { .. }
        | MetricSelector::Service { .. }
        | MetricSelector::Performance { .. } => String::new(),
    };
    MetricRef { kind: spec.metric().into(), name: spec.metric().name().to_owned(), version }
}

fn alert_record(topic: &Arc<str>, recorded: &RecordedAlertEvent) -> OutRecord {
    let event = &recorded.event;
    let message = alert(recorded);
    let envelope = Envelope::new(event.id.as_str(), ALERT_TYPE, SOURCE, event.recorded_at);
    OutRecord {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(spec_key(&recorded.spec)),
        value: Some(Bytes::from(message.encode_to_vec())),
        envelope,
    }
}

fn alert(recorded: &RecordedAlertEvent) -> event::Alert {
    let (spec, transition) = (&recorded.spec.spec, &recorded.event.transition);
    let limit = match spec.over().map(shadowline_evaluation::Over::aggregate) {
        Some(Aggregate::BreachShare { exceeds }) => exceeds,
        Some(Aggregate::Mean | Aggregate::Max | Aggregate::Min) | None => {
            spec.condition().threshold()
        }
    };
    event::Alert {
        id: recorded.event.id.clone(),
        spec_id: recorded.spec.id.to_string(),
        spec_name: spec.name().to_string(),
        spec_version: recorded.spec.version.0.into(),
        model: Some(event::ModelRef {
            name: spec.model().name.clone(),
            version: spec.model().version.to_string(),
        }),
        monitor: metric(spec)
            .monitor()
            .map(|it| event::MonitorRef { name: it.name, version: it.version }),
        from_state: wire_state(transition.from).into(),
        to_state: wire_state(transition.to).into(),
        value: transition.value,
        threshold: limit,
        operator: spec.condition().operator().name().to_owned(),
        sentence: spec.condition().to_string(),
        window: window(recorded),
        severity: spec.severity().name().to_owned(),
        labels: spec.labels().clone().into_iter().collect(),
        example_inference_ids: transition.examples.clone(),
        contributions: Vec::new(),
        at: Some(to_timestamp(transition.at)),
        started_at: transition.fired_at.or(transition.condition_since).map(to_timestamp),
        incident: recorded.event.incident,
        metric: Some((&metric(spec)).into()),
    }
}

fn window(recorded: &RecordedAlertEvent) -> Option<event::Window> {
    let over = recorded.spec.spec.over()?;
    let found = recorded.event.transition.window.as_ref();
    let (length, last) = match over.span() {
        Span::Time(length) => (prost_types::Duration::try_from(length).ok(), 0),
        Span::Last(last) => (None, narrow(last)),
    };
    let exceeds = match over.aggregate() {
        Aggregate::BreachShare { exceeds } => exceeds,
        Aggregate::Mean | Aggregate::Max | Aggregate::Min => 0.0,
    };
    Some(event::Window {
        length,
        last,
        aggregate: over.aggregate().name().to_owned(),
        exceeds,
        min_samples: narrow(over.min_samples()),
        n_checks: narrow(found.map_or(0, |it| it.n_scored + it.n_unscored)),
        n_breaches: narrow(found.map_or(0, |it| it.n_breach)),
        n_unscored: narrow(found.map_or(0, |it| it.n_unscored)),
    })
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn wire_state(state: AlertState) -> event::AlertState {
    match state {
        AlertState::Inactive => event::AlertState::Inactive,
        AlertState::Pending => event::AlertState::Pending,
        AlertState::Firing => event::AlertState::Firing,
    }
}
