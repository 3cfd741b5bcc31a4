//! The program `shadowline-metric-specs`.

use std::process::ExitCode;

use shadowline_metric_specs::{Config, DEFAULTS, run};
use shadowline_service::program::{self, Program};

fn main() -> ExitCode {
    let program = Program {
        name: "shadowline-metric-specs",
        about: "Judges scores by metric specs, and raises and resolves alerts.",
        version: env!("CARGO_PKG_VERSION"),
        defaults: DEFAULTS,
        telemetry: |config: &Config| &config.telemetry,
        http: |config: &Config| &config.http,
    };
    program::main(program, async |config, stop| Ok(run(config, stop).await?))
}
