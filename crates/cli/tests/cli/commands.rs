//! Commands as a user types them, against a running `shadowline up`.

use std::path::Path;

use crate::support::{Said, Up, say, up_command};
use serde_json::Value;
use shadowline_detectors::{Detector, DetectorArtefact};
use shadowline_packages::ModelDocument;
use shadowline_services::SERVICES;

const SPEC: &str = "\
kind: MetricSpec
name: wine_outliers
model: {name: wine}
metric: {monitor: wine_knn}
alert_when: {operator: greater, threshold: 2.5}
over: {last: 20, exceeds: 0.5}
---
kind: MetricSpec
name: wine_far_outliers
model: {name: wine}
metric: {monitor: wine_knn}
alert_when: {operator: greater, threshold: 25}
";

/// Trains a model and a detector of the wines into a folder.
async fn train(folder: &Path) {
    let at = |name: &str| folder.join(name).display().to_string();
    let model = ["train", "logistic-regression", "--data", "dataset:wine", "--label", "quality"];
    say(&[&model[..], &["--out", &at("wine")]].concat()).await.ok();
    let knn =
        ["train", "knn", "--data", "dataset:wine", "--label", "quality", "--scale", "standard"];
    let said =
        say(&[&knn[..], &["--contamination", "0.05", "--out", &at("wine_knn"), "--json"]].concat())
            .await;
    let report = said.ok().json();
    assert_eq!((&report["rows"], &report["features"]), (&1599.into(), &11.into()));
    let share = report["flagged_share"].as_f64().unwrap();
    assert!((share - 0.05).abs() < 0.001, "{share}");
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|it| it[key].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_trained_package_loads_as_it_was_trained() {
    let folder = tempfile::tempdir().unwrap();
    train(folder.path()).await;
    let package = folder.path().join("wine_knn");
    let document = std::fs::read_to_string(package.join("serving.yaml")).unwrap();
    let document = ModelDocument::parse(&document).unwrap();
    let artefact =
        DetectorArtefact::from_bytes(&std::fs::read(package.join("model.slm")).unwrap()).unwrap();
    assert_eq!((document.name.as_str(), document.runtime.as_str()), ("wine_knn", "knn"));
    assert_eq!(document.metadata["threshold"], artefact.detector().threshold().to_string());
    let inputs: Vec<&str> = document.contract.inputs().iter().map(|it| it.name.as_str()).collect();
    let features: Vec<&str> =
        artefact.preprocessing().features().iter().map(|it| it.field.as_str()).collect();
    assert_eq!(inputs, features);
}

#[tokio::test]
async fn what_is_installed_is_there_after_a_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    train(folder.path()).await;
    let specs = folder.path().join("specs.yaml");
    std::fs::write(&specs, SPEC).unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let files = [at("wine/serving.yaml"), at("wine_knn/serving.yaml"), at("specs.yaml")];

    let up = Up::start(&data_dir).await;
    assert_eq!(up.lines.len(), 7, "{:?}", up.lines);
    let endpoints = up.endpoints();
    let ask =
        async |args: &[&str]| -> Said { say(&[args, &["--endpoints", &endpoints]].concat()).await };
    let apply = ["apply", "--json", "-f", &files[0], &files[1], &files[2]];
    let applied = ask(&apply).await.ok().json();
    assert_eq!(texts(&applied["applied"], "outcome"), ["created"; 4]);
    assert_eq!(
        texts(&applied["applied"], "service"),
        ["serving", "monitor-knn", "metric-specs", "metric-specs"]
    );
    let applied = ask(&apply).await.ok().json();
    assert_eq!(texts(&applied["applied"], "outcome"), ["unchanged"; 4]);

    let second = up_command(&data_dir).output().await.unwrap();
    let message = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(message.contains("is in use by process"), "{message}");

    let replayed =
        ask(&["replay", "--model", "wine", "--data", "dataset:wine", "--rows", "0..300", "--json"])
            .await;
    assert_eq!(replayed.ok().json()["summary"]["answered"], 300);
    wait_for_checks(&endpoints, 600).await;
    let status = up.interrupt().await;
    assert_eq!(status.code(), Some(0));
    assert!(!Path::new(&endpoints).exists());

    let up = Up::start(&data_dir).await;
    assert_all_there(&endpoints, 600).await;
    let more = ["replay", "--model", "wine", "--data", "dataset:wine", "--rows", "300..400"];
    say(&[&more[..], &["--endpoints", &endpoints]].concat()).await.ok();
    // Whatever was answered before the kill is scored and checked after it.
    up.kill().await;
    let up = Up::start(&data_dir).await;
    wait_for_checks(&endpoints, 800).await;
    assert_all_there(&endpoints, 800).await;

    let ask =
        async |args: &[&str]| -> Said { say(&[args, &["--endpoints", &endpoints]].concat()).await };
    let checks =
        ask(&["checks", "--spec", "wine_outliers", "--limit", "1", "--json"]).await.ok().json();
    let inference_id = checks["checks"][0]["inference_id"].as_str().unwrap();
    let shown = ask(&["checks", "show", inference_id, "--json"]).await.ok().json();
    assert_eq!(shown["checks"].as_array().unwrap().len(), 2, "{shown}");
    for (list, name) in
        [("models", "wine"), ("specs", "wine_outliers"), ("alerts", "wine_outliers")]
    {
        let shown = ask(&[list, "show", name]).await.ok();
        assert!(shown.stdout.contains(name), "{shown:?}");
    }
    ask(&["delete", "spec", "wine_far_outliers"]).await.ok();
    // What an enabled spec uses is deleted by force only: the model, and the detector, which its monitor knows as well.
    for name in ["wine", "wine_knn"] {
        let refused = ask(&["delete", "model", name]).await;
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let expected = format!("`{name}` is used by the metric specs `wine_outliers`");
        assert!(refused.stderr.contains(&expected), "{refused:?}");
    }
    ask(&["delete", "model", "wine_knn", "--force"]).await.ok();
    assert_eq!(
        texts(&ask(&["specs", "--json"]).await.ok().json()["metric_specs"], "alerts_when").len(),
        1
    );
    assert_eq!(texts(&ask(&["models", "--json"]).await.ok().json()["models"], "name"), ["wine"]);
    let gone = ask(&["delete", "model", "wine_knn"]).await;
    assert_eq!(gone.status.code(), Some(1));
    assert!(gone.stderr.contains("no service has a model `wine_knn`"), "{}", gone.stderr);
    assert_eq!(up.interrupt().await.code(), Some(0));
}

