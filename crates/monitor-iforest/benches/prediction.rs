//! Predictions a second over REST and their latency: this service, and beside it, if `PREDICTION_PEER` names one, a
//! program in Python that answers the same requests, in the same run and asked by the same clients.
//!
//! `make bench-prediction` runs it. The clients are in this process and the services are not; every client keeps its
//! connection and sends its next request as soon as it has the answer, one in four with `score`.
//! BENCH_SECONDS (5), BENCH_RUNS (3) and BENCH_CLIENTS (32) can be set.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program that prints, and fails by panicking"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shadowline_contract::{DataType, Field, Signature};
use shadowline_detectors::isolation_forest::Contamination;
use shadowline_detectors::{DetectorArtefact, DetectorParams, IsolationForest, TrainOptions};
use shadowline_features::Table;
use shadowline_packages::{ModelDocument, PackageName};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

/// What the liveProject's service in Python did at 32 clients: FastAPI and scikit-learn 1.9.1 on two cores.
const PEER_PER_SECOND: f64 = 59.7;
/// How long a service may take to train, load and listen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Sent before anything is measured.
const WARM_UP: Duration = Duration::from_millis(500);

fn main() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|it| it.parse().ok()).unwrap_or(default)
    };
    let run = Duration::from_secs(number("BENCH_SECONDS", 5));
    let (n_runs, n_clients) = (number("BENCH_RUNS", 3), number("BENCH_CLIENTS", 32));
    // One thread: what the clients do not use is left to the service.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measure(run, n_runs as usize, n_clients as usize));
}

async fn measure(run: Duration, n_runs: usize, n_clients: usize) {
    let dir = tempfile::tempdir().unwrap();
    let (table, what) = data();
    println!("{what}; {n_clients} clients that keep their connections, {n_runs} runs of {run:?}");
    let requests = requests(&table);
    let (child, address) = start_ours(dir.path(), &table).await;
    let ours = several("shadowline", &address, &requests, run, n_runs, n_clients).await;
    drop(child);
    println!(
        "  {:.0} times the {PEER_PER_SECOND} a second of FastAPI and scikit-learn, as measured once",
        ours / PEER_PER_SECOND
    );
    let Some(python) = std::env::var_os("PREDICTION_PEER").filter(|it| Path::new(it).exists())
    else {
        println!("skipped: the peer beside it needs `make bench-prediction-peer`");
        return;
    };
    let file = dir.path().join("train.csv");
    write_csv(&table, &file);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bench/prediction_peer.py");
    let mut command = Command::new(python);
    command.arg(script).arg(&file);
    let (child, address) = start(command, |line| {
        line.split_once("running on http://")
            .map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
    })
    .await;
    let peer = several("FastAPI + scikit-learn", &address, &requests, run, n_runs, n_clients).await;
    drop(child);
    println!("  shadowline answers {:.0} times as many a second", ours / peer);
}

/// Runs that are measured, each printed; the median of the answers a second.
async fn several(
    name: &str,
    address: &str,
    requests: &[Vec<u8>],
    run: Duration,
    n_runs: usize,
    n_clients: usize,
) -> f64 {
    load(address, requests, WARM_UP, n_clients).await;
    let mut all = Vec::new();
    for _ in 0..n_runs {
        let (per_second, mut latencies) = load(address, requests, run, n_clients).await;
        latencies.sort_by(f64::total_cmp);
        let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize] * 1e3;
        println!(
            "{name:24} {per_second:9.0} answers/s   p50 {:8.3} ms   p99 {:8.3} ms   max {:8.3} ms",
            at(0.5),
            at(0.99),
            at(1.0)
        );
        all.push(per_second);
    }
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Every client asks until the time is over; answers a second, and each one's latency in seconds.
async fn load(
    address: &str,
    requests: &[Vec<u8>],
    run: Duration,
    n_clients: usize,
) -> (f64, Vec<f64>) {
    let started = Instant::now();
    let clients = (0..n_clients).map(|client| async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut latencies = Vec::with_capacity(1 << 16);
        let mut buffer = Vec::with_capacity(4096);
        let mut idx = client * 997;
        while started.elapsed() < run {
            let asked = Instant::now();
            stream.write_all(&requests[idx % requests.len()]).await.unwrap();
            read_answer(&mut stream, &mut buffer).await;
            latencies.push(asked.elapsed().as_secs_f64());
            idx += 1;
        }
        latencies
    });
    let latencies: Vec<f64> = futures_util::future::join_all(clients).await.concat();
    (latencies.len() as f64 / started.elapsed().as_secs_f64(), latencies)
}

