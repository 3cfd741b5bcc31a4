//! The KNN-outlier monitor: scores shadowed inferences with the detectors installed in it.
//!
//! All it adds to `shadowline-detector-host` is which detectors it hosts, and its default settings.

use shadowline_detector_host::{HostService, Kind, Row};
use shadowline_detectors::DetectorKind;
use shadowline_program::Descriptor;

/// This service's row in the table of services.
pub const SERVICE: Descriptor = KnnMonitor::SERVICE;

#[derive(Debug)]
enum KnnMonitor {}

impl HostService for KnnMonitor {
    const KIND: Kind = Kind {
        service: "monitor-knn",
        detector: DetectorKind::Knn,
        version: env!("CARGO_PKG_VERSION"),
        api: (
            "Shadowline KNN monitor",
            "Hosts KNN-outlier detectors, and scores the inferences of the models that metric specs watch with them.",
        ),
        extension: None,
        row: Row {
            program: env!("CARGO_PKG_NAME"),
            title: "the KNN monitor",
            about: "Scores shadowed inferences with the KNN outlier detectors installed in it",
            defaults: include_str!("../default.toml"),
            http: 8011,
            place: "monitor-knn/packages",
            packages: "KNN outlier detectors",
        },
    };
}

#[cfg(test)]
mod tests {
    use shadowline_service::agreement::differences;
    use shadowline_testkit::assert_committed;

    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        assert_committed(path, &(SERVICE.openapi_json)(), "UPDATE_OPENAPI");
    }

    #[test]
    fn the_openapi_document_has_every_route_and_no_other() {
        assert_eq!(
            differences(&(SERVICE.routes)(), &(SERVICE.openapi_json)()),
            Vec::<String>::new()
        );
    }
}
