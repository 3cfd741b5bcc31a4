//! The isolation-forest monitor: scores shadowed inferences with the detectors installed in it, and answers
//! predictions of its own.
//!
//! To `shadowline-detector-host` it adds which detectors it hosts, its default settings, and `prediction`: the REST
//! service that says of a feature vector whether it is an anomaly. With the setting `watch = false` that service
//! is all it is, and it needs no log.

mod prediction;
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
    service: "monitor-iforest",
    detector: DetectorKind::IsolationForest,
    version: env!("CARGO_PKG_VERSION"),
    api: (
        "Shadowline isolation-forest monitor",
        "Says whether a feature vector is an anomaly, hosts isolation forests, and scores the inferences of the \
         models that metric specs watch with them.",
    ),
    extension: Some(prediction::EXTENSION),
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
    use shadowline_service::settings::Layers;
    use shadowline_testkit::assert_committed;

    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        assert_committed(path, &openapi_json(), "UPDATE_OPENAPI");
    }

    #[test]
    fn packages_to_install_are_one_folder_or_several() {
        let layers = Layers::defaults(DEFAULTS).unwrap();
        for (value, n_folders) in [("[]", 0), ("a", 1), (r#"["a", "b"]"#, 2)] {
            let layers = layers.clone().set("test", "install", value);
            assert_eq!(layers.extract::<Config>().unwrap().install.len(), n_folders, "{value}");
        }
        let error = layers.set("flag", "install", "3").extract::<Config>().unwrap_err();
        assert!(error.to_string().contains("a path or a list of paths"), "{error}");
    }

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(differences(&routes(), &openapi_json()), Vec::<String>::new());
    }
}
