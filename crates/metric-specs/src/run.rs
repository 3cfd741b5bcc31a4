//! The life of the service: open, publish, consume, stop in order.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use shadowline_service::health::{Component, Consumer, Health, Status};
use shadowline_service::metrics::Metrics;
use shadowline_service::{clock, http};
use shadowline_store::{Store, StoreError};
use shadowline_stream::{
    ConsumeError, ConsumerOptions, DeadLetters, Log, LogError, Producer, ProducerOptions,
    TopicError, consume,
};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::alert_traces::AlertTraces;
use crate::alertmanager::Peer;
use crate::config::Config;
use crate::engine::{Engine, Handle, Wakers};
use crate::ingest::Ingest;
use crate::log_health;
use crate::metrics::MetricSpecsMetrics;
use crate::publish::{Outbox, Publisher};

const SERVICE: &str = "metric-specs";
/// The wait before something that failed for now is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often old checks are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How many are dropped at once: the writer of checks waits for it.
const RETENTION_PORTION: u32 = 2_000;

/// Why the service stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum MetricSpecsError {
    /// The database cannot be used as it is set.
    #[error("open the database")]
    Store(#[source] StoreError),
    /// The directory of the database cannot be made.
    #[error("make the directory `{dir}` for the database")]
    Directory {
        /// The directory.
        dir: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The log cannot be used as it is set.
    #[error("open the log")]
    Log(#[source] LogError),
    /// The topics are not as they must be.
    #[error("prepare the topics")]
    Topics(#[source] TopicError),
    /// Scores can no longer be read.
    #[error("apply scores")]
    Consume(#[source] ConsumeError),
    /// The HTTP port cannot be opened or served.
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
    /// The HTTP client for Alertmanager cannot be made.
    #[error("make the client for Alertmanager")]
    Client(#[source] reqwest::Error),
}

/// Opens the log and the port that the settings name, then [`serve`]s.
///
/// # Errors
/// As `serve`; also if the log or the port cannot be opened.
pub fn run(
    config: Config,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), MetricSpecsError>> {
    Box::pin(async move {
        let listener = config.http.bind().await.map_err(MetricSpecsError::Http)?;
        let log = Log::open(&config.log).await.map_err(MetricSpecsError::Log)?;
        serve(config, log, listener, stop).await
    })
}

/// Runs the service on a log until `stop`: REST at once, evaluation when the topics are there.
///
/// # Errors
/// What no waiting cures: a database or topics of the wrong form, a log that refuses.
pub fn serve(
    config: Config,
    log: Log,
    listener: TcpListener,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), MetricSpecsError>> {
    // Boxed here, so that the code of the whole service is made once, in this crate, and not again in every
    // program and test that runs it.
    Box::pin(async move {
        let health = Health::new(SERVICE);
        let metrics = Metrics::new(SERVICE, env!("CARGO_PKG_VERSION"));
        metrics.with_registry(|it| log.metrics().register(it));
        let own_metrics = MetricSpecsMetrics::register(&metrics);
        health.set_consumers(lag_of(&log, &config.group, config.topics.prefix.scores()));
        let store = open_store(&config).await?;
        let wakers = Wakers {
            specs: watch::Sender::new(()),
            alerts: watch::Sender::new(()),
            traces: AlertTraces::default(),
        };
        let names = &config.topics.prefix;
        let engine = Engine::open(
            store.clone(),
            config.group.clone(),
            names.scores().to_string(),
            wakers.clone(),
            own_metrics.clone(),
            health.component("store"),
        )
        .await
        .map_err(MetricSpecsError::Store)?;

        // Ends when this function does, however it does; HTTP goes last, so that health can be asked until then.
        let ending = CancellationToken::new();
        let _ending = ending.clone().drop_guard();
        let tasks = TaskTracker::new();
        tasks.spawn(announce_stop(health.clone(), stop.clone(), ending.clone()));
        tasks.spawn(drop_old_checks(
            store.clone(),
            config.checks_retention,
            own_metrics.clone(),
            ending.clone(),
        ));
        let engine = engine.start(ending.clone());
        start_peers(&config, &listener, &store, &wakers, &own_metrics, &tasks, &ending)?;
        let api = crate::api::router(engine.clone(), store.clone());
        let http = http::serve(listener, http::router(&health, &metrics, api), ending.clone());
        tokio::pin!(http);

        let pipeline = Pipeline {
            config: &config,
            log: &log,
            store: store.clone(),
            engine,
            wakers: &wakers,
            metrics: own_metrics,
            health: &health,
            topics: health.component("topics"),
            consuming: health.component("scores"),
            tasks: &tasks,
            stop,
            ending: ending.clone(),
        };
        let result = tokio::select! {
            result = pipeline.run() => result,
            result = &mut http => result.map_err(MetricSpecsError::Http),
        };
        ending.cancel();
        if result.is_ok() {
            http.await.map_err(MetricSpecsError::Http)?;
        }
        tasks.close();
        tasks.wait().await;
        store.close().await;
        result
    })
}

/// How far behind a group is, for the status.
fn lag_of(
    log: &Log,
    group: &str,
    topic: Arc<str>,
) -> impl Fn() -> Vec<Consumer> + Send + Sync + 'static {
    let (metrics, group) = (log.metrics().clone(), group.to_owned());
    move || {
        let lag = metrics.group_lag(&group).into_iter().find(|it| it.topic == topic);
        vec![Consumer {
            group: group.clone(),
            topic: topic.to_string(),
            partitions: lag.as_ref().map_or(0, |it| it.n_partitions),
            lag_records: lag.and_then(|it| it.n_records),
        }]
    }
}

async fn open_store(config: &Config) -> Result<Store, MetricSpecsError> {
    if let Some(dir) = config.store.path().and_then(|it| it.parent()) {
        tokio::fs::create_dir_all(dir).await.map_err(|source| MetricSpecsError::Directory {
            dir: dir.display().to_string(),
            source,
        })?;
    }
    Store::open(&config.store).await.map_err(MetricSpecsError::Store)
}

fn start_peers(
    config: &Config,
    listener: &TcpListener,
    store: &Store,
    wakers: &Wakers,
    metrics: &MetricSpecsMetrics,
    tasks: &TaskTracker,
    ending: &CancellationToken,
) -> Result<(), MetricSpecsError> {
    let settings = &config.alertmanager;
    let client = reqwest::Client::builder().build().map_err(MetricSpecsError::Client)?;
    let external_url = match settings.external_url.trim_end_matches('/') {
        "" => format!("http://{}", listener.local_addr().map_err(MetricSpecsError::Http)?),
        given => given.to_owned(),
    };
    for url in &settings.urls {
        let peer = Peer {
            url: url.clone(),
            client: client.clone(),
            settings: settings.clone(),
            external_url: external_url.clone(),
            store: store.clone(),
            metrics: metrics.clone(),
        };
        tasks.spawn(peer.run(wakers.alerts.subscribe(), ending.clone()));
    }
    Ok(())
}

/// The side of the service that reads and writes the log, while it runs.
struct Pipeline<'a> {
    config: &'a Config,
    log: &'a Log,
    store: Store,
    engine: Handle,
    wakers: &'a Wakers,
    metrics: MetricSpecsMetrics,
    health: &'a Health,
    topics: Component,
    consuming: Component,
    tasks: &'a TaskTracker,
    stop: CancellationToken,
    ending: CancellationToken,
}

impl Pipeline<'_> {
    async fn run(self) -> Result<(), MetricSpecsError> {
        if !self.prepare_topics().await? {
            return Ok(());
        }
        let watched = self.health.component("log");
        self.tasks.spawn(log_health::watch(self.log.clone(), watched, self.ending.clone()));
        // One for everything: its connections are open by the time that the first alert is sent.
        let options = ProducerOptions::new(format!("shadowline-{SERVICE}"));
        let producer = self.log.producer(options).map_err(MetricSpecsError::Log)?;
        self.start_publishers(&producer);
        let names = &self.config.topics.prefix;
        let mut ingest = Ingest {
            engine: self.engine,
            log: self.log.clone(),
            topic: names.scores(),
            dead_letters: DeadLetters::new(producer, names, format!("/{SERVICE}")),
            metrics: self.metrics,
            health: self.consuming.clone(),
        };
        let mut options = ConsumerOptions::new(self.config.group.as_str(), [names.scores()]);
        options.max_batch = self.config.max_batch;
        let reason = format!("waiting for the partitions of group `{}`", options.group);
        self.consuming.waiting(Status::Failing(reason));
        info!(group = options.group, "judging scores");
        consume(self.log, options, &mut ingest, self.stop).await.map_err(MetricSpecsError::Consume)
    }

    fn start_publishers(&self, producer: &Producer) {
        let publisher = Publisher {
            store: self.store.clone(),
            producer: producer.clone(),
            topics: self.config.topics.prefix.clone(),
            metrics: self.metrics.clone(),
            traces: self.wakers.traces.clone(),
        };
        let (specs, alerts) = (publisher.clone(), publisher);
        let health = self.health.component("alerts topic");
        let wake = self.wakers.alerts.subscribe();
        self.tasks.spawn(alerts.run(Outbox::Alerts, wake, health, self.ending.clone()));
        let health = self.health.component("metric-specs topic");
        let (log, wake, ending) =
            (self.log.clone(), self.wakers.specs.subscribe(), self.ending.clone());
        self.tasks.spawn(async move {
            let restored = tokio::select! {
                restored = specs.restore_specs(&log) => restored,
                () = ending.cancelled() => return,
            };
            if let Err(error) = restored {
                warn!(
                    error = chain(&*error),
                    "the topic of metric specs was not compared with the database"
                );
            }
            specs.run(Outbox::Specs, wake, health, ending).await;
        });
    }

    /// Creates and checks the topics, waiting for the log where that helps; false if a stop came first.
    async fn prepare_topics(&self) -> Result<bool, MetricSpecsError> {
        let topics = &self.config.topics;
        let specs = topics.prefix.specs(topics.partitions, topics.replication);
        loop {
            let error = tokio::select! {
                result = self.log.ensure_topics(&specs) => match result {
                    Ok(()) => {
                        self.topics.ok();
                        return Ok(true);
                    }
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return Ok(false),
            };
            match error {
                TopicError::Create { .. } | TopicError::Check { .. } => {
                    self.topics.failing(chain(&error))
                }
                TopicError::PartitionsDiffer { .. }
                | TopicError::NothingToMatch { .. }
                | TopicError::CleanupDiffers { .. }
                | TopicError::MessagesTooSmall { .. }
                | TopicError::Empty { .. } => return Err(MetricSpecsError::Topics(error)),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_AFTER) => {}
                () = self.stop.cancelled() => return Ok(false),
            }
        }
    }
}

async fn announce_stop(health: Health, stop: CancellationToken, ending: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => health.stopping(),
        () = ending.cancelled() => {}
    }
}

/// Drops checks that are older than their retention, a few at a time.
async fn drop_old_checks(
    store: Store,
    retention: Duration,
    metrics: MetricSpecsMetrics,
    ending: CancellationToken,
) {
    let Ok(retention) = SignedDuration::try_from(retention) else { return };
    let work = async {
        loop {
            let dropped = match clock::now().checked_sub(retention) {
                Ok(cutoff) => store.delete_checks_before(cutoff, RETENTION_PORTION).await,
                // Longer than there has been time.
                Err(_) => Ok(0),
            };
            match dropped {
                Ok(n_checks) => {
                    metrics.expired(n_checks);
                    if n_checks == u64::from(RETENTION_PORTION) {
                        continue;
                    }
                }
                Err(error) => warn!(error = chain(&error), "old checks were not dropped"),
            }
            tokio::time::sleep(RETENTION_EVERY).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = ending.cancelled() => {}
    }
}

/// An error with all its causes, as a sentence.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text
}
