//! What can be written behind `shadowline`, one module for each subject.

mod data;
mod exchange;
mod install;
mod parse;
mod read;
mod run;
mod servers;
mod show;
mod train;

use clap::{Parser, Subcommand};

pub use data::{ExploreArgs, ReplayArgs, ScoreArgs};
pub use exchange::{ExportArgs, FormatArg, ImportCommand, ImportForestArgs};
pub use install::{ApplyArgs, DeleteArgs, Host, Kind, RollbackArgs};
pub use read::{ReadArgs, TypeArgs};
pub use run::{DemoArgs, DemoData, UpArgs};
pub use servers::{ServerArgs, with_servers};
pub(crate) use servers::{grpc_url_flag, url_flag};
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
    /// Makes an older version of a model or a detector the default again, which answers where none is named
    Rollback(RollbackArgs),
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
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