/// Reads one answer whole; anything but 200 with an `is_inlier` ends the measurement.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the service closed a connection");
        let Some(head) = buffer.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head]).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
        });
        if buffer.len() == head + 4 + length.unwrap() {
            break;
        }
    }
    assert!(buffer.windows(11).any(|it| it == b"\"is_inlier\""));
}

/// The rows of a table as whole requests, one in four with its score.
fn requests(table: &Table) -> Vec<Vec<u8>> {
    (0..table.n_rows().min(16_057))
        .map(|row_idx| {
            let cells = table.columns().iter().map(|(_, it)| it.values().number(row_idx).unwrap());
            let vector: Vec<f64> = cells.collect();
            let score = row_idx % 4 == 0;
            let body = serde_json::json!({"feature_vector": vector, "score": score}).to_string();
            format!(
                "POST /prediction HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
                 content-length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        })
        .collect()
}

/// The numbers of spending where they are at hand, else two columns of the wines.
fn data() -> (Table, &'static str) {
    if let Some(root) = std::env::var_os("SHADOWLINE_DATASETS") {
        let file = Path::new(&root).join("credit-spend/train.csv");
        if file.exists() {
            return (
                shadowline_datasets::csv_file::read(&file).unwrap(),
                "credit-spend, 2 features",
            );
        }
    }
    let wines = shadowline_datasets::wine::load().unwrap();
    let column = |name: &str| (name.to_owned(), wines.column(name).unwrap().clone());
    let table = Table::new(vec![column("fixed-acidity"), column("alcohol")]).unwrap();
    (table, "wines, 2 features, because SHADOWLINE_DATASETS has no credit-spend")
}

async fn start_ours(dir: &Path, table: &Table) -> (Child, String) {
    let params =
        IsolationForest::params().random_state(16).contamination(Contamination::Share(0.001));
    let params = DetectorParams::IsolationForest(params);
    let artefact =
        DetectorArtefact::train("spend", &params, &TrainOptions::default(), table).unwrap();
    let score = Field::scalar("score", DataType::Float64);
    let document = ModelDocument {
        name: PackageName::try_from("spend".to_owned()).unwrap(),
        version: None,
        runtime: "isolation-forest".into(),
        artefact: "model.slm".into(),
        artefacts: std::collections::BTreeMap::new(),
        contract: Signature::new(table.fields(), vec![score]).unwrap(),
        metadata: std::collections::BTreeMap::new(),
    };
    std::fs::write(dir.join("serving.yaml"), document.to_yaml().unwrap()).unwrap();
    std::fs::write(dir.join("model.slm"), artefact.to_bytes().unwrap()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_shadowline-monitor-iforest"));
    for setting in [
        "watch=false".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
        "telemetry.format=json".to_owned(),
        format!("packages_dir={}", dir.join("installed").display()),
        format!("install={}", dir.display()),
    ] {
        command.args(["--set", &setting]);
    }
    start(command, |line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        event["http"].as_str().map(str::to_owned)
    })
    .await
}

/// Starts a service and waits for the line that says where it listens.
async fn start(
    mut command: Command,
    address_in: impl Fn(&str) -> Option<String>,
) -> (Child, String) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.env_remove("RUST_LOG").spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut log = String::new();
    let find = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(address) = address_in(&line) {
                return address;
            }
            log += &line;
            log.push('\n');
        }
        panic!("the service ended without a word of where it listens:\n{log}");
    };
    let address = timeout(PATIENCE, find).await.unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, address)
}

fn write_csv(table: &Table, file: &Path) {
    let mut text = table.names().collect::<Vec<_>>().join(",") + "\n";
    for row_idx in 0..table.n_rows() {
        let cells = table.columns().iter().map(|(_, it)| it.values().number(row_idx).unwrap());
        text += &(cells.map(|it| it.to_string()).collect::<Vec<_>>().join(",") + "\n");
    }
    std::fs::write(file, text).unwrap();
}
