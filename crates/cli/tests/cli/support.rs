//! The binary as a user starts it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use shadowline_services::SERVICES;
use shadowline_testkit::Program;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

/// Everything here is over long before; what takes longer never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn shadowline() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shadowline"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a finished command has said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn ok(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

pub(crate) async fn say(args: &[&str]) -> Said {
    let output = timeout(PATIENCE, shadowline().args(args).output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A running `shadowline up`, ready.
#[derive(Debug)]
pub(crate) struct Up {
    program: Program,
    pub(crate) lines: Vec<String>,
    data_dir: PathBuf,
    /// Of what it says.
    _dir: TempDir,
}

impl Up {
    /// Starts it on any free ports and waits until it says that it is ready.
    pub(crate) async fn start(data_dir: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let command = up_command(data_dir);
        let mut program = Program::spawn_with_output("up", command.as_std(), dir.path()).unwrap();
        let ready = |line: &str| line.starts_with("ready").then_some(());
        program.output_line("it was ready", ready).await.unwrap();
        let lines = program.output().lines().map(str::to_owned).collect();
        Self { program, lines, data_dir: data_dir.to_owned(), _dir: dir }
    }

    /// The flags by which other commands find it.
    pub(crate) fn endpoints(&self) -> String {
        self.data_dir.join("endpoints.json").display().to_string()
    }

    /// Stops it as Ctrl-C does.
    pub(crate) async fn interrupt(self) -> ExitStatus {
        self.program.end("-INT").await.unwrap()
    }

    /// Ends it as a power failure would.
    pub(crate) async fn kill(self) {
        self.program.end("-KILL").await.unwrap();
    }
}

pub(crate) fn up_command(data_dir: &Path) -> Command {
    let mut command = shadowline();
    command.args(["up", "--data-dir"]).arg(data_dir);
    for service in SERVICES {
        let key = service.key();
        for protocol in ["http"].into_iter().chain(service.grpc.map(|_| "grpc")) {
            command.arg("--set").arg(format!("{key}.{protocol}.listen=127.0.0.1:0"));
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
