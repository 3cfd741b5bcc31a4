//! `compose.yaml` and everything under `deploy/`, held against each other and against the programs.

mod alerting;
mod compose;
mod door;
mod image;
mod kubernetes;
mod programs;
mod secrets;
mod systemd;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use shadowline_repo_tests::missing_entries;
use shadowline_services::SERVICES;

/// The names of the services, in the order of their table.
fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|it| it.name)
}

#[test]
fn every_service_has_its_entries() {
    for service in SERVICES {
        let missing = missing_entries(&repository(), service);
        assert!(missing.is_empty(), "{}: {}", service.name, missing.join("; "));
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

fn read(path: &str) -> String {
    let whole = repository().join(path);
    std::fs::read_to_string(&whole).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// The documents of a YAML file; `<<` is resolved.
fn yaml(path: &str) -> Vec<Value> {
    documents(path, &read(path))
}

fn documents(name: &str, text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{name} is no YAML: {error}"))
}

/// The files below a folder whose names end so, by their paths from the repository.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder that can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let path = path.strip_prefix(repository()).expect("a path in the repository");
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

fn str_of<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what} is {value}; expected text"))
}

/// The texts of a list; none where there is no list.
fn strings(value: &Value) -> Vec<String> {
    let one = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    value.as_array().map(|it| it.iter().map(one).collect()).unwrap_or_default()
}

/// Says that something is missing; in CI that is a failure.
fn skip(needs: &str) {
    shadowline_testkit::skip(needs, &anyhow::anyhow!("it is not on this machine"));
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("run {command:?}: {error}"))
}

/// Standard output and error together, for messages.
fn said(output: &Output) -> String {
    let both = [&output.stdout, &output.stderr];
    both.map(|it| String::from_utf8_lossy(it)).concat()
}
