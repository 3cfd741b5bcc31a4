//! What the deployments of a checkout must have for each row of the table of services.

use std::path::Path;

use serde_json::Value;
use shadowline_services::{Descriptor, Need};

/// What the deployments of a checkout lack for a service, a sentence for each entry.
///
/// # Panics
/// If a file that every checkout has cannot be read.
pub fn missing_entries(root: &Path, service: &Descriptor) -> Vec<String> {
    let Descriptor { name, program, http, .. } = service;
    let address = format!("{name}:{http}");
    let compose = yaml(root, "compose.yaml");
    let has_service = has(&compose, |compose| {
        compose["services"][*name]["command"][0] == format!("/usr/local/bin/{program}")
    });
    let base = "deploy/kubernetes/base";
    let manifest = format!("{name}.yaml");
    let has_manifest = has(&yaml(root, &format!("{base}/kustomization.yaml")), |it| {
        contains(&it["resources"], &Value::from(manifest.clone()))
    });
    let has_job = has(&yaml(root, "deploy/prometheus/prometheus.yml"), |it| {
        it["scrape_configs"].as_array().into_iter().flatten().any(|job| {
            job["job_name"] == **name
                && contains(&job["static_configs"][0]["targets"], &Value::from(address.clone()))
        })
    });
    let has_address = read(root, "deploy/caddy/Caddyfile").contains(&format!(":{address}}}"));
    let is_listed =
        read(root, "deploy/services").lines().any(|it| it.split(' ').next() == Some(name));
    let mut entries = vec![
        (
            has_service,
            format!("compose.yaml has no service `{name}` that runs `/usr/local/bin/{program}`"),
        ),
        (has_manifest, format!("{base}/kustomization.yaml does not name `{manifest}`")),
        (
            has_job,
            format!(
                "deploy/prometheus/prometheus.yml has no job `{name}` with the target `{address}`"
            ),
        ),
        (has_address, format!("deploy/caddy/Caddyfile has no upstream `{address}`")),
        (is_listed, format!("deploy/services does not list `{name}`; `make dashboards` writes it")),
    ];
    for file in [format!("{program}.service"), format!("{name}.toml")] {
        let is_there = root.join("deploy/systemd").join(&file).is_file();
        entries.push((is_there, format!("deploy/systemd has no `{file}`")));
    }
    for (need, other) in [(Need::Log, "kafka"), (Need::Database, "postgres-setup")] {
        let waits = has(&compose, |it| it["services"][*name]["depends_on"][other].is_object());
        let sentence = format!("in compose.yaml, `{name}` does not depend on `{other}`");
        entries.push((waits || !service.needs(need), sentence));
    }
    if service.needs(Need::Log) {
        let users = "deploy/kubernetes/overlays/strimzi/users.yaml";
        let has_user = has(&yaml(root, users), |it| {
            it["kind"] == "KafkaUser" && it["metadata"]["name"] == **program
        });
        entries.push((has_user, format!("{users} has no user `{program}`")));
    }
    entries.into_iter().filter(|(is_there, _)| !is_there).map(|(_, sentence)| sentence).collect()
}

fn has(documents: &[Value], is_it: impl Fn(&Value) -> bool) -> bool {
    documents.iter().any(is_it)
}

fn contains(list: &Value, value: &Value) -> bool {
    list.as_array().is_some_and(|it| it.contains(value))
}

fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

fn yaml(root: &Path, path: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(root, path))
        .unwrap_or_else(|error| panic!("{path} is no YAML: {error}"))
}
