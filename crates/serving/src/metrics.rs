//! The metrics of the model server.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{OnceLock, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use shadowline_segment_log::Spool;
use shadowline_service::catalogue::{self, MetricFamily};
use shadowline_service::metrics::Metrics;
use shadowline_service::traces::Exemplar;

/// Stands for a model or version that is not there, so that callers cannot make up label values.
pub(crate) const UNKNOWN_MODEL: &str = "unknown";

/// With what a request to a model can fail. They are shown at zero from the start, because the first error would
/// otherwise be no increase of anything.
const MODEL_ERRORS: [&str; 5] =
    ["INVALID_ARGUMENT", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNIMPLEMENTED"];

/// With what a request to no model can fail.
const UNKNOWN_MODEL_ERRORS: [&str; 3] = ["INVALID_ARGUMENT", "NOT_FOUND", "DEADLINE_EXCEEDED"];

/// The endpoint that a request came to. The label of the metrics is `door`, as dashboards know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Endpoint {
    OpenInference,
    OpenInferenceRest,
    Predict,
    PredictRest,
}

impl Endpoint {
    const ALL: [Self; 4] =
        [Self::OpenInference, Self::OpenInferenceRest, Self::Predict, Self::PredictRest];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenInference => "open_inference",
            Self::OpenInferenceRest => "open_inference_rest",
            Self::Predict => "predict",
            Self::PredictRest => "predict_rest",
        }
    }

    fn idx(self) -> usize {
        match self {
            Self::OpenInference => 0,
            Self::OpenInferenceRest => 1,
            Self::Predict => 2,
            Self::PredictRest => 3,
        }
    }
}

/// Why an inference was not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    Closed,
    SpoolFull,
    DiskFull,
    TooLarge,
    Io,
}

impl DropReason {
    const ALL: [Self; 5] =
        [Self::Closed, Self::SpoolFull, Self::DiskFull, Self::TooLarge, Self::Io];

    fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::SpoolFull => "spool_full",
            Self::DiskFull => "disk_full",
            Self::TooLarge => "too_large",
            Self::Io => "io",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    model: String,
    version: String,
    door: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    model: String,
    version: String,
    door: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    model: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TagLabels {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabels {
    model: String,
    version: String,
    platform: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
    version: String,
}

type DurationHistogram = HistogramWithExemplars<Exemplar>;
type Durations = Family<DurationLabels, DurationHistogram, fn() -> DurationHistogram>;
type SecondsGauge = Gauge<f64, AtomicU64>;

/// All metrics of a server; clones count together.
#[derive(Debug, Clone)]
pub(crate) struct ServingMetrics {
    durations: Durations,
    requests: Family<RequestLabels, Counter>,
    appended: Counter,
    dropped: Family<DropLabels, Counter>,
    pub(crate) drained: Counter,
    pub(crate) oversized: Counter,
    pub(crate) drain_retries: Counter,
    undecodable: Counter,
    tags_dropped: Family<TagLabels, Counter>,
    models: Family<VersionLabels, Gauge>,
    first_request: Family<ModelLabels, SecondsGauge>,
    last_request: Family<ModelLabels, SecondsGauge>,
}

/// The metrics of one model version, found once instead of with every request.
#[derive(Debug)]
pub(crate) struct ModelMetrics {
    durations: [DurationHistogram; 4],
    ok: [Counter; 4],
    all: ServingMetrics,
    labels: ModelLabels,
    /// When requests came; not there before the first, because there is no number for never.
    last_request: OnceLock<SecondsGauge>,
}

fn predict_histogram() -> DurationHistogram {
    let buckets = [
        0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
        2.5, 5.0, 10.0,
    ];
    DurationHistogram::new(buckets.into_iter())
}

impl ServingMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        Self {
            durations: metrics.register(
                "shadowline_predict_duration_seconds",
                "Time from a request's arrival to its answer, with the append to the spool",
                Durations::new_with_constructor(predict_histogram),
            ),
            requests: metrics.register(
                "shadowline_predict_requests_total",
                "Requests by their outcome",
                Family::default(),
            ),
            appended: metrics.register(
                "shadowline_shadow_appended_total",
                "Inferences written down in the spool",
                Counter::default(),
            ),
            dropped: metrics.register(
                "shadowline_shadow_dropped_total",
                "Inferences that found no room in the spool",
                Family::default(),
            ),
            drained: metrics.register(
                "shadowline_spool_drained_records_total",
                "Inferences that the log acknowledged",
                Counter::default(),
            ),
            oversized: metrics.register(
                "shadowline_spool_oversized_records_total",
                "Inferences too large for the log, sent to the dead letters without their tensors",
                Counter::default(),
            ),
            drain_retries: metrics.register(
                "shadowline_spool_drain_retries_total",
                "Times that sending began again at the mark",
                Counter::default(),
            ),
            undecodable: metrics.register(
                "shadowline_predict_undecodable_total",
                "Requests whose message could not be read at all",
                Counter::default(),
            ),
            tags_dropped: metrics.register(
                "shadowline_predict_tags_dropped_total",
                "Tags of callers that could not be kept, and were dropped from the shadow",
                Family::default(),
            ),
            models: metrics.register(
                "shadowline_model_loaded",
                "1 for each model version that was loaded",
                Family::default(),
            ),
            first_request: metrics.register(
                "shadowline_model_first_request_timestamp_seconds",
                "When the first request since this server's start came to a model version",
                Family::default(),
            ),
            last_request: metrics.register(
                "shadowline_model_last_request_timestamp_seconds",
                "When the last request came to a model version",
                Family::default(),
            ),
        }
    }

