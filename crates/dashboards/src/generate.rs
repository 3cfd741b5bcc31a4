//! Every file that is made from the source, as text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use shadowline_services::Table;

use crate::alerts::{grafana_rules, prometheus_rules};
use crate::caddyfile::caddyfile;
use crate::dashboard::dashboard;
use crate::metrics_page::metrics_page;
use crate::services_list::services_list;
use crate::source::{Source, SourceError};

const MADE: &str =
    "# Made by `make dashboards` from dashboards/source/alerts.yaml; changes belong there.\n";

/// The files by their paths from the project's root.
pub type Files = BTreeMap<PathBuf, String>;

/// Makes every file from `dashboards/source` under a root, and from what the services of a table declare.
///
/// # Errors
/// A source that cannot be read, or something in it that is not whole.
pub fn generate(root: &Path, services: Table) -> Result<Files, SourceError> {
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
    files.insert("docs/metrics.md".into(), metrics_page(services));
    files.insert("deploy/services".into(), services_list(services));
    let path = "deploy/caddy/Caddyfile";
    let read = |source| SourceError::Read { path: root.join(path), source };
    let now = std::fs::read_to_string(root.join(path)).map_err(read)?;
    files.insert(path.into(), caddyfile(&now, services)?);
    Ok(files)
}

fn yaml(value: &Value) -> String {
    let text = serde_saphyr::to_string(value).expect("JSON can be written as YAML");
    format!("{MADE}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

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
