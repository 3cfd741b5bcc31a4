//! The server as a whole: its start, its ports and its stop.

mod background;
mod incoming;
mod only_for;
mod open;
mod ports;
mod watched;

use std::num::NonZeroU64;
use std::sync::Arc;

use axum::Extension;
use futures_util::future::BoxFuture;
use shadowline_contract::{Batch, NamedTensor, Signature};
use shadowline_error::BoxError;
use shadowline_packages::IsReady;
use shadowline_service::health::Health;
use shadowline_service::metrics::Metrics;
use shadowline_service::{disk, docs, http};
use shadowline_stream::Log;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tracing::{info, warn};

use self::background::lag_of;
use self::open::{FunctionModel, open_models, open_spool};
use self::ports::{PREDICTING, announce, end_watching, serve_both, serve_grpc, set_serving};
use crate::backend::{AwaitedBackend, Backend, InlineBackend, ModelFunction};
use crate::config::Config;
use crate::error::ServeError;
use crate::grpc::GrpcEndpoints;
use crate::metrics::{ServingMetrics, SpoolCollector, SpoolSource};
use crate::openapi::openapi_json;
use crate::predict::Predictor;
use crate::rest;
use crate::routes::DOCS;
use crate::shadow::Shadow;

/// What is called on the thread that has just recorded an inference, before its caller has the answer.
type RecordedHook = Box<dyn Fn() + Send + Sync>;

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
pub struct Server {
    config: Config,
    log: Log,
    functions: Vec<FunctionModel>,
    recorded: Option<RecordedHook>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let functions: Vec<&str> = self.functions.iter().map(|it| it.name.as_str()).collect();
        f.debug_struct("Server")
            .field("config", &self.config)
            .field("functions", &functions)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A server of the packages in the settings' directory.
    pub fn new(config: Config, log: Log) -> Self {
        Self { config, log, functions: Vec::new(), recorded: None }
    }

    /// Adds a model that is a function of this process and answers on the thread that asks.
    #[must_use]
    pub fn with_function(
        self,
        name: impl Into<String>,
        version: NonZeroU64,
        signature: Signature,
        function: ModelFunction,
    ) -> Self {
        let backend = Backend::Inline(InlineBackend::Function(function));
        self.with_model(name.into(), version, signature, backend)
    }

    /// Adds a model that is a function of this process and may wait for its answer. What it was asked runs to its end,
    /// and is shadowed, whether its caller waits for the answer or not.
    #[must_use]
    pub fn with_async_function(
        self,
        name: impl Into<String>,
        version: NonZeroU64,
        signature: Signature,
        function: impl for<'a> Fn(&'a Batch) -> BoxFuture<'a, Result<Vec<NamedTensor>, BoxError>>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let backend = Backend::Awaited(AwaitedBackend::Function(Arc::new(function)));
        self.with_model(name.into(), version, signature, backend)
    }

    fn with_model(
        mut self,
        name: String,
        version: NonZeroU64,
        signature: Signature,
        backend: Backend,
    ) -> Self {
        self.functions.push(FunctionModel { name, version, signature, backend });
        self
    }

    /// Has a function called with every inference that was recorded, on the thread that answers: it should do next to
    /// nothing. Tests hold requests there.
    #[must_use]
    pub fn when_recorded(mut self, hook: impl Fn() + Send + Sync + 'static) -> Self {
        self.recorded = Some(Box::new(hook));
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
            let Self { config, log, functions, recorded } = self;
            config.check()?;
            let health = Health::new("serving");
            let metrics = Metrics::new("serving", env!("CARGO_PKG_VERSION"));
            metrics.with_registry(|it| log.metrics().register(it));
            let own_metrics = ServingMetrics::register(&metrics);
            own_metrics.expect_strays();
            let spool = Arc::new(open_spool(&config).await?);
            metrics.register_collector(SpoolCollector {
                spool: SpoolSource::Spool(Arc::downgrade(&spool)),
            });
            disk::register(&metrics, [config.spool_dir(), config.models_dir()]);
            health.set_consumers(lag_of(&spool, config.topics.prefix.inferences()));
            let models = Arc::new(open_models(&config, functions, own_metrics.clone()).await?);
            let shadow = Arc::new(Shadow::new(
                Arc::clone(&spool),
                config.spool.when_full,
                health.component("spool"),
                own_metrics.clone(),
            ));
            let predictor = Arc::new(Predictor::new(
                Arc::clone(&models),
                Arc::clone(&shadow),
                own_metrics.clone(),
                config.limits.request_timeout.get(),
                config.limits.large_requests,
            ));
            let parts = background::Parts {
                config: &config,
                log: &log,
                spool: &spool,
                shadow: &shadow,
                models: &models,
                health: &health,
                metrics: &own_metrics,
                recorded,
            };
            let background = parts.start()?;

            let ports = CancellationToken::new();
            let reporter = HealthReporter::new();
            let endpoints = GrpcEndpoints {
                predictor: Arc::clone(&predictor),
                health: health.clone(),
                stop: ports.clone(),
            };
            let limits = &config.limits;
            let answering = Arc::clone(&models);
            let is_ready = IsReady(Arc::new(move |name| answering.find(name, "").is_ok()));
            let used_by = watched::used_by(log.clone(), config.topics.prefix.metric_specs());
            let packages =
                shadowline_packages::routes(Arc::clone(models.packages()), limits.upload_bytes)
                    .layer(Extension(is_ready))
                    .layer(used_by.into_layer());
            let ours = rest::routes(Arc::clone(&predictor), health.clone(), limits.message_bytes);
            let api = rest::beside_packages(ours, packages).merge(docs::routes(
                DOCS,
                "Shadowline serving",
                openapi_json(),
            ));
            let app = http::router(&health, &metrics, api);
            let operate = match config.operate.get() {
                Some(operate) => Some(operate.bind().await.map_err(|source| ServeError::Port {
                    what: "HTTP for those who operate the server",
                    source: source.into(),
                })?),
                None => None,
            };
            announce(&grpc, &http);
            let mut grpc_task = tokio::spawn(serve_grpc(
                config.clone(),
                grpc,
                endpoints,
                reporter.clone(),
                own_metrics,
                ports.clone(),
            )?);
            let (http_app, operate_app) = match operate {
                Some(listener) => (app.clone().only_for(&PREDICTING), Some((listener, app))),
                None => (app, None),
            };
            let mut http_task =
                tokio::spawn(serve_both(http, http_app, operate_app, ports.clone()));
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
            end_watching(reporter).await;
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
            // What was accepted is recorded, though its caller is gone.
            if tokio::time::timeout_at(patience, predictor.finish()).await.is_err() {
                warn!(
                    "models that still compute after half of the grace period are not waited for"
                );
            }
            shadow.close();
            drop((predictor, shadow, models));
            background::stop(background, deadline).await;
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
