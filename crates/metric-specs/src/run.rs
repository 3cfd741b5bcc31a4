//! The life of the service: open, publish, consume, stop in order.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use shadowline_error::chain;
use shadowline_service::health::{Component, Consumer, Health, Status};
use shadowline_service::metrics::Metrics;
use shadowline_service::{clock, http};
use shadowline_store::{Store, StoreError};
use shadowline_stream::{
    ConsumeError, ConsumerOptions, DeadLetters, Log, LogError, Producer, ProducerOptions,
    TopicError, consume,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::alert_traces::AlertTraces;
use crate::alertmanager::Peer;
use crate::api::Opened;
use crate::config::{Config, ConfigError};
use crate::engine::{self, Command, Engine, Handle, Wakers};
use crate::ingest::Ingest;
use crate::log_health;
use crate::metrics::MetricSpecsMetrics;
use crate::publish::{Outbox, Publisher};

const SERVICE: &str = "metric-specs";
/// The wait before something that failed for now is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// The longest wait before a database that is away is tried again.
const LONGEST_RETRY: Duration = Duration::from_secs(5);
/// How often old rows are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How many are dropped at once: on SQLite the writer of checks waits for it.
const RETENTION_PORTION: u32 = 5_000;

/// Why the service stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum MetricSpecsError {
    /// Settings that do not go together.
    #[error("check the settings")]
    Settings(#[source] ConfigError),
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

/// Runs the service on a log until `stop`: health at once, REST when the database is there, evaluation when the topics
/// are.
///
/// # Errors
/// What no waiting cures: a database that refuses us, a database or topics of the wrong form, a log that refuses. A
/// database that is away is waited for; one that has lost what it had confirmed ends the service, so that it starts
/// again where the database is.
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
        let options = config.store_options().map_err(MetricSpecsError::Settings)?;
        make_directory(&config).await?;
        let store = Store::new(&config.store, &options).map_err(MetricSpecsError::Store)?;
        let wakers = Wakers {
            specs: watch::Sender::new(()),
            alerts: watch::Sender::new(()),
            traces: AlertTraces::default(),
        };
        let (engine, commands) = engine::channel();

        // Ends when this function does, however it does; HTTP goes last, so that health can be asked until then.
        let ending = CancellationToken::new();
        let _ending = ending.clone().drop_guard();
        let tasks = TaskTracker::new();
        tasks.spawn(announce_stop(health.clone(), stop.clone(), ending.clone()));
        let external_url = external_url(&config, &listener)?;
        let opened = Opened::default();
        let api = crate::api::router(engine.clone(), store.clone(), opened.clone());
        let http = http::serve(listener, http::router(&health, &metrics, api), ending.clone());
        tokio::pin!(http);

        let pipeline = Pipeline {
            config: &config,
            log: &log,
            store: store.clone(),
            engine,
            wakers: &wakers,
            metrics: own_metrics,
            external_url,
            health: &health,
            storing: health.component("store"),
            topics: health.component("topics"),
            consuming: health.component("scores"),
            tasks: &tasks,
            stop,
            ending: ending.clone(),
        };
        let result = tokio::select! {
            result = pipeline.run(commands, opened) => result,
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

async fn make_directory(config: &Config) -> Result<(), MetricSpecsError> {
    let Some(dir) = config.store.path().and_then(|it| it.parent()) else { return Ok(()) };
    tokio::fs::create_dir_all(dir)
        .await
        .map_err(|source| MetricSpecsError::Directory { dir: dir.display().to_string(), source })
}

fn external_url(config: &Config, listener: &TcpListener) -> Result<String, MetricSpecsError> {
    match config.alertmanager.external_url.trim_end_matches('/') {
        "" => {
            let address = listener.local_addr().map_err(MetricSpecsError::Http)?;
            Ok(format!("http://{address}"))
        }
        given => Ok(given.to_owned()),
    }
}

/// Everything but REST, while it runs.
struct Pipeline<'a> {
    config: &'a Config,
    log: &'a Log,
    store: Store,
    engine: Handle,
    wakers: &'a Wakers,
    metrics: MetricSpecsMetrics,
    external_url: String,
    health: &'a Health,
    storing: Component,
    topics: Component,
    consuming: Component,
    tasks: &'a TaskTracker,
    stop: CancellationToken,
    ending: CancellationToken,
}

impl Pipeline<'_> {
    async fn run(
        self,
        commands: mpsc::Receiver<Command>,
        opened: Opened,
    ) -> Result<(), MetricSpecsError> {
        let Some(engine) = self.open_store().await? else { return Ok(()) };
        engine.start(commands, self.ending.clone());
        opened.store(true, Ordering::Relaxed);
        self.start_retention();
        self.start_peers()?;
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
            dead_lettered: HashSet::new(),
        };
        let mut options = ConsumerOptions::new(self.config.group.as_str(), [names.scores()]);
        options.max_batch = self.config.max_batch;
        let reason = format!("waiting for the partitions of group `{}`", options.group);
        self.consuming.waiting(Status::Failing(reason));
        info!(group = options.group, "judging scores");
        consume(self.log, options, &mut ingest, self.stop).await.map_err(MetricSpecsError::Consume)
    }

    /// Opens the database and reads what is in it, waiting for it where that helps; `None` if a stop came first.
    async fn open_store(&self) -> Result<Option<Engine>, MetricSpecsError> {
        let mut wait = RETRY_AFTER;
        loop {
            let error = tokio::select! {
                opened = self.try_open() => match opened {
                    Ok(engine) => return Ok(Some(engine)),
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return Ok(None),
            };
            if error.is_permanent() {
                return Err(MetricSpecsError::Store(error));
            }
            self.storing.failing(format!("waiting for the database: {}", chain(&error)));
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = (wait * 2).min(LONGEST_RETRY),
                () = self.stop.cancelled() => return Ok(None),
            }
        }
    }

    async fn try_open(&self) -> Result<Engine, StoreError> {
        self.store.prepare().await?;
        Engine::open(
            self.store.clone(),
            self.config.group.clone(),
            self.config.topics.prefix.scores().to_string(),
            self.wakers.clone(),
            self.metrics.clone(),
            self.storing.clone(),
        )
        .await
    }

    fn start_retention(&self) {
        for (old, retention) in [
            (Old::Checks, self.config.checks_retention),
            (Old::AlertEvents, self.config.alerts_retention),
        ] {
            let (store, metrics) = (self.store.clone(), self.metrics.clone());
            let work = drop_old(old, store, retention, metrics);
            let ending = self.ending.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = work => {}
                    () = ending.cancelled() => {}
                }
            });
        }
    }

    fn start_peers(&self) -> Result<(), MetricSpecsError> {
        let settings = &self.config.alertmanager;
        let client = reqwest::Client::builder().build().map_err(MetricSpecsError::Client)?;
        for url in &settings.urls {
            let peer = Peer {
                url: url.clone(),
                client: client.clone(),
                settings: settings.clone(),
                external_url: self.external_url.clone(),
                store: self.store.clone(),
                metrics: self.metrics.clone(),
            };
            self.tasks.spawn(peer.run(self.wakers.alerts.subscribe(), self.ending.clone()));
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

/// What is kept for a time only.
#[derive(Debug, Clone, Copy)]
enum Old {
    Checks,
    AlertEvents,
}

/// Drops what is older than its retention, a few rows at a time.
async fn drop_old(old: Old, store: Store, retention: Duration, metrics: MetricSpecsMetrics) {
    let Ok(retention) = SignedDuration::try_from(retention) else { return };
    loop {
        // Else it is longer than there has been time.
        if let Ok(cutoff) = clock::now().checked_sub(retention) {
            let dropped = match old {
                Old::Checks => store.delete_checks_before(cutoff, RETENTION_PORTION).await,
                Old::AlertEvents => {
                    store.delete_alert_events_before(cutoff, RETENTION_PORTION).await
                }
            };
            match dropped {
                Ok(n_rows) => {
                    match old {
                        Old::Checks => metrics.checks_expired(n_rows),
                        Old::AlertEvents => metrics.alert_events_expired(n_rows),
                    }
                    if n_rows == u64::from(RETENTION_PORTION) {
                        // Whoever waits for the writer has it first.
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Err(error) => {
                    warn!(kind = ?old, error = chain(&error), "old rows were not dropped")
                }
            }
        }
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
