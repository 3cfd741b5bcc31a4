//! What metrics a service has: names, types, labels and help, as its own registry writes them.
//!
//! A service registers its metrics as it does when it runs and makes one series of each; the list is read from the
//! text that a scraper would get. So a list cannot say anything that the code does not do.

use std::collections::{BTreeMap, BTreeSet};

use crate::health::Health;
use crate::metrics::Metrics;

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// A number that only grows, until the process starts again.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Counts by buckets, with their sum and number.
    Histogram,
    /// A constant 1 whose labels say something.
    Info,
}

impl MetricKind {
    /// The word for it, as in the text format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A metric with all that queries may name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricFamily {
    /// The name without what a histogram adds: a counter's ends with `_total`, an info's with `_info`.
    pub name: String,
    /// Its type.
    pub kind: MetricKind,
    /// What it says, as one sentence without a full stop.
    pub help: String,
    /// Its labels, without those that Prometheus adds and without a histogram's `le`.
    pub labels: BTreeSet<String>,
    /// The names that a query may use, each with its labels.
    pub series: BTreeMap<String, BTreeSet<String>>,
}

impl MetricFamily {
    /// The unit that the name ends with, or `1` for a plain number.
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(&self.name);
        // The longer of two that fit comes first.
        let units = [
            ("_timestamp_seconds", "seconds since 1970"),
            ("_time_seconds", "seconds since 1970"),
            ("_seconds", "seconds"),
            ("_bytes", "bytes"),
            ("_records", "records"),
        ];
        units.into_iter().find(|(end, _)| name.ends_with(end)).map_or("1", |(_, unit)| unit)
    }
}

/// The metrics of a service: those that every service has, and what `register` adds.
///
/// `register` has to make at least one series of each metric, because one without a series is not written.
pub fn families(service: &'static str, register: impl FnOnce(&Metrics)) -> Vec<MetricFamily> {
    let metrics = Metrics::new(service, env!("CARGO_PKG_VERSION"));
    let health = Health::new(service);
    health.component("example").ok();
    crate::http::register_metrics(&health, &metrics).touch();
    register(&metrics);
    read(&metrics.openmetrics())
}

/// Reads the families of an OpenMetrics text, by name.
fn read(text: &str) -> Vec<MetricFamily> {
    let mut families: BTreeMap<String, MetricFamily> = BTreeMap::new();
    // The lines of a family follow each other: help and type, then its series.
    let mut help = "";
    let mut current: Option<MetricFamily> = None;
    for line in text.lines() {
        if let Some((_, text)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')) {
            help = text.trim_end_matches('.');
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
        {
            let (kind, end) = match kind {
                "counter" => (MetricKind::Counter, "_total"),
                "histogram" => (MetricKind::Histogram, ""),
                "info" => (MetricKind::Info, "_info"),
                _ => (MetricKind::Gauge, ""),
            };
            let help = help.replace("\\\"", "\"").replace("\\n", " ").replace("\\\\", "\\");
            current = Some(MetricFamily {
                name: format!("{name}{end}"),
                kind,
                help,
                labels: BTreeSet::new(),
                series: BTreeMap::new(),
            });
        } else if !line.starts_with('#')
            && let Some(family) = &current
        {
            let known = families.entry(family.name.clone()).or_insert_with(|| family.clone());
            let end = line.find(['{', ' ']).unwrap_or(line.len());
            let labels = labels(line);
            known.series.entry(line[..end].to_owned()).or_default().extend(labels.clone());
            // A bucket's border is no label of the family.
            let is_border = |it: &String| family.kind == MetricKind::Histogram && it == "le";
            known.labels.extend(labels.into_iter().filter(|it| !is_border(it)));
        }
    }
    families.into_values().collect()
}

/// The names of a sample's labels.
fn labels(sample: &str) -> Vec<String> {
    // An exemplar has labels of its own, behind the value.
    let Some((_, rest)) = sample.split_once('{').filter(|(name, _)| !name.contains(' ')) else {
        return Vec::new();
    };
    let mut names = Vec::new();
    let mut name = String::new();
    let (mut quoted, mut escaped) = (false, false);
    for character in rest.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '}' => break,
            '=' => names.push(std::mem::take(&mut name)),
            ',' => {}
            other => name.push(other),
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;
    use prometheus_client::metrics::histogram::Histogram;

    use super::*;

    #[test]
    fn families_are_as_a_scraper_sees_them() {
        let found = families("test", |metrics| {
            let counter = metrics.register(
                "shadowline_dropped_total",
                "Dropped \"shadows\"",
                Family::<Vec<(String, String)>, Counter>::default(),
            );
            let value = "a=\"b\",c{d}\\".to_owned();
            drop(
                counter
                    .get_or_create(&vec![("reason".into(), value), ("model".into(), "m".into())]),
            );
            metrics.register("shadowline_size_bytes", "Size", Histogram::new([1.0, 2.0]));
            metrics.register(
                "shadowline_unused_total",
                "Never made",
                Family::<Vec<(String, String)>, Counter>::default(),
            );
        });
        let of = |name: &str| found.iter().find(|it| it.name == name);
        let dropped = of("shadowline_dropped_total").unwrap();
        assert_eq!((dropped.kind, dropped.unit()), (MetricKind::Counter, "1"));
        assert_eq!(dropped.help, "Dropped \"shadows\"");
        assert_eq!(dropped.labels, BTreeSet::from(["model".to_owned(), "reason".to_owned()]));
        let size = of("shadowline_size_bytes").unwrap();
        assert_eq!((size.kind, size.unit()), (MetricKind::Histogram, "bytes"));
        assert!(size.labels.is_empty());
        let names: Vec<&str> = size.series.keys().map(String::as_str).collect();
        let ends = ["bucket", "count", "sum"].map(|it| format!("shadowline_size_bytes_{it}"));
        assert_eq!(names, ends);
        assert!(size.series["shadowline_size_bytes_bucket"].contains("le"));
        assert!(of("shadowline_unused_total").is_none());
        assert_eq!(of("process_start_time_seconds").unwrap().unit(), "seconds since 1970");
        assert_eq!(of("shadowline_build_info").unwrap().kind, MetricKind::Info);
        assert!(of("shadowline_http_request_duration_seconds").unwrap().labels.contains("route"));
        assert!(of("shadowline_component_status").unwrap().labels.contains("component"));
    }
}
