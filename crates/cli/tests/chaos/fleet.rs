//! The programs under test: started, killed and started again.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_stream::{Log, LogConfig, Received, Topics};
use shadowline_testkit::Program;
use tempfile::TempDir;

use crate::ledger::read_to_end;

/// The metric specs, and the monitors whose scores they judge.
pub(crate) const SPECS: [(&str, &str); 2] =
    [("by_forest", "forest"), ("by_neighbours", "neighbours")];

const READY_WITHIN: Duration = Duration::from_secs(60);
const WATCHING_WITHIN: Duration = Duration::from_secs(60);

/// The ports of one machine on which everything listens, before and after a kill, in the order of [`SERVICES`].
#[derive(Debug)]
struct Ports(Vec<ServicePorts>);

#[derive(Debug, Clone, Copy)]
struct ServicePorts {
    grpc: Option<u16>,
    http: u16,
}

/// The programs, and the log they share.
#[derive(Debug)]
pub(crate) struct Fleet {
    /// By victim; named before the directory, so that they have ended when that is removed.
    running: Vec<Option<Program>>,
    dir: TempDir,
    ports: Ports,
    kind: Kind,
    /// What the programs find in their environment besides ours.
    environment: Vec<(String, String)>,
    http: reqwest::Client,
}

#[derive(Debug)]
enum Kind {
    Processes { bootstrap_servers: String },
    OneProcess,
}

impl Fleet {
    /// Every service as a process of its own, on Apache Kafka.
    pub(crate) async fn processes(bootstrap_servers: &str, environment: &[(&str, &str)]) -> Self {
        let bootstrap_servers = bootstrap_servers.to_owned();
        Self::start(Kind::Processes { bootstrap_servers }, environment).await
    }

    /// `shadowline up`.
    pub(crate) async fn one_process(environment: &[(&str, &str)]) -> Self {
        Self::start(Kind::OneProcess, environment).await
    }

    async fn start(kind: Kind, environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().expect("make a temporary directory");
        let http = reqwest::Client::builder().no_proxy().build().expect("make a client");
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut fleet = Self {
            running: Vec::new(),
            dir,
            ports: Ports::free(),
            kind,
            environment: environment.collect(),
            http,
        };
        for victim in 0..fleet.n_victims() {
            let program = fleet.spawn(victim);
            fleet.running.push(Some(program));
        }
        fleet.all_ready().await;
        fleet
    }

    /// How many programs there are to be killed.
    pub(crate) fn n_victims(&self) -> usize {
        match self.kind {
            Kind::Processes { .. } => SERVICES.len(),
            Kind::OneProcess => 1,
        }
    }

    pub(crate) fn serving_grpc(&self) -> String {
        let grpc = self.ports.0[service_idx("serving")].grpc.expect("serving speaks gRPC");
        format!("http://127.0.0.1:{grpc}")
    }

    pub(crate) fn base(&self, service: &str) -> String {
        format!("http://127.0.0.1:{}", self.ports.0[service_idx(service)].http)
    }

    /// Trains a target model and both detectors on rows, installs them with a spec each, and waits until they watch.
    pub(crate) async fn install(&self, row: fn(usize) -> [f64; 3], over: &str) {
        let dir = self.dir.path();
        let mut csv = String::from("a,b,c,y\n");
        for row_idx in 0..1000 {
            let [a, b, c] = row(row_idx);
            let y = if 1.0 < a { "high" } else { "low" };
            writeln!(csv, "{a},{b},{c},{y}").expect("write to memory");
        }
        std::fs::write(dir.join("rows.csv"), csv).expect("write the training data");
        self.shadowline(&[
            "train",
            "logistic-regression",
            "--data",
            "rows.csv",
            "--label",
            "y",
            "--out",
            "target",
        ]);
        self.shadowline(&[
            "train",
            "isolation-forest",
            "--data",
            "rows.csv",
            "--label",
            "y",
            "--out",
            "forest",
        ]);
        self.shadowline(&[
            "train",
            "knn",
            "--data",
            "rows.csv",
            "--label",
            "y",
            "--out",
            "neighbours",
        ]);
        let specs: Vec<String> = SPECS
            .iter()
            .map(|(spec, monitor)| {
                format!(
                    "kind: MetricSpec\nname: {spec}\nmodel: {{name: target, version: \"*\"}}\n\
                     metric: {{monitor: {monitor}}}\nalert_when: {{operator: greater, threshold: 0.6}}\n\
                     {over}"
                )
            })
            .collect();
        std::fs::write(dir.join("specs.yaml"), specs.join("---\n")).expect("write the specs");
        self.ask(&[
            "apply",
            "-f",
            "target/serving.yaml",
            "forest/serving.yaml",
            "neighbours/serving.yaml",
            "specs.yaml",
        ]);
        for (service, (_, monitor)) in ["monitor-iforest", "monitor-knn"].into_iter().zip(SPECS) {
            let url = format!("{}/v1/watching", self.base(service));
            let what = format!("{monitor} to watch");
            shadowline_testkit::wait_for(&what, WATCHING_WITHIN, async || {
                self.get_url(&url)
                    .await
                    .is_some_and(|it| it["watching"].to_string().contains(monitor))
            })
            .await;
        }
    }

