//! From `alerts.yaml` to the rules of Prometheus and of Grafana.

use serde_json::{Map, Value, json};

use crate::address::{dashboard_uid, panel_id};
use crate::shared::one_line;
use crate::source::{Alert, Source, SourceError};

/// What evaluates a rule; the two name a value differently.
#[derive(Clone, Copy)]
enum Evaluator {
    Prometheus,
    Grafana,
}

/// What a rule compares its value with.
enum Limit {
    Above(f64),
    Below(f64),
}

impl Limit {
    fn of(alert: &Alert) -> Result<Self, SourceError> {
        match (alert.above, alert.below) {
            (Some(limit), None) => Ok(Limit::Above(limit)),
            (None, Some(limit)) => Ok(Limit::Below(limit)),
            (Some(_), Some(_)) | (None, None) => {
                Err(SourceError::content(&alert.alert, "expected either `above` or `below`"))
            }
        }
    }
}

/// The rules of Prometheus, as the document of a rule file.
///
/// # Errors
/// A rule that is not whole, or that points at a panel that is not there.
pub(crate) fn prometheus_rules(source: &Source) -> Result<Value, SourceError> {
    let groups: Result<Vec<Value>, SourceError> = source
        .alerts
        .groups
        .iter()
        .map(|group| {
            let rules: Result<Vec<Value>, SourceError> =
                group.rules.iter().map(|it| prometheus_rule(source, it)).collect();
            Ok(json!({"name": group.name, "interval": source.alerts.interval, "rules": rules?}))
        })
        .collect();
    Ok(json!({"groups": groups?}))
}

fn prometheus_rule(source: &Source, alert: &Alert) -> Result<Value, SourceError> {
    let expr = one_line(&alert.expr);
    // Brackets around what binds more weakly than a comparison.
    let expr = if expr.contains(' ') { format!("({expr})") } else { expr };
    let expr = match Limit::of(alert)? {
        Limit::Above(limit) => format!("{expr} > {limit}"),
        Limit::Below(limit) => format!("{expr} < {limit}"),
    };
    // A rule file that Prometheus refuses as a whole would only be noticed where it is deployed.
    if let Err(error) = promql_parser::parser::parse(&expr) {
        let reason = format!("`{expr}` is no expression of Prometheus: {error}");
        return Err(SourceError::content(&alert.alert, reason));
    }
    let mut annotations = annotations(source, alert, Evaluator::Prometheus)?;
    annotations.insert("dashboard".to_owned(), json!(panel_link(source, alert)?));
    let mut rule = json!({
        "alert": alert.alert,
        "expr": expr,
        "for": alert.hold_for,
        "annotations": annotations,
    });
    if let Some(severity) = severity(alert)? {
        rule["labels"] = json!({"severity": severity});
    }
    Ok(rule)
}

/// The rules of Grafana, as the document of a provisioning file.
///
/// # Errors
/// As [`prometheus_rules`].
pub(crate) fn grafana_rules(source: &Source) -> Result<Value, SourceError> {
    let mut groups = Vec::new();
    for group in &source.alerts.groups {
        let rules: Result<Vec<Value>, SourceError> =
            group.rules.iter().map(|it| grafana_rule(source, it)).collect();
        groups.push(json!({
            "orgId": 1,
            "name": group.name,
            "folder": source.alerts.folder,
            "interval": source.alerts.interval,
            "rules": rules?,
        }));
    }
    Ok(json!({"apiVersion": 1, "groups": groups}))
}

fn grafana_rule(source: &Source, alert: &Alert) -> Result<Value, SourceError> {
    let mut condition = match Limit::of(alert)? {
        Limit::Above(limit) => json!({"evaluator": {"type": "gt", "params": [limit]}}),
        Limit::Below(limit) => json!({"evaluator": {"type": "lt", "params": [limit]}}),
    };
    if let Some(recovers_at) = alert.recovers_at {
        let back = match Limit::of(alert)? {
            Limit::Above(limit) if recovers_at < limit => "lt",
            Limit::Below(limit) if limit < recovers_at => "gt",
            Limit::Above(_) | Limit::Below(_) => {
                let reason = "`recovers_at` must be on the healthy side of the limit";
                return Err(SourceError::content(&alert.alert, reason));
            }
        };
        condition["unloadEvaluator"] = json!({"type": back, "params": [recovers_at]});
    }
    let mut labels = Map::from_iter([("evaluator".to_owned(), json!("grafana"))]);
    if let Some(severity) = severity(alert)? {
        labels.insert("severity".to_owned(), json!(severity));
    }
    let (dashboard, panel) = panel_of(alert)?;
    // An alert's queries look at one moment; the range only has to reach it.
    let range = json!({"from": 600, "to": 0});
    Ok(json!({
        "uid": uid(&alert.alert),
        "title": alert.alert,
        "condition": "C",
        "data": [
            {
                "refId": "A",
                "relativeTimeRange": range,
                "datasourceUid": source.shared.datasources["prometheus"].uid,
                "model": {
                    "refId": "A",
                    "editorMode": "code",
                    "expr": one_line(&alert.expr),
                    "instant": true,
                    "range": false,
                },
            },
            {
                "refId": "C",
                "relativeTimeRange": range,
                "datasourceUid": "__expr__",
                "model": {
                    "refId": "C",
                    "type": "threshold",
                    "expression": "A",
                    "conditions": [condition],
                },
            },
        ],
        "dashboardUid": dashboard_uid(dashboard),
        "panelId": panel_id(source, dashboard, panel)?,
        // Nothing to complain of is no series at all in most of these; what must be there has a rule of its own.
        "noDataState": "OK",
        "execErrState": "Error",
        "for": alert.hold_for,
        "annotations": annotations(source, alert, Evaluator::Grafana)?,
        "labels": labels,
        "isPaused": false,
    }))
}

