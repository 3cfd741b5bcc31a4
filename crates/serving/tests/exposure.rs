//! What the program leaves open to others: its ports, its files, its memory. The binary as it is installed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use reqwest::multipart::{Form, Part};
use reqwest::{Client, Response};
use shadowline_features::TableBuilder;
use shadowline_models::LogisticRegression;
use shadowline_testkit::{Program, ServiceBinary, wait_for};
use shadowline_wire::inference::grpc_inference_service_client::GrpcInferenceServiceClient;
use shadowline_wire::inference::{RepositoryModelUnloadRequest, ServerReadyRequest};

const BINARY: &str = env!("CARGO_BIN_EXE_shadowline-serving");
const PATIENCE: Duration = Duration::from_secs(60);

/// The program on an embedded log, with everything below one directory.
struct Serving {
    program: Program,
    dir: tempfile::TempDir,
    http: SocketAddr,
    grpc: SocketAddr,
}

impl Serving {
    /// Starts it as a shell would behind these commands.
    async fn start(shell: &str, dir: tempfile::TempDir, settings: &[&str]) -> Self {
        let mut command = Command::new("sh");
        command.current_dir(dir.path()).args([
            "-c",
            &format!("{shell} exec \"$0\" \"$@\""),
            BINARY,
        ]);
        let own = [
            "http.listen=127.0.0.1:0",
            "grpc.listen=127.0.0.1:0",
            "data_dir=data",
            "log.dir=log",
            "telemetry.format=json",
        ];
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let mut program = Program::spawn("serving", &command, dir.path()).unwrap();
        let ports = program.line("its ports", |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let port = |it: &str| line[it].as_str()?.parse().ok();
            (line["message"] == "serving").then(|| port("http").zip(port("grpc"))).flatten()
        });
        let (http, grpc) = ports.await.unwrap();
        Self { program, dir, http, grpc }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    async fn get(&self, path: &str) -> reqwest::Result<Response> {
        client().get(self.url(path)).send().await
    }
}

fn client() -> Client {
    Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

const DOCUMENT: &str = "
kind: Model
name: adults
runtime: logistic-regression
artefact: model.slm
contract:
  inputs: {age: int64}
  outputs:
    income: {type: string, profile: categorical}
    probability: {type: float64, profile: numerical}
";

fn model() -> Vec<u8> {
    let mut table = TableBuilder::new(["age", "income"]).unwrap();
    for age in 20..80 {
        let income = if 50 < age { ">50K" } else { "<=50K" };
        table.push_row([age.to_string().as_str(), income]).unwrap();
    }
    let model = LogisticRegression::params().train("adults", &table.finish(), "income").unwrap();
    model.to_bytes().unwrap()
}

async fn install(url: String, artefact: Vec<u8>) -> u16 {
    let form =
        Form::new().part("document", Part::text(DOCUMENT)).part("artefact", Part::bytes(artefact));
    client().post(url).multipart(form).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_silence_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let serving = Serving::start("ulimit -n 64;", dir, &[]).await;
    let mut silent = Vec::new();
    for round in 0..90 {
        silent.push(TcpStream::connect(serving.http).unwrap());
        silent.push(TcpStream::connect(serving.grpc).unwrap());
        // Some have begun a request.
        if round % 3 == 0 {
            silent[2 * round]
                .write_all(b"POST /v2/models/x/infer HTTP/1.1\r\nHost: x\r\n")
                .unwrap();
        }
    }
    for path in ["/livez", "/readyz"] {
        let answer = tokio::time::timeout(Duration::from_secs(10), serving.get(path)).await;
        assert_eq!(answer.expect("in time").unwrap().status(), 200, "{path}");
    }
    let mut grpc = GrpcInferenceServiceClient::connect(format!("http://{}", serving.grpc)).await;
    let ready = grpc.as_mut().unwrap().server_ready(ServerReadyRequest {});
    let ready = tokio::time::timeout(Duration::from_secs(10), ready).await.expect("in time");
    assert!(ready.unwrap().into_inner().ready);
    // And its own files could be opened all the while.
    assert_eq!(install(serving.url("/v1/models"), model()).await, 201);
    assert!(!serving.program.said().contains("No space"), "{}", serving.program.said());
    assert!(serving.program.said().contains("those without a request are closed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_is_given_up() {
    let serving = Serving::start("", tempfile::tempdir().unwrap(), &[]).await;
    let half = |bytes: &'static [u8], address: SocketAddr| {
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(bytes).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).expect("it is closed");
            String::from_utf8_lossy(&answer).into_owned()
        })
    };
    let head = half(b"GET /livez HTTP/1.1\r\nHos", serving.http);
    let body = half(
        b"POST /v1/models/adults:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"age\":",
        serving.http,
    );
    let upload = half(
        b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=B\r\n\
          Content-Length: 1000\r\n\r\n--B\r\nContent-Disposition: form-data; name=\"artefact\"\r\n\r\nx",
        serving.http,
    );
    let silent = half(b"", serving.grpc);
    let ended = tokio::task::spawn_blocking(|| {
        [head, body, upload, silent].map(|it| it.join().expect("it ends by itself"))
    });
    let [head, body, upload, _] = ended.await.unwrap();
    assert_eq!(head, "");
    for answer in [body, upload] {
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("request_timeout") && answer.contains("came too slowly"),
            "{answer}"
        );
    }
}

