//! The metrics of one service, and the two texts Prometheus reads them in.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::process::ProcessCollector;

/// Content type of OpenMetrics 1.0.
pub const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content type of Prometheus' text format 0.0.4.
pub const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A registry of metrics; clones share it.
#[derive(Clone)]
pub struct Metrics {
    version: &'static str,
    registry: Arc<RwLock<Registry>>,
    /// The `_sum` samples, each with what follows the name, that OpenMetrics does not allow.
    signed_sums: Arc<RwLock<Vec<String>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Starts with the build's name and version, and the metrics of this process.
    pub fn new(service: &'static str, version: &'static str) -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("service", service), ("version", version)]);
        registry.register("shadowline_build", "What is running", build);
        registry.register_collector(Box::new(ProcessCollector));
        Metrics { version, registry: Arc::new(RwLock::new(registry)), signed_sums: Arc::default() }
    }

    /// The version of the service.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// Adds a metric under the name that dashboards use: a counter's ends with `_total`.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        // OpenMetrics names the family without the suffix and adds it to the sample.
        let family = name.strip_suffix("_total").unwrap_or(name);
        // And it ends the help text with a full stop of its own.
        self.registry.write().register(family, help.trim_end_matches('.'), metric.clone());
        metric
    }

    /// Adds a histogram, or a family of them, whose values can be negative.
    ///
    /// Its sum falls, and so is no counter. OpenMetrics forbids such a sum, and a rate of it takes every fall for
    /// a restart; the older text format has it, for readers that take it as the plain number that it is.
    pub fn register_signed<M: Metric + Clone>(&self, name: &str, help: &str, histogram: M) -> M {
        self.signed_sums.write().extend([format!("{name}_sum{{"), format!("{name}_sum ")]);
        self.register(name, help, histogram)
    }

    /// Lets a crate that declares its own metrics register them.
    pub fn with_registry(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.write());
    }

    /// Adds metrics that are read at each scrape.
    pub fn register_collector(&self, collector: impl Collector) {
        self.registry.write().register_collector(Box::new(collector));
    }

    /// All metrics in OpenMetrics 1.0.
    pub fn openmetrics(&self) -> String {
        let all = self.encoded();
        let signed_sums = self.signed_sums.read();
        if signed_sums.is_empty() {
            return all;
        }
        let forbidden = |line: &str| signed_sums.iter().any(|it| line.starts_with(it.as_str()));
        all.split_inclusive('\n').filter(|line| !forbidden(line)).collect()
    }

    fn encoded(&self) -> String {
        let mut out = String::new();
        if let Err(error) = text::encode(&mut out, &self.registry.read()) {
            // Writing to a string cannot fail, so this is a metric that refuses to be written.
            tracing::error!(%error, "a metric cannot be encoded");
        }
        out
    }

    /// All metrics in Prometheus' text format 0.0.4.
    pub fn text(&self) -> String {
        text_from_openmetrics(&self.encoded())
    }

    /// The text and content type a scraper with this `Accept` header wants.
    pub fn negotiated(&self, accept: Option<&str>) -> (&'static str, String) {
        if prefers_openmetrics(accept) {
            (OPENMETRICS, self.openmetrics())
        } else {
            (TEXT, self.text())
        }
    }
}