    /// Runs a command that asks the services, and returns what it prints.
    pub(crate) fn ask(&self, args: &[&str]) -> String {
        let mut servers = Vec::new();
        for (service, ports) in SERVICES.iter().zip(&self.ports.0) {
            servers.push(format!("--{}-url", service.name));
            servers.push(format!("http://127.0.0.1:{}", ports.http));
            if let Some(grpc) = ports.grpc {
                servers.push(format!("--{}-grpc-url", service.name));
                servers.push(format!("http://127.0.0.1:{grpc}"));
            }
        }
        let servers: Vec<_> = servers.iter().map(String::as_str).collect();
        self.shadowline(&[args, &servers].concat())
    }

    fn shadowline(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_shadowline"))
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .expect("run shadowline");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Kills one program with SIGKILL, and starts it again.
    pub(crate) async fn kill_and_restart(&mut self, victim: usize) {
        let program = self.running[victim].take().expect("it runs");
        program.end("-KILL").await.expect("kill a program");
        self.running[victim] = Some(self.spawn(victim));
        // Another kill may come before this one is ready; that is part of the test.
    }

    /// Starts a program; on the same ports and data when it ran before.
    fn spawn(&self, victim: usize) -> Program {
        let dir = self.dir.path();
        let listen = |key: &str, port: u16| format!("{key}=127.0.0.1:{port}");
        let mut set = Vec::new();
        let (mut command, name) = match &self.kind {
            Kind::OneProcess => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_shadowline"));
                command.arg("up").arg("--data-dir").arg(dir.join("data"));
                for (service, ports) in SERVICES.iter().zip(&self.ports.0) {
                    let key = service.key();
                    set.push(listen(&format!("{key}.http.listen"), ports.http));
                    set.extend(ports.grpc.map(|it| listen(&format!("{key}.grpc.listen"), it)));
                }
                (command, "up")
            }
            Kind::Processes { bootstrap_servers } => {
                let (service, ports) = (SERVICES[victim], self.ports.0[victim]);
                set.push("log.kind=kafka".to_owned());
                set.push(format!("log.bootstrap_servers={bootstrap_servers}"));
                set.push(listen("http.listen", ports.http));
                set.extend(ports.grpc.map(|it| listen("grpc.listen", it)));
                let keeps = service.keeps.expect("every service keeps something");
                set.push(format!("{}={}", keeps.setting, dir.join(keeps.place).display()));
                (Command::new(program(service.program)), service.name)
            }
        };
        for set in set {
            command.arg("--set").arg(set);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Program::spawn(name, &command, dir).expect("start a program")
    }

    async fn all_ready(&self) {
        for name in SERVICES.iter().map(|it| it.name) {
            let url = format!("{}/readyz", self.base(name));
            let what =
                format!("{name} to be ready; what it said is in {}", self.dir.path().display());
            shadowline_testkit::wait_for(&what, READY_WITHIN, async || {
                self.get_url(&url).await.is_some()
            })
            .await;
        }
    }

    /// Asks metric-specs; nothing if it does not answer well.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        self.get_url(&format!("{}{path}", self.base("metric-specs"))).await
    }

    async fn get_url(&self, url: &str) -> Option<Value> {
        let answer = self.http.get(url).send().await.ok()?;
        if answer.status().is_success() { answer.json().await.ok() } else { None }
    }

    /// Everything on a topic, with nothing left in a spool. The embedded log belongs to the one process, so that is
    /// stopped for it, and started again.
    pub(crate) async fn read(&mut self, topic: impl Fn(&Topics) -> Arc<str>) -> Vec<Received> {
        let topics = Topics::default();
        let config = match &self.kind {
            Kind::Processes { bootstrap_servers } => {
                // A stop in good order sends what is in the spool.
                let config = LogConfig::kafka(bootstrap_servers.clone());
                self.stop_one(0).await;
                config
            }
            Kind::OneProcess => {
                self.stop_one(0).await;
                LogConfig::embedded(self.dir.path().join("data").join("log"))
            }
        };
        let log = Log::open(&config).await.expect("open the log");
        let records = read_to_end(&log, &topic(&topics)).await;
        drop(log);
        self.running[0] = Some(self.spawn(0));
        self.all_ready().await;
        records
    }

    async fn stop_one(&mut self, victim: usize) {
        let program = self.running[victim].take().expect("it runs");
        let said = program.end_of_log();
        let ended = program.end("-TERM").await.expect("stop a program");
        assert!(ended.success(), "a stop in good order ended with {ended}; before that:\n{said}");
    }

    /// Stops every program in good order.
    pub(crate) async fn stop(&mut self) {
        for victim in 0..self.running.len() {
            self.stop_one(victim).await;
        }
        self.running.clear();
    }
}

impl Ports {
    fn free() -> Self {
        // All are held until all are known, so that they differ.
        let mut held = Vec::new();
        let mut free = || {
            let listener = TcpListener::bind("127.0.0.1:0").expect("bind a port");
            let port = listener.local_addr().expect("its address").port();
            held.push(listener);
            port
        };
        Self(
            SERVICES
                .iter()
                .map(|it| ServicePorts { grpc: it.grpc.map(|_| free()), http: free() })
                .collect(),
        )
    }
}

/// The place of a service in the table.
fn service_idx(name: &str) -> usize {
    SERVICES.iter().position(|it| it.name == name).expect("a service of the table")
}

/// A service's binary, which is built beside the program `shadowline`.
fn program(name: &str) -> PathBuf {
    let shadowline = Path::new(env!("CARGO_BIN_EXE_shadowline"));
    let path = shadowline.with_file_name(name);
    assert!(
        path.exists(),
        "{} is not built; `cargo build --release --workspace --bins` does",
        path.display()
    );
    path
}
