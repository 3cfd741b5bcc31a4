//! `shadowline up`: every service in one process, on the embedded log and SQLite in one directory.

mod config;
mod lock;
mod running;

use std::path::Path;

use anyhow::Context;
use shadowline_service::{shutdown, telemetry, traces};
use shadowline_services::SERVICES;

pub use config::Config;
pub(crate) use lock::DataDirLock;
pub(crate) use running::all_ready;
pub use running::{Ports, Running};

use crate::args::UpArgs;
use crate::endpoints::{Endpoint, Endpoints};
use crate::output;

/// Where everything is kept unless the user says otherwise.
const DEFAULT_DIR: &str = ".shadowline";

pub(crate) async fn run(args: &UpArgs) -> anyhow::Result<()> {
    let data_dir = args.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DIR));
    // Absolute, so that what is printed can be used from anywhere.
    let data_dir = std::path::absolute(data_dir)
        .with_context(|| format!("--data-dir `{}`", data_dir.display()))?;
    let config = Config::load(SERVICES, &data_dir, args.config.as_deref(), &args.set)?;
    if args.print_config {
        return output::line(config.print()?.trim_end());
    }
    telemetry::init("shadowline", &config.telemetry);
    let traces = traces::start("shadowline", env!("CARGO_PKG_VERSION"));
    let result = run_services(config, &data_dir).await;
    traces.flush().await;
    result
}

async fn run_services(config: Config, data_dir: &Path) -> anyhow::Result<()> {
    let stop = shutdown::signal()?;
    let Some(mut running) = Running::start(config, data_dir, Ports::AsSet, &stop).await? else {
        // Stopped before it was ready.
        return Ok(());
    };
    print_ready(running.endpoints(), data_dir)?;
    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = running.ended() => Err(ended),
    };
    let stopped = running.stop().await;
    ended.and(stopped)
}

fn print_ready(endpoints: &Endpoints, data_dir: &Path) -> anyhow::Result<()> {
    for (name, Endpoint { grpc, http }) in endpoints.all() {
        if let Some(grpc) = grpc {
            output::line(format!("{name:15}  gRPC  {grpc}"))?;
        }
        output::line(format!("{name:15}  HTTP  {http}"))?;
    }
    output::line(format!("data             {}", data_dir.display()))?;
    output::line("ready; Ctrl-C stops")
}
