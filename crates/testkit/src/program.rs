//! A program of somebody else's, run for one test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::skip::say;

/// Generous: a machine that builds at the same time is slow.
const LINE_WITHIN: Duration = Duration::from_secs(60);
/// How much of a log is shown.
const LINES_SHOWN: usize = 40;

/// Runs the program, and kills it and clears its directory away as soon as standard input ends, which is when we are
/// gone.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null >>"$SHADOWLINE_LOG" 2>&1 3<&- &
program=$!
echo "$program"
exec >/dev/null 2>&1
( read -r _ <&3; trap '' TERM; kill -9 "$program"; rm -rf "$SHADOWLINE_DIR" ) &
watcher=$!
wait "$program"
code=$?
kill "$watcher"
exit "$code"
"#;

/// A running program: its output goes to a file, and it is killed with the test process, however that ends.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    /// None once it was ended.
    watchdog: Option<Child>,
    process_id: u32,
    log: PathBuf,
    /// Where in the log this run begins.
    log_from: u64,
}

impl Program {
    /// Starts what a command names, with its arguments and environment. `dir` has its log, and is cleared away when
    /// the test process ends.
    pub(crate) fn spawn(name: &'static str, command: &Command, dir: &Path) -> anyhow::Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let log_from = std::fs::metadata(&log).map_or(0, |it| it.len());
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
            .env("SHADOWLINE_LOG", &log)
            .env("SHADOWLINE_DIR", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = watchdog.stdout.take().context("the watchdog has a standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let process_id = line.trim().parse().with_context(|| format!("process id `{line}`"))?;
        Ok(Self { name, watchdog: Some(watchdog), process_id, log, log_from })
    }

    /// What this run has said so far.
    pub(crate) fn said(&self) -> String {
        let all = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(self.log_from).unwrap_or(0).min(all.len());
        String::from_utf8_lossy(&all[from..]).into_owned()
    }

    /// Waits until a line of its log is what is looked for.
    ///
    /// # Errors
    /// If it ends before, or says nothing of the kind for a minute; with the end of its log.
    pub(crate) async fn line<T>(
        &mut self,
        what: &str,
        mut find: impl FnMut(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + LINE_WITHIN;
        loop {
            // In this order, so that nothing said before the end is missed.
            let ended = self.has_ended();
            if let Some(found) = self.said().lines().find_map(&mut find) {
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
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.watchdog.as_mut().is_none_or(|it| !matches!(it.try_wait(), Ok(None)))
    }

    /// Sends a signal such as `-TERM`, and waits until it is gone; its directory stays.
    pub(crate) async fn end(mut self, signal: &str) -> anyhow::Result<()> {
        let Some(mut watchdog) = self.watchdog.take() else { return Ok(()) };
        if matches!(watchdog.try_wait(), Ok(None)) {
            let process_id = self.process_id.to_string();
            let status = Command::new("kill").args([signal, &process_id]).status()?;
            ensure!(status.success(), "kill {signal} {process_id} failed");
        }
        let wait = move || {
            // `wait` would close it, and then the watchdog would clear the data away.
            let stdin = watchdog.stdin.take();
            let ended = watchdog.wait();
            drop(stdin);
            ended
        };
        tokio::task::spawn_blocking(wait)
            .await?
            .with_context(|| format!("wait for {}", self.name))?;
        Ok(())
    }

    /// The last lines of the log, of all runs.
    pub(crate) fn end_of_log(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
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
            .and_then(|(_, path)| std::fs::copy(&self.log, &path).map(|_| path));
        let place = kept.map_or_else(|it| format!("not kept: {it}"), |it| it.display().to_string());
        say(&format!("the end of {}'s log ({place}):\n{}", self.name, self.end_of_log()));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(mut watchdog) = self.watchdog.take() else { return };
        if std::thread::panicking() {
            self.show_log();
        }
        // The watchdog kills the program when its standard input ends.
        drop(watchdog.stdin.take());
        if let Err(error) = watchdog.wait() {
            say(&format!("{} was not waited for: {error}", self.name));
        }
    }
}

/// Finds a program by any of its names, along the path and where Debian keeps what is for administrators.
pub(crate) fn find(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin".into()]).collect();
    names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name))).find(|it| it.is_file())
}
