//! The files as Grafana reads them: up to date, whole, and pointing at each other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shadowline_services::SERVICES;

use crate::root;

pub(crate) fn dashboards() -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "json") {
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.insert(name, serde_json::from_str(&text).unwrap());
        }
    }
    found
}

fn yaml(path: &str) -> Value {
    let text = std::fs::read_to_string(root().join(path)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|it| panic!("{path}: {it}"))
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    items(&dashboard["panels"]).iter().filter(|it| it["type"] != "row")
}

#[test]
fn what_is_made_is_up_to_date() {
    let made = shadowline_dashboards::generate(&root(), SERVICES).unwrap();
    let mut stale = Vec::new();
    for (path, text) in &made {
        if std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(text) {
            stale.push(path.display().to_string());
        }
    }
    assert!(stale.is_empty(), "out of date, run `make dashboards`: {}", stale.join(", "));
    // And nothing is left of a dashboard whose source is gone.
    for name in dashboards().keys() {
        let path = format!("dashboards/{name}.json");
        assert!(made.contains_key(std::path::Path::new(&path)), "{path} has no source");
    }
}

/// As the generator refuses them, so that a file edited by hand is noticed, too.
#[test]
fn every_panel_says_what_it_shows() {
    let all = dashboards();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["monitoring", "operations", "overview", "service"]);
    for (name, dashboard) in &all {
        let mut ids = BTreeSet::new();
        for panel in items(&dashboard["panels"]) {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: an id comes twice");
        }
        for panel in panels(dashboard) {
            let title = panel["title"].as_str().unwrap();
            let place = format!("{name}: {title}");
            let kind = panel["type"].as_str().unwrap();
            let said = |it: &Value| it.as_str().is_some_and(|it| !it.trim().is_empty());
            assert!(said(&panel["title"]) && said(&panel["description"]), "{place}");
            if kind == "alertlist" {
                continue;
            }
            let defaults = &panel["fieldConfig"]["defaults"];
            assert!(said(&defaults["noValue"]), "{place}: nothing stands there without data");
            if ["timeseries", "stat", "heatmap"].contains(&kind) {
                assert!(said(&defaults["unit"]), "{place}: no unit");
            }
            match kind {
                "timeseries" => assert!(said(&defaults["custom"]["axisLabel"]), "{place}: no axis"),
                "heatmap" => {
                    assert!(said(&panel["options"]["yAxis"]["axisLabel"]), "{place}: no axis")
                }
                _ => {}
            }
        }
    }
}

#[test]
fn panels_do_not_overlap() {
    for (name, dashboard) in dashboards() {
        let mut taken = BTreeSet::new();
        for panel in items(&dashboard["panels"]) {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            for x in at("x")..at("x") + at("w") {
                assert!(x < 24, "{name}: {} is too wide", panel["title"]);
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{name}: {} lies on another", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn data_sources_are_provisioned() {
    let provisioned = yaml("deploy/grafana/provisioning/datasources/shadowline.yaml");
    let known: BTreeMap<&str, &str> = items(&provisioned["datasources"])
        .iter()
        .map(|it| (it["uid"].as_str().unwrap(), it["type"].as_str().unwrap()))
        .collect();
    let mut found = BTreeSet::new();
    let mut queue: Vec<Value> = dashboards().into_values().collect();
    while let Some(value) = queue.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(source) = fields.get("datasource") {
                    let uid = source["uid"].as_str().unwrap();
                    assert_eq!(known.get(uid), source["type"].as_str().as_ref(), "{source}");
                    found.insert(uid.to_owned());
                }
                queue.extend(fields.into_iter().map(|(_, it)| it));
            }
            Value::Array(items) => queue.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert_eq!(found, BTreeSet::from(["prometheus".to_owned(), "postgres".to_owned()]));
}

#[test]
fn links_lead_to_dashboards_and_their_variables() {
    let all = dashboards();
    let mut n_links = 0;
    let texts: Vec<String> = all.values().map(Value::to_string).collect();
    for text in &texts {
        for url in text.split("\"url\":\"/d/").skip(1).filter_map(|it| it.split_once('"')) {
            let (uid, query) = url.0.split_once('?').unwrap();
            let target = all.values().find(|it| it["uid"] == uid);
            let target = target.unwrap_or_else(|| panic!("a link leads to {uid}"));
            assert!(
                query.starts_with("${__url_time_range}"),
                "{query} leaves the time range behind"
            );
            let known: Vec<&str> = items(&target["templating"]["list"])
                .iter()
                .filter_map(|it| it["name"].as_str())
                .collect();
            for part in query.split('&').skip(1) {
                let name = part.strip_prefix("var-").and_then(|it| it.split_once('='));
                let kept = || part.strip_prefix("${")?.split_once(':').map(|(name, _)| name);
                let name = name.map(|(name, _)| name).or_else(kept).unwrap();
                assert!(known.contains(&name), "{uid} has no variable {name}");
            }
            n_links += 1;
        }
    }
    assert!(10 < n_links, "only {n_links} links were found");
    // The threshold of a metric spec is a dashed line.
    let monitoring = all["monitoring"].to_string();
    assert!(monitoring.contains(r#""dash":[10,10],"fill":"dash""#), "no dashed line");
}

#[test]
fn alert_rules_point_at_panels_and_receivers() {
    let all = dashboards();
    let rules = yaml("deploy/grafana/provisioning/alerting/rules.yml");
    let mut uids = BTreeSet::new();
    for rule in items(&rules["groups"]).iter().flat_map(|it| items(&it["rules"])) {
        let title = rule["title"].as_str().unwrap();
        let uid = rule["uid"].as_str().unwrap();
        assert!(uid.len() <= 40 && uids.insert(uid), "{title}: the uid `{uid}` is long or known");
        let dashboard = all.values().find(|it| it["uid"] == rule["dashboardUid"]).unwrap();
        let panel = panels(dashboard).find(|it| it["id"] == rule["panelId"]);
        assert!(panel.is_some(), "{title} points at no panel");
    }
    let points = yaml("deploy/grafana/provisioning/alerting/contact-points.yml");
    let receivers: Vec<&Value> =
        items(&points["contactPoints"]).iter().map(|it| &it["name"]).collect();
    let policies = yaml("deploy/grafana/provisioning/alerting/policies.yml");
    for policy in items(&policies["policies"]) {
        assert!(receivers.contains(&&policy["receiver"]), "{policy}");
        for route in items(&policy["routes"]) {
            assert!(receivers.contains(&&route["receiver"]), "{route}");
        }
    }
}

/// Each alert has a section in the page that its link leads to, and each section of that kind an alert.
#[test]
fn every_alert_is_explained() {
    let page = std::fs::read_to_string(root().join("docs/operate.md")).unwrap();
    let sections: BTreeSet<&str> =
        page.lines().filter_map(|it| it.strip_prefix("### Shadowline")).collect();
    let rules = yaml("deploy/prometheus/rules/alerting.yml");
    let mut alerts = BTreeSet::new();
    for rule in items(&rules["groups"]).iter().flat_map(|it| items(&it["rules"])) {
        let alert = rule["alert"].as_str().unwrap();
        let link = rule["annotations"]["runbook_url"].as_str().unwrap();
        assert_eq!(link, format!("docs/operate.md#{}", alert.to_lowercase()));
        alerts.insert(alert.strip_prefix("Shadowline").unwrap());
    }
    assert_eq!(alerts, sections);
}
