//! The metrics of predictions. Why sums of negative values have companions is in ADR 0009.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use shadowline_service::metrics::Metrics;
use std::sync::atomic::AtomicU64;

use super::problem::CODES;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    model: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutputLabels {
    model: String,
    output: &'static str,
}

type HistogramMaker = fn() -> Histogram;
type Histograms = Family<ModelLabels, Histogram, HistogramMaker>;
type FloatCounter = Counter<f64, AtomicU64>;

/// The series of all models; clones count together.
#[derive(Debug, Clone)]
pub(super) struct PredictionMetrics {
    requests: Family<ModelLabels, Counter>,
    information: Family<ModelLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
    output: Histograms,
    scores: Histograms,
    latency: Histograms,
    by_output: Family<OutputLabels, Counter>,
    magnitude: Family<ModelLabels, FloatCounter>,
}

/// The series of one model, found once and not at each request.
#[derive(Debug)]
pub(super) struct ModelMetrics {
    requests: Counter,
    information: Counter,
    output: Histogram,
    scores: Histogram,
    latency: Histogram,
    inliers: Counter,
    outliers: Counter,
    magnitude: FloatCounter,
}

impl PredictionMetrics {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let families = |buckets: HistogramMaker| Histograms::new_with_constructor(buckets);
        Self {
            requests: metrics.register(
                "prediction_requests_total",
                "Calls of a prediction path, by the model that was asked; an empty model is none that is here",
                Family::default(),
            ),
            information: metrics.register(
                "model_information_requests_total",
                "Calls of a model_information path, by the model that was asked",
                Family::default(),
            ),
            errors: metrics.register(
                "prediction_errors_total",
                "Calls of a prediction path that were refused, by the reason's code",
                Family::default(),
            ),
            output: metrics.register_signed(
                "predictions_output",
                "Predictions: 1 is an inlier, -1 an outlier; the first bucket holds the outliers",
                families(outputs),
            ),
            scores: metrics.register_signed(
                "predictions_scores",
                "Anomaly scores of predictions that asked for one: from -1 up to 0, lower is more anomalous",
                families(negative_unit_interval),
            ),
            latency: metrics.register(
                "prediction_latency_seconds",
                "Time to answer a prediction, from its headers to its answer; refused ones are not counted",
                families(latencies),
            ),
            by_output: metrics.register(
                "predictions_by_output_total",
                "Predictions by their output: 1 is an inlier, -1 an outlier",
                Family::default(),
            ),
            magnitude: metrics.register(
                "predictions_scores_magnitude_total",
                "Sum of anomaly scores without their sign; divided by predictions_scores_count, the mean without its sign",
                Family::default(),
            ),
        }
    }

    /// The series of a model, which from here on are there, at zero where nothing was counted.
    pub(super) fn of(&self, name: &str) -> ModelMetrics {
        let model = ModelLabels { model: name.to_owned() };
        for code in CODES {
            drop(self.errors.get_or_create(&ErrorLabels { model: name.to_owned(), code }));
        }
        let by_output = |output| {
            let labels = OutputLabels { model: name.to_owned(), output };
            self.by_output.get_or_create(&labels).clone()
        };
        ModelMetrics {
            requests: self.requests.get_or_create(&model).clone(),
            information: self.information.get_or_create(&model).clone(),
            output: self.output.get_or_create(&model).clone(),
            scores: self.scores.get_or_create(&model).clone(),
            latency: self.latency.get_or_create(&model).clone(),
            inliers: by_output("1"),
            outliers: by_output("-1"),
            magnitude: self.magnitude.get_or_create(&model).clone(),
        }
    }

    /// Counts a prediction that was asked of no model that is here.
    pub(super) fn asked_no_model(&self, code: &'static str) {
        self.requests.get_or_create(&ModelLabels { model: String::new() }).inc();
        self.refused("", code);
    }

    /// Counts a call for the information of no model that is here.
    pub(super) fn information_of_no_model(&self) {
        self.information.get_or_create(&ModelLabels { model: String::new() }).inc();
    }

    /// Counts a prediction that was refused.
    pub(super) fn refused(&self, model: &str, code: &'static str) {
        self.errors.get_or_create(&ErrorLabels { model: model.to_owned(), code }).inc();
    }
}

/// Registers the metrics of predictions and makes one series of each, for the list of metrics.
pub(crate) fn touch_metrics(metrics: &Metrics) {
    let all = PredictionMetrics::register(metrics);
    drop(all.of("model"));
}

impl ModelMetrics {
    /// Counts a call of a prediction path, whatever comes of it.
    pub(super) fn asked(&self) {
        self.requests.inc();
    }

    pub(super) fn information(&self) {
        self.information.inc();
    }

    /// Counts an answer; the score only if it was asked for.
    pub(super) fn answered(&self, is_inlier: bool, asked_score: Option<f64>, seconds: f64) {
        let (counter, output) =
            if is_inlier { (&self.inliers, 1.0) } else { (&self.outliers, -1.0) };
        counter.inc();
        self.output.observe(output);
        if let Some(score) = asked_score {
            self.scores.observe(score);
            self.magnitude.inc_by(score.abs());
        }
        self.latency.observe(seconds);
    }
}

fn outputs() -> Histogram {
    Histogram::new([-1.0, 1.0])
}

fn negative_unit_interval() -> Histogram {
    // Whole steps are divided, so that the bounds print as they read: -0.95, -0.9.
    Histogram::new((0..=20).map(|step| f64::from(step - 20) / 20.0))
}

fn latencies() -> Histogram {
    Histogram::new([
        0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5,
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    ])
}
