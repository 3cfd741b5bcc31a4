//! `shadowline up`: every service in one process, on the embedded log and SQLite in one directory.

mod config;
mod lock;
mod running;

use std::path::Path;

use anyhow::Context;
use shadowline_service::{settings, shutdown, telemetry, traces};

pub(crate) use config::Config;
pub(crate) use lock::DataDirLock;
pub(crate) use running::{Ports, Running, all_ready};

use crate::args::UpArgs;
use crate::endpoints::Endpoints;
use crate::output;

/// Where everything is kept unless the user says otherwise.
const DEFAULT_DIR: &str = ".shadowline";

pub(crate) async fn run(args: &UpArgs) -> anyhow::Result<()> {
    let data_dir = args.data_dir.as_deref().unwrap_or(Path::new(DEFAULT_DIR));
    // Absolute, so that what is printed can be used from anywhere.
    let data_dir = std::path::absolute(data_dir)
        .with_context(|| format!("--data-dir `{}`", data_dir.display()))?;
    let config = Config::load(&data_dir, args.config.as_deref(), &args.set)?;
    if args.print_config {
        return output::line(settings::print(&config)?.trim_end());
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
    output::line(format!("serving          gRPC  {}", endpoints.serving.grpc))?;
    for (name, url) in endpoints.all_http() {
        output::line(format!("{name:15}  HTTP  {url}"))?;
    }
    output::line(format!("data             {}", data_dir.display()))?;
    output::line("ready; Ctrl-C stops")
}
