//! A child process that ends with the test process.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::skip::say;

/// Generous: a machine that builds at the same time is slow.
const LINE_WITHIN: Duration = Duration::from_secs(120);
const END_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How much of a log is shown.
const LINES_SHOWN: usize = 40;

/// Runs the program, and kills it and clears its directory away as soon as standard input ends, which is when the test
/// process is gone. It ends as the program does.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null >>"$SHADOWLINE_KEEP_OUTPUT" 2>>"$SHADOWLINE_KEEP_LOG" 3<&- &
program=$!
echo "$program"
exec >/dev/null 2>&1
( read -r _ <&3; trap '' TERM; kill -9 "$program"; rm -rf "$SHADOWLINE_KEEP_DIR" ) &
watcher=$!
wait "$program"
code=$?
kill "$watcher"
exit "$code"
"#;

/// A running program. What it says goes to a file, and it is killed when this is dropped and when the test process
/// ends, however that ends.
#[derive(Debug)]
pub struct Program {
    name: String,
    /// None once it was ended.
    watchdog: Option<Child>,
    process_id: u32,
    log: Said,
    output: Said,
}

/// A file to which a program writes, and where in it this run begins.
#[derive(Debug)]
struct Said {
    path: PathBuf,
    from: u64,
}

impl Program {
    /// Starts what a command names, with its arguments, environment and directory. Standard output and standard error
    /// both go to `<name>.log` in `dir`, behind what an earlier run has said. If the test process dies, `dir` is
    /// cleared away.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn(name: &str, command: &Command, dir: &Path) -> anyhow::Result<Self> {
        Self::start(name, command, dir, "log")
    }

    /// As [`spawn`](Self::spawn), with standard output in a file of its own, for [`output`](Self::output).
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn spawn_with_output(name: &str, command: &Command, dir: &Path) -> anyhow::Result<Self> {
        Self::start(name, command, dir, "out")
    }

    fn start(name: &str, command: &Command, dir: &Path, output: &str) -> anyhow::Result<Self> {
        let log = Said::to(dir.join(format!("{name}.log")));
        let output = Said::to(dir.join(format!("{name}.{output}")));
        let mut watchdog = Command::new("sh");
        watchdog.args(["-c", WATCHDOG, name]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => watchdog.env(key, value),
                None => watchdog.env_remove(key),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            watchdog.current_dir(dir);
        }
        let mut watchdog = watchdog
            .env("SHADOWLINE_KEEP_LOG", &log.path)
            .env("SHADOWLINE_KEEP_OUTPUT", &output.path)
            .env("SHADOWLINE_KEEP_DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the test process; with that gone, the watchdog does its work.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = watchdog.stdout.take().context("the watchdog has a standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let process_id = line.trim().parse().with_context(|| format!("process id `{line}`"))?;
        Ok(Self { name: name.to_owned(), watchdog: Some(watchdog), process_id, log, output })
    }

    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// What this run has said so far: its standard error, and its standard output unless that is kept apart.
    pub fn said(&self) -> String {
        self.log.read()
    }

    /// What this run has printed so far on its standard output.
    pub fn output(&self) -> String {
        self.output.read()
    }

    /// Waits until a line of what it says is what is looked for.
    ///
    /// # Errors
    /// If it ends before, or says nothing of the kind for two minutes; with the end of its log.
    pub async fn line<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.until(what, |it| it.said().lines().find_map(&mut find)).await
    }

    /// As [`line`](Self::line), of what it prints on its standard output.
    ///
    /// # Errors
    /// As there.
    pub async fn output_line<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        self.until(what, |it| it.output().lines().find_map(&mut find)).await
    }

    async fn until<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&Self) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + LINE_WITHIN;
        loop {
            // In this order, so that nothing said before the end is missed.
            let ended = self.has_ended();
            if let Some(found) = find(self) {
                return Ok(found);
            }
            if ended {
                bail!("{} ended before {what}:\n{}", self.name, self.end_of_log());
            }
            if deadline < Instant::now() {
                bail!(
                    "{} took longer than {LINE_WITHIN:?} for {what}:\n{}",
                    self.name,
                    self.end_of_log()
                );
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether it runs no more.
    pub fn has_ended(&mut self) -> bool {
        self.watchdog.as_mut().is_none_or(|it| !matches!(it.try_wait(), Ok(None)))
    }

    /// Sends a signal such as `-TERM`, and waits until it is gone; its directory stays. A program that ended by itself
    /// gets no signal. The status is that of a shell: 137 for a program that was killed.
    ///
    /// # Errors
    /// If it runs on for a minute, with the end of its log; it is killed then.
    pub async fn end(mut self, signal: &str) -> anyhow::Result<ExitStatus> {
        let sent = if self.has_ended() { Ok(()) } else { self.send(signal) };
        let deadline = Instant::now() + END_WITHIN;
        // A signal that could not be sent found no process: it is ending then.
        while !self.has_ended() {
            if deadline < Instant::now() {
                sent?;
                bail!("{} did not end at {signal}:\n{}", self.name, self.end_of_log());
            }
            sleep(LOOK_EVERY).await;
        }
        let mut watchdog = self.watchdog.take().context("it is ended once")?;
        watchdog.wait().with_context(|| format!("wait for {}", self.name))
    }

    fn send(&self, signal: &str) -> anyhow::Result<()> {
        let process_id = self.process_id.to_string();
        let mut kill = Command::new("kill");
        let status = kill.args([signal, &process_id]).stderr(Stdio::null()).status()?;
        ensure!(status.success(), "kill {signal} {process_id} ({}) failed", self.name);
        Ok(())
    }

    /// The last lines of the log, of all runs.
    pub fn end_of_log(&self) -> String {
        let log = std::fs::read(&self.log.path).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
    }

    /// Copies the log to where it outlives the test, and shows the end of it.
    fn show_log(&self) {
        let kept = tempfile::Builder::new()
            .prefix(&format!("shadowline-{}-", self.name))
            .suffix(".log")
            .tempfile()
            .and_then(|it| it.keep().map_err(Into::into))
            .and_then(|(_, path)| std::fs::copy(&self.log.path, &path).map(|_| path));
        let place = kept.map_or_else(|it| format!("not kept: {it}"), |it| it.display().to_string());
        say(&format!("the end of {}'s log ({place}):\n{}", self.name, self.end_of_log()));
    }
}

impl Said {
    fn to(path: PathBuf) -> Self {
        let from = std::fs::metadata(&path).map_or(0, |it| it.len());
        Self { path, from }
    }

    fn read(&self) -> String {
        let all = std::fs::read(&self.path).unwrap_or_default();
        let from = usize::try_from(self.from).unwrap_or(0).min(all.len());
        String::from_utf8_lossy(&all[from..]).into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.watchdog.is_none() {
            return;
        }
        if std::thread::panicking() {
            self.show_log();
        }
        // Not by way of the watchdog's standard input: others may have their files in the directory.
        if !self.has_ended() {
            // It may end just now, and then there is no process to kill.
            drop(self.send("-KILL"));
        }
        let Some(mut watchdog) = self.watchdog.take() else { return };
        let stdin = watchdog.stdin.take();
        let waited = watchdog.wait();
        drop(stdin);
        if let Err(error) = waited {
            say(&format!("{} was not waited for: {error}", self.name));
        }
    }
}
