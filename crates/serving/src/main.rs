//! The program `shadowline-serving`: settings and signals around [`shadowline_serving::run`].

use std::process::ExitCode;

use shadowline_service::program::{self, Program};
use shadowline_serving::{Config, DEFAULTS, run};

fn main() -> ExitCode {
    let program = Program {
        name: "shadowline-serving",
        about: "The model server: predict over gRPC and REST, every request shadowed.",
        version: env!("CARGO_PKG_VERSION"),
        defaults: DEFAULTS,
        telemetry: |config: &Config| &config.telemetry,
        http: |config: &Config| &config.http,
    };
    program::main(program, async |config, stop| Ok(run(config, stop).await?))
}
