//! The two ports: gRPC and HTTP.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use shadowline_api::Role;
use shadowline_service::http::{self, App, HoldLayer};
use shadowline_wire::FILE_DESCRIPTOR_SET;
use shadowline_wire::inference::grpc_inference_service_server::GrpcInferenceServiceServer;
use shadowline_wire::serving::prediction_service_server::PredictionServiceServer;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tracing::info;

use crate::config::Config;
use crate::error::ServeError;
use crate::grpc::GrpcEndpoints;
use crate::metrics::ServingMetrics;
use crate::routes::grpc_methods;
use crate::undecodable::UndecodableLayer;

use super::incoming::incoming;
use super::only_for::OnlyForLayer;

/// A connection that says nothing is asked after this time whether it is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn announce(grpc: &TcpListener, http: &TcpListener) {
    let address = |it: &TcpListener| it.local_addr().map(|it| it.to_string()).unwrap_or_default();
    info!(grpc = address(grpc), http = address(http), "serving");
}

/// The services whose health is told over gRPC; the one without a name is the server.
const REPORTED: [&str; 3] =
    ["", "inference.GRPCInferenceService", "shadowline.serving.v1.PredictionService"];

pub(super) async fn set_serving(reporter: &HealthReporter, status: ServingStatus) {
    for service in REPORTED {
        reporter.set_service_status(service, status).await;
    }
}

/// Ends the streams of those who watch the health, who have been told its last state. They would hold up the stop.
pub(super) async fn end_watching(mut reporter: HealthReporter) {
    for service in REPORTED {
        reporter.clear_service_status(service).await;
    }
}

pub(super) fn serve_grpc(
    config: Config,
    listener: TcpListener,
    endpoints: GrpcEndpoints,
    reporter: HealthReporter,
    metrics: ServingMetrics,
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
        .layer(HoldLayer)
        .layer(UndecodableLayer { metrics })
        .layer(OnlyForLayer { closed: closed(&config) })
        // Behind the time limit of a prediction, which names the inference and is shadowed.
        .timeout(config.limits.request_timeout.get() + Duration::from_secs(1))
        .max_concurrent_streams(config.limits.streams_per_connection)
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(declared(
            GrpcInferenceServiceServer::new(endpoints.clone())
                .max_decoding_message_size(limit)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Deflate),
        ))
        .add_service(declared(
            PredictionServiceServer::new(endpoints)
                .max_decoding_message_size(limit)
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Deflate),
        ))
        .add_service(declared(HealthServer::new(health)))
        .add_service(declared(reflection().build_v1().map_err(ServeError::Reflection)?))
        .add_service(declared(reflection().build_v1alpha().map_err(ServeError::Reflection)?));
    let incoming = incoming(listener);
    Ok(async move {
        router
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await
            .map_err(|source| ServeError::Port { what: "gRPC", source: source.into() })
    })
}

/// What a port for predictions answers.
pub(super) const PREDICTING: [Role; 2] = [Role::Public, Role::Predict];

/// The methods that are not answered, because there is a port for those who operate the server.
fn closed(config: &Config) -> Arc<HashSet<&'static str>> {
    let closes = config.operate.get().is_some();
    let closed = grpc_methods().into_iter().filter(|it| closes && !PREDICTING.contains(&it.role));
    Arc::new(closed.map(|it| it.path).collect())
}

/// Serves HTTP, and the port for those who operate the server if there is one.
pub(super) async fn serve_both(
    listener: TcpListener,
    app: App,
    operate: Option<(TcpListener, App)>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let http = http::serve(listener, app, stop.clone());
    let operate = async {
        match operate {
            Some((listener, app)) => http::serve(listener, app, stop).await,
            None => Ok(()),
        }
    };
    let served = tokio::try_join!(http, operate);
    served.map(drop).map_err(|source| ServeError::Port { what: "HTTP", source: source.into() })
}

/// Passes a service on whose methods name their roles.
fn declared<S: NamedService>(service: S) -> S {
    debug_assert!(
        grpc_methods().iter().any(|it| it.path.split('/').nth(1) == Some(S::NAME)),
        "no role is declared for the methods of {}",
        S::NAME
    );
    service
}
