//! What a panel asks.

use serde_json::{Value, json};

use crate::shared::{datasource, with_fragments};
use crate::source::{Panel, PanelKind, Query, Source, SourceError};

pub(super) fn targets(
    source: &Source,
    place: &str,
    panel: &Panel,
) -> Result<Vec<Value>, SourceError> {
    panel
        .queries
        .iter()
        .zip(names(panel))
        .map(|(query, name)| target(source, place, panel, query, &name))
        .collect()
}

/// The letters of a panel's queries.
pub(super) fn names(panel: &Panel) -> Vec<String> {
    let letters = ('A'..='Z').map(String::from);
    let named = |(query, letter): (&Query, String)| query.name.clone().unwrap_or(letter);
    panel.queries.iter().zip(letters).map(named).collect()
}

fn target(
    source: &Source,
    place: &str,
    panel: &Panel,
    query: &Query,
    name: &str,
) -> Result<Value, SourceError> {
    let is_table = panel.kind == PanelKind::Table;
    if let Some(sql) = &query.sql {
        return Ok(json!({
            "refId": name,
            "datasource": datasource(source, "postgres"),
            "editorMode": "code",
            "format": if is_table || panel.kind == PanelKind::Stat { "table" } else { "time_series" },
            "rawQuery": true,
            "rawSql": with_fragments(source, place, sql)?,
        }));
    }
    let prom = query.prom.as_deref().unwrap_or_default();
    // What is true now is asked for once; only a picture over time needs every step.
    let instant = is_table || panel.kind == PanelKind::Stat;
    let format = match (is_table, query.buckets) {
        (true, _) => "table",
        (false, true) => "heatmap",
        (false, false) => "time_series",
    };
    let mut target = json!({
        "refId": name,
        "datasource": datasource(source, "prometheus"),
        "editorMode": "code",
        "expr": with_fragments(source, place, prom)?,
        "format": format,
        "instant": instant,
        "range": !instant,
        "exemplar": query.exemplars,
        "legendFormat": query.legend.as_deref().unwrap_or("__auto"),
    });
    if let Some(step) = &query.step {
        target["interval"] = json!(step);
    }
    Ok(target)
}
