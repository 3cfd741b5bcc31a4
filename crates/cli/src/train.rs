//! `shadowline train`: a file in, a package out.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use shadowline_contract::{DataType, Field, Profile, Signature};
use shadowline_detectors::isolation_forest::{Contamination, MaxSamples};
use shadowline_detectors::knn::Method;
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, IsolationForest, KnnOutlier, TrainOptions,
};
use shadowline_features::{Scale, Table};
use shadowline_models::LogisticRegression;
use shadowline_packages::{ModelDocument, PackageName};
use tokio::time::Instant;

use crate::args::{
    IsolationForestArgs, KnnArgs, LogisticRegressionArgs, MethodArg, ScaleArg, TrainCommand,
    TrainingArgs,
};
use crate::data::{self, Data};
use crate::output;

/// The artefact's file in a package.
const ARTEFACT: &str = "model.slm";
/// The document's file in a package.
pub(crate) const DOCUMENT: &str = "serving.yaml";

/// A package that is not written yet, and what its training came to.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) document: ModelDocument,
    pub(crate) artefact: Vec<u8>,
    pub(crate) report: Report,
}

/// What a training came to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) runtime: String,
    pub(crate) rows: usize,
    pub(crate) features: usize,
    pub(crate) seconds: f64,
    /// Of detectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) threshold: Option<f64>,
    /// The share of the training rows above the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flagged_share: Option<f64>,
    /// Of classifiers, on the training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) training_accuracy: Option<f64>,
}

pub(crate) async fn run(command: &TrainCommand) -> anyhow::Result<()> {
    let (training, label) = match command {
        TrainCommand::IsolationForest(args) => (&args.training, args.label.as_ref()),
        TrainCommand::Knn(args) => (&args.training, args.label.as_ref()),
        TrainCommand::LogisticRegression(args) => (&args.training, Some(&args.label)),
    };
    let name = package_name(training)?;
    let Data { table, name: trained_on, found } =
        data::load(&training.data, training.rows.as_ref()).await?;
    eprintln!("data: {found}, {} rows", output::thousands(table.n_rows()));
    let table = table.without(&training.drop).context("--drop")?;
    if let Some(label) = label {
        table.column(label).context("--label")?;
    }
    let progress = spinner(&format!("training on {} rows", output::thousands(table.n_rows())));
    let work: Box<dyn FnOnce() -> anyhow::Result<Trained> + Send> = match command {
        TrainCommand::IsolationForest(args) => {
            let params = DetectorParams::IsolationForest(forest_params(args)?);
            let (scale, features) = (scale(args.scale), features(&table, label)?);
            Box::new(move || detector(name, &params, scale, &features, &trained_on))
        }
        TrainCommand::Knn(args) => {
            let params = DetectorParams::Knn(knn_params(args));
            let (scale, features) = (scale(args.scale), features(&table, label)?);
            Box::new(move || detector(name, &params, scale, &features, &trained_on))
        }
        TrainCommand::LogisticRegression(LogisticRegressionArgs { label, .. }) => {
            let label = label.clone();
            Box::new(move || classifier(name, &table, &label, &trained_on))
        }
    };
    let trained = tokio::task::spawn_blocking(work).await??;
    progress.finish_and_clear();
    trained.write(&training.out)?;
    let Report { name, runtime, rows, features, seconds, .. } = &trained.report;
    if training.json {
        return output::json(&trained.report);
    }
    output::line(format!(
        "{runtime} `{name}`: {} rows, {features} features, {seconds:.1} s",
        output::thousands(*rows)
    ))?;
    if let Some((threshold, share)) = trained.report.threshold.zip(trained.report.flagged_share) {
        let share = output::percent(share);
        output::line(format!("threshold {threshold}; {share} of the training rows are above it"))?;
    }
    if let Some(accuracy) = trained.report.training_accuracy {
        output::line(format!(
            "{} of the training rows are predicted right",
            output::percent(accuracy)
        ))?;
    }
    let out = training.out.join(DOCUMENT);
    output::line(format!("written; install it with: shadowline apply -f {}", out.display()))
}

impl Trained {
    /// Writes the package. The document comes last, so that it never names an artefact that is not there.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make directory `{}`", folder.display()))?;
        crate::files::write_whole(&folder.join(ARTEFACT), &self.artefact)?;
        crate::files::write_whole(&folder.join(DOCUMENT), self.document.to_yaml()?.as_bytes())
    }
}