    /// Shows what requests to no model can end with, at zero.
    pub(crate) fn expect_strays(&self) {
        for endpoint in Endpoint::ALL {
            for code in UNKNOWN_MODEL_ERRORS {
                drop(self.request(UNKNOWN_MODEL, UNKNOWN_MODEL, endpoint, code));
            }
        }
        for reason in DropReason::ALL {
            self.expect_drop(UNKNOWN_MODEL, reason);
        }
        self.tags_dropped(UNKNOWN_MODEL, 0);
    }

    fn expect_drop(&self, model: &str, reason: DropReason) {
        drop(self.drops(model, reason));
    }

    /// Makes one series of each.
    fn touch(&self) {
        let Self {
            durations: _,
            requests: _,
            appended: _,
            dropped: _,
            drained: _,
            oversized: _,
            drain_retries: _,
            undecodable: _,
            tags_dropped: _,
            models: _,
            first_request: _,
            last_request: _,
        } = self;
        self.expect_strays();
        self.set_loaded(&[("model".to_owned(), "1".to_owned(), "platform")]);
        self.of_model("model", "1").answered(Endpoint::Predict, 0.0, 0.0, None);
    }

    /// The metrics of a model version that was loaded.
    pub(crate) fn of_model(&self, model: &str, version: &str) -> ModelMetrics {
        for reason in DropReason::ALL {
            self.expect_drop(model, reason);
        }
        self.tags_dropped(model, 0);
        ModelMetrics {
            durations: Endpoint::ALL.map(|endpoint| {
                let labels = DurationLabels {
                    model: model.to_owned(),
                    version: version.to_owned(),
                    door: endpoint.name(),
                };
                self.durations.get_or_create(&labels).clone()
            }),
            ok: Endpoint::ALL.map(|endpoint| {
                for code in MODEL_ERRORS {
                    drop(self.request(model, version, endpoint, code));
                }
                self.request(model, version, endpoint, "OK")
            }),
            all: self.clone(),
            labels: ModelLabels { model: model.to_owned(), version: version.to_owned() },
            last_request: OnceLock::new(),
        }
    }

    fn request(
        &self,
        model: &str,
        version: &str,
        endpoint: Endpoint,
        code: &'static str,
    ) -> Counter {
        let (model, version) = (model.to_owned(), version.to_owned());
        let labels = RequestLabels { model, version, door: endpoint.name(), code };
        self.requests.get_or_create(&labels).clone()
    }

    /// Counts a request that got an error.
    pub(crate) fn refused(
        &self,
        model: &str,
        version: &str,
        endpoint: Endpoint,
        code: &'static str,
    ) {
        self.request(model, version, endpoint, code).inc();
    }

    /// Counts a request that no handler saw.
    pub(crate) fn undecodable(&self) {
        self.undecodable.inc();
    }

