//! The metrics of a monitor. Lag, dead letters and records sent are those of `stream`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use shadowline_service::metrics::Metrics;
use shadowline_service::traces::Exemplar;
use shadowline_wire::{MonitorRef, ScoreValue, Unscored};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    detector: String,
    version: String,
    /// `scored`, or the code of the reason why not.
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    detector: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MissingLabels {
    detector: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabels {
    state: &'static str,
}

type HistogramMaker = fn() -> Histogram;

/// Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub struct MonitorMetrics {
    scores: Family<OutcomeLabels, Counter>,
    score: Family<DetectorLabels, Histogram, HistogramMaker>,
    scoring_duration: Family<DetectorLabels, Histogram, HistogramMaker>,
    delay: HistogramWithExemplars<Exemplar>,
    unwatched: Counter,
    specs: Family<StateLabels, Gauge>,
    missing: Family<MissingLabels, Gauge>,
}

impl MonitorMetrics {
    /// Registers them; `score_buckets` makes the histogram of a scorer's scores, whose range only the monitor knows.
    pub fn register(metrics: &Metrics, score_buckets: fn() -> Histogram) -> Self {
        MonitorMetrics {
            scores: metrics.register(
                "shadowline_monitor_scores_total",
                "Scores written, by detector and outcome: scored, or why not",
                Family::default(),
            ),
            score: metrics.register(
                "shadowline_monitor_score",
                "Scores of inferences; higher is more anomalous",
                Family::new_with_constructor(score_buckets),
            ),
            scoring_duration: metrics.register(
                "shadowline_monitor_scoring_duration_seconds",
                "Time a detector took for one batch of inferences",
                Family::new_with_constructor(durations as HistogramMaker),
            ),
            delay: metrics.register(
                "shadowline_monitor_delay_seconds",
                "From the arrival of a request to its score",
                HistogramWithExemplars::new(
                    [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0]
                        .into_iter(),
                ),
            ),
            unwatched: metrics.register(
                "shadowline_monitor_unwatched_total",
                "Inferences read that no detector here watches",
                Counter::default(),
            ),
            specs: metrics.register(
                "shadowline_monitor_specs",
                "Metric specs known, by whether a detector here serves them",
                Family::default(),
            ),
            missing: metrics.register(
                "shadowline_monitor_detector_missing",
                "1 for each detector that an enabled metric spec asks for and that cannot be used here",
                Family::default(),
            ),
        }
    }

    /// Shows a detector that metric specs want at zero: a rate needs the value before the first.
    pub(crate) fn watching(&self, monitor: &MonitorRef) {
        let MonitorRef { name: detector, version } = monitor.clone();
        let labels = OutcomeLabels { detector, version, outcome: "scored".to_owned() };
        drop(self.scores.get_or_create(&labels));
    }

    /// Makes one series of each.
    pub fn touch(&self) {
        let Self {
            scores: _,
            score: _,
            scoring_duration: _,
            delay: _,
            unwatched: _,
            specs: _,
            missing: _,
        } = self;
        let monitor = MonitorRef { name: "detector".to_owned(), version: "1".to_owned() };
        let score = ScoreValue {
            value: 0.5,
            record_idx: 0,
            record_values: Vec::new(),
            p_value: None,
            expected: None,
            contributions: Vec::new(),
            n_unseen_categories: 0,
        };
        self.written(&monitor, &Ok(score), 0.0, None);
        self.scoring_took(&monitor, 0.0);
        self.specs(0, 0);
        self.missing(["detector"].into_iter());
    }

    /// Counts one score that was acknowledged.
    pub(crate) fn written(
        &self,
        monitor: &MonitorRef,
        result: &Result<ScoreValue, Unscored>,
        delay_seconds: f64,
        exemplar: Option<Exemplar>,
    ) {
        let outcome = match result {
            Ok(score) => {
                self.score.get_or_create(&labels(monitor)).observe(score.value);
                "scored".to_owned()
            }
            Err(unscored) => unscored.code.clone(),
        };
        let MonitorRef { name, version } = monitor.clone();
        self.scores.get_or_create(&OutcomeLabels { detector: name, version, outcome }).inc();
        // Clocks of two machines can differ, and a delay is never negative.
        self.delay.observe(delay_seconds.max(0.0), exemplar, None);
    }

    /// Counts what stands for inferences that nobody can know.
    pub(crate) fn unscored(&self, monitor: &MonitorRef, code: &str) {
        let MonitorRef { name: detector, version } = monitor.clone();
        let outcome = code.to_owned();
        self.scores.get_or_create(&OutcomeLabels { detector, version, outcome }).inc();
    }

    pub(crate) fn scoring_took(&self, monitor: &MonitorRef, seconds: f64) {
        self.scoring_duration.get_or_create(&labels(monitor)).observe(seconds);
    }

    pub(crate) fn unwatched(&self) {
        self.unwatched.inc();
    }

    /// Shows the detectors that are missing, and no other.
    pub(crate) fn missing<'a>(&self, detectors: impl Iterator<Item = &'a str>) {
        self.missing.clear();
        for detector in detectors {
            let labels = MissingLabels { detector: detector.to_owned() };
            self.missing.get_or_create(&labels).set(1);
        }
    }

    pub(crate) fn specs(&self, watched: usize, ignored: usize) {
        for (state, n_specs) in [("watched", watched), ("ignored", ignored)] {
            let n_specs = i64::try_from(n_specs).unwrap_or(i64::MAX);
            self.specs.get_or_create(&StateLabels { state }).set(n_specs);
        }
    }
}

fn labels(monitor: &MonitorRef) -> DetectorLabels {
    DetectorLabels { detector: monitor.name.clone(), version: monitor.version.clone() }
}

fn durations() -> Histogram {
    Histogram::new([
        0.00005, 0.0002, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    ])
}
