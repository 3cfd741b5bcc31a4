//! The door: a real Caddy with the Caddyfile, in front of something that answers everything and says what it saw.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_testkit::{tool, wait_for_some};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{read, repository, run, said};

const USER: &str = "me.too";
/// With everything in it that a shell, a Caddyfile or a header could trip over.
const PASSWORD: &str = "se$a {me}\"'\\`#%:";
/// User and password as clients send them.
const LOGIN: &str = "bWUudG9vOnNlJGEge21lfSInXGAjJTo=";

/// The variables of a door's port and its upstream, without their endings.
static DOORS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tools = ["GRAFANA", "PROMETHEUS", "ALERTMANAGER", "ADMINER", "TRACES"];
    let mut doors = tools.map(str::to_owned).to_vec();
    for service in SERVICES {
        let name = service.key().to_uppercase();
        doors.extend(service.grpc.map(|_| format!("{name}_GRPC")));
        doors.push(name);
    }
    doors
});

/// Where the lock of the door comes from.
#[derive(Debug, Clone, Copy)]
enum Lock {
    /// It is [`LOGIN`], and Caddy is started as it is.
    Ready,
    /// From the start script.
    Made,
}

/// Caddy, until it is dropped.
struct Door {
    process: Child,
    ports: BTreeMap<&'static str, u16>,
    client: reqwest::Client,
    said: tempfile::NamedTempFile,
}

impl Drop for Door {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        assert!(ended.is_ok() || std::thread::panicking(), "caddy was not ended: {ended:?}");
    }
}

/// Answers every request of HTTP/1.1 with 200, its own request as the body. Upgrades to a websocket, and echoes.
async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                while !seen.windows(4).any(|it| it == b"\r\n\r\n") {
                    match stream.read(&mut buffer).await {
                        Ok(n) if n > 0 => seen.extend_from_slice(&buffer[..n]),
                        _ => return,
                    }
                }
                let text = String::from_utf8_lossy(&seen).into_owned();
                let answered = if text.to_lowercase().contains("upgrade: websocket") {
                    let accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
                    let (mut reader, mut writer) = stream.split();
                    let accepted = writer.write_all(accepted.as_bytes()).await;
                    accepted.and(tokio::io::copy(&mut reader, &mut writer).await.map(drop))
                } else {
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                        text.len()
                    );
                    stream.write_all((head + &text).as_bytes()).await
                };
                // The client may be gone; the test sees what came.
                drop(answered);
            });
        }
    });
    address
}

/// Ports that were free a moment ago.
fn free_ports(n: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..n).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    listeners.iter().map(|it| it.local_addr().expect("an address").port()).collect()
}

impl Door {
    /// Opens one on free ports; none where there is no Caddy.
    async fn open(lock: Lock) -> Option<Self> {
        let caddy = tool(&["caddy"])?;
        let upstream = upstream().await;
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
        let client = client.build().expect("a client");
        // Somebody else may take a port between choosing it and using it.
        for _ in 0..5 {
            let free = free_ports(DOORS.len() + 1);
            let ports: BTreeMap<_, _> =
                DOORS.iter().map(String::as_str).zip(free.iter().copied()).collect();
            let metrics = free[DOORS.len()];
            let mut command = match lock {
                Lock::Ready => {
                    let mut command = Command::new(&caddy);
                    command.args(["run", "--adapter", "caddyfile", "--config"]);
                    command
                        .arg(repository().join("deploy/caddy/Caddyfile"))
                        .env("ADMIN_LOGIN", LOGIN);
                    command
                }
                Lock::Made => Command::new(repository().join("deploy/caddy/start.sh")),
            };
            let folders =
                [caddy.parent().expect("a folder"), Path::new("/usr/bin"), Path::new("/bin")];
            command.env("PATH", std::env::join_paths(folders).expect("a path"));
            command.envs([
                ("ADMIN_USER", USER),
                ("ADMIN_PASSWORD", PASSWORD),
                ("CADDY_BIND", "127.0.0.1"),
            ]);
            command.envs([("CADDY_METRICS_BIND", "127.0.0.1"), ("HOME", "/nonexistent")]);
            command.env("CADDY_METRICS_PORT", metrics.to_string());
            for (door, port) in &ports {
                command.env(format!("{door}_PORT"), port.to_string());
                // The upstream here speaks no HTTP/2; nothing listens at port 1.
                let upstream = if *door == "SERVING_GRPC" { "127.0.0.1:1" } else { &upstream };
                command.env(format!("{door}_UPSTREAM"), upstream);
            }
            let said = tempfile::NamedTempFile::new().expect("a file");
            command.stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(said.reopen().expect("the same file"));
            let process = command.spawn().expect("start caddy");
            let mut door = Door { process, ports, client: client.clone(), said };
            let url = format!("http://127.0.0.1:{metrics}/livez");
            let is_open = wait_for_some("caddy answers", Duration::from_secs(60), async || {
                if client.get(&url).send().await.is_ok_and(|it| it.status() == StatusCode::OK) {
                    return Some(true);
                }
                door.process.try_wait().is_ok_and(|it| it.is_some()).then_some(false)
            });
            if is_open.await {
                return Some(door);
            }
        }
        panic!("caddy ended while starting, five times");
    }

