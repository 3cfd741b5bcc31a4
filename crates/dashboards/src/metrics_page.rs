//! `docs/metrics.md`: every metric of every service.

use std::collections::{BTreeMap, BTreeSet};

use shadowline_service::catalogue::MetricFamily;
use shadowline_services::Table;

/// The services of a table with the metrics that each can have.
pub fn catalogue(services: Table) -> Vec<(&'static str, Vec<MetricFamily>)> {
    services.iter().map(|it| (it.name, (it.metric_families)())).collect()
}

/// The page.
pub fn metrics_page(services: Table) -> String {
    let catalogue = catalogue(services);
    let n_services = catalogue.len();
    // The same name is the same metric in every service.
    let mut families: BTreeMap<String, (MetricFamily, BTreeSet<&str>)> = BTreeMap::new();
    for (service, found) in catalogue {
        for family in found {
            let (known, services) = families
                .entry(family.name.clone())
                .or_insert_with(|| (family.clone(), BTreeSet::new()));
            known.labels.extend(family.labels);
            services.insert(service);
        }
    }
    let mut page = String::from(
        "# Metrics\n\n\
         Every service answers `GET /metrics` on its HTTP port, in OpenMetrics 1.0 or Prometheus' text format 0.0.4. \
         Prometheus adds `job` and `instance` to each. A histogram `x` has the series `x_bucket` (with `le`), `x_sum` \
         and `x_count`. Recording rules are in [recording.yml](../deploy/prometheus/rules/recording.yml).\n\n\
         This page is made by `make dashboards` from the metrics that the services register.\n",
    );
    let mut chapters: BTreeMap<(usize, String), Vec<&MetricFamily>> = BTreeMap::new();
    for (family, services) in families.values() {
        let title = if services.len() == n_services {
            "every service".to_owned()
        } else {
            services.iter().copied().collect::<Vec<_>>().join(", ")
        };
        chapters.entry((n_services - services.len(), title)).or_default().push(family);
    }
    for ((_, title), families) in chapters {
        let mut heading = title.clone();
        if let Some(first) = heading.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        page += &format!(
            "\n## {heading}\n\n| name | type | labels | unit | says |\n| --- | --- | --- | --- | --- |\n"
        );
        for family in families {
            let labels: Vec<String> = family.labels.iter().map(|it| format!("`{it}`")).collect();
            let (name, kind, unit) = (&family.name, family.kind.name(), family.unit());
            let help = family.help.replace('|', "\\|");
            let labels = labels.join(", ");
            page += &format!("| `{name}` | {kind} | {labels} | {unit} | {help} |\n");
        }
    }
    page
}
