//! What Prometheus and Alertmanager start from, and PostgreSQL.

use std::process::Command;

use shadowline_testkit::tool;

use super::{read, repository, run, said, yaml};

#[test]
fn prometheus_takes_its_file() {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("prometheus.yml");
    let rules = repository().join("deploy/prometheus/rules");
    let text = read("deploy/prometheus/prometheus.yml");
    assert!(text.contains("/etc/prometheus/rules/*.yml"), "the rules are mounted there");
    std::fs::write(&file, text.replace("/etc/prometheus/rules", &rules.to_string_lossy()))
        .expect("a file");
    let output = run(Command::new(promtool).args(["check", "config"]).arg(&file));
    assert!(output.status.success(), "{}", said(&output));
}

/// Runs `deploy/alertmanager/start.sh` with a variable; what it wrote, or what it said when it refused.
fn started(variable: Option<(&str, &str)>) -> Result<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let written = folder.path().join("alertmanager.yml");
    let mut start = Command::new(repository().join("deploy/alertmanager/start.sh"));
    start.arg(repository().join("deploy/alertmanager/alertmanager.yml")).arg(&written).arg("true");
    for name in ["ALERT_WEBHOOK_URL", "ALERT_WEBHOOK_URL_FILE", "ALERT_WATCHDOG_URL"] {
        start.env_remove(name);
    }
    start.envs(variable);
    let output = run(&mut start);
    if !output.status.success() {
        return Err(said(&output));
    }
    if let Some(amtool) = tool(&["amtool"]) {
        let output = run(Command::new(amtool).arg("check-config").arg(&written));
        assert!(output.status.success(), "{}", said(&output));
    }
    Ok(std::fs::read_to_string(&written).expect("the file that was written"))
}

#[test]
fn a_webhook_is_put_into_every_receiver() {
    let quiet = started(None).expect("no webhook is needed");
    assert_eq!(quiet, read("deploy/alertmanager/alertmanager.yml"));
    let url = "https://hooks.example/alerts?key=a&b=%20";
    let called = started(Some(("ALERT_WEBHOOK_URL", url))).expect("an address");
    let config = &super::documents("alertmanager.yml", &called)[0];
    let receivers = config["receivers"].as_array().expect("receivers");
    assert_eq!(receivers.len(), 4);
    // But for the watchdog, which nobody wants to hear of every five minutes.
    assert!(receivers[0]["webhook_configs"].is_null(), "{}", receivers[0]);
    for receiver in &receivers[1..] {
        let webhook = &receiver["webhook_configs"][0];
        assert_eq!(
            (&webhook["url"], &webhook["send_resolved"]),
            (&url.into(), &true.into()),
            "{receiver}"
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    std::fs::write(&file, format!("{url}\n")).expect("a file");
    let from_file = started(Some(("ALERT_WEBHOOK_URL_FILE", &file.to_string_lossy())));
    assert_eq!(from_file.expect("an address"), called);
}

#[test]
fn a_dead_mans_switch_hears_of_the_watchdog_only() {
    let url = "https://switch.example/ping";
    let called = started(Some(("ALERT_WATCHDOG_URL", url))).expect("an address");
    let config = &super::documents("alertmanager.yml", &called)[0];
    for receiver in config["receivers"].as_array().expect("receivers") {
        let called = &receiver["webhook_configs"][0]["url"];
        if receiver["name"] == "watchdog" {
            assert_eq!(called, url);
        } else {
            assert!(called.is_null(), "{receiver}");
        }
    }
    let route = &config["route"]["routes"][0];
    assert_eq!(super::strings(&route["matchers"]), ["alertname=\"ShadowlineWatchdog\""]);
    assert_eq!(route["receiver"], "watchdog");
    let refused = started(Some(("ALERT_WATCHDOG_URL", "switch.example"))).expect_err("no address");
    assert!(refused.contains("watchdog") && !refused.contains("switch.example"), "{refused}");
}

#[test]
fn an_address_that_is_none_is_refused_and_not_shown() {
    for (wrong, expected) in [
        ("ftp://me:hunter2@example", "begins with neither http:// nor https://"),
        ("http://me:hunter2@example/a b", "has a blank, a quote or a backslash in it"),
        ("http://me:hunter2@example/'", "has a blank, a quote or a backslash in it"),
    ] {
        let refused = started(Some(("ALERT_WEBHOOK_URL", wrong))).expect_err(wrong);
        assert!(refused.contains(expected) && !refused.contains("hunter2"), "{refused}");
    }
    let refused = started(Some(("ALERT_WEBHOOK_URL_FILE", "/no/such/file"))).expect_err("no file");
    assert!(refused.contains("`/no/such/file` cannot be read"), "{refused}");
}

/// A service that is down must not silence the warnings about all others, which have no `spec` either.
#[test]
fn only_alerts_about_the_same_thing_inhibit_each_other() {
    let config = &yaml("deploy/alertmanager/alertmanager.yml")[0];
    for rule in config["inhibit_rules"].as_array().expect("rules") {
        let matchers = super::strings(&rule["source_matchers"]);
        let about_a_spec = matchers.iter().any(|it| it == "spec!=\"\"");
        let equal = super::strings(&rule["equal"]);
        let named = if about_a_spec { "spec" } else { "alertname" };
        assert!(equal.iter().any(|it| it == named), "{rule}");
    }
}

/// The alert of metric-specs and the rule of Prometheus are about one incident.
#[test]
fn an_incident_of_a_spec_is_told_once() {
    let config = &yaml("deploy/alertmanager/alertmanager.yml")[0];
    let rules = config["inhibit_rules"].as_array().expect("rules");
    let told = rules.iter().find(|it| {
        let targets = super::strings(&it["target_matchers"]);
        targets.iter().any(|it| it == "alertname=\"ShadowlineMetricSpecFiring\"")
    });
    let told = told.expect("a rule for it");
    assert_eq!(super::strings(&told["equal"]), ["model", "spec"]);
    // A rule of Prometheus, which has no `version`, silences none.
    let sources = super::strings(&told["source_matchers"]);
    assert!(sources.iter().any(|it| it == "version!=\"\""), "{sources:?}");
}
