//! The program `shadowline-monitor-iforest`.

fn main() -> std::process::ExitCode {
    shadowline_program::main(&shadowline_monitor_iforest::SERVICE)
}
