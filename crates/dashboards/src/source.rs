//! What a person writes: the documents under `dashboards/source`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Why a source could not be made into dashboards or rules.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("read `{}`", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not of the form that is expected of it.
    #[error("`{}`: {reason}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A panel, link, variable or rule is not whole.
    #[error("{place}: {reason}")]
    Content {
        /// Where, such as `overview/models`.
        place: String,
        /// What is wrong, and what was expected.
        reason: String,
    },
}

impl SourceError {
    pub(crate) fn content(place: impl Into<String>, reason: impl Into<String>) -> Self {
        SourceError::Content { place: place.into(), reason: reason.into() }
    }
}

/// Everything under `dashboards/source`.
#[derive(Debug)]
pub struct Source {
    pub(crate) shared: Shared,
    pub(crate) dashboards: BTreeMap<String, Dashboard>,
    pub(crate) alerts: Alerts,
}

impl Source {
    /// Reads `shared.yaml`, `alerts.yaml`, and every other `.yaml` of a directory as a dashboard of that name.
    ///
    /// # Errors
    /// A file that cannot be read, or one with a key that is not known.
    pub fn read(dir: &Path) -> Result<Self, SourceError> {
        let failed = |source| SourceError::Read { path: dir.to_owned(), source };
        let mut dashboards = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_stem().and_then(|it| it.to_str()).unwrap_or_default().to_owned();
            let is_yaml = path.extension().is_some_and(|it| it == "yaml");
            if is_yaml && !["shared", "alerts"].contains(&name.as_str()) {
                dashboards.insert(name, document(&path)?);
            }
        }
        let shared = document(&dir.join("shared.yaml"))?;
        let alerts = document(&dir.join("alerts.yaml"))?;
        Ok(Source { shared, dashboards, alerts })
    }
}

fn document<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, SourceError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SourceError::Read { path: path.to_owned(), source })?;
    serde_saphyr::from_str(&text)
        .map_err(|error| SourceError::Form { path: path.to_owned(), reason: error.to_string() })
}

/// What all dashboards share, so that it is changed in one place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shared {
    pub(crate) schema_version: u32,
    pub(crate) plugin_version: String,
    pub(crate) refresh: String,
    pub(crate) datasources: BTreeMap<String, DataSource>,
    /// Our names of colours, as Grafana's.
    pub(crate) colours: BTreeMap<String, String>,
    pub(crate) thresholds: BTreeMap<String, Vec<Step>>,
    pub(crate) mappings: BTreeMap<String, Vec<Mapping>>,
    /// Parts of queries, written `<<name>>` where they are used.
    pub(crate) fragments: BTreeMap<String, String>,
    pub(crate) variables: BTreeMap<String, Variable>,
    pub(crate) links: BTreeMap<String, Link>,
    pub(crate) annotations: BTreeMap<String, Annotation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DataSource {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) uid: String,
}

