//! The isolation-forest monitor: scores shadowed inferences with the detectors installed in it, and answers
//! predictions of its own.
//!
//! To `shadowline-monitor` it adds which detectors it hosts, its default settings, and `prediction`: the REST
//! service that says of a feature vector whether it is an anomaly. With the setting `watch = false` that service
//! is all it is, and it needs no log.

mod prediction;

use futures_util::future::BoxFuture;
use shadowline_detectors::DetectorKind;
use shadowline_monitor::Kind;
pub use shadowline_monitor::{Config, MonitorError};
use shadowline_service::catalogue::MetricFamily;
use shadowline_service::routes::Declared;
use shadowline_stream::Log;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

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
    extension: Some(prediction::extension),
};

/// The metrics that this monitor's `/metrics` can have.
pub fn metric_families() -> Vec<MetricFamily> {
    shadowline_monitor::metric_families(&KIND, prediction::touch_metrics)
}

/// Returns every route with the role that it needs.
pub fn routes() -> Vec<Declared> {
    shadowline_monitor::routes_of(Some(prediction::declared()))
}

/// Returns the OpenAPI document.
pub fn openapi_json() -> String {
    shadowline_monitor::openapi_json(&KIND, Some(prediction::openapi()))
}

/// Runs the monitor as its own program, on the log and the port that its settings name.
///
/// # Errors
/// As [`shadowline_monitor::run`].
pub fn run(
    config: Config,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), MonitorError>> {
    shadowline_monitor::run(&KIND, config, stop)
}

/// Runs the monitor in this process, on an open log.
///
/// # Errors
/// As [`shadowline_monitor::serve`].
pub fn serve(
    config: Config,
    log: Log,
    listener: TcpListener,
    stop: CancellationToken,
) -> BoxFuture<'static, Result<(), MonitorError>> {
    shadowline_monitor::serve(&KIND, config, log, listener, stop)
}

#[cfg(test)]
mod tests {
    use shadowline_service::routes::differences;
    use shadowline_service::settings::{self, Layers};

    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let made = openapi_json();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == made,
            "openapi.json is out of date: run this test with UPDATE_OPENAPI=1"
        );
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

    #[test]
    fn the_default_settings_are_whole_and_print_as_settings() {
        let config: Config = Layers::defaults(DEFAULTS).unwrap().extract().unwrap();
        assert_eq!(config.group, "shadowline.monitor-iforest");
        assert_eq!(config.http.listen, "127.0.0.1:8010");
        let shown = settings::print(&config).unwrap();
        let again: Config = Layers::defaults(&shown).unwrap().extract().unwrap();
        assert_eq!(again.packages_dir, config.packages_dir);
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let layers =
            Layers::defaults(DEFAULTS).unwrap().environment([("SHADOWLINE__MAX_BATCHES", "3")]);
        let error = layers.extract::<Config>().unwrap_err().to_string();
        assert_eq!(
            error,
            "environment variable `SHADOWLINE__MAX_BATCHES`: unknown key `max_batches`; did you mean `max_batch`?"
        );
    }
}