/// Every file and folder below one, with what their users may.
fn modes(dir: &Path, into: &mut Vec<(PathBuf, u32)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        into.push((path.clone(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() {
            modes(&path, into);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_for_its_own_user_also_those_of_before() {
    let dir = tempfile::tempdir().unwrap();
    // What an earlier version left.
    for folder in ["data/spool", "data/models/adults/1", "log/topics"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let old = dir.path().join("data/models/adults/1/note");
    fs::write(&old, "x").unwrap();
    for (path, mode) in [("data/models", 0o755), ("data/spool", 0o775), ("log", 0o755)] {
        fs::set_permissions(dir.path().join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    let serving = Serving::start("umask 000;", dir, &[]).await;
    assert_eq!(install(serving.url("/v1/models"), model()).await, 201);
    let body = r#"{"age": 70}"#;
    let answer = client().post(serving.url("/v1/models/adults:predict")).body(body).send().await;
    assert_eq!(answer.unwrap().status(), 200);
    wait_for("the log has it", PATIENCE, async || {
        let mut all = Vec::new();
        modes(&serving.dir.path().join("log"), &mut all);
        all.iter().any(|(path, _)| path.to_string_lossy().contains("shadowline.inferences"))
    })
    .await;
    let mut all = Vec::new();
    for folder in ["data/spool", "data/models", "log"] {
        let folder = serving.dir.path().join(folder);
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        all.push((folder.clone(), mode));
        modes(&folder, &mut all);
    }
    assert!(10 < all.len(), "{all:?}");
    for (path, mode) in all {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has {mode:o}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_port_to_operate_it_the_others_take_predictions_only() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let operate = format!("operate.listen={free}");
    let serving = Serving::start("", tempfile::tempdir().unwrap(), &[&operate]).await;
    assert_eq!(install(serving.url("/v1/models"), model()).await, 403);
    assert_eq!(install(format!("http://{free}/v1/models"), model()).await, 201);
    for (path, status) in [
        ("/livez", 200),
        ("/readyz", 200),
        ("/docs", 200),
        ("/v2/models/adults", 200),
        ("/v2/health/ready", 200),
        ("/nothing", 404),
        ("/v1/models", 403),
        ("/v1/models/adults", 403),
        ("/v1/status", 403),
        ("/metrics", 403),
    ] {
        let answer = serving.get(path).await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        if status == 403 {
            let text = answer.text().await.unwrap();
            assert!(text.contains("forbidden") && text.contains("operate.listen"), "{text}");
            let there = client().get(format!("http://{free}{path}")).send().await.unwrap();
            assert_eq!(there.status(), 200, "{path} where it is operated");
        }
    }
    let post = client().post(serving.url("/v1/models/adults:predict")).body(r#"{"age": 70}"#);
    assert_eq!(post.send().await.unwrap().status(), 200);
    assert_eq!(
        client().delete(serving.url("/v1/models/adults")).send().await.unwrap().status(),
        403
    );
    let grpc = GrpcInferenceServiceClient::connect(format!("http://{}", serving.grpc)).await;
    let mut grpc = grpc.unwrap();
    assert!(grpc.server_ready(ServerReadyRequest {}).await.unwrap().into_inner().ready);
    let unload =
        RepositoryModelUnloadRequest { model_name: "adults".to_owned(), ..Default::default() };
    let refused = grpc.repository_model_unload(unload).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::PermissionDenied, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_do_not_fill_the_memory() {
    // More than malloc keeps for itself when it is given back.
    const N_BYTES: usize = 40 * 1024 * 1024;
    let serving = Serving::start("", tempfile::tempdir().unwrap(), &[]).await;
    let peak = |serving: &Serving| {
        let status = fs::read_to_string(format!("/proc/{}/status", serving.program.process_id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    };
    let before = peak(&serving);
    let uploads: Vec<_> = (0..6u8)
        .map(|it| tokio::spawn(install(serving.url("/v1/models"), vec![it; N_BYTES])))
        .collect();
    for upload in uploads {
        // It is no model.
        assert_eq!(upload.await.unwrap(), 422);
    }
    let more = peak(&serving) - before;
    assert!(more < 3 * N_BYTES, "six uploads of {N_BYTES} bytes took {more}");
    // Nothing of them is left.
    let mut left = Vec::new();
    modes(&serving.dir.path().join("data/models"), &mut left);
    assert!(
        left.iter().all(|(path, _)| !path.to_string_lossy().contains("unfinished")),
        "{left:?}"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused_with_the_same_status() {
    let binary = ServiceBinary(BINARY);
    for (setting, words) in [
        ("http.listen=nonsense", "key `http.listen`: found `nonsense`, expected HOST:PORT"),
        ("http.listen=", "key `http.listen`: found ``, expected HOST:PORT"),
        ("grpc.listen=127.0.0.1:99999", "expected HOST:PORT"),
        ("operate.listen=8002", "key `operate.listen`"),
        ("log.bootstrap_servers=", "expected addresses as HOST:PORT,HOST:PORT"),
        ("log.bootstrap_servers=b:1,b:99999", "`b:99999`; expected addresses as HOST:PORT"),
        ("data_dir=", "key `data_dir`: it is empty; expected a path"),
        ("models_dir=", "key `models_dir`: it is empty; expected a path"),
        ("log.kind=embedded", "`dir` is missing"),
        ("limits.upload_bytes=0", "found 0, expected at least 1"),
        ("spool.fsync_interval=0s", "expected a time longer than zero"),
        ("topics.partitions=0", "a whole number of at least 1"),
    ] {
        binary.refuses(&["--set", setting], &[], words);
    }
    let properties = r#"log={bootstrap_servers="b:1", properties={"sasl.pasword"="hunter2"}}"#;
    let output = binary.run(&["--set", properties], &[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("kafka property `sasl.pasword`") && !said.contains("hunter2"), "{said}");
}
