//! A real Apache Kafka node for tests.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use shadowline_stream::{Log, LogConfig};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::skip::{say, skip};

const NEEDS: &str = "Apache Kafka";

/// A node of a test's own, to be stopped, killed and started again on the same port and data. It
/// dies with the test process, however that ends.
#[derive(Debug)]
pub struct KafkaNode {
    port: u16,
    controller_port: u16,
    dir: TempDir,
    libs: PathBuf,
    process: Mutex<Option<Process>>,
}

/// The shell that watches over the node, and the node.
#[derive(Debug)]
struct Process {
    watchdog: Child,
    java_pid: u32,
}

/// Runs the node and kills it as soon as standard input ends, which is when we are gone.
const WATCHDOG: &str = r#"
exec 3<&0
java "$@" </dev/null >>"$LOG" 2>&1 &
java=$!
echo "$java"
exec >/dev/null 2>&1
( read -r _ <&3; trap '' TERM; kill -9 "$java"; rm -rf "$DIR" ) &
watcher=$!
wait "$java"
kill "$watcher"
"#;

const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The node that all tests of this process share.
static SHARED: OnceCell<Option<Shared>> = OnceCell::const_new();

#[derive(Debug)]
struct Shared {
    bootstrap_servers: String,
    /// Lives as long as the process.
    _node: Option<KafkaNode>,
}

impl KafkaNode {
    /// A node of the test's own; `None` if there can be none, which has been said then.
    pub async fn start_own() -> Option<Self> {
        match Self::start_new().await {
            Ok(node) => Some(node),
            Err(error) => {
                skip(NEEDS, &error);
                None
            }
        }
    }

    /// The address of the node that the tests of this process share.
    pub(crate) async fn shared() -> Option<String> {
        let shared = SHARED
            .get_or_init(|| async {
                if let Ok(bootstrap_servers) = std::env::var("SHADOWLINE_TEST_KAFKA") {
                    return Some(Shared { bootstrap_servers, _node: None });
                }
                let node = Self::start_new().await.inspect_err(|error| skip(NEEDS, error)).ok()?;
                Some(Shared { bootstrap_servers: node.bootstrap_servers(), _node: Some(node) })
            })
            .await;
        if shared.is_none() {
            skip(NEEDS, &anyhow::anyhow!("there is no node"));
        }
        shared.as_ref().map(|it| it.bootstrap_servers.clone())
    }

    async fn start_new() -> anyhow::Result<Self> {
        let libs = tokio::task::spawn_blocking(jars).await??;
        let mut last_error = None;
        // Somebody else may take a port between choosing it and using it.
        for _ in 0..5 {
            let (port, controller_port) = free_ports()?;
            let dir = tempfile::Builder::new().prefix("shadowline-kafka-").tempdir()?;
            let node =
                Self { port, controller_port, dir, libs: libs.clone(), process: Mutex::new(None) };
            node.format().await?;
            match node.start().await {
                Ok(()) => return Ok(node),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| anyhow::anyhow!("never tried")))
    }

    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts it after a stop or a kill, and waits until it answers.
    ///
    /// # Errors
    /// If it does not, with the end of its log.
    pub async fn start(&self) -> anyhow::Result<()> {
        ensure!(self.process.lock().is_none(), "the node runs already");
        let process = self.spawn().context("start java")?;
        *self.process.lock() = Some(process);
        let log = Log::open(&LogConfig::kafka(self.bootstrap_servers())).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        while log.reachable(Duration::from_secs(1)).await.is_err() {
            if self.has_ended() {
                bail!("kafka ended while starting:\n{}", self.end_of_log());
            }
            if Instant::now() > deadline {
                bail!("kafka did not answer within {START_TIMEOUT:?}:\n{}", self.end_of_log());
            }
        }
        Ok(())
    }

    /// Stops it in good order (SIGTERM), and waits until it is gone.
    pub async fn stop(&self) {
        self.end("-TERM").await;
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    pub async fn kill(&self) {
        self.end("-KILL").await;
    }

    async fn end(&self, signal: &str) {
        let Some(mut process) = self.process.lock().take() else { return };
        let pid = process.java_pid.to_string();
        let status = Command::new("kill").args([signal, &pid]).status().expect("run kill");
        assert!(status.success(), "kill {signal} {pid} failed");
        let wait = move || {
            // `wait` would close it, and then the watchdog would clear the data away.
            let stdin = process.watchdog.stdin.take();
            let ended = process.watchdog.wait();
            drop(stdin);
            ended
        };
        tokio::task::spawn_blocking(wait)
            .await
            .expect("waiting does not panic")
            .expect("wait for kafka to end");
    }

    fn has_ended(&self) -> bool {
        let mut process = self.process.lock();
        let ended = match process.as_mut() {
            Some(process) => !matches!(process.watchdog.try_wait(), Ok(None)),
            None => true,
        };
        if ended {
            *process = None;
        }
        ended
    }

    fn spawn(&self) -> anyhow::Result<Process> {
        let dir = self.dir.path();
        let mut watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "kafka", "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC"])
            .args(["-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
            .arg("-cp")
            .arg(class_path(&self.libs))
            .arg("kafka.Kafka")
            .arg(dir.join("server.properties"))
            .env("LOG", dir.join("kafka.log"))
            .env("DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = watchdog.stdout.take().context("the watchdog has a standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let java_pid = line.trim().parse().with_context(|| format!("process id `{line}`"))?;
        Ok(Process { watchdog, java_pid })
    }

    async fn format(&self) -> anyhow::Result<()> {
        let dir = self.dir.path();
        let template = repository().join("deploy/kafka/server.properties");
        let properties = std::fs::read_to_string(&template)
            .with_context(|| format!("read {}", template.display()))?
            .replace("@PORT@", &self.port.to_string())
            .replace("@CONTROLLER_PORT@", &self.controller_port.to_string())
            .replace("@DATA@", &dir.join("data").to_string_lossy());
        let path = dir.join("server.properties");
        std::fs::write(&path, properties)?;
        let mut command = Command::new("java");
        command
            .args(["-XX:TieredStopAtLevel=1", "-cp"])
            .arg(class_path(&self.libs))
            .args(["kafka.tools.StorageTool", "format", "--standalone", "-t"])
            // Any 16 bytes in base 64; each node is a cluster of its own.
            .args(["c2hhZG93bGluZS10ZXN0cw", "-c"])
            .arg(path);
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "format kafka's storage: {said}");
        Ok(())
    }

    fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.dir.path().join("kafka.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for KafkaNode {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.lock().take() {
            // The watchdog kills the node when its standard input ends.
            drop(process.watchdog.stdin.take());
            if let Err(error) = process.watchdog.wait() {
                say(&format!("kafka was not waited for: {error}"));
            }
        }
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn class_path(libs: &Path) -> String {
    format!("{}/*", libs.display())
}

/// The directory of Kafka's jars, which are fetched if they are not there yet.
fn jars() -> anyhow::Result<PathBuf> {
    let java = Command::new("java").arg("-version").stderr(Stdio::null()).status();
    ensure!(java.is_ok_and(|it| it.success()), "there is no Java");
    let script = repository().join("deploy/kafka/run.sh");
    let output = Command::new(&script)
        .arg("jars")
        .output()
        .with_context(|| format!("run {}", script.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(repository().join(".kafka/libs"))
}

fn free_ports() -> anyhow::Result<(u16, u16)> {
    // Both are held until both are known, so that they differ.
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}
