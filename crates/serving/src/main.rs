//! The program `shadowline-serving`.

fn main() -> std::process::ExitCode {
    shadowline_program::main(&shadowline_serving::SERVICE)
}
