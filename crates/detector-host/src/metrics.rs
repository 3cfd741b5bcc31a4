//! The metrics of a monitor that hosts detectors.

use prometheus_client::metrics::histogram::Histogram;
use shadowline_detectors::DetectorKind;
use shadowline_monitor::MonitorMetrics;
use shadowline_service::catalogue::{self, MetricFamily};

use crate::kind::Kind;

/// The metrics that a monitor's `/metrics` can have, with those of its extension.
pub(crate) fn metric_families(kind: &Kind) -> Vec<MetricFamily> {
    catalogue::families(kind.service, |metrics| {
        let log = shadowline_stream::Metrics::default();
        log.touch();
        metrics.with_registry(|it| log.register(it));
        MonitorMetrics::register(metrics, score_buckets(kind.detector)).touch();
        shadowline_service::disk::register(metrics, [std::env::temp_dir()]);
        if let Some(extension) = &kind.extension {
            (extension.touch_metrics)(metrics);
        }
    })
}

/// The buckets that fit the scores of a kind of detector.
pub(crate) fn score_buckets(kind: DetectorKind) -> fn() -> Histogram {
    match kind {
        DetectorKind::IsolationForest => unit_interval,
        DetectorKind::Knn => distances,
    }
}

fn unit_interval() -> Histogram {
    Histogram::new([0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
}

fn distances() -> Histogram {
    Histogram::new([0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1e3, 1e4, 1e5])
}
