//! The server as a whole: its start, its ports and its stop.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::BoxFuture;
use shadowline_contract::Signature;
use shadowline_segment_log::{Spool, SpoolOptions};
use shadowline_service::health::{Component, Consumer, Health, Status};
use shadowline_service::metrics::Metrics;
use shadowline_service::{docs, http};
use shadowline_stream::{Log, ProducerOptions};
use shadowline_wire::FILE_DESCRIPTOR_SET;
use shadowline_wire::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use shadowline_wire::serving::prediction_service_server::PredictionServiceServer;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};
use tracing::{info, warn};

use crate::backend::{Backend, ModelFunction};
use crate::config::Config;
use crate::drain::{self, Drainer, Trouble};
use crate::error::ServeError;
use crate::grpc::Doors;
use crate::metrics::{Meters, SpoolCollector, SpoolSource};
use crate::models::{Model, Models};
use crate::openapi::openapi_json;
use crate::predict::Predictor;
use crate::rest;
use crate::shadow::Shadow;
use crate::undecodable::UndecodableLayer;

/// A connection that says nothing is asked after this time whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Opens the log and the ports that the settings name, and serves until `stop`.
///
/// # Errors
/// [`ServeError`] if something cannot be opened, or a port can no longer be served.
pub fn run(config: Config, stop: CancellationToken) -> BoxFuture<'static, Result<(), ServeError>> {
    Box::pin(async move {
        config.check()?;
        let log = Log::open(&config.log).await.map_err(ServeError::Log)?;
        let port =
            |what| move |source: std::io::Error| ServeError::Port { what, source: source.into() };
        let grpc = config.grpc.bind().await.map_err(port("gRPC"))?;
        let http = config.http.bind().await.map_err(port("HTTP"))?;
        serve(config, log, grpc, http, stop).await
    })
}

/// Serves the models of a directory on two listeners until `stop`.
///
/// Then it takes no new requests, finishes those in flight, and sends what is in the spool, all within
/// [`Config::shutdown_grace`]; what could not be sent is sent after the next start.
///
/// # Errors
/// [`ServeError`] if something cannot be opened, or a port can no longer be served.
pub fn serve(
    config: Config,
    log: Log,
    grpc: TcpListener,
    http: TcpListener,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), ServeError>> {
    Box::pin(async move { Server::new(config, log).serve(grpc, http, stop).await })
}

/// A model server that is not started yet; [`serve`] is all that most callers need.
#[derive(Debug)]
pub struct Server {
    config: Config,
    log: Log,
    functions: Vec<FunctionModel>,
}

struct FunctionModel {
    name: String,
    version: NonZeroU64,
    signature: Signature,
    function: ModelFunction,
}

impl std::fmt::Debug for FunctionModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionModel").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The parts that run beside the ports, to be stopped after them.
struct Background {
    drainer: JoinHandle<()>,
    watchers: Vec<JoinHandle<()>>,
    finish: CancellationToken,
    give_up: CancellationToken,
    stop_watchers: CancellationToken,
}

impl Server {
    /// A server of the packages in the settings' directory.
    pub fn new(config: Config, log: Log) -> Self {
        Self { config, log, functions: Vec::new() }
    }

    /// Adds a model that is a function of this process.
    #[must_use]
    pub fn with_function(
        mut self,
        name: impl Into<String>,
        version: NonZeroU64,
        signature: Signature,
        function: ModelFunction,
    ) -> Self {
        self.functions.push(FunctionModel { name: name.into(), version, signature, function });
        self
    }

