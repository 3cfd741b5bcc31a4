//! Every OpenAPI document against its service: Schemathesis asks whatever a document allows and what it does not, and
//! holds the answers against it. `make stack-tools` installs it.

use std::path::Path;

use crate::support::{PATIENCE, Up, say};
use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_testkit::{left_to_soak, python};
use tokio::process::Command;
use tokio::time::timeout;

/// How many requests are made up for each operation, beside those that are worked out of its document.
const EXAMPLES: &str = "25";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_service_answers_as_its_document_says() {
    if left_to_soak("two and a half minutes of made-up requests") {
        return;
    }
    let Some(python) = python("schemathesis") else { return };
    let dir = tempfile::tempdir().unwrap();
    let up = Up::start(&dir.path().join("data")).await;
    install(dir.path(), &up).await;
    let endpoints: Value =
        serde_json::from_str(&std::fs::read_to_string(up.endpoints()).unwrap()).unwrap();
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/openapi.toml");
    for service in SERVICES {
        let address = address_of(&endpoints, &service.key());
        let mut command = Command::new(&python);
        command
            .args(["-m", "schemathesis.cli", "--config-file"])
            .arg(&settings)
            .args(["run", &format!("{address}/openapi.json")])
            .args(["--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES])
            .args(["--seed", "1", "--continue-on-failure"])
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .kill_on_drop(true);
        let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{}:\n{said}", service.name);
    }
    assert!(up.interrupt().await.success());
}

/// Something to ask each service about.
async fn install(dir: &Path, up: &Up) {
    let mut csv = "age,hours,income\n".to_owned();
    for row in 0..200 {
        let (age, hours) = (18 + row % 60, 10 + row * 7 % 50);
        let income = if 90 < age + hours { "rich" } else { "poor" };
        csv += &format!("{age},{hours}.5,{income}\n");
    }
    let data = dir.join("people.csv");
    std::fs::write(&data, csv).unwrap();
    let (data, out) =
        (data.display().to_string(), |name: &str| dir.join(name).display().to_string());
    let train = |kind, label: [&'static str; 2], name: &str| {
        ["train", kind, "--data", &data, label[0], label[1], "--out", &out(name)].map(str::to_owned)
    };
    let mut documents = Vec::new();
    for (kind, label, name) in [
        ("logistic-regression", ["--label", "income"], "people"),
        ("isolation-forest", ["--drop", "income"], "people_iforest"),
        ("knn", ["--drop", "income"], "people_knn"),
    ] {
        let args = train(kind, label, name);
        say(&args.each_ref().map(String::as_str)).await.ok();
        documents.push(dir.join(name).join("serving.yaml").display().to_string());
    }
    let endpoints = up.endpoints();
    let mut args = vec!["apply", "--endpoints", &endpoints, "-f"];
    args.extend(documents.iter().map(String::as_str));
    say(&args).await.ok();
}

/// The address of a service's HTTP, as the file of endpoints has it.
fn address_of(endpoints: &Value, service: &str) -> String {
    let found = endpoints[service]["http"].as_str();
    found.unwrap_or_else(|| panic!("no address of {service} in {endpoints}")).to_owned()
}
