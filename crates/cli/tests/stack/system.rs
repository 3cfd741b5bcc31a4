//! Apache Kafka, PostgreSQL and every service as a process of its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use shadowline_services::SERVICES;
use shadowline_testkit::{Program, wait_for};
use shadowline_testkit_stack::{KafkaNode, PostgresServer};
use tempfile::TempDir;

use crate::traffic;

/// The model that is watched, and what watches it.
pub(crate) const MODEL: &str = "target";
pub(crate) const FOREST: &str = "forest";
pub(crate) const NEIGHBOURS: &str = "neighbours";
/// A model that nothing watches.
pub(crate) const UNWATCHED: &str = "unwatched";

/// The room of the spool: little, so that a test can fill it.
pub(crate) const SPOOL_BYTES: usize = 8 * 1024 * 1024;
const READY_WITHIN: Duration = Duration::from_secs(120);
/// As long as a cloud's own; it stands in no address and on no command line.
const STORE_PASSWORD: &str = "the store's, only for tests";
const GRAFANA_PASSWORD: &str = "grafana-only-for-tests";

/// The system, as an operator has it without the stack.
#[derive(Debug)]
pub(crate) struct System {
    services: BTreeMap<&'static str, Service>,
    alertmanagers: Vec<String>,
    pub(crate) http: reqwest::Client,
    pub(crate) postgres: PostgresServer,
    pub(crate) kafka: KafkaNode,
    dir: TempDir,
}

#[derive(Debug)]
struct Service {
    /// None once it was stopped.
    program: Option<Program>,
    ports: Ports,
}

/// Where a service listens; zero takes any free port.
#[derive(Debug, Clone, Copy, Default)]
struct Ports {
    http: u16,
    grpc: u16,
}

