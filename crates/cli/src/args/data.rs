//! Files in, files out: `explore`, `score`, `replay`.

use std::num::NonZeroU64;
use std::ops::Range;
use std::path::PathBuf;

use clap::Args;

use super::parse::{parse_rate, parse_rows, parse_share};
use super::read::{ReadArgs, TypeArgs};
use super::servers::ServerArgs;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline explore train.csv test.csv
  shadowline explore trips.parquet --out trips.html --head 20 --bins 40
  shadowline explore dataset:adult --json

The page holds every row and the chart library, so it works offline and from disk: first rows, shape, describe, scatter
plots, histograms, box plots. Every chart can be zoomed, moved, reset, resized and saved as PNG.")]
pub struct ExploreArgs {
    /// CSV files with a header, Parquet files, folders of them, - for standard input, or `dataset:NAME`; each is one data
    /// set of the page
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,
    /// The page to write
    #[arg(long, value_name = "FILE", default_value = "exploration.html")]
    pub out: PathBuf,
    /// What stands at its top [default: the files' names]
    #[arg(long)]
    pub title: Option<String>,
    /// Columns to leave out, separated by commas
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub drop: Vec<String>,
    /// Only these rows of each file, counted from 0; the end is left out
    #[arg(long, value_name = "A..B", value_parser = parse_rows)]
    pub rows: Option<Range<usize>>,
    /// First rows that are shown at first; the page can show others
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub head: u16,
    /// Bins of the histograms at first; the page can show others
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub bins: u16,
    /// Prints shape, first rows, describe, histograms and box plots as one JSON document, and writes no page
    #[arg(long, conflicts_with = "out")]
    pub json: bool,
    #[command(flatten)]
    pub types: TypeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline score --package census_knn --data people.csv --out scores.csv
  shadowline score --package cards --data test.csv --out scores.csv --explain --sklearn
  shadowline score --package people_knn --data people.csv --id customer --out scores.csv

The result has one line for each row: row,score,p_value,breach,error. `row` counts from 0 in the file; `p_value`
is the share of the training scores at or above the score; `breach` is true above the threshold. A row that cannot be
scored has only its number and the reason in `error`. The exit status is 0 only if every row has a score. The package
says what its columns are: numbers are read as numbers, and text is compared as it stands.
--explain adds expected, and contribution_FEATURE for every feature: together they are the score. Why a live request was
unusual, `shadowline checks show ID` says by its id.")]
pub struct ScoreArgs {
    /// Directory of the package, as `shadowline train` wrote it
    #[arg(long, value_name = "DIR")]
    pub package: PathBuf,
    /// CSV file with a header, Parquet file, folder of them, - for standard input, or `dataset:NAME`
    #[arg(long, value_name = "FILE")]
    pub data: String,
    /// File to write: Parquet if it ends in .parquet, else CSV, compressed as .gz, .zst or .bz2 say; - is standard output
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Only these rows, counted from 0; the end is left out
    #[arg(long, value_name = "A..B", value_parser = parse_rows)]
    pub rows: Option<Range<usize>>,
    /// Keeps this column, by which rows are known elsewhere: it stands behind `row`
    #[arg(long, value_name = "COL")]
    pub id: Option<String>,
    /// Adds what each feature contributes to the score
    #[arg(long)]
    pub explain: bool,
    /// Adds scikit-learn's score_samples, decision_function and predict; of isolation forests
    #[arg(long)]
    pub sklearn: bool,
    /// Shows progress also where standard error is no terminal
    #[arg(long)]
    pub progress: bool,
    /// Prints what it came to as one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline replay --model census --data dataset:adult-test --rows 0..2000 --rate 400
  shadowline replay --model census --data people.csv --json
  shadowline replay --prediction http://127.0.0.1:8010 --data test.csv --score-share 0.25 --seed 1

Rows are sent when they are due, whether or not earlier ones are answered; a latency counts from the time a row was
due. Each cell is read as the model's contract says; columns that the model does not read are left out. A row with a cell
that cannot be read so is not sent, such as a time where the model was trained with plain numbers. What columns are, the
model says: --text, --number and --keep-index are for services that do not. The exit status is 0 only if every row was
answered.

With --prediction the rows go to a prediction service instead: POST /prediction with each row's cells as the feature
vector, by the names of the features where GET /model_information says them, else in the order of the columns. The
service's own counters are then held against what was sent; the exit status is 0 only if every row was answered and the counts are equal.")]
pub struct ReplayArgs {
    /// The model to ask
    #[arg(long, value_name = "NAME", required_unless_present = "prediction")]
    pub model: Option<String>,
    /// Its version [default: the newest]
    #[arg(long)]
    pub version: Option<NonZeroU64>,
    /// Asks the prediction service at this address instead, such as http://127.0.0.1:8010
    #[arg(long, value_name = "URL", conflicts_with_all = ["model", "version"])]
    pub prediction: Option<String>,
    /// With --prediction: asks the model of this name, where the service has several
    #[arg(long, value_name = "MODEL", requires = "prediction", conflicts_with = "model")]
    pub name: Option<String>,
    /// With --prediction: the chance of each row to ask for its score as well
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, value_parser = parse_share, requires = "prediction", conflicts_with = "model")]
    pub score_share: f64,
    /// With --prediction: decides which rows ask for their score; the same seed, the same rows
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        requires = "prediction",
        conflicts_with = "model"
    )]
    pub seed: u64,
    /// With --prediction: requests that are open at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024), requires = "prediction", conflicts_with = "model")]
    pub concurrency: u16,
    /// With --prediction: columns to leave out, separated by commas
    #[arg(
        long,
        value_name = "COL,…",
        value_delimiter = ',',
        requires = "prediction",
        conflicts_with = "model"
    )]
    pub drop: Vec<String>,
    /// With --prediction: leaves out the comparison with the service's counters, for one that has none
    #[arg(long, requires = "prediction", conflicts_with = "model")]
    pub uncounted: bool,
    /// CSV file with a header, Parquet file, folder of them, - for standard input, or `dataset:NAME` such as
    /// `dataset:adult-test`
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
    pub types: TypeArgs,
    #[command(flatten)]
    pub servers: ServerArgs,
}
