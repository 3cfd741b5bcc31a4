//! The life of a monitor that hosts detectors: open, serve REST, score, stop in order.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use shadowline_monitor::{Monitor, MonitorHealth, MonitorMetrics, Subscriptions};
use shadowline_packages::{Use, UsedBy};
use shadowline_service::health::Health;
use shadowline_service::metrics::Metrics;
use shadowline_service::routes::Routes;
use shadowline_service::{disk, docs, http};
use shadowline_stream::Log;
use shadowline_worker::{Lifetime, group_lag};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::error::HostError;
use crate::extension::Host;
use crate::hosted::HostedDetectors;
use crate::installed::{Detectors, open_detectors, watch_packages};
use crate::kind::Kind;
use crate::metrics::score_buckets;
use crate::openapi::openapi_json;
use crate::routes::docs_role;

/// Opens the log and the port that the settings name, then [`serve`]s.
///
/// # Errors
/// As `serve`; also if the log or the port cannot be opened.
pub(crate) fn run(
    kind: &Kind,
    config: Config,
    stop: CancellationToken,
) -> BoxFuture<'_, Result<(), HostError>> {
    Box::pin(async move {
        let listener = config.http.bind().await.map_err(HostError::Http)?;
        let log = match config.watch {
            true => Some(Log::open(&config.log).await.map_err(HostError::Log)?),
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
) -> BoxFuture<'_, Result<(), HostError>> {
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
) -> Result<(), HostError> {
    let health = Health::new(kind.service);
    let metrics = Metrics::new(kind.service, kind.version);
    if let Some(log) = &log {
        metrics.with_registry(|it| log.metrics().register(it));
        health.set_consumers(group_lag(log, &config.group, config.topics.prefix.inferences()));
    }
    let own_metrics = MonitorMetrics::register(&metrics, score_buckets(kind.detector));
    disk::register(&metrics, [config.packages_dir.clone()]);
    let packages = health.component("packages");
    let detectors = open_detectors(kind.detector, &config).await?;
    let scorers = HostedDetectors { detectors: Arc::clone(&detectors), explain: config.explain };
    let subscriptions =
        Arc::new(Subscriptions::new(kind.service, Arc::new(scorers), own_metrics.clone()));

    let lifetime = Lifetime::begin(health.clone(), stop.clone());
    lifetime.spawn(watch_packages(Arc::clone(&detectors), packages, config.watch));
    let api = api(kind, &config, detectors, &subscriptions, &metrics, lifetime.ending())?;
    let app = http::router(&health, &metrics, api);
    let http = http::serve(listener, app, lifetime.ending().clone());

    let monitor = log.as_ref().map(|log| Monitor {
        service: kind.service,
        log,
        topics: &config.topics,
        group: &config.group,
        max_batch: config.max_batch,
        subscriptions,
        metrics: own_metrics,
        health: MonitorHealth::register(&health),
        lifetime: &lifetime,
        stop: stop.clone(),
    });
    let work = async {
        match monitor {
            Some(monitor) => Ok(monitor.run().await?),
            None => {
                stop.cancelled().await;
                Ok(())
            }
        }
    };
    lifetime.run(work, http, HostError::Http).await
}

/// Every route but those of health and metrics.
fn api(
    kind: &Kind,
    config: &Config,
    detectors: Arc<Detectors>,
    subscriptions: &Arc<Subscriptions<HostedDetectors>>,
    metrics: &Metrics,
    ending: &CancellationToken,
) -> Result<Routes, HostError> {
    let extension = match (&kind.extension, &config.prediction) {
        (Some(extend), settings) => Some((extend.make)(Host {
            detectors: Arc::clone(&detectors),
            metrics: metrics.clone(),
            settings: settings.clone().unwrap_or_default(),
            ending: ending.clone(),
        })),
        (None, None) => None,
        (None, Some(_)) => return Err(HostError::NoPredictions(kind.service)),
    };
    let routes = extension.unwrap_or_default();
    let packages = shadowline_packages::routes(detectors, config.max_upload_bytes.get())
        .layer(used_by(Arc::clone(subscriptions)).into_layer());
    Ok(packages
        .merge(shadowline_monitor::routes(Arc::clone(subscriptions)))
        .merge(routes)
        .merge(docs::routes(docs_role(kind), kind.api.0, openapi_json(kind))))
}

/// The enabled metric specs that ask for a detector: what would be unscored without it.
fn used_by(subscriptions: Arc<Subscriptions<HostedDetectors>>) -> UsedBy {
    UsedBy(Arc::new(move |name| {
        let specs = subscriptions.asking_for(name).into_iter();
        let by = |(spec, version): (String, Option<String>)| Use {
            by: format!("metric spec `{spec}`"),
            version: version.and_then(|it| it.parse().ok()),
        };
        Ok(specs.map(by).collect())
    }))
}
