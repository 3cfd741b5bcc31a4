//! `up` and `demo`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shadowline_services::SERVICES;

/// What `up --help` ends with.
fn after_up() -> String {
    let tables: Vec<_> = SERVICES.iter().map(|it| format!("[{}]", it.key())).collect();
    let tables = tables.join(", ");
    format!(
        "\
Examples:
  shadowline up
  shadowline up --data-dir /var/lib/shadowline --config shadowline.toml
  shadowline up --set serving.http.listen=127.0.0.1:0

A settings file has one table per service: {tables}.
--print-config shows them all.

Traces of all services go to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names (OTLP over gRPC, such as
http://localhost:4317). The other variables are OpenTelemetry's own: OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG,
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_SDK_DISABLED."
    )
}

#[derive(Debug, Args)]
#[command(after_help = after_up())]
pub struct UpArgs {
    /// Where everything is kept [default: .shadowline in the current directory]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Settings file (TOML)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key over file and environment; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Prints the settings that would be used, as TOML, and exits
    #[arg(long)]
    pub print_config: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline demo
  shadowline demo --exit --json
  shadowline demo --kafka localhost:9092")]
pub struct DemoArgs {
    /// Stops when the story is over, instead of running on until Ctrl-C
    #[arg(long)]
    pub exit: bool,
    /// Prints one JSON object and nothing else on standard output
    #[arg(long)]
    pub json: bool,
    /// Where everything is kept; without it, a new temporary directory
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Runs every service as a process of its own on this cluster of Apache Kafka
    #[arg(long, value_name = "HOST:PORT")]
    pub kafka: Option<String>,
    /// The data of the story; `auto` is the census, and the wines where no census can be had
    #[arg(long, value_enum, default_value_t = DemoData::Auto)]
    pub data: DemoData,
}

/// What the demonstration runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoData {
    /// The census if it can be had, else the wines
    Auto,
    /// UCI Adult
    Census,
    /// The wines that the program carries
    Wine,
}
