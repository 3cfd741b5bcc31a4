//! The program `shadowline-monitor-knn`.

fn main() -> std::process::ExitCode {
    shadowline_program::main(&shadowline_monitor_knn::SERVICE)
}