async fn wait_for_checks(endpoints: &str, n_checks: usize) {
    shadowline_testkit::wait_for("every check", crate::support::PATIENCE, async || {
        count_checks(endpoints).await == n_checks
    })
    .await;
}

async fn count_checks(endpoints: &str) -> usize {
    let said = say(&["checks", "--json", "--limit", "5000", "--endpoints", endpoints]).await.ok();
    said.json()["checks"].as_array().unwrap().len()
}

async fn assert_all_there(endpoints: &str, n_checks: usize) {
    let ask = async |args: &[&str]| {
        say(&[args, &["--json", "--endpoints", endpoints]].concat()).await.ok().json()
    };
    assert_eq!(texts(&ask(&["models"]).await["models"], "name"), ["wine", "wine_knn"]);
    let specs = ask(&["specs", "list"]).await;
    let names: Vec<&str> = specs["metric_specs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["spec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["wine_far_outliers", "wine_outliers"]);
    assert_eq!(texts(&ask(&["alerts"]).await["alerts"], "state"), ["inactive"; 2]);
    let status = ask(&["status"]).await;
    assert_eq!(texts(&status["services"], "status"), ["ok"; 4]);
    assert_eq!(texts(&status["services"], "version"), [env!("CARGO_PKG_VERSION"); 4]);
    for service in status["services"].as_array().unwrap() {
        assert!(service["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{service}");
        assert!(service["uptime_seconds"].is_u64(), "{service}");
        assert_eq!(service["consumers"].as_array().unwrap().len(), 1, "{service}");
    }
    assert_eq!(count_checks(endpoints).await, n_checks);
}

#[tokio::test]
async fn a_service_that_does_not_answer_is_a_row_and_a_failure() {
    // A port that was free a moment ago, and a listener that never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = format!("http://{gone}");
    let silent_url = format!("http://{}", silent.local_addr().unwrap());
    let servers = [
        ["--serving-url", &gone],
        ["--monitor-iforest-url", &gone],
        ["--monitor-knn-url", &gone],
        ["--metric-specs-url", &silent_url],
    ]
    .concat();
    let said = say(&[&["status"], &servers[..]].concat()).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(said.stderr.contains("not ready: serving, monitor-iforest"), "{said:?}");
    let rows: Vec<&str> = said.stdout.lines().collect();
    assert!(rows[0].starts_with("SERVICE") && rows[0].ends_with("LAST ERROR"), "{said:?}");
    assert_eq!(rows.len(), 5, "{said:?}");
    assert!(rows[1].contains(&gone) && rows[1].contains("no answer"), "{said:?}");
    let said = say(&[&["status", "--json"], &servers[..]].concat()).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert_eq!(texts(&said.json()["services"], "status"), ["unreachable"; 4]);
}

#[tokio::test]
async fn what_cannot_be_done_is_said_and_fails() {
    let check = async |args: &[&str], status: i32, expected: &str| {
        let said = say(args).await;
        assert_eq!(said.status.code(), Some(status), "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
        assert_eq!(said.stdout, "");
    };
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("a.csv");
    std::fs::write(&csv, "a,b\n1,2\n3,4\n").unwrap();
    let (csv, out) = (csv.display().to_string(), folder.path().join("out").display().to_string());
    let train = ["train", "knn", "--data", &csv, "--out", &out];
    check(&["apply", "-f", "/nowhere/a.yaml"], 1, "read `/nowhere/a.yaml`").await;
    check(&[&train[..], &["--label", "c"]].concat(), 1, "no column `c`; there are a, b").await;
    check(&[&train[..], &["--rows", "7..9"]].concat(), 1, "has 2 rows; --rows begins at 7").await;
    check(&[&train[..], &["--contamination", "0.9"]].concat(), 1, "contamination").await;
    check(&["train", "knn", "--data", "dataset:iris", "--out", &out], 1, "no data set `iris`")
        .await;
    check(&["train", "knn", "--out", &out], 64, "--data").await;
    check(&["up", "--data-dir", &out, "--set", "serving.htp.listen=x"], 64, "did you mean `http`?")
        .await;
    for (setting, expected) in [
        ("metric_specs.topics.prefix=x.", "metric_specs.topics.prefix"),
        ("metric_specs.checks_retention=0s", "expected a time longer than zero"),
        ("monitor_knn.max_batch=0", "expected a whole number of at least 1"),
        ("serving.limits.upload_bytes=0", "expected at least 1"),
        ("serving.http.listen=here", "expected HOST:PORT"),
    ] {
        check(&["up", "--data-dir", &out, "--set", setting], 64, expected).await;
    }
    // Nothing listens on port 9.
    check(
        &["specs", "--metric-specs-url", "http://127.0.0.1:9"],
        1,
        "GET http://127.0.0.1:9/v1/metric-specs",
    )
    .await;
    check(
        &[
            "replay",
            "--model",
            "m",
            "--data",
            "dataset:wine",
            "--serving-grpc-url",
            "http://127.0.0.1:9",
        ],
        1,
        "connect to serving at http://127.0.0.1:9",
    )
    .await;
}

#[tokio::test]
async fn settings_of_all_services_are_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let said = say(&["up", "--data-dir", &folder.path().display().to_string(), "--print-config"])
        .await
        .ok();
    let file = folder.path().join("shadowline.toml");
    let shown: toml::Table = said.stdout.parse().unwrap();
    for table in SERVICES.iter().map(|it| it.key()).chain(["telemetry".to_owned()]) {
        assert!(shown.contains_key(&table), "{}", said.stdout);
    }
    assert!(shown["serving"]["log"]["kind"].as_str() == Some("embedded"), "{}", said.stdout);
    std::fs::write(&file, &said.stdout).unwrap();
    let (folder, file) = (folder.path().display().to_string(), file.display().to_string());
    let again = ["up", "--data-dir", &folder, "--config", &file, "--print-config"];
    assert_eq!(say(&again).await.ok().stdout, said.stdout);
}
