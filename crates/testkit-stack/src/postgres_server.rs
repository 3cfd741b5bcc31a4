//! A real PostgreSQL server for tests.

use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use parking_lot::Mutex;
use shadowline_testkit::{Program, quick_leaves_out, skip};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use uuid::Uuid;

const USER: &str = "postgres";
/// Not a secret: the server listens on this machine only, and lives as long as a test.
const PASSWORD: &str = "only-for-tests";
const DATABASE: &str = "test";
const NEEDS: &str = "PostgreSQL (make stack-tools)";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of a server for all tests of a run, with a database that is there.
const SHARED_BY_RUN: &str = "SHADOWLINE_TEST_POSTGRES";

/// The server that all tests of this process share.
static SHARED: OnceCell<Option<Shared>> = OnceCell::const_new();

/// A server of a test's own, from Debian's package `postgresql`, to be stopped, killed and started again on the same
/// port and data. It dies with the test process, however that ends.
///
/// It listens on 127.0.0.1 only, asks for a password, and leaves flushing to the operating system: what was committed
/// outlives the server, as long as the machine runs on.
#[derive(Debug)]
pub struct PostgresServer {
    /// Named before the directory, so that it has ended when that is removed.
    program: Mutex<Option<Program>>,
    port: u16,
    dir: TempDir,
    programs: PathBuf,
    settings: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    url: String,
    /// Lives as long as the process.
    _server: Option<PostgresServer>,
}

impl PostgresServer {
    /// Starts a server with an empty database; `None` if there can be none, which has been said then.
    ///
    /// # Panics
    /// In CI (`CI=true`) if there can be none.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// As [`start`](Self::start), with more of the server's settings, such as `max_connections=5`.
    ///
    /// # Panics
    /// In CI (`CI=true`) if there can be none.
    pub async fn start_with(settings: &[&str]) -> Option<Self> {
        if quick_leaves_out(NEEDS) {
            return None;
        }
        let settings: Vec<_> = settings.iter().map(|it| (*it).to_owned()).collect();
        Self::start_new(settings).await.inspect_err(|error| skip(NEEDS, error)).ok()
    }

    /// Returns the address of a new, empty database on the server that the tests of this process share; `None` if
    /// there can be none, which has been said then.
    ///
    /// # Panics
    /// In CI (`CI=true`) if there can be none.
    pub async fn shared_database() -> Option<String> {
        if quick_leaves_out(NEEDS) {
            return None;
        }
        let shared = SHARED
            .get_or_init(async || {
                if let Some(url) = Self::shared_by_run() {
                    return Some(Shared { url, _server: None });
                }
                let server = Self::start_new(Vec::new()).await;
                let server = server.inspect_err(|error| skip(NEEDS, error)).ok()?;
                Some(Shared { url: server.url(), _server: Some(server) })
            })
            .await;
        let Some(server) = shared else {
            skip(NEEDS, &anyhow::anyhow!("there is no server"));
            return None;
        };
        let name = format!("test_{}", Uuid::new_v4().simple());
        psql(&server.url, &format!("CREATE DATABASE {name}")).await.expect("a database is made");
        let (address, _) = server.url.rsplit_once('/').expect("the address ends with a database");
        Some(format!("{address}/{name}"))
    }

    /// The address of the server that all tests of a run share, if there is one.
    pub fn shared_by_run() -> Option<String> {
        std::env::var(SHARED_BY_RUN).ok()
    }

    /// Names the server for all tests of a run that a command starts.
    pub fn share_with(&self, command: &mut Command) {
        command.env(SHARED_BY_RUN, self.url());
    }

    /// Returns the address of its database, password included.
    pub fn url(&self) -> String {
        self.url_of(DATABASE)
    }

    /// Returns the port, on 127.0.0.1.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the directory of the test's own beside the data; it goes when the server does.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs SQL in its database as its owner, and returns what `psql` prints: a row a line, columns parted by `|`.
    ///
    /// # Errors
    /// If the server does not answer or refuses, with its words.
    pub async fn psql(&self, sql: &str) -> anyhow::Result<String> {
        psql(&self.url(), sql).await
    }

    /// Stops it in good order: no new connections, and those that there are end.
    ///
    /// # Panics
    /// If there is no program `kill`.
    pub async fn stop(&self) {
        self.end("-INT").await;
    }

    /// Kills it (SIGKILL), and waits until it is gone.
    ///
    /// # Panics
    /// If there is no program `kill`.
    pub async fn kill(&self) {
        self.end("-KILL").await;
    }

    /// Starts it on the same port and data, after stopping it if it runs, and waits until it answers.
    ///
    /// # Errors
    /// If it does not, with the end of its log.
    pub async fn restart(&self) -> anyhow::Result<()> {
        self.stop().await;
        let deadline = Instant::now() + START_TIMEOUT;
        // The processes of a killed server hold its memory for a moment.
        loop {
            let error = match self.launch(deadline).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if Instant::now() > deadline || !format!("{error:#}").contains("still in use") {
                return Err(error);
            }
        }
    }

    async fn start_new(settings: Vec<String>) -> anyhow::Result<Self> {
        let programs = programs()?;
        let mut last_error = None;
        // Somebody else may take a port between choosing it and using it.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let dir = tempfile::Builder::new().prefix("shadowline-postgres-").tempdir()?;
            let server = Self {
                port,
                dir,
                programs: programs.clone(),
                settings: settings.clone(),
                program: Mutex::new(None),
            };
            server.init().await?;
            match server.launch(Instant::now() + START_TIMEOUT).await {
                Ok(()) => {
                    let maintenance = server.url_of("postgres");
                    psql(&maintenance, &format!("CREATE DATABASE {DATABASE}")).await?;
                    return Ok(server);
                }
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.unwrap_or_else(|| anyhow::anyhow!("never tried")))
    }

