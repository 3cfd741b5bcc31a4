//! Prometheus' own tool reads the rules, and tries them on series: each alert fires and each resolves.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::root;

fn rules_dir() -> PathBuf {
    root().join("deploy/prometheus/rules")
}

/// Runs promtool; None where it is not installed.
fn promtool(arguments: &[&str]) -> Option<String> {
    let program = shadowline_testkit::tool(&["promtool"])?;
    let output = Command::new(program).args(arguments).current_dir(rules_dir()).output().unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "promtool {}: {text}", arguments.join(" "));
    Some(text)
}

#[test]
fn promtool_reads_the_rules() {
    for file in ["recording.yml", "alerting.yml"] {
        let Some(said) = promtool(&["check", "rules", "--lint=all", "--lint-fatal", file]) else {
            return;
        };
        assert!(said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn alerts_fire_and_resolve_on_series() {
    let Some(said) = promtool(&["test", "rules", "tests/alerts.yml", "tests/recording.yml"]) else {
        return;
    };
    assert!(said.contains("SUCCESS") && !said.contains("FAILED"), "{said}");
}

/// The file of tests has a moment at which each alert fires and a later one at which it does not.
#[test]
fn every_alert_is_tried() {
    let read = |path: &str| -> Value {
        let text = std::fs::read_to_string(rules_dir().join(path)).unwrap();
        serde_saphyr::from_str(&text).unwrap_or_else(|it| panic!("{path}: {it}"))
    };
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let rules = read("alerting.yml");
    let alerts: BTreeSet<String> = items(&rules["groups"])
        .iter()
        .flat_map(|it| items(&it["rules"]))
        .map(|it| it["alert"].as_str().unwrap().to_owned())
        .collect();
    let mut fired = BTreeSet::new();
    let mut resolved = BTreeSet::new();
    let mut healthy = BTreeSet::new();
    for test in items(&read("tests/alerts.yml")["tests"]) {
        let mut firing: BTreeSet<String> = BTreeSet::new();
        for check in items(&test["alert_rule_test"]) {
            let alert = check["alertname"].as_str().unwrap().to_owned();
            if test["name"].as_str().is_some_and(|it| it.starts_with("a healthy system")) {
                assert!(
                    items(&check["exp_alerts"]).is_empty(),
                    "{alert} fires in a healthy system"
                );
                healthy.insert(alert);
            } else if items(&check["exp_alerts"]).is_empty() {
                if firing.contains(&alert) {
                    resolved.insert(alert);
                }
            } else {
                firing.insert(alert.clone());
                fired.insert(alert);
            }
        }
    }
    assert_eq!(fired, alerts, "fires");
    // The one that always fires is no incident.
    let mut alerts = alerts;
    assert!(alerts.remove("ShadowlineWatchdog"), "a dead man's switch");
    assert_eq!(resolved, alerts, "resolves after it fired");
    assert_eq!(healthy, alerts, "is quiet in a healthy system");
}
