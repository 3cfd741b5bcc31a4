//! Everything but REST, in the order in which it becomes possible: the database, the topics, consuming.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use shadowline_error::chain;
use shadowline_service::health::{Component, Health, Status};
use shadowline_store::Store;
use shadowline_stream::{ConsumerOptions, DeadLetters, Log, Producer, ProducerOptions, consume};
use shadowline_worker::{Lifetime, LostRecords, prepare_topics, watch_needed_log};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::NAME;
use crate::alertmanager::Peer;
use crate::api::Opened;
use crate::config::Config;
use crate::database::Opening;
use crate::delivery_health::DeliveryHealth;
use crate::engine::{Command, Engine, Handle, Wakers};
use crate::error::MetricSpecsError;
use crate::ingest::Ingest;
use crate::metrics::MetricSpecsMetrics;
use crate::publish::{Outbox, Publisher};
use crate::retention::{Old, drop_old};

/// Everything but REST, while it runs.
#[derive(Debug)]
pub(crate) struct Pipeline<'a> {
    pub(crate) config: &'a Config,
    pub(crate) log: &'a Log,
    pub(crate) store: Store,
    pub(crate) engine: Handle,
    pub(crate) wakers: &'a Wakers,
    pub(crate) metrics: MetricSpecsMetrics,
    pub(crate) external_url: String,
    pub(crate) health: &'a Health,
    pub(crate) storing: Component,
    pub(crate) topics: Component,
    pub(crate) consuming: Component,
    pub(crate) records: Component,
    pub(crate) lifetime: &'a Lifetime,
    pub(crate) stop: CancellationToken,
}

impl Pipeline<'_> {
    /// Runs until `stop`, or until something fails that waiting does not cure.
    pub(crate) async fn run(
        self,
        commands: mpsc::Receiver<Command>,
        opened: Opened,
    ) -> Result<(), MetricSpecsError> {
        let Some(engine) = self.open_store().await? else { return Ok(()) };
        engine.start(commands, self.lifetime.ending().clone());
        opened.store(true, Ordering::Relaxed);
        self.start_retention();
        self.start_peers()?;
        let prepared = prepare_topics(self.log, &self.config.topics, &self.topics);
        match self.stop.run_until_cancelled(prepared).await {
            Some(prepared) => prepared.map_err(MetricSpecsError::Topics)?,
            None => return Ok(()),
        }
        // Specs can be changed and alerts be looked at without it; but nothing is judged.
        let health = self.health.component("log");
        self.lifetime.spawn(watch_needed_log(self.log.clone(), health));
        // One for everything: its connections are open by the time that the first alert is sent.
        let options = ProducerOptions::new(format!("shadowline-{NAME}"));
        let producer = self.log.producer(options).map_err(MetricSpecsError::Log)?;
        self.start_publishers(&producer);
        let names = &self.config.topics.prefix;
        let mut ingest = Ingest {
            engine: self.engine,
            log: self.log.clone(),
            topic: names.scores(),
            dead_letters: DeadLetters::new(producer, names, format!("/{NAME}")),
            metrics: self.metrics,
            health: self.consuming.clone(),
            lost: LostRecords::new(self.records.clone(), self.config.group.as_str()),
            dead_lettered: HashSet::new(),
        };
        let mut options = ConsumerOptions::new(self.config.group.as_str(), [names.scores()]);
        options.max_batch = self.config.max_batch.get();
        let reason = format!("waiting for the partitions of group `{}`", options.group);
        self.consuming.waiting(Status::Failing(reason));
        info!(group = options.group, "judging scores");
        consume(self.log, options, &mut ingest, self.stop).await.map_err(MetricSpecsError::Consume)
    }

    /// `None` if a stop came first.
    async fn open_store(&self) -> Result<Option<Engine>, MetricSpecsError> {
        let opening = Opening {
            store: &self.store,
            config: self.config,
            wakers: self.wakers,
            metrics: &self.metrics,
            health: &self.storing,
        };
        let opened = self.stop.run_until_cancelled(opening.open()).await;
        opened.transpose().map_err(MetricSpecsError::Store)
    }

    fn start_retention(&self) {
        for (old, retention) in [
            (Old::Checks, self.config.checks_retention),
            (Old::AlertEvents, self.config.alerts_retention),
        ] {
            let (store, metrics) = (self.store.clone(), self.metrics.clone());
            self.lifetime.spawn(drop_old(old, store, retention.get(), metrics));
        }
    }

    fn start_peers(&self) -> Result<(), MetricSpecsError> {
        let settings = &self.config.alertmanager;
        let client = reqwest::Client::builder().build().map_err(MetricSpecsError::Client)?;
        let health = (!settings.urls.is_empty())
            .then(|| DeliveryHealth::new(self.health.component("alert delivery")));
        for (url, health) in settings.urls.iter().zip(std::iter::repeat(health).flatten()) {
            let peer = Peer {
                url: url.clone(),
                client: client.clone(),
                settings: settings.clone(),
                external_url: self.external_url.clone(),
                store: self.store.clone(),
                metrics: self.metrics.clone(),
                health: health.clone(),
            };
            let ending = self.lifetime.ending().clone();
            self.lifetime.spawn(peer.run(self.wakers.alerts.subscribe(), ending));
        }
        Ok(())
    }

    fn start_publishers(&self, producer: &Producer) {
        let publisher = Publisher {
            store: self.store.clone(),
            producer: producer.clone(),
            topics: self.config.topics.prefix.clone(),
            metrics: self.metrics.clone(),
            traces: self.wakers.traces.clone(),
        };
        let (specs, alerts, follower) = (publisher.clone(), publisher.clone(), publisher);
        let (log, wake) = (self.log.clone(), self.wakers.specs.clone());
        self.lifetime.spawn(async move { follower.follow_topic(&log, &wake).await });
        let ending = self.lifetime.ending().clone();
        let health = self.health.component("alerts topic");
        let wake = self.wakers.alerts.subscribe();
        self.lifetime.spawn(alerts.run(Outbox::Alerts, wake, health, ending.clone()));
        let health = self.health.component("metric-specs topic");
        let (log, wake) = (self.log.clone(), self.wakers.specs.subscribe());
        self.lifetime.spawn(async move {
            if let Err(error) = specs.restore_specs(&log).await {
                warn!(
                    error = chain(&*error),
                    "the topic of metric specs was not compared with the database"
                );
            }
            specs.run(Outbox::Specs, wake, health, ending).await;
        });
    }
}
