//! The binary `shadowline`.

use std::process::ExitCode;

fn main() -> ExitCode {
    shadowline_cli::main()
}
