//! Every file that is made from the source, as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::alerts::{grafana_rules, prometheus_rules};
use crate::caddyfile::caddyfile;
use crate::dashboard::dashboard;
use crate::metrics_page::metrics_page;
use crate::source::{Source, SourceError};

const MADE: &str =
    "# Made by `make dashboards` from dashboards/source/alerts.yaml; changes belong there.\n";

/// The files by their paths from the project's root.
pub type Files = BTreeMap<PathBuf, String>;

/// Makes every file from `dashboards/source` under a root, and from what the services declare.
///
/// # Errors
/// A source that cannot be read, or something in it that is not whole.
pub fn generate(root: &Path) -> Result<Files, SourceError> {
    let source = Source::read(&root.join("dashboards/source"))?;
    let mut files = Files::new();
    for name in source.dashboards.keys() {
        let made = dashboard(&source, name)?;
        let mut text = serde_json::to_string_pretty(&made).expect("its keys are texts");
        text.push('\n');
        files.insert(format!("dashboards/{name}.json").into(), text);
    }
    let rules = yaml(&prometheus_rules(&source)?);
    files.insert("deploy/prometheus/rules/alerting.yml".into(), rules);
    let rules = yaml(&grafana_rules(&source)?);
    files.insert("deploy/grafana/provisioning/alerting/rules.yml".into(), rules);
    files.insert("docs/metrics.md".into(), metrics_page());
    let path = "deploy/caddy/Caddyfile";
    let read = |source| SourceError::Read { path: root.join(path), source };
    let now = std::fs::read_to_string(root.join(path)).map_err(read)?;
    files.insert(path.into(), caddyfile(&now)?);
    Ok(files)
}

fn yaml(value: &Value) -> String {
    let text = serde_saphyr::to_string(value).expect("JSON can be written as YAML");
    format!("{MADE}{text}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SHARED: &str = "
schema_version: 39
plugin_version: 11.6.0
refresh: 30s
datasources:
  prometheus: {type: prometheus, uid: prometheus}
  postgres: {type: grafana-postgresql-datasource, uid: postgres}
colours: {good: green}
thresholds: {none: [{at: null, colour: good}]}
mappings: {}
fragments: {of: 'model=~\"$model\"'}
variables: {}
links: {}
annotations: {}
";
    const ALERTS: &str = "{runbook: docs/operate.md, folder: F, interval: 30s, groups: []}";
    const ONE: &str = "
title: One
description: An example
from: now-1h
rows:
  - title: Row
    panels:
      - key: a
        type: timeseries
        title: Requests
        description: How many
        width: 12
        height: 8
        unit: reqps
        axis: Requests per second
        no_data: Nobody asked
        queries: [{prom: 'rate(a_total{<<of>>}[1m])'}]
        style: lines
";

    /// A small source, with `from` in its dashboard changed to `to`.
    pub(crate) fn example(from: &str, to: &str) -> Result<Source, String> {
        assert!(ONE.contains(from), "{from} is not in the example");
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("shared.yaml", SHARED);
        write("alerts.yaml", ALERTS);
        write("one.yaml", &if from.is_empty() { ONE.to_owned() } else { ONE.replace(from, to) });
        Source::read(dir.path()).map_err(|it| it.to_string())
    }

    #[test]
    fn rules_read_back_as_they_were_made() {
        let value = serde_json::json!({
            "expr": "(a{b=~\"c|d\"}) > 0.05",
            "summary": "{{ .Labels.model }}: 'x' \"y\" # z",
            "for": "0s",
            "list": [1, 0.5, "1", "no", "null", ""],
        });
        let back: Value = serde_saphyr::from_str(&yaml(&value)).unwrap();
        assert_eq!(back, value);
    }
}
