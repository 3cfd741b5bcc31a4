//! `import` and `export`: forests of other libraries.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::read::TypeArgs;

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// An isolation forest that scikit-learn fitted, as ONNX (written by skl2onnx) or as our JSON
    SklearnForest(ImportForestArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline import sklearn-forest forest.onnx --data train.csv --out cards
  shadowline import sklearn-forest forest.json --data people.csv --features age,hours --out people_iforest

The scores are scikit-learn's to 1e-6. The p-values and the report need the rows that the forest was fitted on: --data.
crates/detectors/docs/forest-json.md describes the JSON; tools/sklearn_forest.py writes it.")]
pub struct ImportForestArgs {
    /// The forest: ONNX or JSON, whatever it is called
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The rows that it was fitted on: a CSV file with a header, a Parquet file, or `dataset:NAME`
    #[arg(long, value_name = "FILE")]
    pub data: String,
    /// The columns that are its features, in its order [default: the names in FILE, else the columns of --data]
    #[arg(long, value_name = "COL,…", value_delimiter = ',')]
    pub features: Vec<String>,
    /// Directory to write the package into
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Name of the package [default: the last part of DIR]
    #[arg(long)]
    pub name: Option<String>,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub types: TypeArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline export cards --to onnx --out cards.onnx
  shadowline export cards --to json --out cards.json

The forest scores what the package's preprocessing makes of a record: where it scales numbers or encodes text, whoever
runs the file must do the same first. An extended forest has oblique cuts, which neither format knows.")]
pub struct ExportArgs {
    /// Directory of the package
    #[arg(value_name = "DIR")]
    pub package: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    pub to: FormatArg,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// What a forest is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// As skl2onnx writes scikit-learn's, for onnxruntime and its like
    Onnx,
    /// Lists of cuts and leaves, described in crates/detectors/docs/forest-json.md
    Json,
}
