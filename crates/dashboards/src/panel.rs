//! From a panel's source to Grafana's JSON. A panel that does not say what it shows is refused.

use serde_json::{Map, Value, json};

use crate::alerts::one_line;
use crate::dashboard::{link, shows_data};
use crate::source::{Column, Panel, PanelKind, Query, Series, Source, SourceError, Style};

/// How often a fragment may name another.
const MAX_DEPTH: usize = 5;

/// One panel, without its number and place.
///
/// # Errors
/// A panel without a title, unit, axis, description or word for no data, or with a name that is not known.
pub(crate) fn panel(source: &Source, place: &str, panel: &Panel) -> Result<Value, SourceError> {
    check(place, panel)?;
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
        "options": options(panel),
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
    made["targets"] = targets(source, place, panel)?.into();
    if panel.queries.iter().any(|it| it.sql.is_some()) && !postgres {
        made["datasource"] = json!({"type": "datasource", "uid": "-- Mixed --"});
    }
    if let Some(step) = panel.queries.iter().find_map(|it| it.step.as_ref()) {
        made["interval"] = json!(step);
    }
    made["fieldConfig"] = json!({
        "defaults": defaults(source, place, panel)?,
        "overrides": overrides(source, place, panel)?,
    });
    if panel.kind == PanelKind::Table {
        made["transformations"] = transformations(panel).into();
    }
    Ok(made)
}

const COLUMNS: u32 = 24;

