//! Prometheus, Alertmanager and Caddy, real ones, for tests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use shadowline_testkit::{Program, tool};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long a port that was ours may be somebody else's before that is a failure.
const PORT_WITHIN: Duration = Duration::from_secs(30);
const TAKEN: &str = "address already in use";

/// A Prometheus of a test's own, to be stopped and started again on the same port and data. It dies with the test
/// process.
#[derive(Debug)]
pub struct Prometheus(Server);

impl Prometheus {
    /// Starts one on a free port and waits until it is ready; `None` if there is none on this machine, which has been
    /// said then. The paths of rule files are relative to the configuration's. `flags` are added to its own, such as
    /// `--web.external-url=/prometheus/`.
    ///
    /// # Panics
    /// If it does not start, with the end of its log: a configuration that it refuses, for example.
    pub async fn start(config: &Path, flags: &[&str]) -> Option<Self> {
        let program = tool(&["prometheus"])?;
        let mut fixed = vec![format!("--config.file={}", config.display())];
        fixed.extend(flags.iter().map(|&it| it.to_owned()));
        let server = Server::start(Kind::Prometheus, program, fixed).await;
        Some(Self(server.expect("start prometheus")))
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        self.0.url()
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Stops it in good order, and waits until it is gone.
    pub async fn stop(&mut self) {
        self.0.end("-TERM").await;
    }

    /// Kills it, and waits until it is gone.
    pub async fn kill(&mut self) {
        self.0.end("-KILL").await;
    }

    /// Starts it after a stop or a kill, on the same port and data, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_again(&mut self) {
        self.0.start_again().await.expect("start prometheus again");
    }
}

/// An Alertmanager of a test's own, to be stopped and started again on the same port and data. It dies with the test
/// process.
#[derive(Debug)]
pub struct Alertmanager(Server);

impl Alertmanager {
    /// Starts one on a free port and waits until it is ready; `None` if there is none on this machine, which has been
    /// said then. `flags` are added to its own, such as `--web.external-url=/alertmanager/`.
    ///
    /// # Panics
    /// If it does not start, with the end of its log: a configuration that it refuses, for example.
    pub async fn start(config: &Path, flags: &[&str]) -> Option<Self> {
        // Debian gave it a longer name.
        let program = tool(&["prometheus-alertmanager", "alertmanager"])?;
        let mut fixed = vec![format!("--config.file={}", config.display())];
        fixed.extend(flags.iter().map(|&it| it.to_owned()));
        let server = Server::start(Kind::Alertmanager, program, fixed).await;
        Some(Self(server.expect("start alertmanager")))
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        self.0.url()
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Stops it in good order, and waits until it is gone; its data stay.
    pub async fn stop(&mut self) {
        self.0.end("-TERM").await;
    }

    /// Kills it, and waits until it is gone; its data stay.
    pub async fn kill(&mut self) {
        self.0.end("-KILL").await;
    }

    /// Clears its data away, as if its disk was lost. It must have been stopped or killed.
    ///
    /// # Panics
    /// If it runs, or the data cannot be removed.
    pub fn lose_data(&self) {
        assert!(self.0.program.is_none(), "alertmanager still runs");
        std::fs::remove_dir_all(self.0.data()).expect("remove alertmanager's data");
    }

    /// Starts it after a stop or a kill, on the same port and data, and waits until it is ready.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_again(&mut self) {
        self.0.start_again().await.expect("start alertmanager again");
    }
}

/// A Caddy of a test's own. It dies with the test process.
#[derive(Debug)]
pub struct Caddy {
    port: u16,
    _program: Program,
    _dir: TempDir,
}

impl Caddy {
    /// Returns where Caddy is; `None` if there is none on this machine, which has been said then.
    pub fn program() -> Option<PathBuf> {
        tool(&["caddy"])
    }

    /// Starts one on a free port and waits until it serves. The command, made for a port and for a directory in which
    /// it may write, is how Caddy is started: `caddy run --config …`, or a script that ends with that.
    ///
    /// # Errors
    /// If it ends instead, with what it said.
    pub async fn start(command: impl Fn(u16, &Path) -> Command) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PORT_WITHIN;
        loop {
            let port = free_port()?;
            let dir = tempfile::Builder::new().prefix("shadowline-caddy-").tempdir()?;
            let mut command = command(port, dir.path());
            for (key, name) in [("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
                command.env(key, dir.path().join(name));
            }
            let mut program = Program::spawn("caddy", &command, dir.path())?;
            let serving = |line: &str| line.contains("serving initial configuration").then_some(());
            match program.line("it served", serving).await {
                Ok(()) => return Ok(Self { port, _program: program, _dir: dir }),
                // Somebody else may take a port between choosing it and using it.
                Err(_) if program.said().contains(TAKEN) && Instant::now() < deadline => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Prometheus,
    Alertmanager,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Alertmanager => "alertmanager",
        }
    }

    fn flags(self, data: &Path) -> Vec<String> {
        let data = data.display();
        match self {
            Self::Prometheus => vec![format!("--storage.tsdb.path={data}")],
            // Alone, so it looks for no others.
            Self::Alertmanager => {
                vec![format!("--storage.path={data}"), "--cluster.listen-address=".to_owned()]
            }
        }
    }

    /// The line by which it says that it answers.
    fn is_ready(self, line: &str) -> bool {
        match self {
            Self::Prometheus => line.contains("Server is ready to receive web requests"),
            Self::Alertmanager => line.contains("Listening on"),
        }
    }
}

/// What Prometheus and Alertmanager have in common: they choose a port themselves, and say which.
#[derive(Debug)]
struct Server {
    kind: Kind,
    path: PathBuf,
    flags: Vec<String>,
    port: u16,
    program: Option<Program>,
    dir: TempDir,
}

impl Server {
    async fn start(kind: Kind, path: PathBuf, flags: Vec<String>) -> anyhow::Result<Self> {
        let prefix = format!("shadowline-{}-", kind.name());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let mut server = Self { kind, path, flags, port: 0, program: None, dir };
        server.run().await?;
        Ok(server)
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        ensure!(self.program.is_none(), "it runs already");
        let deadline = Instant::now() + PORT_WITHIN;
        while let Err(error) = self.run().await {
            // The port was free for a while, and may be an outgoing connection's by now.
            if !format!("{error:#}").contains(TAKEN) || deadline < Instant::now() {
                return Err(error);
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts it on its port, or on any if it has none yet, and waits until it is ready.
    async fn run(&mut self) -> anyhow::Result<()> {
        let kind = self.kind;
        let mut command = Command::new(&self.path);
        command
            .args(&self.flags)
            .args(kind.flags(&self.data()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .current_dir(self.dir.path());
        let mut program = Program::spawn(kind.name(), &command, self.dir.path())?;
        let port = program.line("it listened", listening_port).await?;
        program.line("it was ready", |line| kind.is_ready(line).then_some(())).await?;
        if self.port != 0 && self.port != port {
            bail!("it listens on {port}; expected {}", self.port);
        }
        self.port = port;
        self.program = Some(program);
        Ok(())
    }

    async fn end(&mut self, signal: &str) {
        let Some(program) = self.program.take() else { return };
        program.end(signal).await.expect("end the program");
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Reads the port of a line such as `… msg="Listening on" address=127.0.0.1:46213`.
fn listening_port(line: &str) -> Option<u16> {
    let (_, address) = line.split_once("msg=\"Listening on\" address=127.0.0.1:")?;
    address.trim_end().parse().ok()
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("look for a free port")?;
    Ok(listener.local_addr()?.port())
}
