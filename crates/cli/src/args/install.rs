//! `apply` and `delete`.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ServerArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline apply -f census/serving.yaml specs.yaml
  cat specs.yaml | shadowline apply -f -

Every document is read and checked before the first one is sent.")]
pub struct ApplyArgs {
    /// YAML files with one or several documents; `-` is standard input
    #[arg(short, long = "file", value_name = "FILE", num_args = 1.., required = true)]
    pub files: Vec<PathBuf>,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

/// What can be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A target model or a detector
    #[value(alias = "Model")]
    Model,
    /// A metric spec
    #[value(alias = "MetricSpec", alias = "metric-spec")]
    Spec,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline delete spec census_knn_outliers
  shadowline delete model census --version 2")]
pub struct DeleteArgs {
    /// What to delete
    #[arg(value_enum)]
    pub kind: Kind,
    /// Its name
    pub name: String,
    /// Only this version of a model; without it, all
    #[arg(long)]
    pub version: Option<NonZeroU64>,
    /// The service that hosts the model, where several have one of this name
    #[arg(long, value_enum)]
    pub on: Option<Host>,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

/// The services that host packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Host {
    /// Target models
    Serving,
    /// Isolation forests
    MonitorIforest,
    /// KNN outlier detectors
    MonitorKnn,
}