/// From which value on which colour; the first has no value.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) at: Option<f64>,
    pub(crate) colour: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mapping {
    /// A number or a text, as the data have it.
    pub(crate) value: String,
    pub(crate) text: String,
    pub(crate) colour: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) label: String,
    /// `label_values(…)`; without it the variable is a text that people type.
    pub(crate) values: Option<String>,
    pub(crate) description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Link {
    pub(crate) title: String,
    pub(crate) dashboard: String,
    /// Variables that the link sets.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, String>,
    /// Variables that stay as they are; the time range always does.
    #[serde(default)]
    pub(crate) keep: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Annotation {
    pub(crate) name: String,
    pub(crate) colour: String,
    pub(crate) sql: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dashboard {
    pub(crate) title: String,
    pub(crate) description: String,
    /// How far back the dashboard looks when it is opened, such as `now-1h`.
    pub(crate) from: String,
    #[serde(default)]
    pub(crate) variables: Vec<String>,
    #[serde(default)]
    pub(crate) annotations: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) title: String,
    pub(crate) panels: Vec<Panel>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PanelKind {
    Timeseries,
    Stat,
    Table,
    Heatmap,
    StateTimeline,
    AlertList,
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Panel {
    /// Its name within the dashboard, by which alerts point at it.
    pub(crate) key: String,
    #[serde(rename = "type")]
    pub(crate) kind: PanelKind,
    pub(crate) title: String,
    pub(crate) description: String,
    /// Of 24 columns.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Grafana's name of the values' unit.
    pub(crate) unit: Option<String>,
    pub(crate) decimals: Option<u32>,
    /// What the vertical axis shows.
    pub(crate) axis: Option<String>,
    /// What stands there when there is no data, and so what that means.
    pub(crate) no_data: Option<String>,
    #[serde(default)]
    pub(crate) queries: Vec<Query>,
    #[serde(default)]
    pub(crate) style: Style,
    #[serde(default)]
    pub(crate) stack: bool,
    pub(crate) min: Option<f64>,
    pub(crate) max: Option<f64>,
    pub(crate) thresholds: Option<String>,
    pub(crate) mapping: Option<String>,
    #[serde(default)]
    pub(crate) series: Vec<Series>,
    #[serde(default)]
    pub(crate) columns: Vec<Column>,
    #[serde(default)]
    pub(crate) links: Vec<String>,
    /// What the legend says of each series.
    #[serde(default)]
    pub(crate) legend: Vec<String>,
    /// A variable; one panel for each of its values.
    pub(crate) repeat: Option<String>,
    /// The text of a text panel, as Markdown.
    pub(crate) text: Option<String>,
    /// Which values of a table's column come first; with `-` in front, the largest.
    pub(crate) sort: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Style {
    #[default]
    Lines,
    Points,
    Bars,
    Steps,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    pub(crate) prom: Option<String>,
    pub(crate) sql: Option<String>,
    /// The letter by which columns name it; by default A, B, C and so on.
    pub(crate) name: Option<String>,
    pub(crate) legend: Option<String>,
    /// The finest step, such as `15m`.
    pub(crate) step: Option<String>,
    #[serde(default)]
    pub(crate) exemplars: bool,
    /// Whether the series are the buckets of a histogram.
    #[serde(default)]
    pub(crate) buckets: bool,
}

/// How some series of a panel differ from the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Series {
    /// The name of the series, or between slashes a pattern of names.
    pub(crate) of: String,
    pub(crate) colour: Option<String>,
    #[serde(default)]
    pub(crate) dashed: bool,
    /// A 0 or 1 that shades the whole height while it is 1.
    #[serde(default)]
    pub(crate) shade: bool,
    pub(crate) style: Option<Style>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Column {
    /// The label or the column of the answer; or `query`.
    pub(crate) field: Option<String>,
    /// The letter of the query whose value it is.
    pub(crate) query: Option<String>,
    pub(crate) title: String,
    pub(crate) unit: Option<String>,
    pub(crate) decimals: Option<u32>,
    pub(crate) width: Option<u32>,
    pub(crate) thresholds: Option<String>,
    pub(crate) mapping: Option<String>,
    #[serde(default)]
    pub(crate) links: Vec<String>,
}

/// `alerts.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alerts {
    /// The page that says what to do; the alert's name is the anchor.
    pub(crate) runbook: String,
    /// Grafana's folder for the rules.
    pub(crate) folder: String,
    pub(crate) interval: String,
    pub(crate) groups: Vec<AlertGroup>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AlertGroup {
    pub(crate) name: String,
    pub(crate) rules: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alert {
    pub(crate) alert: String,
    pub(crate) expr: String,
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
    /// The value at which a firing alert of Grafana ends; by default the one at which it begins.
    pub(crate) recovers_at: Option<f64>,
    #[serde(rename = "for")]
    pub(crate) hold_for: String,
    /// `info`, `warning`, `critical`, or `of-series` where the expression has it as a label.
    pub(crate) severity: String,
    /// `dashboard/panel`.
    pub(crate) panel: String,
    /// Which of the dashboard's variables which label sets.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) summary: String,
    pub(crate) description: String,
}
