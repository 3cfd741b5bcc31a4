//! The isolation-forest monitor: scores shadowed inferences with the detectors installed in it, and answers
//! predictions of its own.
//!
//! To `shadowline-detector-host` it adds which detectors it hosts, its default settings, and `prediction`: the REST
//! service that says of a feature vector whether it is an anomaly. With the setting `watch = false` that service
//! is all it is, and it needs no log.

mod prediction;

use shadowline_detector_host::{HostService, Kind, Row};
use shadowline_detectors::DetectorKind;
use shadowline_program::Descriptor;

/// This service's row in the table of services.
pub const SERVICE: Descriptor = IsolationForestMonitor::SERVICE;

#[derive(Debug)]
enum IsolationForestMonitor {}

impl HostService for IsolationForestMonitor {
    const KIND: Kind = Kind {
        service: "monitor-iforest",
        detector: DetectorKind::IsolationForest,
        version: env!("CARGO_PKG_VERSION"),
        api: (
            "Shadowline isolation-forest monitor",
            "Says whether a feature vector is an anomaly, hosts isolation forests, and scores the inferences of the \
             models that metric specs watch with them.",
        ),
        extension: Some(prediction::EXTENSION),
        row: Row {
            program: env!("CARGO_PKG_NAME"),
            title: "the isolation forest monitor",
            about: "Scores shadowed inferences with the isolation-forest detectors installed in it",
            defaults: include_str!("../default.toml"),
            http: 8010,
            place: "monitor-iforest/packages",
            packages: "Isolation forests",
        },
    };
}

#[cfg(test)]
mod tests {
    use shadowline_detector_host::Config;
    use shadowline_service::agreement::differences;
    use shadowline_service::settings::Layers;
    use shadowline_testkit::assert_committed;

    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        assert_committed(path, &(SERVICE.openapi_json)(), "UPDATE_OPENAPI");
    }

    #[test]
    fn packages_to_install_are_one_folder_or_several() {
        let layers = Layers::defaults(SERVICE.defaults).unwrap();
        for (value, n_folders) in [("[]", 0), ("a", 1), (r#"["a", "b"]"#, 2)] {
            let layers = layers.clone().set("test", "install", value);
            assert_eq!(layers.extract::<Config>().unwrap().install.len(), n_folders, "{value}");
        }
        let error = layers.set("flag", "install", "3").extract::<Config>().unwrap_err();
        assert!(error.to_string().contains("a path or a list of paths"), "{error}");
    }

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(
            differences(&(SERVICE.routes)(), &(SERVICE.openapi_json)()),
            Vec::<String>::new()
        );
    }
}