/// Whether OpenMetrics is asked for, and not less than plain text.
fn prefers_openmetrics(accept: Option<&str>) -> bool {
    let mut openmetrics = 0.0_f64;
    let mut plain = 0.0_f64;
    for range in accept.unwrap_or_default().split(',') {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let quality = parts.find_map(|it| it.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        if media.eq_ignore_ascii_case("application/openmetrics-text") {
            openmetrics = openmetrics.max(quality);
        } else if media.eq_ignore_ascii_case("text/plain") {
            plain = plain.max(quality);
        }
    }
    0.0 < openmetrics && plain <= openmetrics
}

/// Rewrites OpenMetrics as the older text format.
///
/// There a counter's family carries `_total` itself, an info is a gauge whose name ends in `_info`, and
/// units, exemplars and the end mark do not exist.
fn text_from_openmetrics(openmetrics: &str) -> String {
    let mut types = std::collections::HashMap::new();
    for line in openmetrics.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' ')) {
            types.insert(name, kind);
        }
    }
    let family = |name: &str| match types.get(name) {
        Some(&"counter") => format!("{name}_total"),
        Some(&"info") => format!("{name}_info"),
        _ => name.to_owned(),
    };
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')) {
            // Only OpenMetrics escapes quotes in help texts.
            out += &format!("# HELP {} {}\n", family(name), help.replace("\\\"", "\""));
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
        {
            let kind = match kind {
                "info" | "stateset" => "gauge",
                "unknown" => "untyped",
                other => other,
            };
            out += &format!("# TYPE {} {kind}\n", family(name));
        } else if !line.starts_with('#') {
            out += without_exemplar(line);
            out.push('\n');
        }
    }
    out
}

/// Cuts ` # {…} value` off a sample, but not a `#` inside a label's quotes.
fn without_exemplar(sample: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, character) in sample.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::exemplar::HistogramWithExemplars;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::gauge::Gauge;

    use super::*;

    fn example() -> Metrics {
        let metrics = Metrics::new("test", "1.2.3");
        let family = metrics.register(
            "shadowline_dropped_total",
            "Dropped \"shadows\", counted.",
            Family::<Vec<(String, String)>, Counter>::default(),
        );
        family.get_or_create(&vec![("reason".into(), "a # in \"quotes\"".into())]).inc_by(3);
        metrics.register("shadowline_lag_records", "Lag", Gauge::<i64>::default()).set(7);
        let histogram = metrics.register(
            "shadowline_predict_duration_seconds",
            "Time",
            HistogramWithExemplars::<Vec<(String, String)>>::new([0.1, 1.0].into_iter()),
        );
        histogram.observe(0.5, Some(vec![("trace_id".into(), "abc".into())]), None);
        metrics
    }

    #[test]
    fn openmetrics_has_exemplars_and_an_end() {
        let text = example().openmetrics();
        assert!(text.contains("# TYPE shadowline_dropped counter\n"), "{text}");
        assert!(text.contains("# HELP shadowline_dropped Dropped"), "{text}");
        assert!(
            text.contains("shadowline_build_info{service=\"test\",version=\"1.2.3\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("# {trace_id=\"abc\"} 0.5"), "{text}");
        assert!(text.contains("process_resident_memory_bytes "), "{text}");
        assert!(text.contains("process_cpu_seconds_total "), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }

    #[test]
    fn the_older_text_has_neither() {
        let text = example().text();
        for line in [
            "# TYPE shadowline_dropped_total counter",
            "shadowline_dropped_total{reason=\"a # in \\\"quotes\\\"\"} 3",
            "# TYPE shadowline_lag_records gauge",
            "shadowline_lag_records 7",
            "# TYPE shadowline_predict_duration_seconds histogram",
            "shadowline_predict_duration_seconds_bucket{le=\"1.0\"} 1",
            "# TYPE shadowline_build_info gauge",
            "# TYPE process_cpu_seconds_total counter",
        ] {
            assert!(text.lines().any(|it| it == line), "no line {line} in\n{text}");
        }
        assert!(!text.contains("EOF") && !text.contains("trace_id"), "{text}");
    }

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        let prometheus = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for (accept, expected) in [
            (None, TEXT),
            (Some("*/*"), TEXT),
            (Some("text/plain"), TEXT),
            (Some("application/openmetrics-text; version=1.0.0"), OPENMETRICS),
            (Some("text/plain;q=0.9, application/openmetrics-text;q=0.1"), TEXT),
            (Some(prometheus), OPENMETRICS),
        ] {
            assert_eq!(example().negotiated(accept).0, expected, "{accept:?}");
        }
    }
}
