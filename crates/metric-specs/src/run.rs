//! The life of the service: open, publish, consume, stop in order.

use std::time::Duration;

use futures_util::future::BoxFuture;
use shadowline_service::health::Health;
use shadowline_service::metrics::Metrics;
use shadowline_service::{disk, http};
use shadowline_store::Store;
use shadowline_stream::Log;
use shadowline_worker::{Lifetime, group_lag};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::NAME;
use crate::alert_traces::AlertTraces;
use crate::api::Opened;
use crate::config::Config;
use crate::database;
use crate::engine::{self, Wakers};
use crate::error::MetricSpecsError;
use crate::metrics::MetricSpecsMetrics;
use crate::pipeline::Pipeline;

/// How long a stop waits for what the database was told last. A migration of many checks may take minutes; it is one
/// transaction, so the next start begins it again.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

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
/// database that is unavailable is waited for; one that has lost what it had confirmed ends the service, so that it starts
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
        let health = Health::new(NAME);
        let metrics = Metrics::new(NAME, env!("CARGO_PKG_VERSION"));
        metrics.with_registry(|it| log.metrics().register(it));
        let own_metrics = MetricSpecsMetrics::register(&metrics);
        health.set_consumers(group_lag(&log, &config.group, config.topics.prefix.scores()));
        let options = config.store_options().map_err(MetricSpecsError::Settings)?;
        database::make_directory(&config)?;
        let dir = config.store.path().and_then(|it| it.parent());
        disk::register(&metrics, dir.map(std::path::Path::to_owned));
        let store = Store::new(&config.store, &options).map_err(MetricSpecsError::Store)?;
        let wakers = Wakers {
            specs: watch::Sender::new(()),
            alerts: watch::Sender::new(()),
            traces: AlertTraces::default(),
        };
        let (engine, commands) = engine::channel();

        let lifetime = Lifetime::begin(health.clone(), stop.clone());
        let records = health.component("records");
        // Nothing was lost yet.
        records.ok();
        let external_url = external_url(&config, &listener)?;
        let opened = Opened::default();
        let api = crate::api::router(engine.clone(), store.clone(), opened.clone());
        let app = http::router(&health, &metrics, api);
        let http = http::serve(listener, app, lifetime.ending().clone());

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
            records,
            lifetime: &lifetime,
            stop,
        };
        let result =
            lifetime.run(pipeline.run(commands, opened), http, MetricSpecsError::Http).await;
        if timeout(CLOSE_WITHIN, store.close()).await.is_err() {
            warn!("the database still works on what it was told, which is left to it");
        }
        result
    })
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
