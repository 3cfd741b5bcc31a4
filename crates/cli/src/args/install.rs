//! `apply` and `delete`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use shadowline_services::{self as services, Descriptor, SERVICES};

use super::servers::ServerArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline apply -f census/serving.yaml specs.yaml
  shadowline apply -f census_knn
  cat specs.yaml | shadowline apply -f -

Of a directory, every file that ends in .yaml or .yml is read, and none of directories in it. Models and detectors go
before metric specs. An artefact is a file in its document's directory, or below it. Every document is read and checked before the first one is sent.")]
pub struct ApplyArgs {
    /// YAML files with one or several documents, or directories of them; `-` is standard input
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
  shadowline delete model census --version 2

A model or detector that an enabled metric spec uses is deleted by --force only: its requests would pass unwatched.")]
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
    /// Deletes a model also if enabled metric specs use it
    #[arg(long)]
    pub force: bool,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The default version is the one that answers where a request or a metric spec names none: the newest, until a
rollback. A rollback holds, also through restarts, until a newer version is installed or the newest is made the default
again by --to. No version is deleted, and requests that name one get it.

Examples:
  shadowline rollback census
  shadowline rollback census --to 1")]
pub struct RollbackArgs {
    /// The model's or the detector's name
    pub name: String,
    /// The version to answer from now on [default: the one before the version that answers now]
    #[arg(long, value_name = "VERSION")]
    pub to: Option<NonZeroU64>,
    /// The service that hosts the model, where several have one of this name
    #[arg(long, value_enum)]
    pub on: Option<Host>,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

/// A service that hosts packages.
#[derive(Debug, Clone, Copy)]
pub struct Host(&'static Descriptor);

/// In the order of the table of services.
static HOSTS: LazyLock<Vec<Host>> = LazyLock::new(|| {
    let hosts = SERVICES.iter().copied().filter(|it| it.packages.is_some());
    hosts.map(Host).collect()
});

impl Host {
    /// Every service that hosts packages.
    pub fn all() -> &'static [Self] {
        &HOSTS
    }

    /// The service's name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The service that runs artefacts of a runtime.
    pub fn of_runtime(runtime: &str) -> Option<Self> {
        services::host_of(SERVICES, runtime).map(Self)
    }

    /// The runtimes that have a host, as a message names them: `a`, `b` or `c`.
    pub fn runtimes() -> String {
        let runtimes = HOSTS.iter().filter_map(|it| it.0.packages).flat_map(|it| it.runtimes);
        let runtimes: Vec<_> = runtimes.map(|it| format!("`{it}`")).collect();
        match runtimes.as_slice() {
            [several @ .., last] if !several.is_empty() => {
                format!("{} or {last}", several.join(", "))
            }
            few => few.concat(),
        }
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Host {}

impl ValueEnum for Host {
    fn value_variants<'a>() -> &'a [Self] {
        Self::all()
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let title = self.0.packages.map(|it| it.title);
        Some(PossibleValue::new(self.name()).help(title.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_of_the_table() {
        let names: Vec<_> = Host::all().iter().map(|it| it.name()).collect();
        assert_eq!(names, ["serving", "monitor-iforest", "monitor-knn"]);
        assert_eq!(Host::of_runtime("knn").map(Host::name), Some("monitor-knn"));
        assert_eq!(Host::of_runtime("onnx"), None);
        assert_eq!(Host::runtimes(), "`logistic-regression`, `isolation-forest` or `knn`");
    }
}
