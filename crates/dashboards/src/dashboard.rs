//! From a dashboard's source to Grafana's JSON: places, variables, annotations, links.

use serde_json::{Value, json};

use crate::address::dashboard_uid;
use crate::panel::{self, COLUMNS};
use crate::shared::{colour, datasource, one_line, with_fragments};
use crate::source::{Dashboard, Source, SourceError};

/// One dashboard as Grafana reads it.
///
/// # Errors
/// A panel, variable, link or annotation that is not whole or not known.
pub(crate) fn dashboard(source: &Source, name: &str) -> Result<Value, SourceError> {
    let dashboard = &source.dashboards[name];
    if dashboard.description.trim().is_empty() {
        return Err(SourceError::content(name, "it has no description"));
    }
    let shared = &source.shared;
    Ok(json!({
        "uid": dashboard_uid(name),
        "title": dashboard.title,
        "description": one_line(&dashboard.description),
        "tags": ["shadowline"],
        "schemaVersion": shared.schema_version,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": false,
        "refresh": shared.refresh,
        "time": {"from": dashboard.from, "to": "now"},
        "timepicker": {},
        "timezone": "browser",
        "weekStart": "",
        "links": [{
            "title": "Shadowline",
            "type": "dashboards",
            "icon": "external link",
            "tags": ["shadowline"],
            "asDropdown": false,
            "includeVars": true,
            "keepTime": true,
            "targetBlank": false,
            "tooltip": "",
            "url": "",
        }],
        "templating": {"list": variables(source, name, dashboard)?},
        "annotations": {"list": annotations(source, name, dashboard)?},
        "panels": panels(source, name, dashboard)?,
    }))
}

/// Places panels from left to right, and in a new line where the row's width is used up.
fn panels(source: &Source, name: &str, dashboard: &Dashboard) -> Result<Vec<Value>, SourceError> {
    let mut panels = Vec::new();
    let (mut y, mut id) = (0, 0);
    for row in &dashboard.rows {
        id += 1;
        panels.push(json!({
            "id": id,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
            "panels": [],
        }));
        y += 1;
        let (mut x, mut line_height) = (0, 0);
        for panel in &row.panels {
            let place = format!("{name}/{}", panel.key);
            if !(1..=COLUMNS).contains(&panel.width) || panel.height == 0 {
                let reason = format!("expected a width of 1 to {COLUMNS} and a height");
                return Err(SourceError::content(place, reason));
            }
            if COLUMNS < x + panel.width {
                (x, y, line_height) = (0, y + line_height, 0);
            }
            if line_height != 0 && line_height != panel.height {
                let reason = format!("its height is {}, its line's {line_height}", panel.height);
                return Err(SourceError::content(place, reason));
            }
            id += 1;
            let mut made = panel::panel(source, &place, panel)?;
            made["id"] = json!(id);
            made["gridPos"] = json!({"h": panel.height, "w": panel.width, "x": x, "y": y});
            panels.push(made);
            (x, line_height) = (x + panel.width, panel.height);
        }
        y += line_height;
    }
    validate_keys(name, dashboard)?;
    Ok(panels)
}

fn validate_keys(name: &str, dashboard: &Dashboard) -> Result<(), SourceError> {
    let mut seen = std::collections::BTreeSet::new();
    for panel in dashboard.rows.iter().flat_map(|it| &it.panels) {
        if !seen.insert(panel.key.as_str()) {
            let reason = "another panel has the same key";
            return Err(SourceError::content(format!("{name}/{}", panel.key), reason));
        }
        let unknown = panel.repeat.iter().find(|it| !dashboard.variables.contains(it));
        if let Some(unknown) = unknown {
            let reason = format!("it repeats by `{unknown}`, which is no variable here");
            return Err(SourceError::content(format!("{name}/{}", panel.key), reason));
        }
    }
    Ok(())
}

fn variables(
    source: &Source,
    name: &str,
    dashboard: &Dashboard,
) -> Result<Vec<Value>, SourceError> {
    let prometheus = datasource(source, "prometheus");
    dashboard
        .variables
        .iter()
        .map(|variable| {
            let Some(found) = source.shared.variables.get(variable) else {
                let reason = format!("variable `{variable}` is not in shared.yaml");
                return Err(SourceError::content(name, reason));
            };
            Ok(match &found.values {
                Some(values) => json!({
                    "name": variable,
                    "label": found.label,
                    "description": found.description,
                    "type": "query",
                    "datasource": prometheus,
                    "definition": values,
                    "query": {"qryType": 1, "query": values, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
                    "refresh": 2,
                    "sort": 1,
                    "regex": "",
                    "multi": true,
                    "includeAll": true,
                    "hide": 0,
                    "skipUrlSync": false,
                    "options": [],
                    "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
                }),
                None => json!({
                    "name": variable,
                    "label": found.label,
                    "description": found.description,
                    "type": "textbox",
                    "query": "",
                    "hide": 0,
                    "skipUrlSync": false,
                    "options": [{"selected": true, "text": "", "value": ""}],
                    "current": {"selected": true, "text": "", "value": ""},
                }),
            })
        })
        .collect()
}

fn annotations(
    source: &Source,
    name: &str,
    dashboard: &Dashboard,
) -> Result<Vec<Value>, SourceError> {
    dashboard
        .annotations
        .iter()
        .map(|annotation| {
            let Some(found) = source.shared.annotations.get(annotation) else {
                let reason = format!("annotation `{annotation}` is not in shared.yaml");
                return Err(SourceError::content(name, reason));
            };
            let sql = with_fragments(source, name, &found.sql)?;
            Ok(json!({
                "name": found.name,
                "enable": true,
                "hide": false,
                "iconColor": colour(source, name, &found.colour)?,
                "datasource": datasource(source, "postgres"),
                "target": {
                    "refId": "Anno",
                    "datasource": datasource(source, "postgres"),
                    "editorMode": "code",
                    "format": "table",
                    "rawQuery": true,
                    "rawSql": sql,
                },
            }))
        })
        .collect()
}