fn severity(alert: &Alert) -> Result<Option<&str>, SourceError> {
    match alert.severity.as_str() {
        "of-series" => Ok(None),
        known @ ("info" | "warning" | "critical") => Ok(Some(known)),
        other => {
            let reason =
                format!("severity is `{other}`; expected info, warning, critical or of-series");
            Err(SourceError::content(&alert.alert, reason))
        }
    }
}

fn annotations(
    source: &Source,
    alert: &Alert,
    evaluator: Evaluator,
) -> Result<Map<String, Value>, SourceError> {
    let anchor = alert.alert.to_lowercase();
    let runbook = format!("{}#{anchor}", source.alerts.runbook);
    let mut annotations = Map::new();
    for (name, text) in [("summary", &alert.summary), ("description", &alert.description)] {
        if text.trim().is_empty() {
            return Err(SourceError::content(&alert.alert, format!("`{name}` is empty")));
        }
        annotations.insert(name.to_owned(), json!(template(&one_line(text), evaluator)));
    }
    annotations.insert("runbook_url".to_owned(), json!(runbook));
    Ok(annotations)
}

/// Puts the evaluator's own name of the value into a text.
///
/// Only fields of the template's data are used: their variables begin with a dollar, which Grafana may take for a
/// variable of its environment when it reads the file.
fn template(text: &str, evaluator: Evaluator) -> String {
    let value = match evaluator {
        Evaluator::Prometheus => ".Value",
        Evaluator::Grafana => ".Values.A.Value",
    };
    text.replace("{{ VALUE }}", &format!("{{{{ humanize {value} }}}}"))
        .replace("{{ PERCENT }}", &format!("{{{{ humanizePercentage {value} }}}}"))
        .replace("{{ DURATION }}", &format!("{{{{ humanizeDuration {value} }}}}"))
}

fn panel_of(alert: &Alert) -> Result<(&str, &str), SourceError> {
    alert.panel.split_once('/').ok_or_else(|| {
        SourceError::content(
            &alert.alert,
            format!("panel is `{}`; expected `dashboard/panel`", alert.panel),
        )
    })
}

fn panel_link(source: &Source, alert: &Alert) -> Result<String, SourceError> {
    let (dashboard, panel) = panel_of(alert)?;
    // A panel that is not there is an error for this evaluator, too.
    panel_id(source, dashboard, panel)?;
    let mut link = format!("/d/{}", dashboard_uid(dashboard));
    let known = &source.dashboards[dashboard].variables;
    for (variable, label) in &alert.variables {
        if !known.contains(variable) {
            let reason = format!("dashboard `{dashboard}` has no variable `{variable}`");
            return Err(SourceError::content(&alert.alert, reason));
        }
        let sign = if link.contains('?') { '&' } else { '?' };
        link += &format!("{sign}var-{variable}={{{{ .Labels.{label} }}}}");
    }
    Ok(link)
}

/// `ShadowlineNoTraffic` as `shadowline-no-traffic`; Grafana takes at most 40 characters.
fn uid(alert: &str) -> String {
    let mut uid = String::new();
    for character in alert.chars() {
        if character.is_uppercase() && !uid.is_empty() {
            uid.push('-');
        }
        uid.extend(character.to_lowercase());
    }
    uid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_names_the_value_as_its_evaluator_does() {
        let text = "{{ PERCENT }} of {{ .Labels.spec }}";
        let prometheus = template(text, Evaluator::Prometheus);
        assert_eq!(prometheus, "{{ humanizePercentage .Value }} of {{ .Labels.spec }}");
        let grafana = template(text, Evaluator::Grafana);
        assert_eq!(grafana, "{{ humanizePercentage .Values.A.Value }} of {{ .Labels.spec }}");
    }

    #[test]
    fn uids_are_words() {
        assert_eq!(uid("ShadowlineNoTraffic"), "shadowline-no-traffic");
    }
}