/// Refuses a panel that does not say what it shows.
fn check(place: &str, panel: &Panel) -> Result<(), SourceError> {
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

pub(crate) fn datasource(source: &Source, name: &str) -> Value {
    let found = &source.shared.datasources[name];
    json!({"type": found.kind, "uid": found.uid})
}

pub(crate) fn colour(source: &Source, place: &str, name: &str) -> Result<String, SourceError> {
    source.shared.colours.get(name).cloned().ok_or_else(|| {
        SourceError::content(place, format!("colour `{name}` is not in shared.yaml"))
    })
}

/// Puts the fragments into a query.
pub(crate) fn with_fragments(
    source: &Source,
    place: &str,
    query: &str,
) -> Result<String, SourceError> {
    let mut text = one_line(query);
    for _ in 0..MAX_DEPTH {
        let Some((before, rest)) = text.split_once("<<") else { return Ok(text) };
        let Some((name, after)) = rest.split_once(">>") else {
            return Err(SourceError::content(place, "`<<` without `>>` in a query"));
        };
        let Some(fragment) = source.shared.fragments.get(name) else {
            let reason = format!("fragment `{name}` is not in shared.yaml");
            return Err(SourceError::content(place, reason));
        };
        // Every use of it at once, so that only fragments in fragments count as depth.
        let used = format!("<<{name}>>");
        text = format!("{before}{used}{after}").replace(&used, &one_line(fragment));
    }
    Err(SourceError::content(place, "its fragments name each other without end"))
}

fn targets(source: &Source, place: &str, panel: &Panel) -> Result<Vec<Value>, SourceError> {
    panel
        .queries
        .iter()
        .zip(names(panel))
        .map(|(query, name)| target(source, place, panel, query, &name))
        .collect()
}

/// The letters of a panel's queries.
fn names(panel: &Panel) -> Vec<String> {
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

fn thresholds(source: &Source, place: &str, name: &str) -> Result<Value, SourceError> {
    let Some(steps) = source.shared.thresholds.get(name) else {
        let reason = format!("thresholds `{name}` are not in shared.yaml");
        return Err(SourceError::content(place, reason));
    };
    let steps: Result<Vec<Value>, SourceError> = steps
        .iter()
        .map(|it| Ok(json!({"color": colour(source, place, &it.colour)?, "value": it.at})))
        .collect();
    Ok(json!({"mode": "absolute", "steps": steps?}))
}

fn mappings(source: &Source, place: &str, name: &str) -> Result<Value, SourceError> {
    let Some(mappings) = source.shared.mappings.get(name) else {
        let reason = format!("mapping `{name}` is not in shared.yaml");
        return Err(SourceError::content(place, reason));
    };
    let mut options = Map::new();
    for (index, mapping) in mappings.iter().enumerate() {
        let colour = colour(source, place, &mapping.colour)?;
        options.insert(
            mapping.value.clone(),
            json!({"index": index, "text": mapping.text, "color": colour}),
        );
    }
    Ok(json!([{"type": "value", "options": options}]))
}

fn defaults(source: &Source, place: &str, panel: &Panel) -> Result<Value, SourceError> {
    let steps = panel.thresholds.as_deref().unwrap_or("none");
    let mut defaults = json!({
        "noValue": panel.no_data,
        "thresholds": thresholds(source, place, steps)?,
        "mappings": [],
        "color": {"mode": if panel.thresholds.is_some() { "thresholds" } else { "palette-classic" }},
        "custom": custom(panel),
    });
    if let Some(mapping) = &panel.mapping {
        defaults["mappings"] = mappings(source, place, mapping)?;
        defaults["color"] = json!({"mode": "thresholds"});
    }
    if panel.kind == PanelKind::Timeseries {
        // Lines keep their own colours; where there are steps, they are lines across the chart.
        defaults["color"] = json!({"mode": "palette-classic"});
        if panel.thresholds.is_some() {
            defaults["custom"]["thresholdsStyle"] = json!({"mode": "dashed"});
        }
    }
    for (name, value) in [
        ("unit", json!(panel.unit)),
        ("decimals", json!(panel.decimals)),
        ("min", json!(panel.min)),
        ("max", json!(panel.max)),
    ] {
        if !value.is_null() {
            defaults[name] = value;
        }
    }
    let links: Result<Vec<Value>, SourceError> =
        panel.links.iter().map(|it| link(source, place, it)).collect();
    let links = links?;
    if !links.is_empty() {
        defaults["links"] = links.into();
    }
    Ok(defaults)
}

fn custom(panel: &Panel) -> Value {
    match panel.kind {
        PanelKind::Timeseries => {
            let mut custom = json!({
                "axisLabel": panel.axis,
                "axisPlacement": "auto",
                "axisBorderShow": false,
                "axisCenteredZero": false,
                "axisColorMode": "text",
                "barAlignment": 0,
                "gradientMode": "none",
                "hideFrom": {"legend": false, "tooltip": false, "viz": false},
                "insertNulls": false,
                "pointSize": 5,
                "scaleDistribution": {"type": "linear"},
                "spanNulls": false,
                "stacking": {"group": "A", "mode": if panel.stack { "normal" } else { "none" }},
                "thresholdsStyle": {"mode": "off"},
            });
            for (name, value) in style(panel.style) {
                custom[name] = value;
            }
            if panel.stack && panel.style == Style::Lines {
                custom["fillOpacity"] = json!(30);
            }
            custom
        }
        PanelKind::Table => json!({
            "align": "auto",
            "cellOptions": {"type": "auto"},
            "filterable": true,
            "inspect": false,
        }),
        PanelKind::Heatmap => json!({
            "hideFrom": {"legend": false, "tooltip": false, "viz": false},
            "scaleDistribution": {"type": "linear"},
        }),
        PanelKind::StateTimeline => json!({
            "fillOpacity": 80,
            "lineWidth": 0,
            "hideFrom": {"legend": false, "tooltip": false, "viz": false},
        }),
        PanelKind::Stat | PanelKind::AlertList | PanelKind::Text => json!({}),
    }
}

fn style(style: Style) -> Vec<(&'static str, Value)> {
    let (draw, interpolation, width, fill, points) = match style {
        Style::Lines => ("line", "linear", 1, 5, "auto"),
        Style::Steps => ("line", "stepAfter", 1, 5, "never"),
        Style::Points => ("points", "linear", 0, 0, "always"),
        Style::Bars => ("bars", "linear", 0, 80, "never"),
    };
    vec![
        ("drawStyle", json!(draw)),
        ("lineInterpolation", json!(interpolation)),
        ("lineWidth", json!(width)),
        ("fillOpacity", json!(fill)),
        ("showPoints", json!(points)),
    ]
}

fn overrides(source: &Source, place: &str, panel: &Panel) -> Result<Vec<Value>, SourceError> {
    let series = panel.series.iter().map(|it| series(source, place, it));
    let letters = names(panel);
    let columns = panel.columns.iter().map(|it| column(source, place, it, &letters));
    series.chain(columns).collect()
}

fn property(id: &str, value: Value) -> Value {
    json!({"id": id, "value": value})
}

fn series(source: &Source, place: &str, series: &Series) -> Result<Value, SourceError> {
    let is_pattern = 1 < series.of.len() && series.of.starts_with('/') && series.of.ends_with('/');
    let matcher = if is_pattern { "byRegexp" } else { "byName" };
    let mut properties = Vec::new();
    if let Some(name) = &series.colour {
        let colour = colour(source, place, name)?;
        properties.push(property("color", json!({"mode": "fixed", "fixedColor": colour})));
    }
    for (name, value) in series.style.map(style).unwrap_or_default() {
        properties.push(property(&format!("custom.{name}"), value));
    }
    if series.dashed {
        let dashes = json!({"fill": "dash", "dash": [10, 10]});
        properties.push(property("custom.lineStyle", dashes));
        properties.push(property("custom.lineWidth", json!(2)));
        properties.push(property("custom.fillOpacity", json!(0)));
        properties.push(property("custom.showPoints", json!("never")));
    }
    if series.shade {
        // On an axis of its own from 0 to 1 that nobody sees, so that a 1 reaches the top.
        for (name, value) in [
            ("custom.axisPlacement", json!("hidden")),
            ("custom.drawStyle", json!("line")),
            ("custom.lineInterpolation", json!("stepBefore")),
            ("custom.lineWidth", json!(0)),
            ("custom.fillOpacity", json!(25)),
            ("custom.showPoints", json!("never")),
            ("custom.stacking", json!({"group": "shade", "mode": "none"})),
            ("unit", json!("bool_yes_no")),
            ("min", json!(0)),
            ("max", json!(1)),
        ] {
            properties.push(property(name, value));
        }
    }
    Ok(json!({
        "matcher": {"id": matcher, "options": series.of},
        "properties": properties,
    }))
}

fn column(
    source: &Source,
    place: &str,
    column: &Column,
    letters: &[String],
) -> Result<Value, SourceError> {
    if let Some(letter) = column.query.as_ref().filter(|it| !letters.contains(it)) {
        let reason =
            format!("column `{}` is of query `{letter}`, which is not there", column.title);
        return Err(SourceError::content(place, reason));
    }
    // The word for no data is for the whole table, and not for each cell without a value.
    let mut properties = vec![property("noValue", json!("–"))];
    for (name, value) in [
        ("unit", json!(column.unit)),
        ("decimals", json!(column.decimals)),
        ("custom.width", json!(column.width)),
    ] {
        if !value.is_null() {
            properties.push(property(name, value));
        }
    }
    if let Some(name) = &column.thresholds {
        properties.push(property("thresholds", thresholds(source, place, name)?));
    }
    if let Some(name) = &column.mapping {
        properties.push(property("mappings", mappings(source, place, name)?));
    }
    if column.thresholds.is_some() || column.mapping.is_some() {
        properties.push(property("color", json!({"mode": "thresholds"})));
        let cell = json!({"type": "color-background", "mode": "basic"});
        properties.push(property("custom.cellOptions", cell));
    }
    let links: Result<Vec<Value>, SourceError> =
        column.links.iter().map(|it| link(source, place, it)).collect();
    let links = links?;
    if !links.is_empty() {
        properties.push(property("links", links.into()));
    }
    Ok(json!({
        "matcher": {"id": "byName", "options": column.title},
        "properties": properties,
    }))
}

/// One row for each set of labels, with only the columns that are named, in their order.
fn transformations(panel: &Panel) -> Vec<Value> {
    let mut order = Map::new();
    let mut titles = Map::new();
    let several = 1 < panel.queries.len();
    for (index, column) in panel.columns.iter().enumerate() {
        let field = match (&column.field, &column.query) {
            (Some(field), _) => field.clone(),
            (None, Some(letter)) if several => format!("Value #{letter}"),
            (None, _) => "Value".to_owned(),
        };
        order.insert(field.clone(), json!(index));
        titles.insert(field, json!(column.title));
    }
    let only = json!({"names": order.keys().collect::<Vec<_>>()});
    let mut steps = Vec::new();
    if several {
        steps.push(json!({"id": "merge", "options": {}}));
    }
    steps.push(json!({"id": "filterFieldsByName", "options": {"include": only}}));
    steps.push(json!({
        "id": "organize",
        "options": {"excludeByName": {}, "includeByName": {}, "indexByName": order, "renameByName": titles},
    }));
    steps
}

fn options(panel: &Panel) -> Value {
    let legend = json!({
        "showLegend": true,
        "displayMode": if panel.legend.is_empty() { "list" } else { "table" },
        "placement": "bottom",
        "calcs": panel.legend,
    });
    match panel.kind {
        PanelKind::Timeseries => json!({
            "legend": legend,
            "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": false},
        }),
        PanelKind::Stat => json!({
            "colorMode": if panel.thresholds.is_some() { "background" } else { "value" },
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "percentChangeColorMode": "standard",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "showPercentChange": false,
            "textMode": "auto",
            "wideLayout": true,
        }),
        PanelKind::Table => {
            let sort = panel.sort.as_deref().map(|it| match it.strip_prefix('-') {
                Some(title) => json!({"displayName": title, "desc": true}),
                None => json!({"displayName": it, "desc": false}),
            });
            json!({
                "cellHeight": "sm",
                "footer": {"show": false, "reducer": ["sum"], "countRows": false},
                "showHeader": true,
                "sortBy": sort.into_iter().collect::<Vec<_>>(),
            })
        }
        PanelKind::Heatmap => json!({
            "calculate": false,
            "cellGap": 1,
            "cellValues": {"unit": panel.unit, "decimals": panel.decimals},
            // The more, the further from the background: dark on light, light on dark.
            "color": {
                "mode": "scheme", "scheme": "Oranges", "fill": "dark-orange", "scale": "exponential",
                "exponent": 0.5, "steps": 64, "reverse": false, "min": 0,
            },
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": true},
            "rowsFrame": {"layout": "auto", "value": panel.title},
            "showValue": "never",
            "tooltip": {"mode": "single", "yHistogram": false, "showColorScale": true},
            "yAxis": {
                "axisLabel": panel.axis, "axisPlacement": "left", "reverse": false,
                "unit": if panel.queries.iter().any(|it| it.buckets) { "short" } else { "none" },
            },
        }),
        PanelKind::StateTimeline => json!({
            "alignValue": "left",
            "legend": {"showLegend": true, "displayMode": "list", "placement": "bottom", "calcs": []},
            "mergeValues": true,
            "rowHeight": 0.9,
            "showValue": "auto",
            "tooltip": {"mode": "single", "sort": "none", "hideZeros": false},
        }),
        PanelKind::AlertList => json!({
            "alertInstanceLabelFilter": "",
            "alertName": "",
            "dashboardAlerts": false,
            "groupBy": [],
            "groupMode": "default",
            "maxItems": 50,
            "sortOrder": 3,
            "stateFilter": {"error": true, "firing": true, "noData": false, "normal": false, "pending": true},
            "viewMode": "list",
        }),
        PanelKind::Text => json!({
            "mode": "markdown",
            "content": panel.text,
            "code": {"language": "plaintext", "showLineNumbers": false, "showMiniMap": false},
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::tests::example;

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
