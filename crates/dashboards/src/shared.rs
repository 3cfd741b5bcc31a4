//! What names of `shared.yaml` stand for: data sources, colours, fragments of queries, links.

use serde_json::{Value, json};

use crate::address::dashboard_uid;
use crate::source::{Link, Source, SourceError};

/// How often a fragment may name another.
const MAX_DEPTH: usize = 5;

/// A text of the source on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A data source, as panels and rules name it.
pub(crate) fn datasource(source: &Source, name: &str) -> Value {
    let found = &source.shared.datasources[name];
    json!({"type": found.kind, "uid": found.uid})
}

/// Grafana's word for a colour.
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

/// A link to another dashboard, with the time range and the variables it keeps.
pub(crate) fn link(source: &Source, place: &str, name: &str) -> Result<Value, SourceError> {
    let Some(Link { title, dashboard, set, keep }) = source.shared.links.get(name) else {
        return Err(SourceError::content(place, format!("link `{name}` is not in shared.yaml")));
    };
    let Some(target) = source.dashboards.get(dashboard) else {
        let reason = format!("link `{name}` leads to `{dashboard}`, which is not there");
        return Err(SourceError::content(place, reason));
    };
    if let Some(odd) = set.keys().chain(keep).find(|it| !target.variables.contains(it)) {
        let reason = format!("link `{name}` sets `{odd}`, which `{dashboard}` does not have");
        return Err(SourceError::content(place, reason));
    }
    let mut url = format!("/d/{}?${{__url_time_range}}", dashboard_uid(dashboard));
    for (variable, value) in set {
        url += &format!("&var-{variable}={value}");
    }
    for variable in keep {
        url += &format!("&${{{variable}:queryparam}}");
    }
    Ok(json!({"title": title, "url": url, "targetBlank": false}))
}
