//! `train`: models and detectors from files.

use std::ops::Range;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use shadowline_packages::PackageName;

use super::parse::{parse_interval, parse_model, parse_rows};
use super::read::TypeArgs;

/// Said of each flag of the boundary: a heading of the group would be that of the flags behind it, too.
const BOUNDARY: &str = "Decision boundary in report.html, of two features";

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
    /// CSV file with a header, Parquet file, folder of them, - for standard input, or `dataset:NAME` such as
    /// `dataset:adult`
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
    /// Shows progress also where standard error is no terminal
    #[arg(long)]
    pub progress: bool,
    /// Prints one JSON document on standard output
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub types: TypeArgs,
}

/// What every detector's training takes beside its own parameters.
#[derive(Debug, Clone, Args)]
pub struct DetectorArgs {
    /// Column that says which rows are anomalies, and so no feature; the area under the ROC curve is printed
    #[arg(long, value_name = "COL")]
    pub label: Option<String>,
    /// The label's value for anomalies [default: 1 or true]
    #[arg(long, value_name = "VALUE", requires = "label")]
    pub positive: Option<String>,
    /// Rows to score with what was trained: a file or `dataset:NAME` like --data
    #[arg(long, value_name = "FILE")]
    pub test: Option<String>,
    /// Scaling of the features
    #[arg(long, value_enum, default_value_t = ScaleArg::None)]
    pub scale: ScaleArg,
    /// What becomes of rows that lack a number
    #[arg(long, value_enum, default_value_t = MissingArg::Refuse)]
    pub missing: MissingArg,
    /// Sets the threshold so that this share of fresh normal rows is expected above it, instead of --contamination; the
    /// training says in which interval the true share lies
    #[arg(long, value_name = "SHARE", conflicts_with = "contamination")]
    pub alert_budget: Option<f64>,
    /// The model whose traffic the detector is to watch, for `spec.yaml` [default: the detector's name without its last
    /// part, such as `_iforest` or `_knn`]
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub watch: Option<PackageName>,
    #[command(flatten)]
    pub boundary: BoundaryArgs,
}

/// The picture of the decision boundary in `report.html`, for detectors of two numbers.
#[derive(Debug, Clone, Args)]
pub struct BoundaryArgs {
    /// Range of the grid along both features, such as -2..70 [default: the data and a twentieth more on every side]
    #[arg(long, help_heading = BOUNDARY, value_name = "A..B", value_parser = parse_interval, allow_hyphen_values = true)]
    pub grid_range: Option<(f64, f64)>,
    /// Points of the grid along each feature
    #[arg(long, help_heading = BOUNDARY, value_name = "N", default_value_t = 100)]
    pub grid: usize,
    /// Shows the boundary of another package's detector beside this one's
    #[arg(long, help_heading = BOUNDARY, value_name = "PACKAGE_DIR")]
    pub compare: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline train isolation-forest --data dataset:adult --out census_iforest --label income --positive '>50K' \\
    --drop fnlwgt --contamination 0.04
  shadowline train isolation-forest --data train.csv --test test.csv --out cards --random-state 16 \\
    --contamination 0.001 --grid-range -2..70 --compare cards_default
  shadowline train isolation-forest --data trips.parquet --out trips --drop ehail_fee --missing keep --alert-budget 0.001

The package is DIR/serving.yaml and DIR/model.slm; DIR/spec.yaml is a metric spec for it, with the package's threshold and
a rule that stands what is above it by chance. `shadowline apply -f DIR` installs both. DIR/report.html shows the scores,
the threshold, what the detector found out about itself and, for two features, the decision boundary. The same data, parameters and seed give the same bytes.")]
pub struct IsolationForestArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    #[command(flatten)]
    pub detector: DetectorArgs,
    /// Number of trees
    #[arg(long, default_value_t = 100)]
    pub n_estimators: usize,
    /// Records per tree: a number, a share such as 0.5, or `auto` for at most 256
    #[arg(long, value_name = "N|SHARE|auto", default_value = "auto")]
    pub max_samples: String,
    /// Features per tree: a number, or a share such as 0.5; 1.0 is all of them, 1 is one
    #[arg(long, value_name = "N|SHARE", default_value = "1.0")]
    pub max_features: String,
    /// Draws a tree's records with replacement
    #[arg(long)]
    pub bootstrap: bool,
    /// Features beyond the first that each cut goes by: above 0 the cuts are oblique, as in the extended forest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub extension_level: usize,
    /// Share of the training records above the threshold, or `auto` for the threshold 0.5
    #[arg(long, value_name = "SHARE|auto", default_value = "auto")]
    pub contamination: String,
    /// Seed of the random numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub random_state: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline train knn --data dataset:adult --out census_knn --label income --positive '>50K' --drop fnlwgt \\
    --contamination 0.05 --scale standard
  shadowline train knn --data train.csv --test test.csv --out cards_knn --n-neighbors 15 --metric minkowski --p 5
  shadowline train knn --data trips.parquet --out trips_knn --drop ehail_fee --missing median --scale robust \\
    --clusters 200

The package is DIR/serving.yaml and DIR/model.slm; DIR/spec.yaml is a metric spec for it, with the package's threshold and
a rule that stands what is above it by chance. `shadowline apply -f DIR` installs both. DIR/report.html shows the scores,
the threshold, what the detector found out about itself and, for two features, the decision boundary.")]
pub struct KnnArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    #[command(flatten)]
    pub detector: DetectorArgs,
    /// Number of neighbours
    #[arg(long, default_value_t = 5)]
    pub n_neighbors: usize,
    /// What the distances to the neighbours are made into
    #[arg(long, value_enum, default_value_t = MethodArg::Largest)]
    pub method: MethodArg,
    /// How distance is measured [default: minkowski]
    #[arg(long, value_enum)]
    pub metric: Option<MetricArg>,
    /// Power of the Minkowski distance, at least 1 [default: 2]
    #[arg(long)]
    pub p: Option<f64>,
    /// Share of the training records above the threshold
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    pub contamination: f64,
    /// Measures distance to the centroids of this many clusters instead of to the training records
    #[arg(long, value_name = "N")]
    pub clusters: Option<usize>,
    /// Leaves this share of the training records, the most anomalous ones, out as neighbours
    #[arg(long, value_name = "SHARE")]
    pub trim: Option<f64>,
    /// Seed of --clusters and --trim; nothing else is random
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub random_state: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  shadowline train logistic-regression --data dataset:adult --out census --label income --drop fnlwgt
  shadowline train logistic-regression --data loans.csv --out loans --label defaulted --missing median")]
pub struct LogisticRegressionArgs {
    #[command(flatten)]
    pub training: TrainingArgs,
    /// Column to predict
    #[arg(long, value_name = "COL")]
    pub label: String,
    /// What becomes of rows that lack a number
    #[arg(long, value_enum, default_value_t = MissingArg::Refuse)]
    pub missing: MissingArg,
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

/// What becomes of missing numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MissingArg {
    /// They are an error
    Refuse,
    /// They stay missing, and a forest sends them one way at every cut; not of KNN and oblique cuts
    Keep,
    /// They become the median of the training rows
    Median,
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

/// How a KNN detector measures distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricArg {
    /// The straight line: p = 2
    Euclidean,
    /// The sum of the differences: p = 1
    Manhattan,
    /// The largest difference: p = infinity
    Chebyshev,
    /// By the power that --p names
    Minkowski,
}
