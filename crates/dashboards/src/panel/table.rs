//! The columns of a table, and how the answers of its queries become its rows.

use serde_json::{Map, Value, json};

use super::fields::{mappings, property, thresholds};
use crate::shared::link;
use crate::source::{Column, Panel, Source, SourceError};

pub(super) fn column(
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
pub(super) fn transformations(panel: &Panel) -> Vec<Value> {
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
