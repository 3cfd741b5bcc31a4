//! The files of deploy/ as they are, with this machine's addresses and short intervals in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::system::repository;

/// What stands for the fifteen seconds between two scrapes: short, and yet not missed by a machine that is busy.
pub(crate) const SCRAPE_INTERVAL: &str = "2s";
pub(crate) const SCRAPE_INTERVAL_S: f64 = 2.0;

/// Reads a file of YAML documents of which there is one.
pub(crate) fn read_yaml(path: &Path) -> Value {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|it| panic!("{}: {it}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|it| panic!("{}: {it}", path.display()))
}

/// Every file of a directory with an extension, by name; the directory may have others.
pub(crate) fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap_or_else(|it| panic!("{}: {it}", dir.display()));
    let mut files: Vec<_> = entries
        .map(|it| it.expect("read a directory").path())
        .filter(|it| it.extension().is_some_and(|it| it == extension))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there is no *.{extension} in {}", dir.display());
    files
}

pub(crate) fn rule_files() -> Vec<PathBuf> {
    files(&repository().join("deploy/prometheus/rules"), "yml")
}

/// Writes deploy/prometheus/prometheus.yml and the rules beside it, for these addresses by the names of compose.yaml,
/// and returns its path. JSON is YAML.
///
/// # Panics
/// If it names an address that is not among these.
pub(crate) fn prometheus(dir: &Path, addresses: &BTreeMap<&str, String>) -> PathBuf {
    let mut settings = read_yaml(&repository().join("deploy/prometheus/prometheus.yml"));
    settings["global"]["scrape_interval"] = json!(SCRAPE_INTERVAL);
    settings["global"]["scrape_timeout"] = json!(SCRAPE_INTERVAL);
    settings["global"]["evaluation_interval"] = json!(SCRAPE_INTERVAL);
    let rules = dir.join("rules");
    std::fs::create_dir_all(&rules).expect("make a directory for the rules");
    for file in rule_files() {
        let mut content = read_yaml(&file);
        for group in content["groups"].as_array_mut().expect("rules are in groups") {
            let group = group.as_object_mut().expect("a group");
            group.remove("interval");
            for rule in group["rules"].as_array_mut().expect("a group has rules") {
                let rule = rule.as_object_mut().expect("a rule");
                for span in ["for", "keep_firing_for"] {
                    if rule.contains_key(span) {
                        rule.insert(span.to_owned(), json!(SCRAPE_INTERVAL));
                    }
                }
            }
        }
        let path = rules.join(file.file_name().expect("a file"));
        std::fs::write(path, content.to_string()).expect("write rules");
    }
    assert_eq!(settings["rule_files"], json!(["/etc/prometheus/rules/*.yml"]));
    settings["rule_files"] = json!([format!("{}/*.yml", rules.display())]);
    let here = |target: &mut Value| {
        let text = target.as_str().expect("an address").to_owned();
        let address = addresses.get(text.as_str());
        *target = json!(address.unwrap_or_else(|| panic!("prometheus.yml names `{text}`")));
    };
    for peer in settings["alerting"]["alertmanagers"].as_array_mut().expect("alertmanagers") {
        each_target(peer, here);
    }
    for job in settings["scrape_configs"].as_array_mut().expect("scrape_configs") {
        let fields = job.as_object_mut().expect("a job");
        fields.remove("scrape_interval");
        fields.remove("scrape_timeout");
        each_target(job, here);
    }
    let path = dir.join("prometheus.yml");
    std::fs::write(&path, settings.to_string()).expect("write prometheus.yml");
    path
}

fn each_target(owner: &mut Value, change: impl Fn(&mut Value)) {
    for set in owner["static_configs"].as_array_mut().expect("static_configs") {
        for target in set["targets"].as_array_mut().expect("targets") {
            change(target);
        }
    }
}

/// Writes deploy/alertmanager/alertmanager.yml as its start.sh does, with a webhook that hears of everything and short
/// waits, and returns its path.
pub(crate) fn alertmanager(dir: &Path, webhook: &str) -> PathBuf {
    let deploy = repository().join("deploy/alertmanager");
    let written = dir.join("alertmanager.yml");
    let status = std::process::Command::new("sh")
        .arg(deploy.join("start.sh"))
        .arg(deploy.join("alertmanager.yml"))
        .arg(&written)
        .arg("true")
        .env("ALERT_WEBHOOK_URL", webhook)
        .status();
    assert!(status.is_ok_and(|it| it.success()), "deploy/alertmanager/start.sh failed");
    let mut settings = read_yaml(&written);
    let receivers = settings["receivers"].as_array().expect("receivers");
    // Who hears of the watchdog has an address of his own.
    for receiver in receivers.iter().filter(|it| it["name"] != "watchdog") {
        let url = &receiver["webhook_configs"][0]["url"];
        assert_eq!(url, webhook, "receiver {} has no webhook", receiver["name"]);
    }
    hasten(&mut settings["route"]);
    std::fs::write(&written, settings.to_string()).expect("write alertmanager.yml");
    written
}

/// Takes the waiting out of a route and of those below it.
fn hasten(route: &mut Value) {
    let fields = route.as_object_mut().expect("a route");
    for (key, short) in [("group_wait", "1s"), ("group_interval", "2s")] {
        fields.insert(key.to_owned(), json!(short));
    }
    if let Some(routes) = fields.get_mut("routes") {
        routes.as_array_mut().expect("routes").iter_mut().for_each(hasten);
    }
}
