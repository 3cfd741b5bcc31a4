//! What belongs to the kind of a panel.

use serde_json::{Value, json};

use crate::source::{Panel, PanelKind};

pub(super) fn options(panel: &Panel) -> Value {
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
