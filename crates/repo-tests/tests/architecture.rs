//! The layers of ARCHITECTURE.md, held against what the manifests say.

use std::{collections::BTreeMap, path::Path, process::Command};

use serde_json::Value;

/// The layers from the bottom up. A crate may depend on crates of lower layers, and on those named before it in its own.
// One name a line, so that two changes meet in no line of this table.
#[rustfmt::skip]
const LAYERS: [(&str, &[&str]); 4] = [
    ("pure", &[
        "error",
        "contract",
        "artefact",
        "features",
        "profile",
        "windows",
        "detectors",
        "models",
        "evaluation",
        "api",
    ]),
    ("adapters", &[
        "own-files",
        "service",
        "wire",
        "segment-log",
        "stream",
        "program",
        "store",
        "packages",
        "parquet-files",
        "datasets",
        "report",
        "client",
        "worker",
        "monitor",
        "detector-host",
    ]),
    ("services", &[
        "serving",
        "monitor-iforest",
        "monitor-knn",
        "metric-specs",
    ]),
    ("tools", &[
        "services",
        "dashboards",
        "cli",
    ]),
];

/// Crates that only tests depend on.
const TESTS: [&str; 3] = ["testkit", "testkit-stack", "repo-tests"];

/// Dependencies that only some crates may have.
const KNOWN_ONLY_TO: [(&str, &[&str]); 9] = [
    ("rdkafka", &["stream"]),
    ("sqlx", &["store"]),
    ("tonic", &["wire", "serving", "cli"]),
    ("axum", &["service", "packages", "monitor", "monitor-iforest", "serving", "metric-specs"]),
    ("reqwest", &["datasets", "metric-specs", "client"]),
    ("clap", &["program", "dashboards", "cli"]),
    ("shadowline-segment-log", &["stream", "serving"]),
    ("parquet", &["parquet-files"]),
    ("anyhow", &["service", "program", "serving", "dashboards", "cli", "testkit"]),
];

/// What a pure crate must not have: a way to Kafka, the network, threads of its own, the clock or the disk.
const IMPURE: [&str; 9] = [
    "tokio",
    "rdkafka",
    "sqlx",
    "tonic",
    "axum",
    "reqwest",
    "prost",
    "tempfile",
    "tracing-subscriber",
];

/// Each crate's ordinary dependencies (not those of its tests), by the crate's name without the prefix.
fn manifests() -> BTreeMap<String, Vec<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .expect("cargo runs this test, so cargo is here");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let name = package["name"]
                .as_str()
                .expect("a name")
                .trim_start_matches("shadowline-")
                .to_owned();
            let dependencies = package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .filter(|it| it["kind"].is_null())
                .map(|it| it["name"].as_str().expect("a name").to_owned())
                .collect();
            (name, dependencies)
        })
        .collect()
}

fn layer_and_place(name: &str) -> Option<(usize, usize)> {
    LAYERS.iter().enumerate().find_map(|(layer, (_, crates))| {
        crates.iter().position(|it| *it == name).map(|place| (layer, place))
    })
}

#[test]
fn every_crate_has_a_layer() {
    let odd: Vec<_> = manifests()
        .into_keys()
        .filter(|it| !TESTS.contains(&it.as_str()) && layer_and_place(it).is_none())
        .collect();
    assert!(odd.is_empty(), "no layer is stated for {odd:?}");
}

#[test]
fn arrows_only_point_down() {
    for (name, dependencies) in manifests() {
        let Some((layer, place)) = layer_and_place(&name) else { continue };
        for dependency in dependencies.iter().filter_map(|it| it.strip_prefix("shadowline-")) {
            let (its_layer, its_place) = layer_and_place(dependency)
                .unwrap_or_else(|| panic!("{name} depends on {dependency}, of no layer"));
            let below = its_layer < layer || (its_layer == layer && its_place < place);
            assert!(below, "{name} depends on {dependency}, which is not below it");
            assert!(
                LAYERS[layer].0 != "services" || its_layer < layer,
                "{name} and {dependency} are services; they meet through wire, stream and store"
            );
        }
    }
}

#[test]
fn pure_crates_know_no_world() {
    let manifests = manifests();
    for name in LAYERS[0].1 {
        let impure: Vec<_> =
            manifests[*name].iter().filter(|it| IMPURE.contains(&it.as_str())).collect();
        assert!(impure.is_empty(), "{name} is pure and depends on {impure:?}");
    }
}

#[test]
fn each_outside_has_its_one_door() {
    for (name, dependencies) in manifests() {
        for (dependency, allowed) in KNOWN_ONLY_TO {
            let allowed = allowed.contains(&name.as_str())
                || (TESTS.contains(&name.as_str()) && dependency != "rdkafka");
            assert!(
                allowed || !dependencies.iter().any(|it| it == dependency),
                "{name} depends on {dependency}; only some crates may"
            );
        }
    }
}

#[test]
fn the_light_testkit_is_for_every_crate() {
    let own: Vec<_> = manifests()["testkit"]
        .iter()
        .filter(|it| it.starts_with("shadowline-") && *it != "shadowline-error")
        .cloned()
        .collect();
    assert!(own.is_empty(), "testkit depends on {own:?}, whose tests then could not use it");
}
