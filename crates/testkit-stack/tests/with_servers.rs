//! `with-servers`: what the command finds, how it ends, and what is left.

use std::process::{Command, Output};
use std::time::Duration;

use shadowline_testkit::{quick_leaves_out, wait_for};
use shadowline_testkit_stack::psql;
use tokio::net::TcpStream;

const KAFKA: &str = "SHADOWLINE_TEST_KAFKA";
const POSTGRES: &str = "SHADOWLINE_TEST_POSTGRES";
const WITHIN: Duration = Duration::from_secs(30);

fn with_servers(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_with-servers"));
    command.args(["sh", "-c", script]);
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn servers_that_are_named_already_are_used_and_the_status_is_the_commands() {
    let output = with_servers("echo $SHADOWLINE_TEST_KAFKA $SHADOWLINE_TEST_POSTGRES; exit 7")
        .env(KAFKA, "one")
        .env(POSTGRES, "other")
        .output()
        .expect("run with-servers");
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(7), "one other\n"));
}

#[tokio::test]
async fn what_it_starts_answers_while_the_command_runs_and_is_gone_after_it() {
    if quick_leaves_out("Apache Kafka") {
        return;
    }
    // It ends when its standard input does.
    let mut command =
        with_servers("echo $SHADOWLINE_TEST_KAFKA $SHADOWLINE_TEST_POSTGRES; read -r _");
    let mut child = tokio::process::Command::from({
        command.env_remove(KAFKA).env_remove(POSTGRES);
        command
    })
    .stdin(std::process::Stdio::piped())
    .stdout(std::process::Stdio::piped())
    .kill_on_drop(true)
    .spawn()
    .expect("run with-servers");
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(stdout));
    let line = lines.next_line().await.expect("a line").expect("the command runs");
    let words: Vec<&str> = line.split_whitespace().collect();
    // Without Java or PostgreSQL there is less, which has been said.
    if let [kafka, postgres] = words[..] {
        assert!(TcpStream::connect(kafka).await.is_ok(), "{kafka}");
        assert_eq!(psql(postgres, "SELECT 1").await.expect("an answer"), "1");
        drop(child.stdin.take());
        assert!(child.wait().await.expect("its end").code().is_some());
        wait_for("Kafka is gone", WITHIN, async || TcpStream::connect(kafka).await.is_err()).await;
        wait_for("PostgreSQL is gone", WITHIN, async || psql(postgres, "SELECT 1").await.is_err())
            .await;
    }
}
