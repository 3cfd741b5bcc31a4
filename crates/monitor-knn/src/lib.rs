//! The KNN-outlier monitor: scores shadowed inferences with the detectors installed in it.
//!
//! All it adds to `shadowline-detector-host` is which detectors it hosts, and its default settings.

mod service;

use futures_util::future::BoxFuture;
use shadowline_detector_host::Kind;
pub use shadowline_detector_host::{Config, HostError};
use shadowline_detectors::DetectorKind;
use shadowline_service::catalogue::MetricFamily;
use shadowline_service::routes::Declared;
use shadowline_stream::Log;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use service::SERVICE;

/// Default settings, as TOML.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// Which monitor this is.
pub const KIND: Kind = Kind {
    service: "monitor-knn",
    detector: DetectorKind::Knn,
    version: env!("CARGO_PKG_VERSION"),
    api: (
        "Shadowline KNN monitor",
        "Hosts KNN-outlier detectors, and scores the inferences of the models that metric specs watch with them.",
    ),
    extension: None,
};

/// The metrics that this monitor's `/metrics` can have.
pub fn metric_families() -> Vec<MetricFamily> {
    shadowline_detector_host::metric_families(&KIND)
}

/// Returns every route with the role that it needs.
pub fn routes() -> Vec<Declared> {
    shadowline_detector_host::routes(&KIND)
}

/// Returns the OpenAPI document.
pub fn openapi_json() -> String {
    shadowline_detector_host::openapi_json(&KIND)
}

/// Runs the monitor as its own program, on the log and the port that its settings name.
///
/// # Errors
/// As [`shadowline_detector_host::run`].
pub fn run(config: Config, stop: CancellationToken) -> BoxFuture<'static, Result<(), HostError>> {
    shadowline_detector_host::run(&KIND, config, stop)
}

/// Runs the monitor in this process, on an open log.
///
/// # Errors
/// As [`shadowline_detector_host::serve`].
pub fn serve(
    config: Config,
    log: Log,
    listener: TcpListener,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), HostError>> {
    shadowline_detector_host::serve(&KIND, config, log, listener, stop)
}

#[cfg(test)]
mod tests {
    use shadowline_service::agreement::differences;
    use shadowline_testkit::assert_committed;

    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        assert_committed(path, &openapi_json(), "UPDATE_OPENAPI");
    }

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(differences(&routes(), &openapi_json()), Vec::<String>::new());
    }
}