    fn url(&self, door: &str, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[door])
    }

    /// The lines of the access log so far: path, status and user.
    fn access_log(&self) -> Vec<(String, u64, String)> {
        let text = std::fs::read_to_string(self.said.path()).expect("what caddy said");
        let lines = text.lines().filter_map(|it| serde_json::from_str::<Value>(it).ok());
        let accesses = lines.filter(|it| it["msg"] == "handled request");
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        accesses
            .map(|it| {
                let status = it["status"].as_u64().unwrap_or_default();
                (text(&it["request"]["uri"]), status, text(&it["user_id"]))
            })
            .collect()
    }

    async fn status(&self, door: &str, path: &str, password: Option<&str>) -> StatusCode {
        let request = self.client.get(self.url(door, path));
        let request = match password {
            Some(password) => request.basic_auth(USER, Some(password)),
            None => request,
        };
        request.send().await.expect("an answer").status()
    }
}

/// Paths that anybody may ask for, and paths that take the password, by door.
const OPEN: [(&str, &[&str]); 6] = [
    ("GRAFANA", &["/", "/login", "/api/health"]),
    (
        "SERVING",
        &[
            "/",
            "/v1/models/wine:predict",
            "/v1/models/wine/versions/3:predict",
            "/v2",
            "/v2/health/ready",
            "/v2/models/wine",
            "/v2/models/wine/versions/1/infer",
            "/livez",
            "/readyz",
            "/docs",
        ],
    ),
    (
        "MONITOR_IFOREST",
        &[
            "/prediction",
            "/model_information",
            "/models/a/prediction",
            "/models/a/model_information",
            "/docs",
            "/openapi.json",
        ],
    ),
    ("MONITOR_KNN", &["/livez", "/readyz"]),
    ("METRIC_SPECS", &["/livez", "/readyz"]),
    ("SERVING", &["/openapi.json"]),
];
const GUARDED: [(&str, &[&str]); 8] = [
    (
        "PROMETHEUS",
        &[
            "/",
            "/graph",
            "/api/v1/query?query=up",
            "/metrics",
            "/-/healthy",
            "/-/ready",
            "/federate",
            "//x",
            "/nothing",
        ],
    ),
    ("ALERTMANAGER", &["/", "/api/v2/alerts", "/api/v2/silences", "/-/ready", "/metrics"]),
    ("ADMINER", &["/", "/?pgsql=postgres&username=grafana"]),
    ("TRACES", &["/", "/api/services"]),
    (
        "SERVING",
        &[
            "/metrics",
            "/v1/models",
            "/v1/models/wine",
            "/v1/status",
            "/v2/repository/models/wine/unload",
            "/v1/models/a/b:predict",
        ],
    ),
    (
        "MONITOR_IFOREST",
        &[
            "/metrics",
            "/v1/models",
            "/v1/watching",
            "/prediction/../v1/models",
            "/models/a/b/prediction",
        ],
    ),
    ("MONITOR_KNN", &["/metrics", "/v1/models"]),
    ("METRIC_SPECS", &["/v1/metric-specs", "/v1/checks", "/v1/alerts", "/docs"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operates_the_system_is_behind_the_password() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    for (name, paths) in GUARDED {
        for path in paths {
            assert_eq!(door.status(name, path, None).await, 401, "{name} {path} without");
            assert_eq!(
                door.status(name, path, Some("wrong")).await,
                401,
                "{name} {path} with a wrong one"
            );
            assert_eq!(door.status(name, path, Some(PASSWORD)).await, 200, "{name} {path} with it");
        }
    }
    for (name, paths) in OPEN {
        for path in paths {
            assert_eq!(door.status(name, path, None).await, 200, "{name} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_goes_no_further_than_the_door_but_to_grafana() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    for (name, _) in GUARDED {
        let request = door.client.get(door.url(name, "/metrics")).basic_auth(USER, Some(PASSWORD));
        let seen = request.send().await.expect("an answer").text().await.expect("a body");
        assert!(!seen.to_lowercase().contains("authorization:"), "{name} saw {seen}");
        assert!(seen.starts_with("GET /metrics HTTP/1.1\r\n"), "{seen}");
    }
    // It has users of its own, and its API takes their passwords.
    let request = door.client.get(door.url("GRAFANA", "/api/org")).basic_auth("editor", Some("x"));
    let seen = request.send().await.expect("an answer").text().await.expect("a body");
    assert!(seen.to_lowercase().contains("authorization: basic "), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_in_is_passed_on_and_nobody_can_say_it_himself() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    let seen = async |name: &str, path: &str, password: Option<&str>| {
        let request = door.client.get(door.url(name, path)).header("Shadowline-User", "somebody");
        let request = match password {
            Some(password) => request.basic_auth(USER, Some(password)),
            None => request,
        };
        let seen = request.send().await.expect("an answer").text().await.expect("a body");
        let user = seen.lines().filter_map(|it| it.strip_prefix("Shadowline-User: "));
        user.map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, path) in [
        ("METRIC_SPECS", "/v1/metric-specs"),
        ("SERVING", "/v1/models"),
        ("SERVING", "/v2/models/wine"),
        ("PROMETHEUS", "/"),
    ] {
        assert_eq!(seen(name, path, Some(PASSWORD)).await, [USER], "{name} {path}");
    }
    for (name, path) in [("SERVING", "/v2/models/wine"), ("GRAFANA", "/")] {
        assert!(seen(name, path, None).await.is_empty(), "{name} {path}");
        assert!(seen(name, path, Some("wrong")).await.is_empty(), "{name} {path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_log_says_who_came_and_has_no_predictions() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    door.status("SERVING", "/v2/models/wine", None).await;
    door.status("SERVING", "/v1/models", Some("wrong")).await;
    door.status("METRIC_SPECS", "/v1/metric-specs", Some(PASSWORD)).await;
    door.status("PROMETHEUS", "/graph", None).await;
    let lines = wait_for_some("the access log", Duration::from_secs(30), async || {
        Some(door.access_log()).filter(|it| 3 <= it.len())
    });
    let expected = [("/v1/models", 401, ""), ("/v1/metric-specs", 200, USER), ("/graph", 401, "")];
    let expected = expected.map(|(path, status, user)| (path.to_owned(), status, user.to_owned()));
    assert_eq!(lines.await, expected);
    let said = std::fs::read_to_string(door.said.path()).expect("what caddy said");
    assert!(!said.contains(LOGIN), "the log has the password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_go_through_to_grafana() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", door.ports["GRAFANA"]))
        .await
        .expect("a connection");
    let upgrade = "GET /api/live/ws HTTP/1.1\r\nHost: grafana\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(upgrade.as_bytes()).await.expect("a request");
    let mut seen = Vec::new();
    let mut read_until = async |end: &[u8]| {
        seen.clear();
        while !seen.ends_with(end) {
            let mut byte = [0];
            tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut byte))
                .await
                .expect("in time")
                .expect("more");
            seen.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&seen).into_owned();
        (text, stream.write_all(b"ping").await)
    };
    let (head, sent) = read_until(b"\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    sent.expect("a message");
    let (echo, _) = read_until(b"ping").await;
    assert_eq!(echo, "ping");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_asks_for_the_password_only_to_load_models() {
    let Some(door) = Door::open(Lock::Ready).await else { return };
    let Some(curl) = tool(&["curl"]) else { return };
    // HTTP/2 without TLS, as gRPC clients begin.
    let status = async |path: &str, password: Option<&str>| {
        let mut command = Command::new(&curl);
        command.args([
            "--silent",
            "--noproxy",
            "*",
            "--http2-prior-knowledge",
            "--request",
            "POST",
        ]);
        command.args(["--header", "content-type: application/grpc", "--output", "/dev/null"]);
        command.args(["--write-out", "%{http_version} %{http_code}", "--max-time", "30"]);
        command.args(password.iter().flat_map(|it| ["--user".to_owned(), format!("{USER}:{it}")]));
        command.arg(door.url("SERVING_GRPC", path));
        let output =
            tokio::task::spawn_blocking(move || run(&mut command)).await.expect("curl runs");
        let text = said(&output);
        text.strip_prefix("2 ").unwrap_or_else(|| panic!("no HTTP/2: {text}")).to_owned()
    };
    // What is let through finds no upstream.
    for path in [
        "/shadowline.serving.v1.PredictionService/Predict",
        "/inference.GRPCInferenceService/ModelInfer",
        "/inference.GRPCInferenceService/ServerLive",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ] {
        assert_eq!(status(path, None).await, "502", "{path}");
    }
    for path in ["/inference.GRPCInferenceService/RepositoryModelUnload", "/other.Service/Call"] {
        assert_eq!(status(path, None).await, "401", "{path}");
        assert_eq!(status(path, Some(PASSWORD)).await, "502", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_start_script_makes_the_lock_of_the_password() {
    let Some(door) = Door::open(Lock::Made).await else { return };
    assert_eq!(door.status("ADMINER", "/", Some(PASSWORD)).await, 200);
    assert_eq!(door.status("ADMINER", "/", Some("se")).await, 401);
    let environment = std::fs::read(format!("/proc/{}/environ", door.process.id()));
    let environment = String::from_utf8_lossy(&environment.expect("its environment")).into_owned();
    assert!(!environment.contains(PASSWORD) && !environment.contains(LOGIN), "{environment}");
    // Guessing takes no time from others: a slow hash of one of these would take a second.
    let began = tokio::time::Instant::now();
    for guess in 0..100 {
        assert_eq!(door.status("ADMINER", "/", Some(&format!("guess {guess}"))).await, 401);
    }
    assert!(began.elapsed() < Duration::from_secs(20), "a guess costs {:?}", began.elapsed() / 100);
}

/// Runs `deploy/caddy/start.sh check`; what it said when it refused.
fn checked(variables: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(repository().join("deploy/caddy/start.sh"));
    let output = run(command
        .arg("check")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(variables.iter().copied()));
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

#[test]
fn users_and_passwords_that_are_none_are_refused() {
    let with = |user: &str, password: &str, address: &str| {
        checked(&[("ADMIN_USER", user), ("ADMIN_PASSWORD", password), ("BIND_ADDRESS", address)])
    };
    for loopback in ["", "127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"] {
        with("admin", "admin", loopback).unwrap_or_else(|error| panic!("{loopback}: {error}"));
    }
    for outside in ["0.0.0.0", "192.168.1.5", "::", "example.org"] {
        let refused = with("admin", "admin", outside).expect_err(outside);
        assert!(refused.contains(&format!("BIND_ADDRESS is {outside}")), "{refused}");
        with("admin", "of my own", outside).unwrap_or_else(|error| panic!("{outside}: {error}"));
    }
    for guessed in ["x", "sesame7", "aaaaaaaaaaaa", "********"] {
        with("admin", guessed, "127.0.0.1").unwrap_or_else(|error| panic!("{guessed}: {error}"));
        let refused = with("admin", guessed, "0.0.0.0").expect_err(guessed);
        assert!(refused.contains("ADMIN_PASSWORD can be guessed"), "{refused}");
        assert!(!refused.contains(guessed) || guessed == "x", "{refused}");
    }
    for (user, password, expected) in [
        ("", "x", "ADMIN_USER is not set"),
        ("me", "", "ADMIN_PASSWORD is not set"),
        ("a b", "x", "expected letters, digits, and . _ @ - only"),
        ("{$HOME}", "x", "expected letters, digits, and . _ @ - only"),
        ("grafana", "x", "which the database has as a user of its own"),
        ("me", "pass\nword", "a character that cannot be printed"),
        ("me", &"x".repeat(73), "at most 72"),
    ] {
        let refused = with(user, password, "127.0.0.1").expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}

#[test]
fn the_caddyfile_is_formatted_and_valid() {
    let Some(caddy) = tool(&["caddy"]) else { return };
    let file = repository().join("deploy/caddy/Caddyfile");
    let mut validate = Command::new(&caddy);
    validate
        .args(["validate", "--adapter", "caddyfile", "--config"])
        .arg(&file)
        .env("ADMIN_USER", "me");
    validate.env("ADMIN_LOGIN", LOGIN);
    let output = run(&mut validate);
    assert!(output.status.success(), "{}", said(&output));
    let formatted = run(Command::new(&caddy).arg("fmt").arg(&file));
    assert_eq!(String::from_utf8_lossy(&formatted.stdout), read("deploy/caddy/Caddyfile"));
    // Without user and password nobody could come in, and it says so rather than letting everybody in.
    let mut open = Command::new(&caddy);
    open.args(["validate", "--adapter", "caddyfile", "--config"]).arg(&file);
    let output = run(open.env_remove("ADMIN_USER").env_remove("ADMIN_LOGIN"));
    assert!(!output.status.success(), "a door without a lock is valid: {}", said(&output));
}