    /// As [`serve`].
    ///
    /// # Errors
    /// [`ServeError`] if something cannot be opened, or a port can no longer be served.
    pub fn serve(
        self,
        grpc: TcpListener,
        http: TcpListener,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), ServeError>> {
        // Boxed here, so that the code of the whole service is made once, in this crate, and not again in every
        // program and test that runs it.
        Box::pin(async move {
            let Self { config, log, functions } = self;
            config.check()?;
            let health = Health::new("serving");
            let metrics = Metrics::new("serving", env!("CARGO_PKG_VERSION"));
            metrics.with_registry(|it| log.metrics().register(it));
            let meters = Meters::register(&metrics);
            meters.expect_strays();
            let spool = Arc::new(open_spool(&config).await?);
            metrics.register_collector(SpoolCollector {
                spool: SpoolSource::Spool(Arc::downgrade(&spool)),
            });
            health.set_consumers(lag_of(&spool, config.topics.prefix.inferences()));
            let models = Arc::new(open_models(&config, functions, meters.clone()).await?);
            let shadow = Arc::new(Shadow::new(
                Arc::clone(&spool),
                config.spool.when_full,
                health.component("spool"),
                meters.clone(),
            ));
            let predictor = Arc::new(Predictor::new(
                Arc::clone(&models),
                Arc::clone(&shadow),
                meters.clone(),
                config.limits.request_timeout.get(),
                config.limits.large_requests,
            ));
            let background =
                start_background(&config, &log, &spool, &shadow, &models, &health, &meters)?;

            let ports = CancellationToken::new();
            let reporter = HealthReporter::new();
            let doors = Doors { predictor: Arc::clone(&predictor), health: health.clone() };
            let limits = &config.limits;
            let packages =
                shadowline_packages::router(Arc::clone(models.packages()), limits.upload_bytes);
            let api = rest::router(predictor, health.clone(), limits.message_bytes)
                .merge(packages)
                .merge(docs::router("Shadowline serving", openapi_json()));
            let app = http::router(&health, &metrics, api);
            announce(&grpc, &http);
            let mut grpc_task = tokio::spawn(serve_grpc(
                config.clone(),
                grpc,
                doors,
                reporter.clone(),
                meters,
                ports.clone(),
            )?);
            let mut http_task = tokio::spawn(serve_http(http, app, ports.clone()));
            set_serving(&reporter, ServingStatus::Serving).await;

            let mut result = tokio::select! {
                () = stop.cancelled() => Ok(()),
                ended = &mut grpc_task => ended.map_err(ServeError::Task).flatten(),
                ended = &mut http_task => ended.map_err(ServeError::Task).flatten(),
            };
            health.stopping();
            set_serving(&reporter, ServingStatus::NotServing).await;
            let deadline = Instant::now() + config.shutdown_grace;
            ports.cancel();
            // Half of the time is for requests in flight, and what they leave of it for the spool.
            let patience = Instant::now() + config.shutdown_grace / 2;
            for task in [&mut grpc_task, &mut http_task] {
                if task.is_finished() && result.is_err() {
                    continue;
                }
                match tokio::time::timeout_at(patience, &mut *task).await {
                    Ok(ended) => result = result.and(ended.map_err(ServeError::Task).flatten()),
                    Err(_) => {
                        warn!("connections still open after half of the grace period are cut off");
                        task.abort();
                    }
                }
            }
            shadow.close();
            drop((shadow, models));
            stop_background(background, deadline).await;
            let left = spool.last_sequence().saturating_sub(spool.acknowledged());
            if !spool.is_drained() {
                info!(n_records = left, "inferences stay in the spool until the next start");
            }
            // Closing syncs to the disk.
            tokio::task::spawn_blocking(move || drop(spool)).await?;
            result
        })
    }
}

