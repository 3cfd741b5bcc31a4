//! `shadowline train`: a file in, a package out.

mod evaluation;
mod page;
mod params;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use shadowline_contract::{DataType, Field, Profile, Signature};
use shadowline_detectors::{Detector, DetectorArtefact, DetectorParams, TrainOptions};
use shadowline_features::Table;
use shadowline_models::LogisticRegression;
use shadowline_packages::{ModelDocument, PackageName};
use tokio::time::Instant;

use crate::args::{DetectorArgs, LogisticRegressionArgs, TrainCommand, TrainingArgs};
use crate::data::{self, Data};
use crate::{figures, output, progress};
use evaluation::Figures;
use page::Compared;
use params::Chosen;

/// The artefact's file in a package.
const ARTEFACT: &str = "model.slm";
/// The document's file in a package.
pub(crate) const DOCUMENT: &str = "serving.yaml";
/// The page's file beside them; it is for people, and not installed.
const REPORT: &str = "report.html";

/// A package that is not written yet, and what its training came to.
#[derive(Debug)]
pub(crate) struct Trained {
    pub(crate) document: ModelDocument,
    pub(crate) artefact: Vec<u8>,
    pub(crate) report: Report,
    /// For people, where there is one.
    pub(crate) page: Option<String>,
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
    /// The training rows above the threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flagged: Option<usize>,
    /// Their share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flagged_share: Option<f64>,
    /// The area under the ROC curve of the training rows' scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auc: Option<f64>,
    /// Of the rows that --test names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) test: Option<Figures>,
    /// Of classifiers, on the training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) training_accuracy: Option<f64>,
}

pub(crate) async fn run(command: &TrainCommand) -> anyhow::Result<()> {
    match command {
        TrainCommand::IsolationForest(args) => {
            detect(params::forest(args)?, &args.training, &args.detector).await
        }
        TrainCommand::Knn(args) => detect(params::knn(args)?, &args.training, &args.detector).await,
        TrainCommand::LogisticRegression(args) => classify(args).await,
    }
}

/// Loads the training data, says where it was found, and leaves out what is to be left out.
async fn load(training: &TrainingArgs, label: Option<&String>) -> anyhow::Result<Data> {
    let reading = progress::spinner(&format!("reading {}", training.data));
    let mut data = data::load(&training.data, training.rows.as_ref()).await?;
    reading.finish_and_clear();
    eprintln!("data: {}, {} rows", data.found, output::thousands(data.table.n_rows()));
    data.table = data.table.without(&training.drop).context("--drop")?;
    if let Some(label) = label {
        data.table.column(label).context("--label")?;
    }
    Ok(data)
}

async fn classify(args: &LogisticRegressionArgs) -> anyhow::Result<()> {
    let name = package_name(&args.training)?;
    let data = load(&args.training, Some(&args.label)).await?;
    let rows = output::thousands(data.table.n_rows());
    let progress = progress::spinner(&format!("training on {rows} rows"));
    let label = args.label.clone();
    let work = move || classifier(name, &data.table, &label, &data.name);
    let trained = tokio::task::spawn_blocking(work).await??;
    progress.finish_and_clear();
    finish(&trained, &args.training)
}

async fn detect(
    chosen: Chosen,
    training: &TrainingArgs,
    args: &DetectorArgs,
) -> anyhow::Result<()> {
    let name = package_name(training)?;
    let data = load(training, args.label.as_ref()).await?;
    if let Some(label) = &args.label {
        figures::check_positive(data.table.column(label)?, label, args.positive.as_deref())?;
    }
    let compared = match &args.boundary.compare {
        None => None,
        Some(folder) => Some(Compared {
            artefact: crate::score::read_package(folder).context("--compare")?,
            from: folder.display().to_string(),
        }),
    };
    let test = match &args.test {
        None => None,
        Some(file) => {
            let reading = progress::spinner(&format!("reading {file}"));
            let test = data::load(file, None).await.context("--test")?;
            reading.finish_and_clear();
            eprintln!("test: {}, {} rows", test.found, output::thousands(test.table.n_rows()));
            Some(test)
        }
    };
    let (args, forced) = (args.clone(), training.progress);
    let work = move || detect_blocking(name, chosen, data, test, compared.as_ref(), &args, forced);
    let trained = tokio::task::spawn_blocking(work).await??;
    finish(&trained, training)
}

