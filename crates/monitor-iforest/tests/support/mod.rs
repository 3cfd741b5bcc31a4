//! The binary as a service that needs no log, and packages for it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use shadowline_contract::{DataType, Field, Signature};
use shadowline_detectors::isolation_forest::Contamination;
use shadowline_detectors::{
    DetectorArtefact, DetectorParams, FittedDetector, IsolationForest, TrainOptions,
};
use shadowline_features::Table;
use shadowline_packages::{ModelDocument, PackageName};
use shadowline_testkit::{Program, data_sets, wait_for};
use tempfile::TempDir;
use tokio::process::Command;

/// Everything here is over long before; what takes longer never ends.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running service.
#[derive(Debug)]
pub struct Service {
    program: Program,
    pub url: String,
    client: reqwest::Client,
    /// Of what it says.
    _dir: TempDir,
}

pub fn command(settings: &[String]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shadowline-monitor-iforest"));
    for setting in ["watch=false", "http.listen=127.0.0.1:0", "telemetry.format=json"] {
        command.args(["--set", setting]);
    }
    for setting in settings {
        command.args(["--set", setting]);
    }
    command.stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("RUST_LOG").kill_on_drop(true);
    command
}

/// The settings by which a service installs these folders, and keeps them below a directory.
pub fn settings(dir: &Path, folders: &[&Path]) -> Vec<String> {
    let folders: Vec<String> =
        folders.iter().map(|it| format!("{:?}", it.display().to_string())).collect();
    vec![
        format!("packages_dir={}", dir.join("installed").display()),
        format!("install=[{}]", folders.join(", ")),
    ]
}

impl Service {
    /// Starts it on any free port, and waits until it says where it listens.
    pub async fn start(settings: &[String]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let command = command(settings);
        let mut program = Program::spawn("monitor-iforest", command.as_std(), dir.path()).unwrap();
        let address = |line: &str| {
            let event: Value = serde_json::from_str(line).ok()?;
            event["http"].as_str().map(str::to_owned)
        };
        let address = program.line("it said where it listens", address).await.unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { program, url: format!("http://{address}"), client, _dir: dir }
    }

    /// As `start`, and waits until it is ready.
    pub async fn ready(settings: &[String]) -> Self {
        let service = Self::start(settings).await;
        wait_for("the service is ready", PATIENCE, async || service.get("/readyz").await.0 == 200)
            .await;
        service
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The text at a path, with its content type.
    pub async fn text(&self, path: &str, accept: &str) -> (u16, String, String) {
        let request = self.client.get(format!("{}{path}", self.url)).header("accept", accept);
        let answer = request.send().await.unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.unwrap())
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json").body(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Installs a package as the command line does.
    pub async fn install(&self, folder: &Path) -> u16 {
        let (document, artefacts) = shadowline_packages::read_folder(folder).unwrap();
        let form = reqwest::multipart::Form::new()
            .text("document", document.to_yaml().unwrap())
            .part("artefact", reqwest::multipart::Part::bytes(artefacts.model().to_vec()));
        let request = self.client.post(format!("{}/v1/models", self.url)).multipart(form);
        request.send().await.unwrap().status().as_u16()
    }

    /// The value of a sample of the text format; none if there is no such series.
    pub async fn sample(&self, series: &str) -> Option<f64> {
        let (_, _, text) = self.text("/metrics", "text/plain").await;
        let line = text.lines().find_map(|it| it.strip_prefix(series)?.strip_prefix(' '));
        line.map(|it| it.parse().unwrap())
    }
}

/// A detector's package as a folder.
#[derive(Debug)]
pub struct Packaged {
    pub folder: PathBuf,
    pub artefact: DetectorArtefact,
}

/// Trains a forest on every column of a table, and writes its package.
pub fn package(
    dir: &Path,
    name: &str,
    table: &Table,
    contamination: Contamination,
    options: &TrainOptions<'_>,
) -> Packaged {
    let params = IsolationForest::params().random_state(16).contamination(contamination);
    let params = DetectorParams::IsolationForest(params);
    let artefact = DetectorArtefact::train(name, &params, options, table).unwrap();
    let folder = dir.join(format!("package-{name}"));
    std::fs::create_dir_all(&folder).unwrap();
    let document = ModelDocument {
        name: PackageName::try_from(name.to_owned()).unwrap(),
        version: None,
        runtime: "isolation-forest".into(),
        artefact: "model.slm".into(),
        artefacts: std::collections::BTreeMap::new(),
        contract: Signature::new(table.fields(), vec![Field::scalar("score", DataType::Float64)])
            .unwrap(),
        metadata: std::collections::BTreeMap::new(),
    };
    std::fs::write(folder.join("serving.yaml"), document.to_yaml().unwrap()).unwrap();
    std::fs::write(folder.join("model.slm"), artefact.to_bytes().unwrap()).unwrap();
    Packaged { folder, artefact }
}

pub fn forest(artefact: &DetectorArtefact) -> &IsolationForest {
    match artefact.detector() {
        FittedDetector::IsolationForest(forest) => forest,
        FittedDetector::Knn(_) => panic!("it is a forest"),
    }
}

/// A table of the numbers of spending, if the data set is at hand, else two columns of the wines.
pub fn spending() -> Table {
    let file = data_sets().join("credit-spend/train.csv");
    if file.exists() {
        return shadowline_datasets::csv_file::read(&file).unwrap();
    }
    eprintln!(
        "skipped: the numbers of spending are not here (SHADOWLINE_DATASETS); the wines stand in"
    );
    let wines = shadowline_datasets::wine::load().unwrap();
    let column = |name: &str| (name.to_owned(), wines.column(name).unwrap().clone());
    Table::new(vec![column("fixed-acidity"), column("alcohol")]).unwrap()
}
