//! Runs a command with one Apache Kafka and one PostgreSQL for all the tests that it runs: `with-servers cargo test …`.
//!
//! The command finds them in its environment, and they end with it. One that cannot be had is said, and left to the
//! tests that need it; in CI (`CI=true`) it is a failure. One that the environment names already is used.

use std::process::{Command, ExitCode};

use anyhow::Context as _;
use shadowline_testkit_stack::{KafkaNode, PostgresServer};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().context("usage: with-servers COMMAND [ARGUMENTS]")?;
    let mut command = Command::new(&program);
    command.args(arguments);
    // From here on Ctrl-C is the command's, which is told too, and this outlives it.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let start_kafka = async {
        if KafkaNode::shared_by_run().is_some() { None } else { KafkaNode::start_own().await }
    };
    let start_postgres = async {
        if PostgresServer::shared_by_run().is_some() { None } else { PostgresServer::start().await }
    };
    let (kafka, postgres) = tokio::select! {
        servers = async { tokio::join!(start_kafka, start_postgres) } => servers,
        _ = interrupt.recv() => return Ok(ExitCode::from(130)),
        _ = terminate.recv() => return Ok(ExitCode::from(143)),
    };
    if let Some(kafka) = &kafka {
        kafka.share_with(&mut command);
    }
    if let Some(postgres) = &postgres {
        postgres.share_with(&mut command);
    }
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .with_context(|| format!("run {}", program.display()))?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let code = status?.code().and_then(|it| u8::try_from(it).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                let process_id = child.id().map(|it| it.to_string()).unwrap_or_default();
                Command::new("kill").args(["-TERM", &process_id]).status().context("run kill")?;
            }
        }
    }
}