    /// Counts tags that are in no record. `model` is a label, so it must be one of the models that are there.
    pub(crate) fn tags_dropped(&self, model: &str, n_dropped: usize) {
        let labels = TagLabels { model: model.to_owned() };
        let n_dropped = u64::try_from(n_dropped).unwrap_or(u64::MAX);
        self.tags_dropped.get_or_create(&labels).inc_by(n_dropped);
    }

    pub(crate) fn appended(&self) {
        self.appended.inc();
    }

    pub(crate) fn dropped(&self, model: &str, reason: DropReason) {
        self.drops(model, reason).inc();
    }

    fn drops(&self, model: &str, reason: DropReason) -> Counter {
        let labels = DropLabels { model: model.to_owned(), reason: reason.name() };
        self.dropped.get_or_create(&labels).clone()
    }

    /// Says which model versions answer now.
    pub(crate) fn set_loaded(&self, models: &[(String, String, &'static str)]) {
        self.models.clear();
        for (model, version, platform) in models {
            let labels = VersionLabels { model: model.clone(), version: version.clone(), platform };
            self.models.get_or_create(&labels).set(1);
        }
    }
}

impl ModelMetrics {
    /// `at` is when the request arrived, in seconds since 1970.
    pub(crate) fn answered(
        &self,
        endpoint: Endpoint,
        seconds: f64,
        at: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.durations[endpoint.idx()].observe(seconds, exemplar, None);
        self.ok[endpoint.idx()].inc();
        self.arrived(at);
    }

    /// As `answered`, for a request that got an error.
    pub(crate) fn failed(
        &self,
        endpoint: Endpoint,
        seconds: f64,
        at: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.durations[endpoint.idx()].observe(seconds, exemplar, None);
        self.arrived(at);
    }

    fn arrived(&self, at: f64) {
        let last = self.last_request.get_or_init(|| {
            let first = self.all.first_request.get_or_create_owned(&self.labels);
            // A version that was loaded again had its first request before.
            if first.get() <= 0.0 {
                first.set(at);
            }
            self.all.last_request.get_or_create_owned(&self.labels)
        });
        last.set(at);
    }
}

/// The metrics that this service's `/metrics` can have.
pub fn metric_families() -> Vec<MetricFamily> {
    catalogue::families("serving", |metrics| {
        let log = shadowline_stream::Metrics::default();
        log.touch();
        metrics.with_registry(|it| log.register(it));
        ServingMetrics::register(metrics).touch();
        metrics.register_collector(SpoolCollector { spool: SpoolSource::Example });
        shadowline_service::disk::register(metrics, [std::env::temp_dir()]);
    })
}

/// Reads the spool's fill at each scrape.
#[derive(Debug)]
pub(crate) struct SpoolCollector {
    pub(crate) spool: SpoolSource,
}

/// Where the figures of a spool come from.
#[derive(Debug)]
pub(crate) enum SpoolSource {
    Spool(Weak<Spool>),
    /// None at all, for the list of metrics.
    Example,
}

#[derive(Debug, Default)]
struct SpoolFigures {
    used_bytes: u64,
    max_bytes: u64,
    n_waiting: u64,
    last_sequence: u64,
}

impl SpoolSource {
    fn figures(&self) -> Option<SpoolFigures> {
        match self {
            Self::Example => Some(SpoolFigures::default()),
            Self::Spool(spool) => {
                let spool = spool.upgrade()?;
                let fill = spool.fill();
                let last_sequence = spool.last_sequence();
                Some(SpoolFigures {
                    used_bytes: fill.used_bytes,
                    max_bytes: fill.max_bytes,
                    n_waiting: last_sequence.saturating_sub(spool.acknowledged()),
                    last_sequence,
                })
            }
        }
    }
}

impl Collector for SpoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(spool) = self.spool.figures() else { return Ok(()) };
        for (name, help, value) in [
            ("shadowline_spool_used_bytes", "What waits to be sent to the log", spool.used_bytes),
            (
                "shadowline_spool_limit_bytes",
                "What may wait to be sent to the log",
                spool.max_bytes,
            ),
            (
                "shadowline_spool_unacknowledged_records",
                "Inferences that the log has not acknowledged",
                spool.n_waiting,
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let last = ConstCounter::new(spool.last_sequence);
        let help = "The sequence of the last inference written down";
        last.encode(encoder.encode_descriptor(
            "shadowline_spool_sequence",
            help,
            None,
            last.metric_type(),
        )?)
    }
}