    /// Makes the data directory.
    async fn init(&self) -> anyhow::Result<()> {
        let dir = self.dir.path();
        let password = dir.join("password");
        std::fs::write(&password, PASSWORD)?;
        if let Some((uid, gid)) = server_user(dir)? {
            for path in [dir, &password] {
                chown(path, Some(uid), Some(gid))
                    .with_context(|| format!("give {} to user {uid}", path.display()))?;
            }
        }
        let mut command = self.as_server("initdb")?;
        command
            .arg("--pgdata")
            .arg(self.data())
            .args(["--username", USER, "--auth", "scram-sha-256", "--encoding", "UTF8"])
            .args(["--locale", "C", "--no-sync", "--no-instructions", "--pwfile"])
            .arg(password);
        let output = run(command).await.context("run initdb")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "initdb: {said}");
        Ok(())
    }

    async fn launch(&self, deadline: Instant) -> anyhow::Result<()> {
        ensure!(self.program.lock().is_none(), "the server runs already");
        let program = self.spawn()?;
        *self.program.lock() = Some(program);
        loop {
            let mut command = Command::new(self.programs.join("pg_isready"));
            command.args(["--host", "127.0.0.1", "--port", &self.port.to_string()]);
            // Ours, and not of somebody who has taken the port: that one does not write our log.
            let answers = run(command).await?.status.success();
            if self.has_ended() {
                bail!("postgres ended while starting:\n{}", self.end_of_log());
            }
            if answers {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("postgres did not answer within {START_TIMEOUT:?}:\n{}", self.end_of_log());
            }
        }
    }

    fn spawn(&self) -> anyhow::Result<Program> {
        let mut server = self.as_server("postgres")?;
        server.arg("-D").arg(self.data());
        let port = format!("port={}", self.port);
        let settings = [
            "listen_addresses=127.0.0.1",
            port.as_str(),
            "unix_socket_directories=",
            "fsync=off",
            "shared_buffers=64MB",
            "log_min_messages=warning",
        ];
        for setting in settings.into_iter().chain(self.settings.iter().map(String::as_str)) {
            server.args(["-c", setting]);
        }
        // Of this start only: what an earlier one said is no reason why this one fails.
        drop(std::fs::File::create(self.log())?);
        Program::spawn("postgres", &server, self.dir.path())
    }

    async fn end(&self, signal: &str) {
        let Some(program) = self.program.lock().take() else { return };
        program.end(signal).await.expect("end postgres");
    }

    fn has_ended(&self) -> bool {
        let mut program = self.program.lock();
        let ended = program.as_mut().is_none_or(Program::has_ended);
        if ended {
            *program = None;
        }
        ended
    }

    /// A program of the server, as the user that may run it: it refuses to be root.
    fn as_server(&self, program: &str) -> anyhow::Result<Command> {
        let program = self.programs.join(program);
        let dir = self.dir.path();
        let mut command = match server_user(dir)? {
            None => Command::new(program),
            Some((uid, gid)) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={uid}")).arg(format!("--regid={gid}"));
                command.args(["--clear-groups", "--"]).arg(program);
                command
            }
        };
        command.current_dir("/");
        Ok(command)
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("postgres.log")
    }

    fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// Runs SQL in any database; see [`PostgresServer::psql`].
///
/// # Errors
/// If the server does not answer or refuses, with its words.
pub async fn psql(url: &str, sql: &str) -> anyhow::Result<String> {
    let mut command = Command::new("psql");
    command.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"]);
    command.args(["--set", "ON_ERROR_STOP=1", "--command", sql, url]);
    let output = run(command).await.context("run psql")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "psql: {}", said.trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

async fn run(mut command: Command) -> anyhow::Result<Output> {
    Ok(tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output()).await??)
}

/// The directory of the server's programs: the newest of Debian's versions, or a directory of `PATH`.
fn programs() -> anyhow::Result<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|it| Some((it.file_name().to_str()?.parse().ok()?, it.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = versions.into_iter().rev().map(|(_, dir)| dir);
    newest_first
        .chain(std::env::split_paths(&path))
        .find(|it| it.join("postgres").is_file() && it.join("initdb").is_file())
        .context("there is no `postgres` in /usr/lib/postgresql/*/bin or PATH")
}

/// Whom the server runs as, if it must be another than we are: `postgres` or `nobody`.
fn server_user(dir: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    // Who makes a directory owns it; it may be the server's by now, but then we were root.
    let ours = std::fs::metadata(dir)?.uid();
    let root = Command::new("id").arg("-u").output().context("run id")?.stdout == b"0\n";
    if !root {
        return Ok(None);
    }
    if ours != 0 {
        return Ok(Some((ours, std::fs::metadata(dir)?.gid())));
    }
    for name in ["postgres", "nobody"] {
        let number = |flag: &str| -> anyhow::Result<Option<u32>> {
            let output = Command::new("id").args([flag, name]).output().context("run id")?;
            Ok(String::from_utf8(output.stdout)?.trim().parse().ok())
        };
        if let (Some(uid), Some(gid)) = (number("-u")?, number("-g")?) {
            return Ok(Some((uid, gid)));
        }
    }
    bail!("postgres refuses to run as root, and there is no user `postgres` or `nobody`")
}
