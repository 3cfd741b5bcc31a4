//! What can be written behind `shadowline`.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Watches models while they serve.
#[derive(Debug, Parser)]
#[command(
    name = "shadowline",
    version,
    about = "Watches models while they serve: shadowed traffic, detectors, metric specs, alerts.",
    after_help = "Begin with `shadowline demo`, or start a server of your own with `shadowline up`."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs every service in one process, with its log and database in a directory
    Up(UpArgs),
    /// Shows the whole story on real data: train, serve, shadow, score, alert, resolve
    Demo(DemoArgs),
    /// Trains a model or a detector on a file and writes it as a package
    #[command(subcommand)]
    Train(TrainCommand),
    /// Installs the documents of YAML files: models, detectors and metric specs
    Apply(ApplyArgs),
    /// Deletes a model, a detector or a metric spec
    Delete(DeleteArgs),
    /// Lists the installed models and detectors
    Models(ModelsArgs),
    /// Lists the metric specs
    Specs(SpecsArgs),
    /// Lists alerts and their history
    Alerts(AlertsArgs),
    /// Lists checks: scores that were judged by a metric spec
    Checks(ChecksArgs),
    /// Sends the rows of a file as predict calls, at a chosen rate
    Replay(ReplayArgs),
    /// Asks every service how it is
    Status(StatusArgs),
}

/// Which servers to ask.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Servers")]
pub struct ServerArgs {
    /// Host of all services, at their default ports [default: 127.0.0.1]
    #[arg(long, global = true, value_name = "HOST")]
    pub server: Option<String>,
    /// The `endpoints.json` that `shadowline up` writes into its data directory
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "server")]
    pub endpoints: Option<PathBuf>,
    /// Address of serving's REST interface [default: http://HOST:8000]
    #[arg(long, global = true, value_name = "URL")]
    pub serving_url: Option<String>,
    /// Address of serving's gRPC interface [default: http://HOST:8001]
    #[arg(long, global = true, value_name = "URL")]
    pub serving_grpc_url: Option<String>,
    /// Address of the isolation forest monitor [default: http://HOST:8010]
    #[arg(long, global = true, value_name = "URL")]
    pub monitor_iforest_url: Option<String>,
    /// Address of the KNN monitor [default: http://HOST:8011]
    #[arg(long, global = true, value_name = "URL")]
    pub monitor_knn_url: Option<String>,
    /// Address of the metric-spec service [default: http://HOST:8020]
    #[arg(long, global = true, value_name = "URL")]
    pub metric_specs_url: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline up
  shadowline up --data-dir /var/lib/shadowline --config shadowline.toml
  shadowline up --set serving.http.listen=127.0.0.1:0

A settings file has one table per service: [serving], [monitor_iforest], [monitor_knn], [metric_specs].
--print-config shows them all.")]
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

#[derive(Debug, Subcommand)]
pub enum TrainCommand {
    /// An isolation forest: how few cuts separate a record from the others
    IsolationForest(IsolationForestArgs),
    /// A KNN outlier detector: how far a record is from its nearest neighbours
    Knn(KnnArgs),
    /// A classifier to be served: logistic regression
    LogisticRegression(LogisticRegressionArgs),
}

/// What every training needs.
#[derive(Debug, Clone, Args)]
pub struct TrainingArgs {
    /// CSV file with a header, or `dataset:adult`, `dataset:adult-test` or `dataset:wine`
    #[arg(long, value_name = "FILE")]
    pub data: String,
    /// Directory to write the package into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the package [default: the last part of DIR]
    #[arg(long)]
    pub name: Option<String>,
    /// Columns to leave out, separated by commas
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// Only these rows, counted from 0; the end is left out
    #[arg(long, value_name = "A..B", value_parser = parse_rows)]
    pub rows: Option<Range<usize>>,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shadowline train isolation-forest --data dataset:adult --out census_iforest --label income --drop fnlwgt \\
    --contamination 0.04")]
pub struct IsolationForestArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Column that is the label, and so no feature
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    /// Number of trees
    #[arg(long, default_value_t = 100)]
    pub n_estimators: usize,
    /// Records per tree: a number, a share such as 0.5, or `auto` for at most 256
    #[arg(long, default_value = "auto")]
    pub max_samples: String,
    /// Share of the training records above the threshold, or `auto` for the threshold 0.5
    #[arg(long, default_value = "auto")]
    pub contamination: String,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    pub random_state: u64,
    /// Scaling of the features
    #[arg(long, value_enum, default_value_t = ScaleArg::None)]
    pub scale: ScaleArg,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shadowline train knn --data dataset:adult --out census_knn --label income --drop fnlwgt --contamination 0.05 \\
    --scale standard")]
pub struct KnnArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Column that is the label, and so no feature
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    /// Number of neighbours
    #[arg(long, default_value_t = 5)]
    pub n_neighbors: usize,
    /// What the distances to the neighbours are made into
    #[arg(long, value_enum, default_value_t = MethodArg::Largest)]
    pub method: MethodArg,
    /// Power of the Minkowski distance
    #[arg(long, default_value_t = 2.0)]
    pub p: f64,
    /// Share of the training records above the threshold
    #[arg(long, default_value_t = 0.1)]
    pub contamination: f64,
    /// Scaling of the features
    #[arg(long, value_enum, default_value_t = ScaleArg::None)]
    pub scale: ScaleArg,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shadowline train logistic-regression --data dataset:adult --out census --label income --drop fnlwgt")]
pub struct LogisticRegressionArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Column to predict
    #[arg(long, value_name = "COL")]
    pub label: String,
}

