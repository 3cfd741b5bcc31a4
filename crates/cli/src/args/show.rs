//! What lists and shows: `models`, `specs`, `alerts`, `checks` and `status`.

use clap::{Args, Subcommand, ValueEnum};

use super::servers::ServerArgs;

/// List all, or show one.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum View {
    /// Lists all (the default)
    List,
    /// Shows one with everything that is known of it
    Show {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub view: Option<View>,
    /// Prints one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

#[derive(Debug, Args)]
pub struct SpecsArgs {
    #[command(subcommand)]
    pub view: Option<View>,
    /// Prints one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

#[derive(Debug, Args)]
pub struct AlertsArgs {
    #[command(subcommand)]
    pub view: Option<View>,
    /// Prints one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline checks --spec census_knn_outliers --outcome breach
  shadowline checks show 01928e5e-0000-7000-8000-000000000000")]
pub struct ChecksArgs {
    #[command(subcommand)]
    pub view: Option<ChecksView>,
    /// Only checks of this metric spec
    #[arg(long, value_name = "NAME", global = true)]
    pub spec: Option<String>,
    /// Only checks with this outcome
    #[arg(long, value_enum, global = true)]
    pub outcome: Option<OutcomeArg>,
    /// At most this many, newest first
    #[arg(long, default_value_t = 20, global = true)]
    pub limit: usize,
    /// Prints one JSON document on standard output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

/// List checks, or show those of one request.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum ChecksView {
    /// Lists the newest (the default)
    List,
    /// Shows every check of one inference
    Show {
        /// The inference's id
        inference_id: String,
    },
}

/// What a check can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeArg {
    /// The condition does not hold
    Healthy,
    /// The condition holds
    Breach,
    /// There was no score
    Unscored,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The exit status is 1 when a service does not answer or is not ready. A service that is degraded does its work, and
somebody should look. LAG is what waits in the spool of serving, and the records that another service has not read
yet, of the partitions that are its own; LAST ERROR may be long over.

Examples:
  shadowline status
  shadowline status --endpoints data/endpoints.json --json")]
pub struct StatusArgs {
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    /// Waits until every service is ready, and the file of --endpoints is there, for at most this long
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=86_400))]
    pub wait: Option<u64>,
    #[command(flatten)]
    pub servers: ServerArgs,
}