impl System {
    /// Starts everything; `None` if Apache Kafka or PostgreSQL cannot be had, which has been said then.
    pub(crate) async fn start(alertmanagers: &[String]) -> Option<Self> {
        let postgres = PostgresServer::start().await?;
        let kafka = KafkaNode::start_own().await?;
        let dir = tempfile::tempdir().expect("make a temporary directory");
        let http = reqwest::Client::builder().no_proxy().build().expect("make a client");
        let mut system = Self {
            services: BTreeMap::new(),
            alertmanagers: alertmanagers.to_vec(),
            http,
            postgres,
            kafka,
            dir,
        };
        system.prepare_database();
        for name in SERVICES.iter().map(|it| it.name) {
            let service = system.spawn(name, Ports::default()).await;
            system.services.insert(name, service);
        }
        system.all_ready().await;
        Some(system)
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A service's HTTP address, as `127.0.0.1:8010`.
    pub(crate) fn address(&self, service: &str) -> String {
        format!("127.0.0.1:{}", self.services[service].ports.http)
    }

    pub(crate) fn base(&self, service: &str) -> String {
        format!("http://{}", self.address(service))
    }

    pub(crate) fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.services["serving"].ports.grpc)
    }

    #[allow(dead_code, reason = "the benchmark of a system at rest uses it")]
    pub(crate) fn process_id(&self, service: &str) -> u32 {
        self.services[service].program.as_ref().expect("it runs").process_id()
    }

    /// The database as Grafana opens it: as the role that only reads.
    pub(crate) fn database_of_grafana(&self) -> String {
        let port = self.postgres.port();
        format!("postgres://grafana:{GRAFANA_PASSWORD}@127.0.0.1:{port}/shadowline")
    }

    /// Runs what deploy/ runs when PostgreSQL starts.
    fn prepare_database(&self) {
        let dir = self.dir.path();
        let [store, grafana] =
            [("store", STORE_PASSWORD), ("grafana", GRAFANA_PASSWORD)].map(|(role, password)| {
                let path = dir.join(format!("{role}.password"));
                std::fs::write(&path, password).expect("write a password");
                path
            });
        let output = Command::new("psql")
            .args(["--no-psqlrc", "--quiet", "--file"])
            .arg(repository().join("deploy/postgres/init.sql"))
            .arg(self.postgres.url())
            .env("STORE_PASSWORD_FILE", store)
            .env("GRAFANA_PASSWORD_FILE", grafana)
            .output()
            .expect("run psql");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "deploy/postgres/init.sql: {said}");
    }

    async fn spawn(&self, name: &'static str, ports: Ports) -> Service {
        let dir = self.dir.path();
        let data = dir.join(name);
        let mut set = vec![
            "log.kind=kafka".to_owned(),
            format!("log.bootstrap_servers={}", self.kafka.bootstrap_servers()),
            format!("http.listen=127.0.0.1:{}", ports.http),
            "telemetry.format=json".to_owned(),
        ];
        match name {
            "serving" => {
                set.push(format!("grpc.listen=127.0.0.1:{}", ports.grpc));
                set.push(format!("data_dir={}", data.display()));
                set.push(format!("spool.max_bytes={SPOOL_BYTES}"));
                set.push(format!("spool.segment_bytes={}", SPOOL_BYTES / 16));
            }
            "metric-specs" => {
                let port = self.postgres.port();
                set.push(format!("store=postgres://shadowline@127.0.0.1:{port}/shadowline"));
                let file = dir.join("store.password");
                set.push(format!("store_password_file={}", file.display()));
                let urls: Vec<_> =
                    self.alertmanagers.iter().map(|it| format!("\"{it}\"")).collect();
                set.push(format!("alertmanager.urls=[{}]", urls.join(", ")));
                // Alerts are ahead of their end by four of these.
                set.push("alertmanager.resend_every=5s".to_owned());
            }
            _ => set.push(format!("packages_dir={}", data.display())),
        }
        let mut command = Command::new(program(name));
        for set in set {
            command.arg("--set").arg(set);
        }
        // What is read below must be in what it says.
        command.env_remove("RUST_LOG");
        let mut program = Program::spawn(name, &command, dir).expect("start a service");
        let mut ports = Ports::default();
        let listens = |line: &str| {
            ports.read(line);
            (ports.http != 0 && (ports.grpc != 0 || name != "serving")).then_some(ports)
        };
        let ports = program.line("it said where it listens", listens).await.expect("it listens");
        Service { program: Some(program), ports }
    }

    pub(crate) async fn all_ready(&self) {
        for name in SERVICES.iter().map(|it| it.name) {
            let url = format!("{}/readyz", self.base(name));
            wait_for(&format!("{name} to be ready"), READY_WITHIN, async || {
                let answer = self.http.get(&url).send().await;
                answer.is_ok_and(|it| it.status().is_success())
            })
            .await;
        }
    }

    /// Stops a service in good order.
    pub(crate) async fn stop(&mut self, name: &str) {
        let service = self.services.get_mut(name).expect("a service");
        let program = service.program.take().expect("it runs");
        let status = program.end("-TERM").await.expect("stop a service");
        assert!(status.success(), "{name} ended with {status}");
    }

    /// Starts a service that was stopped, on the same ports and data, and waits until it is ready.
    pub(crate) async fn start_again(&mut self, name: &'static str) {
        let ports = self.services[name].ports;
        let service = self.spawn(name, ports).await;
        self.services.insert(name, service);
        self.all_ready().await;
    }

    /// Trains a target model and both detectors, installs them with these specs, and waits until they watch.
    pub(crate) async fn install(&self, specs: &[Value]) {
        let dir = self.dir.path();
        let mut csv = String::from("a,b,c,y\n");
        for row_idx in 0..1000 {
            let [a, b, c] = traffic::ordinary(row_idx);
            let y = if 1.0 < a { "high" } else { "low" };
            writeln!(csv, "{a},{b},{c},{y}").expect("write to memory");
        }
        std::fs::write(dir.join("rows.csv"), csv).expect("write the training data");
        for (kind, out) in
            [("logistic-regression", MODEL), ("isolation-forest", FOREST), ("knn", NEIGHBOURS)]
        {
            self.shadowline(&["train", kind, "--data", "rows.csv", "--label", "y", "--out", out])
                .await;
        }
        self.copy_package(MODEL, UNWATCHED);
        let documents: Vec<_> = specs.iter().map(|it| format!("{it:#}\n")).collect();
        std::fs::write(dir.join("specs.yaml"), documents.join("---\n")).expect("write the specs");
        let packages =
            [MODEL, UNWATCHED, FOREST, NEIGHBOURS].map(|it| format!("{it}/serving.yaml"));
        let mut apply = vec!["apply", "-f"];
        apply.extend(packages.iter().map(String::as_str));
        apply.push("specs.yaml");
        self.shadowline(&apply).await;
        for (service, monitor) in [("monitor-iforest", FOREST), ("monitor-knn", NEIGHBOURS)] {
            wait_for(&format!("{monitor} to watch"), READY_WITHIN, async || {
                let watching = self.get(service, "/v1/watching").await;
                watching.is_some_and(|it| it["watching"].to_string().contains(monitor))
            })
            .await;
        }
    }

    /// Makes the same model under another name.
    fn copy_package(&self, from: &str, to: &str) {
        let [from_dir, to_dir] = [from, to].map(|it| self.dir.path().join(it));
        std::fs::create_dir(&to_dir).expect("make a directory for a package");
        for file in std::fs::read_dir(&from_dir).expect("read a package").flatten() {
            let copy = to_dir.join(file.file_name());
            std::fs::copy(file.path(), copy).expect("copy a file of a package");
        }
        let path = to_dir.join("serving.yaml");
        let text = std::fs::read_to_string(&path).expect("read serving.yaml");
        let renamed = text.replace(&format!("name: {from}\n"), &format!("name: {to}\n"));
        assert_ne!(text, renamed, "serving.yaml does not name `{from}` as was expected: {text}");
        std::fs::write(&path, renamed).expect("write serving.yaml");
    }

    /// Runs the command line against the services.
    pub(crate) async fn shadowline(&self, args: &[&str]) -> String {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_shadowline"));
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        if matches!(args.first(), Some(&("apply" | "replay" | "status"))) {
            let mut endpoints = serde_json::Map::new();
            for service in SERVICES {
                let mut addresses = json!({"http": self.base(service.name)});
                if service.grpc.is_some() {
                    addresses["grpc"] = self.grpc().into();
                }
                endpoints.insert(service.key(), addresses);
            }
            let endpoints = serde_json::Value::from(endpoints);
            let path = self.dir.path().join("endpoints.json");
            std::fs::write(&path, endpoints.to_string()).expect("write the endpoints");
            command.arg("--endpoints").arg(path);
        }
        let output = command.output().await.expect("run shadowline");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "shadowline {args:?}: {said}");
        String::from_utf8(output.stdout).expect("it prints UTF-8")
    }

    /// Asks a service; nothing if it does not answer well.
    pub(crate) async fn get(&self, service: &str, path: &str) -> Option<Value> {
        let answer = self.http.get(format!("{}{path}", self.base(service))).send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// The state of a metric spec's alert.
    pub(crate) async fn state_of(&self, spec: &str) -> Option<String> {
        let answer = self.get("metric-specs", &format!("/v1/alerts?spec={spec}")).await?;
        answer["alerts"][0]["state"].as_str().map(str::to_owned)
    }
}

impl Ports {
    /// Reads of a line of a service's log where it listens, if it says so.
    fn read(&mut self, line: &str) {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let port = |key: &str| event[key].as_str()?.rsplit(':').next()?.parse().ok();
        self.http = port("http").unwrap_or(self.http);
        self.grpc = port("grpc").unwrap_or(self.grpc);
    }
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A service's binary, which is built beside the program `shadowline`.
pub(crate) fn program(service: &str) -> PathBuf {
    let shadowline = Path::new(env!("CARGO_BIN_EXE_shadowline"));
    let path = shadowline.with_file_name(format!("shadowline-{service}"));
    let build = "cargo build --release --workspace --bins";
    assert!(path.exists(), "{} is not built; `{build}` does", path.display());
    path
}
