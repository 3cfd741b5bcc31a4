//! A kept program's output and status are its own, and it does not outlive its keeper.
//!
//! One test starts this file's own program again as a child; `child` is what runs there.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use shadowline_testkit::{Program, wait_for};

const CHILD_DIR: &str = "SHADOWLINE_TESTKIT_DIR";
const WITHIN: Duration = Duration::from_secs(30);

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

fn runs(process_id: u32) -> bool {
    let process_id = process_id.to_string();
    let probe = Command::new("kill").args(["-0", &process_id]).stderr(Stdio::null()).status();
    probe.is_ok_and(|it| it.success())
}

#[tokio::test]
async fn what_it_says_is_found_and_of_this_run() {
    let dir = tempfile::tempdir().unwrap();
    let both = shell("echo printed; echo port 7 >&2; exec cat /dev/zero >/dev/null");
    let mut program = Program::spawn("one", &both, dir.path()).unwrap();
    let port = program.line("its port", |it| it.strip_prefix("port ")?.parse::<u16>().ok()).await;
    assert_eq!(port.unwrap(), 7);
    assert!(program.said().contains("printed"));
    assert_eq!(program.end("-KILL").await.unwrap().code(), Some(137));

    let mut again = Program::spawn("one", &shell("echo again"), dir.path()).unwrap();
    wait_for("its end", WITHIN, async || again.has_ended()).await;
    assert_eq!(again.end("-TERM").await.unwrap().code(), Some(0));
    let mut apart =
        Program::spawn_with_output("one", &shell("echo out; echo log >&2"), dir.path()).unwrap();
    apart.output_line("its output", |it| (it == "out").then_some(())).await.unwrap();
    wait_for("its log", WITHIN, async || apart.said() == "log\n").await;
    assert_eq!(apart.output(), "out\n");
    assert!(apart.end_of_log().contains("again"), "of all runs");
}

#[tokio::test]
async fn an_end_before_the_line_is_an_error_with_what_was_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = Program::spawn("one", &shell("echo no luck; exit 3"), dir.path()).unwrap();
    let error = program.line("it was ready", |_| None::<()>).await.unwrap_err().to_string();
    assert!(error.contains("ended before it was ready") && error.contains("no luck"), "{error}");
    assert_eq!(program.end("-TERM").await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn dropped_it_is_gone_and_its_directory_stays() {
    let dir = tempfile::tempdir().unwrap();
    let program =
        Program::spawn("one", &shell("exec cat /dev/zero >/dev/null"), dir.path()).unwrap();
    let process_id = program.process_id();
    assert!(runs(process_id));
    drop(program);
    assert!(!runs(process_id));
    assert!(dir.path().join("one.log").exists());
}

/// Starts a program and waits to be killed; without a directory, as in a usual run, there is nothing to do.
#[tokio::test]
async fn child() {
    let Some(dir) = std::env::var_os(CHILD_DIR).map(PathBuf::from) else { return };
    let endless = shell("exec cat /dev/zero >/dev/null");
    let program = Program::spawn("one", &endless, &dir).unwrap();
    println!("started {}", program.process_id());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn it_dies_with_a_test_process_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let of_child = dir.path().join("cleared");
    std::fs::create_dir(&of_child).unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD_DIR, &of_child)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let process_id = lines.find_map(|it| it.split_once("started ")?.1.parse::<u32>().ok()).unwrap();
    assert!(runs(process_id));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_for("the program is gone", WITHIN, async || !runs(process_id)).await;
    wait_for("its directory is gone", WITHIN, async || !Path::new(&of_child).exists()).await;
}
