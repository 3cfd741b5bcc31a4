//! `shadowline train`: a file in, a package out.

pub(crate) mod evaluation;
mod package;
pub(crate) mod page;
mod params;

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use shadowline_features::{Table, TableColumn, is_missing};
use shadowline_packages::PackageName;

use crate::args::{DetectorArgs, LogisticRegressionArgs, MissingArg, TrainCommand, TrainingArgs};
use crate::data::{self, Data};
use crate::{figures, output, progress};
use page::Compared;
use params::Chosen;

pub(crate) use package::{Report, Trained, classifier, detector, finish, package, package_name};

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
    refuse_not_finite(&data.table)?;
    if let Some(label) = label {
        data.table.column(label).context("--label")?;
    }
    Ok(data)
}

/// Refuses a column of numbers that is read as text only because of cells such as `inf` or `NaN`: a detector would
/// take each of its numbers for a category.
fn refuse_not_finite(table: &Table) -> anyhow::Result<()> {
    for (name, column) in table.columns() {
        let TableColumn::Texts(cells) = column else { continue };
        let numbers = || cells.iter().map(|it| it.parse::<f64>());
        let odd = numbers().position(|it| it.is_ok_and(|it| !it.is_finite()));
        let rest = numbers().zip(cells).all(|(it, cell)| it.is_ok() || is_missing(cell));
        if let Some(row_idx) = odd
            && rest
        {
            bail!(
                "column `{name}` has `{}` in row {row_idx}, counted from 0; a finite number expected, or an empty cell \
                 where it is missing",
                cells[row_idx]
            );
        }
    }
    Ok(())
}

async fn classify(args: &LogisticRegressionArgs) -> anyhow::Result<()> {
    let name = package_name(args.training.name.as_ref(), &args.training.out)?;
    if args.missing == MissingArg::Keep {
        bail!("--missing keep: a logistic regression has no weight for a missing number; use median or refuse");
    }
    let data = load(&args.training, Some(&args.label)).await?;
    validate_missing(&features(&data.table, Some(&args.label))?, args.missing)?;
    let rows = output::thousands(data.table.n_rows());
    let progress = progress::spinner(&format!("training on {rows} rows"));
    let (label, missing) = (args.label.clone(), params::missing(args.missing));
    let work = move || classifier(name, &data.table, &label, missing, &data.name);
    let trained = tokio::task::spawn_blocking(work).await??;
    progress.finish_and_clear();
    finish(&trained, &args.training.out, args.training.json)
}

async fn detect(
    chosen: Chosen,
    training: &TrainingArgs,
    args: &DetectorArgs,
) -> anyhow::Result<()> {
    let name = package_name(training.name.as_ref(), &training.out)?;
    let data = load(training, args.label.as_ref()).await?;
    if let Some(label) = &args.label {
        figures::validate_positive(data.table.column(label)?, label, args.positive.as_deref())?;
    }
    let compared = match &args.boundary.compare {
        None => None,
        Some(folder) => Some(Compared {
            artefact: crate::folder::read_package(folder).context("--compare")?,
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
    finish(&trained, &training.out, training.json)
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
    validate_missing(&features, args.missing)?;
    let fitting = progress::stage("encoding", 100, forced);
    // A part of a hundred at a time: each is a line where standard error is a file.
    let part = AtomicUsize::new(0);
    let observe = |done: usize, of: usize| {
        let now = done * 100 / of.max(1);
        if part.fetch_max(now, Ordering::Relaxed) < now {
            fitting.set_message("fitting");
            fitting.set_position(now as u64);
        }
    };
    let options = params::options(args, &observe);
    let (mut trained, artefact) = detector(name, &chosen.params, &options, &features, &data.name)?;
    fitting.finish_and_clear();
    let (label, positive) = (args.label.as_deref(), args.positive.as_deref());
    let mut sets = vec![evaluation::training(&artefact, data, label, positive)?];
    if let Some(test) = test {
        let scoring = progress::stage("scoring", test.table.n_rows(), forced);
        let observe = |n: usize| scoring.inc(n as u64);
        sets.push(evaluation::test(&artefact, test, label, positive, &observe)?);
        scoring.finish_and_clear();
    }
    trained.report.auc = sets[0].figures.auc;
    trained.report.test = sets.get(1).map(|it| it.figures.clone());
    let making: ProgressBar = progress::spinner("making the report");
    trained.page = Some(page::page(&artefact, chosen.listed, &sets, &args.boundary, compared)?);
    making.finish_and_clear();
    Ok(trained)
}

/// Refuses a number that is missing where nothing was said about them.
fn validate_missing(features: &Table, missing: MissingArg) -> anyhow::Result<()> {
    if missing != MissingArg::Refuse {
        return Ok(());
    }
    for (name, column) in features.columns() {
        let TableColumn::Numbers(numbers) = column else { continue };
        let Some(row_idx) = column.first_missing() else { continue };
        let n_missing = output::thousands(numbers.iter().filter(|it| it.is_nan()).count());
        let n_rows = output::thousands(numbers.len());
        bail!(
            "column `{name}` lacks a number in {n_missing} of {n_rows} rows, the first of them row {row_idx}, counted \
             from 0; say what becomes of these with --missing, or leave the column out with --drop"
        );
    }
    Ok(())
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
