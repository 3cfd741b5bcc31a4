//! A real Apache Kafka node for tests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use shadowline_stream::{Log, LogConfig};
use shadowline_testkit::{Program, quick_leaves_out, skip};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::Instant;

const NEEDS: &str = "Apache Kafka";
/// The address of a node for all tests of a run.
const SHARED_BY_RUN: &str = "SHADOWLINE_TEST_KAFKA";

/// A node of a test's own, to be stopped, killed and started again on the same port and data. It
/// dies with the test process, however that ends.
#[derive(Debug)]
pub struct KafkaNode {
    /// Named before the directory, so that it has ended when that is removed.
    program: Mutex<Option<Program>>,
    port: u16,
    controller_port: u16,
    /// Where users are asked for their password, on a node that has any.
    users_port: Option<u16>,
    dir: TempDir,
    libs: PathBuf,
}

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
        if quick_leaves_out(NEEDS) {
            return None;
        }
        Self::start_new().await.inspect_err(|error| skip(NEEDS, error)).ok()
    }

    /// A node of the test's own with users who have to say who they are, by SASL's PLAIN at
    /// [`users_address`](Self::users_address): `reader` with the password `right`, who has no right on anything. At
    /// [`bootstrap_servers`](Self::bootstrap_servers) nobody is asked, and everything is allowed.
    pub async fn start_with_users() -> Option<Self> {
        if quick_leaves_out(NEEDS) {
            return None;
        }
        Self::start_one(true).await.inspect_err(|error| skip(NEEDS, error)).ok()
    }

    /// Where users are asked for their password.
    ///
    /// # Panics
    /// On a node without users.
    pub fn users_address(&self) -> String {
        format!("127.0.0.1:{}", self.users_port.expect("a node with users"))
    }

    /// The address of the node that all tests of a run share, if there is one.
    pub fn shared_by_run() -> Option<String> {
        std::env::var(SHARED_BY_RUN).ok()
    }

    /// Names the node for all tests of a run that a command starts.
    pub fn share_with(&self, command: &mut Command) {
        command.env(SHARED_BY_RUN, self.bootstrap_servers());
    }

    /// The address of the node that the tests of this process share.
    pub(crate) async fn shared() -> Option<String> {
        if quick_leaves_out(NEEDS) {
            return None;
        }
        let shared = SHARED
            .get_or_init(|| async {
                if let Some(bootstrap_servers) = Self::shared_by_run() {
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
        Self::start_one(false).await
    }

    async fn start_one(with_users: bool) -> anyhow::Result<Self> {
        let libs = tokio::task::spawn_blocking(jars).await??;
        let mut last_error = None;
        // Somebody else may take a port between choosing it and using it.
        for _ in 0..5 {
            let [port, controller_port, users_port] = free_ports()?;
            let users_port = with_users.then_some(users_port);
            let dir = tempfile::Builder::new().prefix("shadowline-kafka-").tempdir()?;
            let (libs, program) = (libs.clone(), Mutex::new(None));
            let node = Self { port, controller_port, users_port, dir, libs, program };
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
        ensure!(self.program.lock().is_none(), "the node runs already");
        let program = self.spawn()?;
        *self.program.lock() = Some(program);
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
        let Some(program) = self.program.lock().take() else { return };
        program.end(signal).await.expect("end kafka");
    }

    fn has_ended(&self) -> bool {
        let mut program = self.program.lock();
        let ended = program.as_mut().is_none_or(Program::has_ended);
        if ended {
            *program = None;
        }
        ended
    }

    fn spawn(&self) -> anyhow::Result<Program> {
        let dir = self.dir.path();
        let mut java = Command::new("java");
        java.args(["-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp"])
            .arg(class_path(&self.libs))
            .arg("kafka.Kafka")
            .arg(dir.join("server.properties"));
        Program::spawn("kafka", &java, dir)
    }

    async fn format(&self) -> anyhow::Result<()> {
        let dir = self.dir.path();
        let template = repository().join("deploy/kafka/server.properties");
        let properties = std::fs::read_to_string(&template)
            .with_context(|| format!("read {}", template.display()))?
            .replace("@PORT@", &self.port.to_string())
            .replace("@CONTROLLER_PORT@", &self.controller_port.to_string())
            .replace("@DATA@", &dir.join("data").to_string_lossy());
        let users = self.users_port.map(|it| users(self.port, self.controller_port, it));
        let path = dir.join("server.properties");
        // Of what is there twice, the last counts.
        std::fs::write(&path, properties + &users.unwrap_or_default())?;
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

/// The properties of a node that asks users for their password, at a port of their own.
fn users(port: u16, controller_port: u16, users_port: u16) -> String {
    let own = format!("PLAINTEXT://127.0.0.1:{port}");
    let theirs = format!("USERS://127.0.0.1:{users_port}");
    format!(
        "\nlisteners={own},{theirs},CONTROLLER://127.0.0.1:{controller_port}\n\
         advertised.listeners={own},{theirs},CONTROLLER://127.0.0.1:{controller_port}\n\
         listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,USERS:SASL_PLAINTEXT\n\
         sasl.enabled.mechanisms=PLAIN\n\
         listener.name.users.plain.sasl.jaas.config=\
         org.apache.kafka.common.security.plain.PlainLoginModule required user_reader=\"right\";\n\
         authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
         super.users=User:ANONYMOUS\n"
    )
}

fn free_ports() -> anyhow::Result<[u16; 3]> {
    // All are held until all are known, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0"));
    let mut ports = [0; 3];
    for (port, held) in ports.iter_mut().zip(&held) {
        let held = held.as_ref().map_err(|error| anyhow::anyhow!("no free port: {error}"))?;
        *port = held.local_addr()?.port();
    }
    Ok(ports)
}
