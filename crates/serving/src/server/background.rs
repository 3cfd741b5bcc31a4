//! What runs beside the ports: the drainer of the spool, and the watchers of health.

use std::sync::Arc;

use shadowline_segment_log::Spool;
use shadowline_service::health::{Component, Consumer, Health, Status};
use shadowline_stream::{Log, ProducerOptions};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RecordedHook;
use crate::config::Config;
use crate::drain::{self, Drainer, LastError};
use crate::error::ServeError;
use crate::metrics::ServingMetrics;
use crate::models::Models;
use crate::shadow::Shadow;

/// The parts that run beside the ports, to be stopped after them.
pub(super) struct Background {
    drainer: JoinHandle<()>,
    watchers: Vec<JoinHandle<()>>,
    finish: CancellationToken,
    give_up: CancellationToken,
    stop_watchers: CancellationToken,
}

/// What runs beside the ports is made of these.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) log: &'a Log,
    pub(super) spool: &'a Arc<Spool>,
    pub(super) shadow: &'a Arc<Shadow>,
    pub(super) models: &'a Arc<Models>,
    pub(super) health: &'a Health,
    pub(super) metrics: &'a ServingMetrics,
    pub(super) recorded: Option<RecordedHook>,
}

impl Parts<'_> {
    pub(super) fn start(self) -> Result<Background, ServeError> {
        let Self { config, log, spool, shadow, models, health, metrics, recorded } = self;
        let appended = Arc::new(Notify::new());
        let wake = Arc::clone(&appended);
        match recorded {
            None => spool.set_append_hook(move || wake.notify_one()),
            Some(recorded) => spool.set_append_hook(move || {
                recorded();
                wake.notify_one();
            }),
        }
        let (finish, give_up) = (CancellationToken::new(), CancellationToken::new());
        let stop_watchers = CancellationToken::new();
        let last_error = Arc::new(LastError::default());
        let mut options = ProducerOptions::new("shadowline-serving");
        options.max_in_flight = drain::MAX_IN_FLIGHT;
        let topics = config.topics.prefix.clone();
        let drainer = Drainer {
            spool: Arc::clone(spool),
            log: log.clone(),
            producer: log.producer(options).map_err(ServeError::Log)?,
            specs: config.topics.specs(),
            topics,
            shadow: Arc::clone(shadow),
            metrics: metrics.clone(),
            last_error: Arc::clone(&last_error),
            appended,
            finish: finish.clone(),
            give_up: give_up.clone(),
        };
        let broker = health.component("broker");
        // Predictions do not wait for the log, so the server is ready before the log has answered.
        broker.waiting(Status::Degraded("the log has not answered yet".to_owned()));
        let watchers = vec![
            tokio::spawn(drain::watch_broker(
                log.clone(),
                last_error,
                broker,
                stop_watchers.clone(),
            )),
            tokio::spawn(drain::sync_often(
                Arc::clone(spool),
                config.spool_dir(),
                config.spool.fsync_interval.get(),
                health.component("disk"),
                stop_watchers.clone(),
            )),
            tokio::spawn(watch_models(
                Arc::clone(models),
                metrics.clone(),
                health.component("models"),
                stop_watchers.clone(),
            )),
        ];
        Ok(Background {
            drainer: tokio::spawn(drainer.run()),
            watchers,
            finish,
            give_up,
            stop_watchers,
        })
    }
}

/// Reports which models are there, and which cannot be used.
async fn watch_models(
    models: Arc<Models>,
    metrics: ServingMetrics,
    component: Component,
    stop: CancellationToken,
) {
    let mut packages = models.packages().changes();
    let mut loaded = models.changes();
    loop {
        let index = models.index();
        let ready: Vec<_> = index
            .iter()
            .filter(|it| it.is_ready)
            .filter_map(|it| models.find(&it.name, &it.version.to_string()).ok())
            .map(|it| (it.name.clone(), it.version_text.clone(), it.backend.platform()))
            .collect();
        metrics.set_loaded(&ready);
        let corrupt: Vec<String> = models
            .packages()
            .unusable()
            .iter()
            .map(|it| format!("`{}` version {} cannot be used: {}", it.name, it.version, it.reason))
            .collect();
        match corrupt.is_empty() {
            true => component.ok(),
            false => component.degraded(corrupt.join("; ")),
        }
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = packages.changed() => changed,
            changed = loaded.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

pub(super) async fn stop(background: Background, deadline: Instant) {
    let Background { mut drainer, watchers, finish, give_up, stop_watchers } = background;
    finish.cancel();
    let mut ended = tokio::time::timeout_at(deadline, &mut drainer).await;
    if ended.is_err() {
        give_up.cancel();
        ended = Ok(drainer.await);
    }
    if let Ok(Err(error)) = ended {
        tracing::error!(%error, "the drainer failed");
    }
    stop_watchers.cancel();
    for watcher in watchers {
        if let Err(error) = watcher.await {
            tracing::error!(%error, "a watcher failed");
        }
    }
}

/// How far the log is behind the spool, for the status.
pub(super) fn lag_of(
    spool: &Arc<Spool>,
    topic: Arc<str>,
) -> impl Fn() -> Vec<Consumer> + Send + Sync + 'static {
    let spool = Arc::downgrade(spool);
    move || {
        let lag = spool.upgrade().map(|it| it.last_sequence().saturating_sub(it.acknowledged()));
        let (group, topic) = ("spool".to_owned(), topic.to_string());
        vec![Consumer { group, topic, partitions: 1, lag_records: lag }]
    }
}