/// Trains, scores, and makes the page: a bar for each stage.
fn detect_blocking(
    name: PackageName,
    chosen: Chosen,
    data: Data,
    test: Option<Data>,
    compared: Option<&Compared>,
    args: &DetectorArgs,
    forced: bool,
) -> anyhow::Result<Trained> {
    let features = features(&data.table, args.label.as_ref())?;
    let fitting = progress::stage("encoding", features.n_rows(), forced);
    let observe = |done: usize, of: usize| {
        fitting.set_message("fitting");
        fitting.set_length(of as u64);
        fitting.set_position(done as u64);
    };
    let options = params::options(args, &observe);
    let (mut trained, artefact) = detector(name, &chosen.params, &options, &features, &data.name)?;
    fitting.finish_and_clear();
    let mut sets = vec![evaluation::training(&artefact, data, args)?];
    if let Some(test) = test {
        let scoring = progress::stage("scoring", test.table.n_rows(), forced);
        let observe = |n: usize| scoring.inc(n as u64);
        sets.push(evaluation::test(&artefact, test, args, &observe)?);
        scoring.finish_and_clear();
    }
    trained.report.auc = sets[0].figures.auc;
    trained.report.test = sets.get(1).map(|it| it.figures.clone());
    let making: ProgressBar = progress::spinner("making the report");
    trained.page = Some(page::page(&artefact, chosen.listed, &sets, &args.boundary, compared)?);
    making.finish_and_clear();
    Ok(trained)
}

/// Writes the package and says what it came to.
fn finish(trained: &Trained, training: &TrainingArgs) -> anyhow::Result<()> {
    trained.write(&training.out)?;
    let report = &trained.report;
    if training.json {
        return output::json(report);
    }
    let Report { name, runtime, rows, features, seconds, .. } = report;
    output::line(format!(
        "{runtime} `{name}`: {} rows, {features} features, {seconds:.1} s",
        output::thousands(*rows)
    ))?;
    if let Some((threshold, (flagged, share))) =
        report.threshold.zip(report.flagged.zip(report.flagged_share))
    {
        output::line(format!(
            "threshold {threshold}; {} of the training rows are above it ({})",
            output::thousands(flagged),
            output::percent_fine(share)
        ))?;
    }
    if let Some(test) = &report.test {
        let Figures { rows, unscored, flagged, flagged_share, .. } = test;
        output::line(format!(
            "test: {} of {} rows are above it ({})",
            output::thousands(*flagged),
            output::thousands(*rows),
            output::percent_fine(*flagged_share)
        ))?;
        if 0 < *unscored {
            output::line(format!("test: {} rows have no score", output::thousands(*unscored)))?;
        }
    }
    if let Some(auc) = report.auc {
        let test = report.test.as_ref().and_then(|it| it.auc);
        let test = test.map(|it| format!(", {it:.4} of the test rows")).unwrap_or_default();
        output::line(format!("area under the ROC curve: {auc:.4} of the training rows{test}"))?;
    }
    if let Some(accuracy) = report.training_accuracy {
        let share = output::percent(accuracy);
        output::line(format!("{share} of the training rows are predicted right"))?;
    }
    if trained.page.is_some() {
        output::line(format!("report: {}", training.out.join(REPORT).display()))?;
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
        if let Some(page) = &self.page {
            crate::files::write_whole(&folder.join(REPORT), page.as_bytes())?;
        }
        crate::files::write_whole(&folder.join(DOCUMENT), self.document.to_yaml()?.as_bytes())
    }
}

/// Trains a detector on every column of a table.
pub(crate) fn detector(
    name: PackageName,
    params: &DetectorParams,
    options: &TrainOptions<'_>,
    features: &Table,
    trained_on: &str,
) -> anyhow::Result<(Trained, DetectorArtefact)> {
    let started = Instant::now();
    let artefact = DetectorArtefact::train(name.as_str(), params, options, features)
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
        flagged: Some(n_above),
        flagged_share: Some(share(n_above, rows)),
        auc: None,
        test: None,
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
    let bytes = artefact.to_bytes()?;
    Ok((Trained { document, artefact: bytes, report, page: None }, artefact))
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
        flagged: None,
        flagged_share: None,
        auc: None,
        test: None,
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
    Ok(Trained { document, artefact: model.to_bytes()?, report, page: None })
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
