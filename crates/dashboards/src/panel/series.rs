//! How one series of a chart differs from the others.

use serde_json::{Value, json};

use super::fields::{property, style};
use crate::shared::colour;
use crate::source::{Series, Source, SourceError};

pub(super) fn series(source: &Source, place: &str, series: &Series) -> Result<Value, SourceError> {
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
        // On a hidden axis of its own from 0 to 1, so that a 1 reaches the top.
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
