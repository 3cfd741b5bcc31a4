//! Runs test programs that cargo has built, several at a time: `run-tests MESSAGES [PASSED]`, where MESSAGES is the
//! file that `cargo test --no-run --message-format=json` wrote. With a file PASSED, those that passed as they are do
//! not run again. `make quick` calls it.
//!
//! cargo runs one test program after the other, and most of ours wait for something most of the time. Each runs as
//! cargo runs it: in its package's folder, with the package's variables. What a program printed is shown if it failed.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

mod passed;

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Output, Stdio};
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

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

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let messages = arguments.next().context("usage: run-tests MESSAGES [PASSED]")?;
    let passed = match arguments.next() {
        Some(file) => Some(Passed::read(file.as_ref(), ".".as_ref())?),
        None => None,
    };
    let messages = std::fs::read_to_string(&messages).context("read the messages of cargo")?;
    let programs = programs(&messages)?;
    if programs.is_empty() {
        bail!("no test program among the messages of cargo");
    }
    let started = Instant::now();
    let n_built = programs.len();
    let programs: VecDeque<Program> = programs
        .into_iter()
        .filter(|it| !passed.as_ref().is_some_and(|them| them.has(&it.executable, it.package())))
        .collect();
    let n_programs = programs.len();
    let them_passed = Mutex::new(passed);
    let cores = std::thread::available_parallelism().context("count the processors")?.get();
    let waiting = Mutex::new(programs);
    let (all, broken) = (Mutex::new(Counts::default()), Mutex::new(Vec::new()));
    let slowest = Mutex::new(Vec::new());
    // In the head of the loop the lock would be held while the program runs.
    let next = || locked(&waiting).pop_front();
    std::thread::scope(|scope| {
        // Twice as many as there are processors, because they wait.
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while let Some(program) = next() {
                    let (began, clock) = (Instant::now(), SystemTime::now());
                    let (counts, is_broken) = run(&program);
                    locked(&slowest).push((began.elapsed(), program.name.clone()));
                    if let Some(passed) = locked(&them_passed).as_mut() {
                        passed.note(&program.executable, clock, !is_broken);
                    }
                    let mut all = locked(&all);
                    all.passed += counts.passed;
                    all.failed += counts.failed;
                    if is_broken {
                        locked(&broken).push(program.name);
                    }
                }
            });
        }
    });
    let Counts { passed, failed } = *locked(&all);
    let broken = std::mem::take(&mut *locked(&broken));
    if !broken.is_empty() {
        println!("failed: {}", broken.join(", "));
    }
    let mut slowest = std::mem::take(&mut *locked(&slowest));
    slowest.sort();
    for (took, name) in slowest.iter().rev().take(N_SLOWEST) {
        println!("{:6.1} s {name}", took.as_secs_f64());
    }
    if let Some(passed) = locked(&them_passed).as_ref() {
        passed.write()?;
    }
    let seconds = started.elapsed().as_secs_f64();
    if n_programs < n_built {
        println!(
            "{} test programs are as they were when they passed, and did not run",
            n_built - n_programs
        );
    }
    println!("{n_programs} test programs in {seconds:.1} s:\n{passed} passed, {failed} failed");
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("no thread panics while it holds this")
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

/// Runs one, and shows what it printed if it failed; the flag says that it did.
fn run(program: &Program) -> (Counts, bool) {
    let Program { executable, folder, name } = program;
    let mut command = Command::new(executable);
    command.current_dir(folder).env("CARGO_MANIFEST_DIR", folder).stdin(Stdio::null());
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("{name}: cannot be run: {error}");
            return (Counts::default(), true);
        }
    };
    let counts = counts(&String::from_utf8_lossy(&output.stdout));
    let is_broken = !output.status.success();
    if is_broken {
        show(name, &output);
    }
    (counts, is_broken)
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
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
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
