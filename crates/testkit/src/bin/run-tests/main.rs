//! Runs test programs that cargo has built, several at a time: `run-tests [--all] MESSAGES PASSED`, where MESSAGES is
//! the file that `cargo test --no-run --message-format=json` wrote, and PASSED the file that keeps how the runs before
//! went: how long each program took, and which passed as they are and do not run again, except with `--all`.
//! `make quick` and `make test` call it.
//!
//! cargo runs one test program after the other, and most of ours wait for something most of the time. Each runs as
//! cargo runs it: in its package's folder, with the package's variables. What a program printed is shown if it failed.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "it measures other programs, and its clock is the files' clock"
)]

mod passed;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use passed::Passed;
use serde_json::Value;

/// How many of the slowest programs are named, so that one that has become slow is seen.
const N_SLOWEST: usize = 5;

/// A test program, and the folder of its package.
#[derive(Debug)]
struct Program {
    executable: PathBuf,
    folder: PathBuf,
    /// Such as `shadowline-store: transactions`.
    name: String,
}

/// What one program, or all of them, came to.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    passed: usize,
    failed: usize,
}

impl Program {
    /// The package's name without the project's.
    fn package(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }
}

/// What became of a program.
#[derive(Debug)]
struct Run {
    program: Program,
    counts: Counts,
    has_passed: bool,
    started: SystemTime,
    took: Duration,
}

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let is_all = arguments.first().is_some_and(|it| it == "--all");
    arguments.drain(..usize::from(is_all));
    let [messages, passed] = arguments.as_slice() else {
        bail!("usage: run-tests [--all] MESSAGES PASSED");
    };
    let mut passed = Passed::read(passed.as_ref(), ".".as_ref())?;
    let messages = std::fs::read_to_string(messages).context("read the messages of cargo")?;
    let mut programs = programs(&messages)?;
    let n_built = programs.len();
    if n_built == 0 {
        bail!("no test program among the messages of cargo");
    }
    programs.retain(|it| is_all || !passed.has(&it.executable, it.package()));
    // The longest first, so that none runs on alone at the end.
    programs.sort_by_key(|it| Reverse(passed.took(&it.name)));
    let started = Instant::now();
    let mut runs = run_all(programs, is_all)?;
    let seconds = started.elapsed().as_secs_f64();
    for Run { program, has_passed, started, took, .. } in &runs {
        passed.note(&program.executable, *started, *has_passed);
        passed.note_time(&program.name, *took);
    }
    passed.write()?;
    runs.sort_by_key(|it| Reverse(it.took));
    for Run { program, took, .. } in runs.iter().take(N_SLOWEST) {
        println!("{:6.1} s {}", took.as_secs_f64(), program.name);
    }
    let failed: Vec<&str> =
        runs.iter().filter(|it| !it.has_passed).map(|it| it.program.name.as_str()).collect();
    if !failed.is_empty() {
        println!("failed: {}", failed.join(", "));
    }
    if runs.len() < n_built {
        let n_left = n_built - runs.len();
        println!("{n_left} test programs are as they were when they passed, and did not run");
    }
    println!("{} test programs in {seconds:.1} s:", runs.len());
    let sum = |of: fn(&Counts) -> usize| runs.iter().map(|it| of(&it.counts)).sum::<usize>();
    println!("{} passed, {} failed", sum(|it| it.passed), sum(|it| it.failed));
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs programs in their order, twice as many at a time as there are processors, because they wait; tells of each as it
/// ends if it is to be told.
fn run_all(programs: Vec<Program>, is_told: bool) -> anyhow::Result<Vec<Run>> {
    let cores = std::thread::available_parallelism().context("count the processors")?.get();
    let waiting = Mutex::new(VecDeque::from(programs));
    // In the head of the loop the lock would be held while the program runs.
    let next = || waiting.lock().expect("no thread panics while it holds this").pop_front();
    let work = || {
        let mut runs = Vec::new();
        while let Some(program) = next() {
            let run = run(program);
            if is_told {
                tell(&run);
            }
            runs.push(run);
        }
        runs
    };
    Ok(std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2 * cores).map(|_| scope.spawn(work)).collect();
        let runs = workers.into_iter().map(|it| it.join().expect("a worker does not panic"));
        runs.flatten().collect()
    }))
}

