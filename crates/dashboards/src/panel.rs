//! From a panel's source to Grafana's JSON. A panel that does not say what it shows is refused.
//!
//! `queries` is what it asks, `fields` how values are shown, `series` and `table` what differs for one series or
//! column, `options` what belongs to its kind.

mod fields;
mod options;
mod queries;
mod series;
mod table;

use serde_json::{Value, json};

use crate::shared::{datasource, one_line};
use crate::source::{Panel, PanelKind, Source, SourceError};

/// The width of a dashboard, in Grafana's columns.
pub(crate) const COLUMNS: u32 = 24;

/// One panel, without its number and place.
///
/// # Errors
/// A panel without a title, unit, axis, description or word for no data, or with a name that is not known.
pub(crate) fn panel(source: &Source, place: &str, panel: &Panel) -> Result<Value, SourceError> {
    validate(place, panel)?;
    let kind = match panel.kind {
        PanelKind::Timeseries => "timeseries",
        PanelKind::Stat => "stat",
        PanelKind::Table => "table",
        PanelKind::Heatmap => "heatmap",
        PanelKind::StateTimeline => "state-timeline",
        PanelKind::AlertList => "alertlist",
        PanelKind::Text => "text",
    };
    let mut made = json!({
        "type": kind,
        "title": panel.title,
        "description": one_line(&panel.description),
        "pluginVersion": source.shared.plugin_version,
        "transparent": false,
        "options": options::options(panel),
    });
    if let Some(variable) = &panel.repeat {
        made["repeat"] = json!(variable);
        made["repeatDirection"] = json!("h");
        made["maxPerRow"] = json!(COLUMNS / panel.width);
    }
    if !shows_data(panel.kind) {
        return Ok(made);
    }
    let postgres = panel.queries.iter().all(|it| it.sql.is_some());
    made["datasource"] = datasource(source, if postgres { "postgres" } else { "prometheus" });
    made["targets"] = queries::targets(source, place, panel)?.into();
    if panel.queries.iter().any(|it| it.sql.is_some()) && !postgres {
        made["datasource"] = json!({"type": "datasource", "uid": "-- Mixed --"});
    }
    if let Some(step) = panel.queries.iter().find_map(|it| it.step.as_ref()) {
        made["interval"] = json!(step);
    }
    made["fieldConfig"] = json!({
        "defaults": fields::defaults(source, place, panel)?,
        "overrides": overrides(source, place, panel)?,
    });
    if panel.kind == PanelKind::Table {
        made["transformations"] = table::transformations(panel).into();
    }
    Ok(made)
}

/// What differs for one series or column.
fn overrides(source: &Source, place: &str, panel: &Panel) -> Result<Vec<Value>, SourceError> {
    let series = panel.series.iter().map(|it| series::series(source, place, it));
    let letters = queries::names(panel);
    let columns = panel.columns.iter().map(|it| table::column(source, place, it, &letters));
    series.chain(columns).collect()
}

/// Refuses a panel that does not say what it shows.
fn validate(place: &str, panel: &Panel) -> Result<(), SourceError> {
    let wrong = |reason: &str| Err(SourceError::content(place, reason));
    let said = |it: &Option<String>| it.as_deref().is_some_and(|it| !it.trim().is_empty());
    if panel.title.trim().is_empty() || panel.description.trim().is_empty() {
        return wrong("expected a title and a description");
    }
    if panel.kind == PanelKind::Text {
        return if said(&panel.text) { Ok(()) } else { wrong("expected a text") };
    }
    if !shows_data(panel.kind) {
        return Ok(());
    }
    if !said(&panel.no_data) {
        return wrong("expected `no_data`: what it means when there is none");
    }
    if panel.queries.is_empty() {
        return wrong("expected queries");
    }
    for query in &panel.queries {
        if query.prom.is_some() == query.sql.is_some() {
            return wrong("expected each query to have either `prom` or `sql`");
        }
    }
    match panel.kind {
        PanelKind::Timeseries | PanelKind::Heatmap if !said(&panel.axis) => {
            wrong("expected `axis`: what the vertical axis shows")
        }
        PanelKind::Table if panel.columns.is_empty() => wrong("expected columns"),
        PanelKind::Table => {
            for column in &panel.columns {
                if column.field.is_some() == column.query.is_some() {
                    return wrong("expected each column to have either `field` or `query`");
                }
                // A query's value is a number, and a number has a unit or is a state.
                if column.query.is_some() && !said(&column.unit) && column.mapping.is_none() {
                    return wrong("expected each column of a query to have a unit or a mapping");
                }
            }
            Ok(())
        }
        PanelKind::StateTimeline if panel.mapping.is_none() => {
            wrong("expected `mapping`: what each state is called")
        }
        PanelKind::Timeseries | PanelKind::Stat | PanelKind::Heatmap if !said(&panel.unit) => {
            wrong("expected a unit")
        }
        PanelKind::Timeseries
        | PanelKind::Stat
        | PanelKind::Heatmap
        | PanelKind::StateTimeline
        | PanelKind::AlertList
        | PanelKind::Text => Ok(()),
    }
}

/// Whether a panel has values that need a unit, an axis and a word for having none.
pub(crate) fn shows_data(kind: PanelKind) -> bool {
    match kind {
        PanelKind::Timeseries
        | PanelKind::Stat
        | PanelKind::Table
        | PanelKind::Heatmap
        | PanelKind::StateTimeline => true,
        PanelKind::AlertList | PanelKind::Text => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::example;

    /// The example's panel after `change` to its text, made.
    fn made(from: &str, to: &str) -> Result<Value, String> {
        let source = example(from, to)?;
        let dashboard = crate::dashboard::dashboard(&source, "one").map_err(|it| it.to_string())?;
        Ok(dashboard["panels"][1].clone())
    }

    #[test]
    fn a_panel_that_does_not_say_what_it_shows_is_refused() {
        assert_eq!(made("", "").unwrap()["fieldConfig"]["defaults"]["unit"], "reqps");
        for (from, to, reason) in [
            ("title: Requests", "title: ''", "a title and a description"),
            ("description: How many", "description: ' '", "a title and a description"),
            ("unit: reqps", "", "expected a unit"),
            ("axis: Requests per second", "", "expected `axis`"),
            ("no_data: Nobody asked", "", "expected `no_data`"),
            ("queries: [{prom: 'rate(a_total{<<of>>}[1m])'}]", "queries: []", "expected queries"),
            ("<<of>>", "<<off>>", "fragment `off` is not in shared.yaml"),
            ("style: lines", "links: [nowhere]", "link `nowhere` is not in shared.yaml"),
            ("style: lines", "thresholds: odd", "thresholds `odd` are not in shared.yaml"),
            ("style: lines", "styles: lines", "unknown"),
            ("width: 12", "width: 25", "a width of 1 to 24"),
        ] {
            let error = made(from, to).unwrap_err();
            assert!(error.contains(reason), "{to}: {error}");
        }
    }

    #[test]
    fn fragments_are_put_in() {
        let panel = made("", "").unwrap();
        assert_eq!(panel["targets"][0]["expr"], "rate(a_total{model=~\"$model\"}[1m])");
    }

    #[test]
    fn a_threshold_is_a_dashed_line() {
        let panel = made("style: lines", "series: [{of: threshold, dashed: true}]").unwrap();
        let rule = &panel["fieldConfig"]["overrides"][0];
        assert_eq!(rule["matcher"], json!({"id": "byName", "options": "threshold"}));
        let style = &rule["properties"][0];
        assert_eq!(style["id"], "custom.lineStyle");
        assert_eq!(style["value"]["fill"], "dash");
    }
}