/// How far the log is behind the spool, for the status.
fn lag_of(
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

async fn open_spool(config: &Config) -> Result<Spool, ServeError> {
    let dir = config.spool_dir();
    let options = SpoolOptions {
        max_bytes: config.spool.max_bytes,
        segment_bytes: config.spool.segment_bytes,
    };
    tokio::task::spawn_blocking(move || Spool::open(dir, &options))
        .await?
        .map_err(ServeError::Spool)
}

async fn open_models(
    config: &Config,
    functions: Vec<FunctionModel>,
    meters: Meters,
) -> Result<Models, ServeError> {
    let dir = config.models_dir();
    let open = move || {
        let functions = functions
            .into_iter()
            .map(|FunctionModel { name, version, signature, function }| {
                let backend = Backend::Function(function);
                Model::new(name, version, signature, BTreeMap::new(), backend, &meters)
            })
            .collect();
        Models::open(&dir, functions, meters)
    };
    tokio::task::spawn_blocking(open).await?.map_err(ServeError::Models)
}

fn start_background(
    config: &Config,
    log: &Log,
    spool: &Arc<Spool>,
    shadow: &Arc<Shadow>,
    models: &Arc<Models>,
    health: &Health,
    meters: &Meters,
) -> Result<Background, ServeError> {
    let appended = Arc::new(Notify::new());
    let wake = Arc::clone(&appended);
    spool.set_append_hook(move || wake.notify_one());
    let (finish, give_up) = (CancellationToken::new(), CancellationToken::new());
    let stop_watchers = CancellationToken::new();
    let trouble = Arc::new(Trouble::default());
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
        meters: meters.clone(),
        trouble: Arc::clone(&trouble),
        appended,
        finish: finish.clone(),
        give_up: give_up.clone(),
    };
    let broker = health.component("broker");
    // Predictions do not wait for the log, so the server is ready before the log has answered.
    broker.waiting(Status::Degraded("the log has not answered yet".to_owned()));
    let watchers = vec![
        tokio::spawn(drain::watch_broker(log.clone(), trouble, broker, stop_watchers.clone())),
        tokio::spawn(drain::sync_often(
            Arc::clone(spool),
            config.spool.fsync_interval.get(),
            health.component("disk"),
            stop_watchers.clone(),
        )),
        tokio::spawn(watch_models(
            Arc::clone(models),
            meters.clone(),
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

/// Says which models are there, and which cannot be used.
async fn watch_models(
    models: Arc<Models>,
    meters: Meters,
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
        meters.set_loaded(&ready);
        let damaged: Vec<String> = models
            .packages()
            .unusable()
            .iter()
            .map(|it| format!("`{}` version {} cannot be used: {}", it.name, it.version, it.reason))
            .collect();
        match damaged.is_empty() {
            true => component.ok(),
            false => component.degraded(damaged.join("; ")),
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

async fn stop_background(background: Background, deadline: Instant) {
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

fn announce(grpc: &TcpListener, http: &TcpListener) {
    let address = |it: &TcpListener| it.local_addr().map(|it| it.to_string()).unwrap_or_default();
    info!(grpc = address(grpc), http = address(http), "serving");
}

async fn set_serving(reporter: &HealthReporter, status: ServingStatus) {
    for service in ["", "inference.GRPCInferenceService", "shadowline.serving.v1.PredictionService"]
    {
        reporter.set_service_status(service, status).await;
    }
}

fn serve_grpc(
    config: Config,
    listener: TcpListener,
    doors: Doors,
    reporter: HealthReporter,
    meters: Meters,
    stop: CancellationToken,
) -> Result<impl Future<Output = Result<(), ServeError>> + Send + 'static, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let limit = config.limits.message_bytes;
    let health = HealthService::from_health_reporter(reporter);
    let router = tonic::transport::Server::builder()
        .layer(UndecodableLayer { meters })
        // Behind the time limit of a prediction, which names the inference and is shadowed.
        .timeout(config.limits.request_timeout.get() + Duration::from_secs(1))
        .max_concurrent_streams(config.limits.streams_per_connection)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(
            GrpcInferenceServiceServer::new(doors.clone()).max_decoding_message_size(limit),
        )
        .add_service(PredictionServiceServer::new(doors).max_decoding_message_size(limit))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(reflection().build_v1().map_err(ServeError::Reflection)?)
        .add_service(reflection().build_v1alpha().map_err(ServeError::Reflection)?);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    Ok(async move {
        router
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await
            .map_err(|source| ServeError::Port { what: "gRPC", source: source.into() })
    })
}

async fn serve_http(
    listener: TcpListener,
    app: Router,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    http::serve(listener, app, stop)
        .await
        .map_err(|source| ServeError::Port { what: "HTTP", source: source.into() })
}
