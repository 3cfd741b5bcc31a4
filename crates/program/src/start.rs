//! The `main` of every service: flags, settings, logging, run, exit status.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use shadowline_service::settings;
use shadowline_service::{shutdown, telemetry, traces};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::descriptor::Descriptor;
use crate::probe;
use crate::settings::Settings;

/// Exit status for settings or flags that were refused, as sysexits.h counts.
pub const EX_USAGE: u8 = 64;

/// What `--help` says of the environment.
const ENVIRONMENT: &str = "\
Environment:
  SHADOWLINE__…                   Settings: SHADOWLINE__HTTP__LISTEN is the key http.listen
  RUST_LOG                        Which events are logged, over the setting telemetry.filter
  OTEL_EXPORTER_OTLP_ENDPOINT     Collector that traces are sent to over OTLP (gRPC), such as http://localhost:4317;
                                  without it there are no traces
  OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED
                                  As OpenTelemetry has them";

/// The flags every service has.
#[derive(Debug, Parser)]
struct Flags {
    /// Settings file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one key over file and environment, for example `--set http.listen=127.0.0.1:8010`.
    /// Not for secrets: other users can see a command line.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Prints the settings that would be used, as TOML with secrets masked, and exits.
    #[arg(long)]
    print_config: bool,
    /// Asks the service that runs with these settings whether it is ready, prints what it says, and
    /// exits with 0 if it is and with 1 if not; for the health checks of containers.
    #[arg(long, conflicts_with = "print_config")]
    health_check: bool,
    /// Stops when standard input closes, as it does when the process that started this one ends.
    #[arg(long)]
    until_stdin_closes: bool,
}

/// Runs a service until it ends or a signal stops it; the result is the exit status of the process.
///
/// Refused flags or settings exit with 64 and say why on standard error; a failure while running is
/// logged and exits with 1.
pub fn main(service: &Descriptor) -> ExitCode {
    let command = Flags::command()
        .name(service.program)
        .about(service.about)
        .version(service.version)
        .after_help(ENVIRONMENT);
    let flags = match command.try_get_matches().and_then(|it| Flags::from_arg_matches(&it)) {
        Ok(flags) => flags,
        Err(refused) => {
            let status = if refused.use_stderr() { EX_USAGE } else { 0 };
            return match refused.print() {
                Ok(()) => ExitCode::from(status),
                Err(_) => ExitCode::from(EX_USAGE),
            };
        }
    };
    shadowline_own_files::from_now_on();
    let layers = settings::layers(service.defaults, flags.config.as_deref(), &flags.set);
    let settings = match layers.and_then(|it| service.settings(&it, None)) {
        Ok(settings) => settings,
        Err(error) => {
            // To standard error: logging is one of the things this would have set up.
            eprintln!("{}: {:#}", service.program, anyhow::Error::new(error));
            return ExitCode::from(EX_USAGE);
        }
    };
    if let Err(error) = settings.validate() {
        eprintln!("{}: {error:#}", service.program);
        return ExitCode::from(EX_USAGE);
    }
    if flags.print_config {
        return print_config(&*settings);
    }
    if flags.health_check {
        return health_check(&settings.http().listen);
    }
    telemetry::init(service.program, settings.telemetry());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the async runtime cannot start");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        let stop = shutdown::signal()?;
        if flags.until_stdin_closes {
            stop_with_stdin(stop.clone());
        }
        info!(program = service.program, version = service.version, "starting");
        let traces = traces::start(service.program, service.version);
        let result = settings.run(stop).await;
        traces.flush().await;
        result
    });
    match result {
        Ok(()) => {
            info!(program = service.program, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!(program = service.program, error = format!("{error:#}"), "stopped by a failure");
            ExitCode::FAILURE
        }
    }
}

/// Waits on a thread of its own: a read of standard input cannot be cancelled, and must not hold up the end.
fn stop_with_stdin(stop: CancellationToken) {
    std::thread::spawn(move || {
        let ended = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        info!(error = ended.err().map(tracing::field::display), "stopping: standard input closed");
        stop.cancel();
    });
}

#[expect(clippy::print_stdout, reason = "what --health-check was asked to print")]
fn health_check(listen: &str) -> ExitCode {
    match probe::ask(listen) {
        Ok(probe::Answer { is_ready, message }) => {
            println!("{message}");
            if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            println!("{:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "what --print-config was asked to print")]
fn print_config(settings: &dyn Settings) -> ExitCode {
    match settings.to_toml().and_then(|it| settings::print(&it)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{:#}", anyhow::Error::new(error));
            ExitCode::FAILURE
        }
    }
}