/// Trains a detector on every column of a table.
pub(crate) fn detector(
    name: PackageName,
    params: &DetectorParams,
    scale: Scale,
    features: &Table,
    trained_on: &str,
) -> anyhow::Result<Trained> {
    let started = Instant::now();
    let artefact =
        DetectorArtefact::train(name.as_str(), params, &TrainOptions::scaled(scale), features)
            .with_context(|| format!("train `{name}`"))?;
    let seconds = started.elapsed().as_secs_f64();
    let threshold = artefact.detector().threshold();
    let scores = artefact.training_scores();
    let n_above = scores.n_above(threshold);
    let rows = features.n_rows();
    let report = Report {
        name: name.to_string(),
        runtime: artefact.detector().kind().name().to_owned(),
        rows,
        features: artefact.preprocessing().n_features(),
        seconds,
        threshold: Some(threshold),
        flagged_share: Some(share(n_above, rows)),
        training_accuracy: None,
    };
    let outputs =
        vec![Field { profile: Profile::Numerical, ..Field::scalar("score", DataType::Float64) }];
    let metadata = BTreeMap::from([
        ("trained_on".to_owned(), trained_on.to_owned()),
        ("n_rows".to_owned(), rows.to_string()),
        ("threshold".to_owned(), threshold.to_string()),
    ]);
    let document = ModelDocument {
        name,
        version: None,
        runtime: report.runtime.clone(),
        artefact: ARTEFACT.to_owned(),
        contract: Signature::new(features.fields(), outputs)?,
        metadata,
    };
    Ok(Trained { document, artefact: artefact.to_bytes()?, report })
}

/// Trains a classifier that predicts a column by all others.
pub(crate) fn classifier(
    name: PackageName,
    table: &Table,
    label: &str,
    trained_on: &str,
) -> anyhow::Result<Trained> {
    let started = Instant::now();
    let model = LogisticRegression::params()
        .train(name.as_str(), table, label)
        .with_context(|| format!("train `{name}`"))?;
    let seconds = started.elapsed().as_secs_f64();
    let inputs = table.without(&[label])?.fields();
    let predicted = model.predict(table)?.labels;
    let labels = table.column(label)?.to_texts();
    let n_right =
        predicted.iter().zip(&labels).filter(|(predicted, label)| predicted == label).count();
    let rows = table.n_rows();
    let report = Report {
        name: name.to_string(),
        runtime: "logistic-regression".to_owned(),
        rows,
        features: inputs.len(),
        seconds,
        threshold: None,
        flagged_share: None,
        training_accuracy: Some(share(n_right, rows)),
    };
    let metadata = BTreeMap::from([
        ("trained_on".to_owned(), trained_on.to_owned()),
        ("n_rows".to_owned(), rows.to_string()),
    ]);
    let document = ModelDocument {
        name,
        version: None,
        runtime: report.runtime.clone(),
        artefact: ARTEFACT.to_owned(),
        contract: Signature::new(inputs, model.outputs())?,
        metadata,
    };
    Ok(Trained { document, artefact: model.to_bytes()?, report })
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// The columns that a detector learns from.
fn features(table: &Table, label: Option<&String>) -> anyhow::Result<Table> {
    let label: Vec<&String> = label.into_iter().collect();
    let features = table.without(&label)?;
    if features.columns().is_empty() {
        bail!("no column is left to learn from");
    }
    Ok(features)
}

fn package_name(training: &TrainingArgs) -> anyhow::Result<PackageName> {
    let name = match &training.name {
        Some(name) => name.clone(),
        None => {
            let last = training.out.file_name();
            let last =
                last.with_context(|| format!("--out `{}` has no name", training.out.display()))?;
            last.to_string_lossy().into_owned()
        }
    };
    PackageName::try_from(name).context("--name, or the last part of --out")
}

fn forest_params(
    args: &IsolationForestArgs,
) -> anyhow::Result<shadowline_detectors::IsolationForestParams> {
    let max_samples = match args.max_samples.as_str() {
        "auto" => MaxSamples::Auto,
        text => match (text.parse::<usize>(), text.parse::<f64>()) {
            (Ok(count), _) => MaxSamples::Count(count),
            (_, Ok(share)) => MaxSamples::Share(share),
            _ => bail!("--max-samples `{text}`: expected a number, a share such as 0.5, or `auto`"),
        },
    };
    let contamination = match args.contamination.as_str() {
        "auto" => Contamination::Auto,
        text => Contamination::Share(text.parse().ok().with_context(|| {
            format!("--contamination `{text}`: expected a share such as 0.05, or `auto`")
        })?),
    };
    Ok(IsolationForest::params()
        .n_estimators(args.n_estimators)
        .max_samples(max_samples)
        .contamination(contamination)
        .random_state(args.random_state))
}

fn knn_params(args: &KnnArgs) -> shadowline_detectors::KnnParams {
    let method = match args.method {
        MethodArg::Largest => Method::Largest,
        MethodArg::Mean => Method::Mean,
        MethodArg::Median => Method::Median,
    };
    KnnOutlier::params()
        .n_neighbors(args.n_neighbors)
        .method(method)
        .p(args.p)
        .contamination(args.contamination)
}

fn scale(scale: ScaleArg) -> Scale {
    match scale {
        ScaleArg::None => Scale::None,
        ScaleArg::Standard => Scale::Standard,
        ScaleArg::Minmax => Scale::MinMax,
        ScaleArg::Robust => Scale::Robust,
    }
}

/// Says on a terminal that something goes on, and for how long already.
pub(crate) fn spinner(message: &str) -> ProgressBar {
    let progress = ProgressBar::new_spinner().with_message(message.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        progress.set_style(style);
    }
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}
