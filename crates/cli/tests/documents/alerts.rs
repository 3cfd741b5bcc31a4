//! Every alert rule has its section in `docs/operate.md`, and every section its rule.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::document::{Document, repository};
use crate::links::anchors;

const RULES: &str = "deploy/prometheus/rules/alerting.yml";
const DOCUMENT: &str = "docs/operate.md";
/// The heading below which each alert has one of its own.
const CHAPTER: &str = "## Alerts";

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    annotations: std::collections::BTreeMap<String, String>,
}

#[test]
fn every_alert_has_its_section_and_every_section_its_alert() {
    let text = std::fs::read_to_string(repository().join(RULES)).unwrap();
    let rules: Rules = serde_saphyr::from_str(&text).unwrap();
    let rules: Vec<Rule> = rules.groups.into_iter().flat_map(|it| it.rules).collect();
    let document = Document::read(DOCUMENT);
    let anchors = anchors(&document.text);
    for rule in &rules {
        let url = rule.annotations.get("runbook_url").unwrap_or_else(|| {
            panic!("{RULES}: alert {} has no annotation runbook_url", rule.alert)
        });
        let (page, anchor) = url.split_once('#').unwrap_or((url, ""));
        assert!(
            page.ends_with(DOCUMENT),
            "{RULES}: {}: `{url}`; expected …/{DOCUMENT}#…",
            rule.alert
        );
        assert!(
            anchors.contains(anchor),
            "{RULES}: {}: no heading has the anchor of `{url}`",
            rule.alert
        );
        assert_eq!(anchor, rule.alert.to_lowercase(), "{RULES}: {}", rule.alert);
    }
    let chapter = document.prose().skip_while(|(_, line)| *line != CHAPTER).skip(1);
    let sections = chapter.take_while(|(_, line)| !line.starts_with("## "));
    let sections = sections.filter_map(|(_, line)| line.strip_prefix("### "));
    let sections: BTreeSet<&str> = sections.map(str::trim).collect();
    let names: BTreeSet<&str> = rules.iter().map(|it| it.alert.as_str()).collect();
    assert_eq!(sections, names);
}