/// The test programs that the messages name, in the order in which they were built.
fn programs(messages: &str) -> anyhow::Result<Vec<Program>> {
    let mut programs = Vec::new();
    for line in messages.lines().filter(|it| it.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("read a message of cargo")?;
        let is_test = message["profile"]["test"] == true;
        let (true, Some(executable)) = (is_test, message["executable"].as_str()) else { continue };
        let manifest = message["manifest_path"].as_str().context("a program without manifest")?;
        let folder = PathBuf::from(manifest);
        let folder = folder.parent().context("a manifest without folder")?.to_owned();
        let package = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = message["target"]["name"].as_str().unwrap_or_default();
        programs.push(Program {
            executable: executable.into(),
            folder,
            name: format!("{package}: {target}"),
        });
    }
    Ok(programs)
}

/// Runs one, and shows what it printed if it failed.
fn run(program: Program) -> Run {
    let (started, began) = (SystemTime::now(), Instant::now());
    let Program { executable, folder, name } = &program;
    let mut command = Command::new(executable);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).stdin(Stdio::null());
    let (counts, has_passed) = match command.output() {
        Ok(output) => {
            let has_passed = output.status.success();
            if !has_passed {
                show(name, &output);
            }
            (counts(&String::from_utf8_lossy(&output.stdout)), has_passed)
        }
        Err(error) => {
            println!("{name}: cannot be run: {error}");
            (Counts::default(), false)
        }
    };
    Run { program, counts, has_passed, started, took: began.elapsed() }
}

fn tell(Run { program, counts, has_passed, took, .. }: &Run) {
    let (seconds, Counts { passed, failed }) = (took.as_secs_f64(), counts);
    let said = if *has_passed { "ok" } else { "FAILED" };
    println!("{seconds:6.1} s {}: {said}, {passed} passed, {failed} failed", program.name);
}

fn show(name: &str, output: &Output) {
    // One write, so that no other program's lines come between.
    let mut text = format!("== {name}: {}\n", output.status).into_bytes();
    text.extend_from_slice(&output.stdout);
    text.extend_from_slice(&output.stderr);
    if let Err(error) = std::io::stdout().lock().write_all(&text) {
        eprintln!("{name} failed, and its output cannot be shown: {error}");
    }
}

/// What the closing lines of Rust's test harness say, added up.
fn counts(text: &str) -> Counts {
    let mut all = Counts::default();
    for line in text.lines().filter_map(|it| it.strip_prefix("test result: ")) {
        let number_of = |what: &str| {
            line.split([';', '.']).find_map(|it| it.trim().strip_suffix(what)?.trim().parse().ok())
        };
        all.passed += number_of("passed").unwrap_or(0);
        all.failed += number_of("failed").unwrap_or(0);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_those_of_tests() {
        let messages = r#"{"reason":"compiler-artifact","profile":{"test":false},"executable":"/t/bin","manifest_path":"/w/crates/a/Cargo.toml","target":{"name":"a"}}
{"reason":"compiler-artifact","profile":{"test":true},"executable":"/t/deps/b-1","manifest_path":"/w/crates/b/Cargo.toml","target":{"name":"kill"}}
{"reason":"compiler-artifact","profile":{"test":true},"executable":null,"manifest_path":"/w/crates/c/Cargo.toml","target":{"name":"c"}}
{"reason":"build-finished","success":true}"#;
        let found = programs(messages).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].folder.to_str()),
            ("b: kill", Some("/w/crates/b"))
        );
    }

    #[test]
    fn results_are_added_up() {
        let text = "running 2 tests\n..\ntest result: ok. 2 passed; 0 failed; 0 ignored; finished in 0.10s\n\
            test result: FAILED. 11 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s\n";
        let Counts { passed, failed } = counts(text);
        assert_eq!((passed, failed), (13, 3));
    }
}
