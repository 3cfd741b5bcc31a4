//! A shell with a network of its own.
//!
//! Documents use the default ports, as their readers do. Here each document runs in a network namespace with nothing
//! but a loopback interface, so its ports are free and stay its own, and in a process namespace that ends with its
//! shell, so nothing that it started outlives it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use shadowline_testkit::wait_for;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::document::{Document, compare, repository};

/// Everything here is over long before; what takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a reader has in the folder of the checkout, without what was built.
const CHECKOUT: [&str; 8] =
    ["compose.yaml", "crates", "dashboards", "datasets", "deploy", "examples", "mk", "tools"];

/// One document at a time: some start a whole system.
static TURN: Mutex<()> = Mutex::const_new(());

/// Why documents cannot be run here.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

/// Runs all commands of a document in a folder of their own.
///
/// # Panics
/// If one fails, or prints something else than the document says.
pub(crate) async fn run(document: &Document) -> Result<(), Missing> {
    let _turn = TURN.lock().await;
    let namespaces = namespaces().await?;
    let folder = Folder::new();
    let script = folder.script(document);
    let mut shell = Command::new("setpriv");
    // When the test is killed, its shell is, and with it everything in its process namespace.
    shell.args(["--pdeathsig", "KILL", "unshare"]).args(namespaces);
    shell.args(["--net", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"]);
    shell.args(["bash", "-c", "ip link set lo up && exec bash \"$0\""]).arg(script);
    folder.environment(&mut shell);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let ended = timeout(PATIENCE, shell.output()).await;
    let failure = match &ended {
        Ok(Ok(output)) if output.status.success() => None,
        Ok(Ok(output)) => {
            Some(format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
        }
        Ok(Err(error)) => Some(format!("start the shell: {error}")),
        Err(_) => Some(format!("did not end within {PATIENCE:?}")),
    };
    if let Some(failure) = failure {
        folder.fail(document, &failure);
    }
    folder.compare(document);
    Ok(())
}

/// The flags of `unshare` by which this user may make namespaces.
async fn namespaces() -> Result<&'static [&'static str], Missing> {
    // With a user namespace for users other than root; root needs none, and may still change its user.
    for flags in [[].as_slice(), &["--map-root-user"]] {
        let mut probe = Command::new("unshare");
        probe.args(flags).args(["--net", "--pid", "--fork", "--mount-proc"]);
        probe.args(["sh", "-c", "ip link set lo up"]).stdout(Stdio::null()).stderr(Stdio::null());
        if probe.status().await.is_ok_and(|it| it.success()) {
            return Ok(flags);
        }
    }
    Err(Missing(
        "`unshare` (util-linux) that may make a network namespace, and `ip` (iproute2)".into(),
    ))
}

/// The folder that a document's commands run in.
#[derive(Debug)]
struct Folder {
    dir: TempDir,
    /// What the test itself keeps: the script, and what each block has printed.
    notes: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = |of: &str| {
            let prefix = format!("shadowline-documents-{of}-");
            tempfile::Builder::new().prefix(&prefix).tempdir().expect("make a temporary folder")
        };
        let (dir, notes) = (folder("work"), folder("notes"));
        for name in CHECKOUT {
            let original = repository().join(name);
            if original.exists() {
                std::os::unix::fs::symlink(original, dir.path().join(name)).expect("link");
            }
        }
        let target = dir.path().join("target");
        std::fs::create_dir(&target).expect("make a folder");
        std::os::unix::fs::symlink(programs(), target.join("release")).expect("link");
        // PostgreSQL is never run by root, and who runs it must get here.
        let for_all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(dir.path(), for_all).expect("open the folder for all");
        Self { dir, notes }
    }

    fn script(&self, document: &Document) -> PathBuf {
        let notes = self.notes.path().display();
        let mut script = format!(
            "set -eEuo pipefail\ncd '{}'\ntrap 'echo \"$BASH_COMMAND\" > {notes}/failed' ERR\n",
            self.dir.path().display()
        );
        for (idx, run) in document.runs().iter().enumerate() {
            // Not in a shell of its own: what a block exports is there in the next one.
            write!(
                script,
                "echo {idx} > {notes}/at\n{{\n{}}} > {notes}/out.{idx} 2>&1\n",
                run.commands
            )
            .expect("write to a string");
        }
        let path = self.notes.path().join("script.sh");
        std::fs::write(&path, script).expect("write the script");
        path
    }

    fn environment(&self, shell: &mut Command) {
        let inherited = std::env::var("PATH").unwrap_or_default();
        shell.env_clear();
        shell.env("PATH", format!("{}:{inherited}:/usr/sbin", programs().display()));
        // Where the jars of Apache Kafka are: they cannot be fetched from in there.
        shell.env("KAFKA_HOME", repository().join(".kafka"));
        shell.env("HOME", self.dir.path()).env("LANG", "C.UTF-8").env("TERM", "dumb");
        for kept in ["SHADOWLINE_DATASETS", "JAVA_HOME"] {
            if let Some(value) = std::env::var_os(kept) {
                shell.env(kept, value);
            }
        }
    }

    fn note(&self, name: &str) -> String {
        let bytes = std::fs::read(self.notes.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn fail(&self, document: &Document, failure: &str) -> ! {
        let at = self.note("at").trim().parse::<usize>().unwrap_or_default();
        let line = document.runs().get(at).map_or(0, |it| it.line);
        panic!(
            "{}:{line}: the block that begins here failed at `{}`: {failure}\nit printed:\n{}{}",
            document.name,
            self.note("failed").trim(),
            self.note(&format!("out.{at}")),
            self.ends_of_logs()
        );
    }

    /// What the document's programs said last.
    fn ends_of_logs(&self) -> String {
        let mut text = String::new();
        for folder in ["", ".stack/log", "liveProject"] {
            let Ok(entries) = std::fs::read_dir(self.dir.path().join(folder)) else { continue };
            let paths = entries.filter_map(|it| it.ok().map(|it| it.path()));
            for path in paths.filter(|it| it.extension().is_some_and(|it| it == "log")) {
                let log = std::fs::read_to_string(&path).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let end = lines[lines.len().saturating_sub(8)..].join("\n");
                write!(text, "\n{}:\n{end}", path.display()).expect("write to a string");
            }
        }
        text
    }

    fn compare(&self, document: &Document) {
        for (idx, run) in document.runs().iter().enumerate() {
            let Some((line, expected)) = &run.expected else { continue };
            let got = self.note(&format!("out.{idx}"));
            if let Err(place) = compare(expected, &got) {
                panic!(
                    "{}:{line}: the document says another output: {place}\nall of it:\n{got}",
                    document.name
                );
            }
        }
    }
}

/// Where the programs are.
fn programs() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_shadowline")).parent().expect("a file is in a folder")
}

/// Says whether the parts of `make stack` are here, and fetches the jars of Apache Kafka.
///
/// # Errors
/// What is missing.
pub(crate) async fn stack_tools() -> Result<(), Missing> {
    let needed = ["java", "caddy", "prometheus", "promtool", "prometheus-alertmanager", "psql"];
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    let is_there = |it: &&str| path.split(':').any(|dir| Path::new(dir).join(it).is_file());
    let missing: Vec<&str> = needed.iter().copied().filter(|it| !is_there(it)).collect();
    if !missing.is_empty() {
        return Err(Missing(format!("{} (make stack-tools)", missing.join(", "))));
    }
    let script = repository().join("deploy/kafka/run.sh");
    let fetched = Command::new(script).arg("jars").stdin(Stdio::null()).output().await;
    match fetched {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Missing(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        Err(error) => Err(Missing(format!("Apache Kafka: {error}"))),
    }
}

/// Says that something is missing; in CI that is a failure.
pub(crate) fn skip(missing: &str) {
    shadowline_testkit::skip(missing, &anyhow::anyhow!("it is not on this machine"));
}

#[tokio::test]
async fn nothing_outlives_its_document() {
    let run = crate::document::Run {
        line: 1,
        commands: "sleep 3141 &\necho $! > outside\n".to_owned(),
        expected: None,
    };
    let document = Document {
        name: "a".to_owned(),
        text: String::new(),
        blocks: vec![crate::document::Block::Run(run)],
    };
    if let Err(Missing(missing)) = crate::sandbox::run(&document).await {
        return skip(&missing);
    }
    let is_gone = async || {
        let found =
            Command::new("pgrep").args(["-f", "sleep 3141"]).stdout(Stdio::null()).status().await;
        !found.expect("run pgrep").success()
    };
    wait_for("the end of what the document started", Duration::from_secs(20), is_gone).await;
}
