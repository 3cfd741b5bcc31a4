//! The metrics of the metric-spec service.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use shadowline_evaluation::{AlertState, Evaluation, MetricSpec, Outcome};
use shadowline_service::catalogue::{self, MetricFamily};
use shadowline_service::metrics::Metrics;
use shadowline_service::traces::Exemplar;

/// Cheap to clone; all clones count together. Labels are names of specs and models: as many as people registered.
#[derive(Debug, Clone)]
pub(crate) struct MetricSpecsMetrics {
    info: Family<InfoLabels, Gauge>,
    value: Family<SpecLabels, FloatGauge>,
    window_value: Family<SpecLabels, FloatGauge>,
    threshold: Family<SpecLabels, FloatGauge>,
    firing: Family<SpecLabels, Gauge>,
    pending: Family<SpecLabels, Gauge>,
    checks: Family<CheckLabels, Counter>,
    transitions: Family<TransitionLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    repeated: Counter,
    unread: Counter,
    apply_duration: Histogram,
    alert_delay: HistogramWithExemplars<Exemplar>,
    specs: Gauge,
    outbox: Family<OutboxLabels, Gauge>,
    dropped_checks: Counter,
    dropped_alert_events: Counter,
}

type FloatGauge = Gauge<f64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SpecLabels {
    spec: String,
    model: String,
}

