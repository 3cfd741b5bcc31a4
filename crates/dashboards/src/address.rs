//! Where dashboards and panels are: their names and numbers in Grafana's addresses.

use crate::source::{Source, SourceError};

/// A dashboard's name in addresses.
pub(crate) fn dashboard_uid(name: &str) -> String {
    format!("shadowline-{name}")
}

/// The number of a panel in its dashboard: rows and panels are counted in their order.
///
/// # Errors
/// A dashboard or panel that is not there, with those that are.
pub(crate) fn panel_id(source: &Source, dashboard: &str, panel: &str) -> Result<u32, SourceError> {
    let place = format!("{dashboard}/{panel}");
    let Some(found) = source.dashboards.get(dashboard) else {
        let known: Vec<&str> = source.dashboards.keys().map(String::as_str).collect();
        let reason = format!("there is no such dashboard; expected one of {}", known.join(", "));
        return Err(SourceError::content(place, reason));
    };
    let mut id = 0;
    let mut known = Vec::new();
    for row in &found.rows {
        id += 1;
        for candidate in &row.panels {
            id += 1;
            if candidate.key == panel {
                return Ok(id);
            }
            known.push(candidate.key.as_str());
        }
    }
    let reason = format!("there is no such panel; expected one of {}", known.join(", "));
    Err(SourceError::content(place, reason))
}
