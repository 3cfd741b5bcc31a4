//! The command line: run it all, train, apply, replay, look.
//!
//! Every command is a function of its arguments; what it prints on standard output is the answer, and progress and
//! logs go to standard error. Services are asked over REST by the typed clients of `servers`, and over gRPC by
//! `predict`; the services themselves are known by their table, `shadowline-services`, and run by `up`.
//!
//! Start reading at [`args::Command`], then `up` for the services in one process, `demo` for the whole story.

mod apply;
pub mod args;
mod data;
mod delete;
mod demo;
mod documents;
mod endpoints;
mod exchange;
mod explore;
mod figures;
mod files;
mod folder;
mod output;
mod predict;
mod progress;
mod replay;
mod rollback;
mod score;
mod scoring;
mod servers;
mod sheet;
mod show;
mod status;
mod tester;
mod train;
mod up;
mod vectors;
mod written;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use shadowline_program::EX_USAGE;
use shadowline_service::settings::SettingsError;
use shadowline_service::{shutdown, telemetry};

use args::{Cli, Command};

pub use endpoints::{Endpoint, Endpoints};
pub use status::status_rows;
pub use up::{Config, Ports, Running};

/// Parses the process's arguments and does what they ask for; the result is its exit status.
pub fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(refused) => {
            let status = if refused.use_stderr() { EX_USAGE } else { 0 };
            return match refused.print() {
                Ok(()) => ExitCode::from(status),
                Err(_) => ExitCode::from(EX_USAGE),
            };
        }
    };
    match block_on(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shadowline: {error:#}");
            let is_usage = error.downcast_ref::<SettingsError>().is_some();
            if is_usage { ExitCode::from(EX_USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn block_on(command: &Command) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("start the async runtime")?;
    let result = runtime.block_on(run(command));
    // A download or a training that is not awaited any more must not delay the exit.
    runtime.shutdown_background();
    result
}

async fn run(command: &Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Up(_)) {
        telemetry::init("shadowline", &only_errors()?);
    }
    match command {
        Command::Up(args) => up::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Train(command) => train::run(command).await,
        Command::Score(args) => score::run(args).await,
        Command::Explore(args) => explore::run(args).await,
        Command::Import(command) => exchange::import(command).await,
        Command::Export(args) => exchange::export(args),
        Command::Apply(args) => apply::run(args).await,
        Command::Delete(args) => delete::run(args).await,
        Command::Rollback(args) => rollback::run(args).await,
        Command::Models(args) => show::models(args).await,
        Command::Specs(args) => show::specs(args).await,
        Command::Alerts(args) => show::alerts(args).await,
        Command::Checks(args) => show::checks(args).await,
        Command::Replay(args) => replay::run(args, shutdown::signal()?).await,
        Command::Status(args) => status::run(args).await,
    }
}

/// The log output of everything that is no server: the commands themselves say what happens.
fn only_errors() -> anyhow::Result<telemetry::Settings> {
    let filter = telemetry::Filter::try_from("error".to_owned()).map_err(anyhow::Error::msg)?;
    Ok(telemetry::Settings { filter, ..telemetry::Settings::default() })
}
