//! What can be written behind `shadowline`, one module for each subject.

mod data;
mod exchange;
mod install;
mod run;
mod show;
mod train;

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use data::{ExploreArgs, ReplayArgs, ScoreArgs};
pub use exchange::{ExportArgs, FormatArg, ImportCommand, ImportForestArgs};
pub use install::{ApplyArgs, DeleteArgs, Host, Kind};
pub use run::{DemoArgs, DemoData, UpArgs};
pub use show::{
    AlertsArgs, ChecksArgs, ChecksView, ModelsArgs, OutcomeArg, SpecsArgs, StatusArgs, View,
};
pub use train::{
    BoundaryArgs, DetectorArgs, IsolationForestArgs, KnnArgs, LogisticRegressionArgs, MethodArg,
    MetricArg, MissingArg, ScaleArg, TrainCommand, TrainingArgs,
};

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
    /// Scores the rows of a file with a trained detector, into a CSV file
    Score(ScoreArgs),
    /// Writes a page on which the data of files can be looked at: figures, scatter plots, histograms, box plots
    Explore(ExploreArgs),
    /// Makes a package of a detector that another library fitted
    #[command(subcommand)]
    Import(ImportCommand),
    /// Writes a package's forest for another library, as ONNX or JSON
    Export(ExportArgs),
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
    /// Asks every service how it is: version, state, uptime, lag, last error
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

fn parse_rows(text: &str) -> Result<Range<usize>, String> {
    let expected = || format!("`{text}` is not a range of rows such as 0..2000, ..100 or 500..");
    let (start, end) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str, missing| {
        if text.is_empty() { Ok(missing) } else { text.parse().map_err(|_| expected()) }
    };
    let range = number(start, 0)?..number(end, usize::MAX)?;
    if range.is_empty() { Err(format!("`{text}` holds no row")) } else { Ok(range) }
}

/// The two ends of a range of numbers, such as -2..70.
fn parse_interval(text: &str) -> Result<(f64, f64), String> {
    let ends =
        text.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match ends {
        Some((low, high)) if f64::is_finite(low) && f64::is_finite(high) && low < high => {
            Ok((low, high))
        }
        _ => Err(format!("`{text}` is not a range of numbers such as -2..70, the lower one first")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && 0.0 < rate => Ok(rate),
        _ => Err(format!("`{text}` is not a number of calls per second above 0")),
    }
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is not a share from 0 to 1")),
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
        assert_eq!(parse_interval("-2..70.5"), Ok((-2.0, 70.5)));
        for text in ["", "1", "..", "5..5", "9..5", "a..b", "0..inf", "NaN..1"] {
            assert!(parse_interval(text).unwrap_err().contains(text));
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
        let forest = "shadowline train isolation-forest --data a --out b";
        let Ok(Command::Train(TrainCommand::IsolationForest(args))) =
            parse(&format!("{forest} --grid-range -2..70"))
        else {
            panic!("a range may begin with a minus")
        };
        assert_eq!(args.detector.boundary.grid_range, Some((-2.0, 70.0)));
        for line in [
            "shadowline",
            "shadowline explore",
            "shadowline explore a.csv --bins 0",
            "shadowline explore a.csv --json --out b.html",
            "shadowline score --package a --data b",
            "shadowline apply",
            "shadowline train knn",
            "shadowline train knn --data a --out b --positive 1",
            &format!("{forest} --contamination 0.1 --alert-budget 0.1"),
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
