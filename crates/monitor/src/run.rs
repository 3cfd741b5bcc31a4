//! The life of a monitor: open, catch up with the metric specs, consume, stop in order.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use shadowline_detectors::DetectorArtefact;
use shadowline_error::{BoxError, chain};
use shadowline_packages::{FolderError, Package, Registry, StoreError, read_folder};
use shadowline_service::health::{Component, Consumer, Health, Status};
use shadowline_service::metrics::Metrics;
use shadowline_service::routes::Routes;
use shadowline_service::{docs, http};
use shadowline_stream::{
    Bytes, ConsumeError, ConsumerOptions, DeadLetters, Log, LogError, ProducerOptions, TableEvent,
    TableReader, TopicError, consume,
};
use shadowline_wire::WatchedSpec;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Config, Kind};
use crate::extension::Host;
use crate::handler::Scorer;
use crate::metrics::MonitorMetrics;
use crate::watch::{Detectors, Specs, Watching};

/// The wait before something that failed for now is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How often the log is asked whether it is there, and how long it may take to answer.
const LOG_ASKED_EVERY: Duration = Duration::from_secs(5);
const LOG_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Why a monitor stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The log cannot be used as it is set.
    #[error("open the log")]
    Log(#[source] LogError),
    /// The topics are not as they must be.
    #[error("prepare the topics")]
    Topics(#[source] TopicError),
    /// The detectors cannot be read.
    #[error("open the installed detectors")]
    Packages(#[source] StoreError),
    /// A folder that the settings name is not a package.
    #[error("install package")]
    Folder(#[source] FolderError),
    /// A package that the settings name cannot be installed.
    #[error("install package `{}`", path.display())]
    Install {
        /// The folder.
        path: std::path::PathBuf,
        /// The cause.
        source: StoreError,
    },
    /// A setting of another kind of monitor.
    #[error("setting `prediction`: {0} answers no predictions")]
    NoPredictions(&'static str),
    /// Inferences can no longer be read or scored.
    #[error("score inferences")]
    Consume(#[source] ConsumeError),
    /// The HTTP port cannot be opened or served.
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
    /// A task of ours ended by a panic.
    #[error("a task failed")]
    Task(#[source] tokio::task::JoinError),
}

/// Opens the log and the port that the settings name, then [`serve`]s.
///
/// # Errors
/// As `serve`; also if the log or the port cannot be opened.
pub fn run(
    kind: &Kind,
    config: Config,
    stop: CancellationToken,
) -> BoxFuture<'_, Result<(), MonitorError>> {
    Box::pin(async move {
        let listener = config.http.bind().await.map_err(MonitorError::Http)?;
        let log = match config.watch {
            true => Some(Log::open(&config.log).await.map_err(MonitorError::Log)?),
            false => None,
        };
        serve_with(kind, config, log, listener, stop).await
    })
}

/// Runs a monitor on a log until `stop`: REST at once, scoring when the topics and specs are there.
///
/// # Errors
/// What no waiting cures: topics of the wrong form, a directory that cannot be read, a package that cannot be
/// installed as the settings want, a log that refuses.
pub fn serve(
    kind: &Kind,
    config: Config,
    log: Log,
    listener: TcpListener,
    stop: CancellationToken,
) -> BoxFuture<'_, Result<(), MonitorError>> {
    // Boxed here, so that the code of the whole service is made once, in this crate, and not again in every
    // program and test that runs it.
    let log = config.watch.then_some(log);
    Box::pin(serve_with(kind, config, log, listener, stop))
}

/// Without a log, only REST is served.
async fn serve_with(
    kind: &Kind,
    config: Config,
    log: Option<Log>,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), MonitorError> {
    let health = Health::new(kind.service);
    let metrics = Metrics::new(kind.service, kind.version);
    if let Some(log) = &log {
        metrics.with_registry(|it| log.metrics().register(it));
        health.set_consumers(lag_of(log, &config.group, config.topics.prefix.inferences()));
    }
    let own_metrics = MonitorMetrics::register(&metrics, kind.detector);
    let packages = health.component("packages");
    let detectors = open_detectors(kind, &config).await?;
    let watching = Arc::new(Watching::new(Arc::clone(&detectors), own_metrics.clone()));

    // Ends when this function does, however it does; HTTP goes last, so that health can be asked until then.
    let ending = CancellationToken::new();
    let _ending = ending.clone().drop_guard();
    let watched = watch_packages(Arc::clone(&detectors), packages, config.watch, ending.clone());
    tokio::spawn(watched);
    tokio::spawn(announce_stop(health.clone(), stop.clone(), ending.clone()));
    let api = api(kind, &config, detectors, &watching, &metrics, &ending)?;
    let app = http::router(&health, &metrics, api);
    let http = http::serve(listener, app, ending.clone());
    tokio::pin!(http);

    // Made before HTTP is served, so that nobody finds a service that has no components yet, and is ready.
    let monitor = log.as_ref().map(|log| Monitor {
        kind,
        config: &config,
        log,
        log_health: health.component("log"),
        specs: health.component("metric-specs"),
        scoring: health.component("scoring"),
        watching,
        metrics: own_metrics,
        stop: stop.clone(),
        ending: ending.clone(),
    });
    let scoring = async {
        match monitor {
            Some(monitor) => monitor.run().await,
            None => {
                stop.cancelled().await;
                Ok(())
            }
        }
    };
    let result = tokio::select! {
        result = scoring => result,
        result = &mut http => return result.map_err(MonitorError::Http),
    };
    ending.cancel();
    http.await.map_err(MonitorError::Http)?;
    result
}

/// Every route but those of health and metrics.
fn api(
    kind: &Kind,
    config: &Config,
    detectors: Arc<Detectors>,
    watching: &Arc<Watching>,
    metrics: &Metrics,
    ending: &CancellationToken,
) -> Result<Routes, MonitorError> {
    let extension = match (kind.extension, &config.prediction) {
        (Some(extend), settings) => Some(extend(Host {
            detectors: Arc::clone(&detectors),
            metrics: metrics.clone(),
            settings: settings.clone().unwrap_or_default(),
            ending: ending.clone(),
        })),
        (None, None) => None,
        (None, Some(_)) => return Err(MonitorError::NoPredictions(kind.service)),
    };
    let docs_role = crate::rest::docs_role(extension.is_some());
    let (routes, openapi) = match extension {
        Some(it) => (it.routes, Some(it.openapi)),
        None => (Routes::new(), None),
    };
    Ok(shadowline_packages::routes(detectors, config.max_upload_bytes)
        .merge(crate::rest::routes(Arc::clone(watching)))
        .merge(routes)
        .merge(docs::routes(docs_role, kind.api.0, crate::rest::openapi_json(kind, openapi))))
}

/// The scoring side of a monitor, while it runs.
struct Monitor<'a> {
    kind: &'a Kind,
    config: &'a Config,
    log: &'a Log,
    log_health: Component,
    specs: Component,
    scoring: Component,
    watching: Arc<Watching>,
    metrics: MonitorMetrics,
    stop: CancellationToken,
    ending: CancellationToken,
}

impl Monitor<'_> {
    async fn run(self) -> Result<(), MonitorError> {
        if !self.prepare_topics().await? {
            return Ok(());
        }
        tokio::spawn(watch_log(self.log.clone(), self.log_health.clone(), self.ending.clone()));
        let names = &self.config.topics.prefix;
        let (caught_up, specs_known) = oneshot::channel();
        tokio::spawn(follow_specs(
            self.log.clone(),
            names.metric_specs(),
            Arc::clone(&self.watching),
            self.specs.clone(),
            caught_up,
            self.ending.clone(),
        ));
        // Without the specs, inferences would pass unscored because nobody seems to watch them.
        tokio::select! {
            Ok(()) = specs_known => {}
            () = self.stop.cancelled() => return Ok(()),
        }
        let producer = self
            .log
            .producer(ProducerOptions::new(format!("shadowline-{}", self.kind.service)))
            .map_err(MonitorError::Log)?;
        let source = format!("/{}", self.kind.service);
        let mut scorer = Scorer {
            watching: self.watching,
            explain: self.config.explain,
            dead_letters: DeadLetters::new(producer.clone(), names, source.as_str()),
            producer,
            scores: names.scores(),
            source,
            metrics: self.metrics,
            health: self.scoring.clone(),
        };
        let mut options = ConsumerOptions::new(self.config.group.as_str(), [names.inferences()]);
        options.max_batch = self.config.max_batch;
        // Until then inferences pass unread, so whoever waits for readiness must wait for this.
        let reason = format!("waiting for the partitions of group `{}`", options.group);
        self.scoring.waiting(Status::Failing(reason));
        info!(group = options.group, "scoring");
        consume(self.log, options, &mut scorer, self.stop).await.map_err(MonitorError::Consume)
    }

    /// Creates and checks the topics, waiting for the log where that helps; false if a stop came first.
    async fn prepare_topics(&self) -> Result<bool, MonitorError> {
        let topics = &self.config.topics;
        let specs = topics.prefix.specs(topics.partitions, topics.replication);
        loop {
            let error = tokio::select! {
                result = self.log.ensure_topics(&specs) => match result {
                    Ok(()) => {
                        self.log_health.ok();
                        return Ok(true);
                    }
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return Ok(false),
            };
            match error {
                TopicError::Create { .. } | TopicError::Check { .. } => {
                    self.log_health.failing(chain(&error))
                }
                TopicError::PartitionsDiffer { .. }
                | TopicError::NothingToMatch { .. }
                | TopicError::CleanupDiffers { .. }
                | TopicError::MessagesTooSmall { .. }
                | TopicError::Empty { .. } => return Err(MonitorError::Topics(error)),
            }
            tokio::select! {
                () = tokio::time::sleep(RETRY_AFTER) => {}
                () = self.stop.cancelled() => return Ok(false),
            }
        }
    }
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

async fn open_detectors(kind: &Kind, config: &Config) -> Result<Arc<Detectors>, MonitorError> {
    let expected = kind.detector;
    let (dir, folders) = (config.packages_dir.clone(), config.install.clone());
    // Off the async threads: it reads and checks every artefact.
    let work = tokio::task::spawn_blocking(move || {
        let detectors = Registry::open(dir, move |package: &Package, artefact: &[u8]| {
            if package.runtime != expected.name() {
                let message = format!(
                    "its runtime is `{}`; this monitor hosts `{}`",
                    package.runtime,
                    expected.name()
                );
                return Err(BoxError::from(message));
            }
            let detector = DetectorArtefact::from_bytes(artefact)?;
            let found = detector.detector().kind();
            if found != expected {
                let message =
                    format!("its artefact is a `{}`, not a `{}`", found.name(), expected.name());
                return Err(BoxError::from(message));
            }
            Ok(detector)
        })
        .map_err(MonitorError::Packages)?;
        for path in folders {
            let (document, artefact) = read_folder(&path).map_err(MonitorError::Folder)?;
            let installed = detectors.install(document, &artefact);
            installed.map_err(|source| MonitorError::Install { path, source })?;
        }
        Ok(Arc::new(detectors))
    });
    work.await.map_err(MonitorError::Task)?
}

/// Keeps the health of the packages: damaged ones degrade it, and who does nothing but answer for them needs one.
async fn watch_packages(
    detectors: Arc<Detectors>,
    health: Component,
    may_be_empty: bool,
    ending: CancellationToken,
) {
    let mut changes = detectors.changes();
    loop {
        changes.mark_unchanged();
        let damaged: Vec<String> = detectors
            .damaged()
            .iter()
            .map(|it| format!("`{}` version {} cannot be used: {}", it.name, it.version, it.reason))
            .collect();
        if !may_be_empty && detectors.snapshot().is_empty() {
            let none = "no model is there: name a package's folder in the setting `install`, or send one to /v1/models";
            let reasons = std::iter::once(none.to_owned()).chain(damaged);
            health.failing(reasons.collect::<Vec<_>>().join("; "))
        } else if damaged.is_empty() {
            health.ok()
        } else {
            health.degraded(damaged.join("; "))
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = ending.cancelled() => return,
        }
    }
}

/// Keeps the health of the log: reading and writing wait for it without end and without a word.
async fn watch_log(log: Log, health: Component, ending: CancellationToken) {
    let watch = async {
        loop {
            match log.reachable(LOG_ANSWERS_WITHIN).await {
                Ok(()) => health.ok(),
                Err(error) => health.degraded(chain(&error)),
            }
            tokio::time::sleep(LOG_ASKED_EVERY).await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = ending.cancelled() => {}
    }
}

async fn announce_stop(health: Health, stop: CancellationToken, ending: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => health.stopping(),
        () = ending.cancelled() => {}
    }
}

/// Follows the table of metric specs, from its beginning again whenever reading fails.
async fn follow_specs(
    log: Log,
    topic: Arc<str>,
    watching: Arc<Watching>,
    health: Component,
    caught_up: oneshot::Sender<()>,
    ending: CancellationToken,
) {
    let mut caught_up = Some(caught_up);
    let follow = async {
        loop {
            let error = read_table(&log, &topic, &watching, &health, &mut caught_up).await;
            let reason = chain(&error);
            if caught_up.is_some() {
                health.failing(reason);
            } else {
                // The specs known so far still hold.
                health.degraded(reason);
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    };
    tokio::select! {
        () = follow => {}
        () = ending.cancelled() => {}
    }
}

/// Reads the table and follows it; comes back only with an error.
async fn read_table(
    log: &Log,
    topic: &str,
    watching: &Watching,
    health: &Component,
    caught_up: &mut Option<oneshot::Sender<()>>,
) -> LogError {
    let mut table = match TableReader::open(log, topic).await {
        Ok(table) => table,
        Err(error) => return error,
    };
    // Until the end is reached the old specs stay, so that none is missing for a moment.
    let mut fresh = Some(Specs::new());
    loop {
        let event = match table.next().await {
            Ok(event) => event,
            Err(error) => return error,
        };
        match event {
            TableEvent::CaughtUp => {
                let specs = fresh.take().unwrap_or_default();
                info!(n_specs = specs.len(), "metric specs known");
                watching.edit(|it| *it = specs);
                health.ok();
                if let Some(waiting) = caught_up.take()
                    && waiting.send(()).is_err()
                {
                    tracing::debug!("nobody waits for the metric specs any more");
                }
            }
            TableEvent::Upsert { key, value } => {
                let spec = read_spec(&key, &value);
                change(&mut fresh, watching, |specs| {
                    specs.insert(key, spec);
                });
            }
            TableEvent::Delete { key } => change(&mut fresh, watching, |specs| {
                specs.remove(&key);
            }),
        }
    }
}

fn change(fresh: &mut Option<Specs>, watching: &Watching, edit: impl FnOnce(&mut Specs)) {
    match fresh {
        Some(specs) => edit(specs),
        None => watching.edit(edit),
    }
}

fn read_spec(key: &Bytes, value: &Bytes) -> Result<WatchedSpec, String> {
    WatchedSpec::decode(value).map_err(|error| {
        let reason = chain(&error);
        warn!(key = %String::from_utf8_lossy(key), reason, "metric spec cannot be read; it is ignored");
        reason
    })
}
