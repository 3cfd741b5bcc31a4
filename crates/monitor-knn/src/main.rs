//! The binary of the KNN-outlier monitor.

use std::process::ExitCode;

use shadowline_monitor_knn::{Config, DEFAULTS, run};
use shadowline_service::program::{self, Program};

fn main() -> ExitCode {
    let program = Program {
        name: "shadowline-monitor-knn",
        about: "Scores shadowed inferences with the KNN outlier detectors installed in it",
        version: env!("CARGO_PKG_VERSION"),
        defaults: DEFAULTS,
        telemetry: |config: &Config| &config.telemetry,
        http: |config: &Config| &config.http,
    };
    program::main(program, async |config, stop| Ok(run(config, stop).await?))
}
