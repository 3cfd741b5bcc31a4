//! How a panel shows its values: units, thresholds, names of states, and the style of lines.

use serde_json::{Map, Value, json};

use crate::shared::{colour, link};
use crate::source::{Panel, PanelKind, Source, SourceError, Style};

pub(super) fn thresholds(source: &Source, place: &str, name: &str) -> Result<Value, SourceError> {
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

pub(super) fn mappings(source: &Source, place: &str, name: &str) -> Result<Value, SourceError> {
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

pub(super) fn defaults(source: &Source, place: &str, panel: &Panel) -> Result<Value, SourceError> {
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

pub(super) fn style(style: Style) -> Vec<(&'static str, Value)> {
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

/// One property that differs from the defaults.
pub(super) fn property(id: &str, value: Value) -> Value {
    json!({"id": id, "value": value})
}
