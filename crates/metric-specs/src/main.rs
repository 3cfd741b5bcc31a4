//! The program `shadowline-metric-specs`.

fn main() -> std::process::ExitCode {
    shadowline_program::main(&shadowline_metric_specs::SERVICE)
}