/// What else is known of a spec, to be joined by `spec` and `model`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InfoLabels {
    spec: String,
    model: String,
    /// `*` for every version.
    model_version: String,
    metric: String,
    severity: &'static str,
    operator: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CheckLabels {
    spec: String,
    model: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TransitionLabels {
    spec: String,
    model: String,
    to: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    target: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutboxLabels {
    topic: &'static str,
}

impl MetricSpecsMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Self {
        let family =
            |name, help| metrics.register(name, help, Family::<SpecLabels, FloatGauge>::default());
        let flag =
            |name, help| metrics.register(name, help, Family::<SpecLabels, Gauge>::default());
        let seconds = |name, help, buckets: &[f64]| {
            metrics.register(name, help, Histogram::new(buckets.iter().copied()))
        };
        Self {
            info: metrics.register(
                "shadowline_metric_spec_info",
                "1 for each enabled metric spec; its labels say what it judges",
                Family::default(),
            ),
            value: family("shadowline_metric_spec_value", "Last score that the spec judged"),
            window_value: family(
                "shadowline_metric_spec_window_value",
                "Breach share or aggregate of the spec's window",
            ),
            threshold: family(
                "shadowline_metric_spec_threshold",
                "What the spec compares scores with",
            ),
            firing: flag("shadowline_metric_spec_firing", "1 while the spec's alert fires, else 0"),
            pending: flag(
                "shadowline_metric_spec_pending",
                "1 while the spec's alert is pending, else 0",
            ),
            checks: metrics.register(
                "shadowline_checks_total",
                "Scores judged, by outcome; those with the outcome breach are the breaches",
                Family::default(),
            ),
            transitions: metrics.register(
                "shadowline_alert_transitions_total",
                "Changes of state of alerts",
                Family::default(),
            ),
            deliveries: metrics.register(
                "shadowline_alert_deliveries_total",
                "Attempts to deliver alerts, by target and result",
                Family::default(),
            ),
            repeated: metrics.register(
                "shadowline_scores_repeated_total",
                "Scores that came again and were passed over",
                Counter::default(),
            ),
            unread: metrics.register(
                "shadowline_scores_unreadable_total",
                "Records on the topic of scores that are none",
                Counter::default(),
            ),
            apply_duration: seconds(
                "shadowline_scores_apply_duration_seconds",
                "Time to judge a batch of scores and to keep the result",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
            ),
            alert_delay: metrics.register(
                "shadowline_alert_delay_seconds",
                "From the arrival of the request that made an alert fire until the alert is kept",
                HistogramWithExemplars::new(
                    [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0].into_iter(),
                ),
            ),
            specs: metrics.register(
                "shadowline_metric_specs",
                "Metric specs that are registered",
                Gauge::default(),
            ),
            outbox: metrics.register(
                "shadowline_outbox_records",
                "Records that the topic does not have yet",
                Family::default(),
            ),
            dropped_checks: metrics.register(
                "shadowline_checks_expired_total",
                "Checks dropped because they were older than their retention",
                Counter::default(),
            ),
            dropped_alert_events: metrics.register(
                "shadowline_alert_events_expired_total",
                "Changes of alerts dropped because they were older than their retention",
                Counter::default(),
            ),
        }
    }

    /// Shows the status of a spec.
    pub(crate) fn spec(&self, spec: &MetricSpec, evaluation: &Evaluation) {
        let labels = labels(spec);
        for outcome in Outcome::ALL {
            self.checks(spec, outcome, 0);
        }
        for to in AlertState::ALL {
            drop(self.transitions.get_or_create(&transition_labels(spec, to)));
        }
        if spec.enabled() {
            self.info.get_or_create(&info_labels(spec)).set(1);
        }
        let window_value = evaluation.window(spec).and_then(|it| it.value);
        for (gauge, number) in [
            (&self.value, evaluation.last_value()),
            (&self.window_value, window_value),
            (&self.threshold, evaluation.condition(spec).line()),
        ] {
            match number {
                Some(number) => drop(gauge.get_or_create(&labels).set(number)),
                // What the version before had says nothing of this one.
                None => drop(gauge.remove(&labels)),
            }
        }
        self.firing.get_or_create(&labels).set(i64::from(evaluation.state() == AlertState::Firing));
        self.pending
            .get_or_create(&labels)
            .set(i64::from(evaluation.state() == AlertState::Pending));
    }

    /// Stops showing a spec.
    pub(crate) fn forget(&self, spec: &MetricSpec) {
        let labels = labels(spec);
        for gauge in [&self.value, &self.window_value, &self.threshold] {
            gauge.remove(&labels);
        }
        self.firing.remove(&labels);
        self.pending.remove(&labels);
        self.changed(spec);
        let SpecLabels { spec, model } = labels;
        for outcome in Outcome::ALL {
            let labels =
                CheckLabels { spec: spec.clone(), model: model.clone(), outcome: outcome.name() };
            self.checks.remove(&labels);
        }
        for to in AlertState::ALL {
            let labels =
                TransitionLabels { spec: spec.clone(), model: model.clone(), to: to.name() };
            self.transitions.remove(&labels);
        }
    }

    /// Forgets what a spec said of itself before it was changed.
    pub(crate) fn changed(&self, spec: &MetricSpec) {
        self.info.remove(&info_labels(spec));
    }

    /// Shows a receiver of alerts at zero: a rate needs the value before the first.
    pub(crate) fn receiver(&self, target: &str) {
        for result in ["ok", "error"] {
            let labels = DeliveryLabels { target: target.to_owned(), result };
            drop(self.deliveries.get_or_create(&labels));
        }
    }

    /// Makes one series of each.
    fn touch(&self, spec: &MetricSpec) {
        let Self {
            info: _,
            value,
            window_value,
            threshold: _,
            firing: _,
            pending: _,
            checks: _,
            transitions: _,
            deliveries: _,
            repeated: _,
            unread: _,
            apply_duration: _,
            alert_delay: _,
            specs: _,
            outbox: _,
            dropped_checks: _,
            dropped_alert_events: _,
        } = self;
        self.spec(spec, &Evaluation::new(spec));
        // What a spec has when it has judged something.
        for family in [value, window_value] {
            drop(family.get_or_create(&labels(spec)));
        }
        self.receiver("alertmanager");
        self.outbox("alerts", 0);
    }

    pub(crate) fn specs(&self, n_specs: usize) {
        self.specs.set(i64::try_from(n_specs).unwrap_or(i64::MAX));
    }

    pub(crate) fn checks(&self, spec: &MetricSpec, outcome: Outcome, n_checks: u64) {
        let SpecLabels { spec, model } = labels(spec);
        self.checks
            .get_or_create(&CheckLabels { spec, model, outcome: outcome.name() })
            .inc_by(n_checks);
    }

    pub(crate) fn transition(
        &self,
        spec: &MetricSpec,
        to: AlertState,
        delay_seconds: f64,
        exemplar: Option<Exemplar>,
    ) {
        self.transitions.get_or_create(&transition_labels(spec, to)).inc();
        if to == AlertState::Firing {
            self.alert_delay.observe(delay_seconds.max(0.0), exemplar, None);
        }
    }

    pub(crate) fn delivery(&self, target: &str, delivered: bool) {
        let result = if delivered { "ok" } else { "error" };
        self.deliveries.get_or_create(&DeliveryLabels { target: target.to_owned(), result }).inc();
    }

    pub(crate) fn applied(&self, seconds: f64, n_repeated: u64) {
        self.apply_duration.observe(seconds);
        self.repeated.inc_by(n_repeated);
    }

    pub(crate) fn unreadable(&self) {
        self.unread.inc();
    }

    pub(crate) fn outbox(&self, topic: &'static str, n_records: usize) {
        self.outbox
            .get_or_create(&OutboxLabels { topic })
            .set(i64::try_from(n_records).unwrap_or(i64::MAX));
    }

    pub(crate) fn checks_expired(&self, n_checks: u64) {
        self.dropped_checks.inc_by(n_checks);
    }

    pub(crate) fn alert_events_expired(&self, n_events: u64) {
        self.dropped_alert_events.inc_by(n_events);
    }
}

/// The metrics that this service's `/metrics` can have.
pub fn metric_families() -> Vec<MetricFamily> {
    let spec = serde_json::from_value(serde_json::json!({
        "name": "example",
        "model": {"name": "model"},
        "metric": {"monitor": "detector"},
        "alert_when": {"operator": "greater", "threshold": 0.5},
    }));
    let spec: MetricSpec = spec.expect("every field that a spec needs is there");
    catalogue::families("metric-specs", |metrics| {
        let log = shadowline_stream::Metrics::default();
        log.touch();
        metrics.with_registry(|it| log.register(it));
        MetricSpecsMetrics::register(metrics).touch(&spec);
        shadowline_service::disk::register(metrics, [std::env::temp_dir()]);
    })
}

fn info_labels(spec: &MetricSpec) -> InfoLabels {
    let SpecLabels { spec: name, model } = labels(spec);
    InfoLabels {
        spec: name,
        model,
        model_version: spec.model().version.to_string(),
        metric: spec.metric().name().to_owned(),
        severity: spec.severity().name(),
        operator: spec.condition().operator().name(),
    }
}

fn transition_labels(spec: &MetricSpec, to: AlertState) -> TransitionLabels {
    let SpecLabels { spec, model } = labels(spec);
    TransitionLabels { spec, model, to: to.name() }
}

fn labels(spec: &MetricSpec) -> SpecLabels {
    SpecLabels { spec: spec.name().to_string(), model: spec.model().name.clone() }
}
