//! Scoring in the order in which it becomes possible: topics, metric specs, inferences.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use shadowline_service::health::{Component, Health, Status};
use shadowline_stream::{ConsumerOptions, DeadLetters, Log, ProducerOptions, consume};
use shadowline_worker::{
    GroupName, Lifetime, LostRecords, TopicSettings, prepare_topics, watch_needed_log,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::emit::ScoreWriter;
use crate::error::MonitorError;
use crate::handler::ScoreHandler;
use crate::hosts::{announce, follow_hosts, watch_missing};
use crate::metrics::MonitorMetrics;
use crate::plan::Subscriptions;
use crate::scorers::Scorers;
use crate::specs::follow_specs;

/// What a monitor scores with: the scoring side of a service, while it runs.
#[derive(Debug)]
pub struct Monitor<'a, S: Scorers> {
    /// The service's name.
    pub service: &'static str,
    /// The log that inferences come from and scores go to.
    pub log: &'a Log,
    /// The topics' names, and what they are made with.
    pub topics: &'a TopicSettings,
    /// The consumer group.
    pub group: &'a GroupName,
    /// The most inferences scored at once.
    pub max_batch: NonZeroUsize,
    /// The specs and the scorers.
    pub subscriptions: Arc<Subscriptions<S>>,
    /// Its metrics.
    pub metrics: MonitorMetrics,
    /// Its parts of the service's health.
    pub health: MonitorHealth,
    /// Ends its tasks.
    pub lifetime: &'a Lifetime,
    /// Ends it.
    pub stop: CancellationToken,
}

/// The components of a monitor's health. To be made before HTTP is served, so that nothing finds a service that has no
/// components yet, and is ready.
#[derive(Debug)]
pub struct MonitorHealth {
    log: Component,
    specs: Component,
    hosts: Component,
    detectors: Component,
    scoring: Component,
    records: Component,
}

impl MonitorHealth {
    /// Adds them to a service's health.
    pub fn register(health: &Health) -> Self {
        let records = health.component("records");
        // Nothing was lost yet.
        records.ok();
        Self {
            records,
            log: health.component("log"),
            specs: health.component("metric-specs"),
            hosts: health.component("detectors topic"),
            detectors: health.component("detectors"),
            scoring: health.component("scoring"),
        }
    }
}

impl<S: Scorers> Monitor<'_, S> {
    /// Scores until `stop`.
    ///
    /// # Errors
    /// What no waiting cures: topics of the wrong form, a log that refuses.
    pub async fn run(self) -> Result<(), MonitorError> {
        let prepared = prepare_topics(self.log, self.topics, &self.health.log);
        match self.stop.run_until_cancelled(prepared).await {
            Some(prepared) => prepared.map_err(MonitorError::Topics)?,
            None => return Ok(()),
        }
        self.lifetime.spawn(watch_needed_log(self.log.clone(), self.health.log.clone()));
        let names = &self.topics.prefix;
        let (caught_up, specs_known) = oneshot::channel();
        self.lifetime.spawn(follow_specs(
            self.log.clone(),
            names.metric_specs(),
            Arc::clone(&self.subscriptions),
            self.health.specs.clone(),
            caught_up,
        ));
        let (caught_up, hosts_known) = oneshot::channel();
        self.lifetime.spawn(follow_hosts(
            self.log.clone(),
            names.detectors(),
            Arc::clone(&self.subscriptions),
            self.health.hosts.clone(),
            caught_up,
        ));
        // Without them, inferences would pass unscored because nobody seems to watch them, or it seems to be for others.
        let all_known = async { tokio::join!(specs_known, hosts_known) };
        tokio::select! {
            (Ok(()), Ok(())) = all_known => {}
            () = self.stop.cancelled() => return Ok(()),
        }
        let producer = self
            .log
            .producer(ProducerOptions::new(format!("shadowline-{}", self.service)))
            .map_err(MonitorError::Log)?;
        let subscriptions = Arc::clone(&self.subscriptions);
        self.lifetime.spawn(announce(producer.clone(), names.detectors(), subscriptions));
        let subscriptions = Arc::clone(&self.subscriptions);
        self.lifetime.spawn(watch_missing(subscriptions, self.health.detectors.clone()));
        let source = format!("/{}", self.service);
        let mut handler = ScoreHandler {
            subscriptions: self.subscriptions,
            dead_letters: DeadLetters::new(producer.clone(), names, source.as_str()),
            writer: ScoreWriter { producer, topic: names.scores(), source },
            metrics: self.metrics,
            health: self.health.scoring.clone(),
            lost: LostRecords::new(self.health.records.clone(), self.group.as_str()),
            too_large: BTreeMap::new(),
        };
        let mut options = ConsumerOptions::new(self.group.as_str(), [names.inferences()]);
        options.max_batch = self.max_batch.get();
        // Until then inferences pass unread, so readiness must wait for this.
        let reason = format!("waiting for the partitions of group `{}`", options.group);
        self.health.scoring.waiting(Status::Failing(reason));
        info!(group = options.group, "scoring");
        consume(self.log, options, &mut handler, self.stop).await.map_err(MonitorError::Consume)
    }
}