/// How features are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScaleArg {
    /// As they are
    None,
    /// Mean 0, standard deviation 1
    Standard,
    /// From 0 to 1
    Minmax,
    /// Median 0, interquartile range 1
    Robust,
}

/// What a KNN detector makes of the distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArg {
    /// The distance to the k-th neighbour
    Largest,
    /// The mean of the k distances
    Mean,
    /// The median of the k distances
    Median,
}

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
Examples:
  shadowline replay --model census --data dataset:adult-test --rows 0..2000 --rate 400
  shadowline replay --model census --data people.csv --json

Rows are sent when they are due, whether or not earlier ones are answered; a latency counts from the time a row was
due. Columns that the model does not read are left out. The exit status is 0 only if every row was answered.")]
pub struct ReplayArgs {
    /// The model to ask
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// Its version [default: the newest]
    #[arg(long)]
    pub version: Option<NonZeroU64>,
    /// CSV file with a header, or `dataset:adult`, `dataset:adult-test` or `dataset:wine`
    #[arg(long, value_name = "FILE")]
    pub data: String,
    /// Predict calls per second; without it, as fast as they are answered
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// Only these rows, counted from 0; the end is left out
    #[arg(long, value_name = "A..B", value_parser = parse_rows)]
    pub rows: Option<Range<usize>>,
    /// Shows progress also where standard error is no terminal
    #[arg(long)]
    pub progress: bool,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub servers: ServerArgs,
}

fn parse_rows(text: &str) -> Result<Range<usize>, String> {
    let expected = || format!("`{text}` is not a range of rows such as 0..2000, ..100 or 500..");
    let (start, end) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str, missing| {
        if text.is_empty() { Ok(missing) } else { text.parse().map_err(|_| expected()) }
    };
    let range = number(start, 0)?..number(end, usize::MAX)?;
    if range.is_empty() { Err(format!("`{text}` holds no row")) } else { Ok(range) }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && 0.0 < rate => Ok(rate),
        _ => Err(format!("`{text}` is not a number of calls per second above 0")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rows_are_ranges() {
        assert_eq!(parse_rows("0..20"), Ok(0..20));
        assert_eq!(parse_rows("..20"), Ok(0..20));
        assert_eq!(parse_rows("5.."), Ok(5..usize::MAX));
        for text in ["5", "5..5", "9..5", "a..b", "-1..4"] {
            assert!(parse_rows(text).unwrap_err().contains(text));
        }
        for text in ["0", "-3", "NaN", "inf", "fast"] {
            assert!(parse_rate(text).unwrap_err().contains(text));
        }
    }

    #[test]
    fn commands_are_understood() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).map(|it| it.command);
        let Ok(Command::Apply(apply)) = parse("shadowline apply -f a.yaml b.yaml -f -") else {
            panic!("apply takes several files")
        };
        assert_eq!(apply.files.len(), 3);
        let Ok(Command::Specs(specs)) = parse("shadowline specs show knn --json") else {
            panic!("specs show takes a name")
        };
        assert_eq!((specs.view, specs.json), (Some(View::Show { name: "knn".into() }), true));
        let Ok(Command::Specs(specs)) = parse("shadowline specs show knn --server prod") else {
            panic!("the servers can be named behind the name")
        };
        assert_eq!(specs.servers.server.as_deref(), Some("prod"));
        for line in
            ["shadowline", "shadowline explore a.csv", "shadowline apply", "shadowline train knn"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
