//! What `promtool` and `amtool` say of the files of deploy/ and of the metrics.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use shadowline_testkit::tool;

use crate::settings::{files, rule_files};
use crate::system::repository;

#[test]
fn promtool_accepts_the_rules() {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let args = ["check", "rules", "--lint=all", "--lint-fatal"].map(OsStr::new);
    let files = rule_files();
    accepts(&promtool, args.into_iter().chain(files.iter().map(|it| it.as_os_str())));
}

#[test]
fn the_rules_pass_their_tests() {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let args = ["test", "rules"].map(OsStr::new);
    let files = files(&repository().join("deploy/prometheus/rules/tests"), "yml");
    accepts(&promtool, args.into_iter().chain(files.iter().map(|it| it.as_os_str())));
}

#[test]
fn promtool_accepts_the_settings_of_prometheus() {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let file = repository().join("deploy/prometheus/prometheus.yml");
    accepts(&promtool, [OsStr::new("check"), OsStr::new("config"), file.as_os_str()].into_iter());
}

#[test]
fn amtool_accepts_the_routes() {
    let Some(amtool) = tool(&["amtool"]) else { return };
    let file = repository().join("deploy/alertmanager/alertmanager.yml");
    accepts(&amtool, [OsStr::new("check-config"), file.as_os_str()].into_iter());
}

/// Runs `promtool check config` on settings that were written for this machine, rules and all.
pub(crate) fn check_config(file: &Path) {
    let Some(promtool) = tool(&["promtool"]) else { return };
    accepts(&promtool, [OsStr::new("check"), OsStr::new("config"), file.as_os_str()].into_iter());
}

/// Runs `promtool check metrics` on what a service shows; it also complains of names and units.
pub(crate) fn check_metrics(service: &str, text: &str) {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start promtool");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("give promtool the metrics");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for promtool");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "/metrics of {service}:\n{said}");
}

fn accepts<'a>(program: &Path, args: impl Iterator<Item = &'a OsStr> + Clone) {
    let output = Command::new(program).args(args.clone()).output().expect("run it");
    let said = [output.stdout, output.stderr].concat();
    let args: Vec<_> = args.collect();
    assert!(output.status.success(), "{program:?} {args:?}:\n{}", String::from_utf8_lossy(&said));
}
