//! `shadowline train`: a file in, a package out.

pub(crate) mod evaluation;
mod figures;
mod package;
pub(crate) mod page;
mod params;
mod rule;
mod spec;
mod warnings;
mod worst;

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use shadowline_detectors::Finding;
use shadowline_features::Table;
use shadowline_models::TrainError;
use shadowline_packages::PackageName;

use crate::args::{DetectorArgs, LogisticRegressionArgs, MissingArg, TrainCommand, TrainingArgs};
use crate::data::{self, Data, Decision, Purpose};
use crate::{output, progress};
use evaluation::Test;
use page::Compared;
use params::Chosen;

pub(crate) use package::{
    Read, Report, Trained, classifier, detector, finish, package, package_name,
};

pub(crate) async fn run(command: &TrainCommand) -> anyhow::Result<()> {
    match command {
        TrainCommand::IsolationForest(args) => {
            detect(params::forest(args)?, &args.training, &args.detector).await
        }
        TrainCommand::Knn(args) => detect(params::knn(args)?, &args.training, &args.detector).await,
        TrainCommand::LogisticRegression(args) => classify(args).await,
    }
}

/// Loads the training data, leaves out what is to be left out, and says what the columns were taken for.
async fn load(training: &TrainingArgs, label: Option<&String>) -> anyhow::Result<Decision> {
    let reading = progress::spinner(&format!("reading {}", training.data));
    let mut raw = data::load(&training.data, training.rows.as_ref(), &training.types.read).await?;
    reading.finish_and_clear();
    eprintln!("data: {}, {} rows", raw.found, output::thousands(raw.table.n_rows()));
    raw.table = raw.table.without(&training.drop).context("--drop")?;
    if let Some(label) = label {
        raw.table.column(label).context("--label")?;
    }
    let wanted: Vec<String> = label.into_iter().cloned().collect();
    let decision = raw.decide(&training.types, &wanted, Purpose::Learning)?;
    decision.say();
    Ok(decision)
}

/// Refuses a number that is missing or infinite, by its column, its row and its cell.
fn refuse_gaps(decision: &Decision, label: Option<&String>) -> anyhow::Result<()> {
    for taken in decision.taken.iter().filter(|it| Some(&it.name) != label) {
        let Some((row_idx, cell)) = &taken.first_gap else { continue };
        let found =
            if cell.trim().is_empty() { "no value".to_owned() } else { format!("`{cell}`") };
        let others = taken.n_missing + taken.n_infinite - 1;
        let others = if others == 0 {
            String::new()
        } else {
            format!(", and {} more rows have no finite number there", output::thousands(others))
        };
        bail!(
            "column `{}` has {found} in row {row_idx}, counted from 0{others}; a finite number expected, or say with \
             --missing what becomes of such rows",
            taken.name
        );
    }
    Ok(())
}

async fn classify(args: &LogisticRegressionArgs) -> anyhow::Result<()> {
    let name = package_name(args.training.name.as_ref(), &args.training.out)?;
    if args.missing == MissingArg::Keep {
        bail!(
            "--missing keep: a logistic regression has no weight for a missing number; use median or refuse"
        );
    }
    let decision = load(&args.training, Some(&args.label)).await?;
    if args.missing == MissingArg::Refuse {
        refuse_gaps(&decision, Some(&args.label))?;
    }
    let read = Read::of(&decision);
    let data = decision.data;
    // Here, where the rows of the file are known.
    if let Some(row_idx) = data.table.column(&args.label)?.first_missing() {
        let (label, row_idx) = (args.label.clone(), data.first_row + row_idx);
        return Err(TrainError::NoLabel { label, row_idx }).context(format!("train `{name}`"));
    }
    let rows = output::thousands(data.table.n_rows());
    let progress = progress::spinner(&format!("training on {rows} rows"));
    let (label, missing) = (args.label.clone(), params::missing(args.missing));
    let work = move || classifier(name, &data.table, &label, missing, &data.name, &data.written_as);
    let mut trained = tokio::task::spawn_blocking(work).await??;
    progress.finish_and_clear();
    trained.take(read, &args.training.types.read.na)?;
    finish(&trained, &args.training.out, args.training.json)
}

async fn detect(
    chosen: Chosen,
    training: &TrainingArgs,
    args: &DetectorArgs,
) -> anyhow::Result<()> {
    let name = package_name(training.name.as_ref(), &training.out)?;
    let decision = load(training, args.label.as_ref()).await?;
    if args.missing == MissingArg::Refuse {
        refuse_gaps(&decision, args.label.as_ref())?;
    }
    let read = Read::of(&decision);
    let written_as = decision.data.written_as.clone();
    let data = decision.data;
    if let Some(label) = &args.label {
        crate::figures::validate_positive(
            data.table.column(label)?,
            label,
            args.positive.as_deref(),
        )?;
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
            let test = data::load(file, None, &training.types.read).await.context("--test")?;
            reading.finish_and_clear();
            eprintln!("test: {}, {} rows", test.found, output::thousands(test.table.n_rows()));
            Some(test)
        }
    };
    let test = test.map(|raw| Test { raw, types: training.types.clone(), written_as });
    let (args, forced) = (args.clone(), training.progress);
    let work = move || detect_blocking(name, chosen, data, test, compared.as_ref(), &args, forced);
    let (mut trained, fatal) = tokio::task::spawn_blocking(work).await??;
    if let Some(finding) = fatal {
        trained.write_page(&training.out)?;
        bail!("{finding}; nothing is written but {}", training.out.join("report.html").display());
    }
    trained.take(read, &training.types.read.na)?;
    finish(&trained, &training.out, training.json)?;
    // The package is written: it is the rows of --test that are at fault.
    match &trained.report.test {
        Some(test) if test.unscored == test.rows => bail!(
            "--test: none of its {} rows could be scored; the first: {}",
            output::thousands(test.rows),
            test.first_reason.as_deref().unwrap_or("no reason")
        ),
        _ => Ok(()),
    }
}

/// Trains, scores, and makes the page: a bar for each stage.
fn detect_blocking(
    name: PackageName,
    chosen: Chosen,
    data: Data,
    test: Option<Test>,
    compared: Option<&Compared>,
    args: &DetectorArgs,
    forced: bool,
) -> anyhow::Result<(Trained, Option<Finding>)> {
    let features = features(&data.table, args.label.as_ref())?;
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
    let checking = progress::spinner("checking the detector");
    let records = artefact.preprocessing().transform(&features)?.values;
    let check =
        artefact.self_check(&chosen.params, records.view()).context("check the detector")?;
    checking.finish_and_clear();
    let labels = match &args.label {
        Some(label) => data.table.column(label)?.to_texts(),
        None => Vec::new(),
    };
    let mut warned = warnings::of_columns(&features, &data.written_as);
    warned.extend(warnings::of_label(&features, &labels));
    warned.extend(warnings::of_spreads(&artefact, records.view()));
    warned.extend(check.findings.iter().map(ToString::to_string));
    let model = args.watch.clone().unwrap_or_else(|| spec::watched(&trained.document.name));
    trained.spec = spec::document(&artefact, Some(&check), &model);
    trained.report.self_check = Some((&check).into());
    trained.report.warnings.clone_from(&warned);
    let (label, positive) = (args.label.as_deref(), args.positive.as_deref());
    let mut sets = vec![evaluation::training(&artefact, data, label, positive)?];
    if let Some(test) = test {
        let scoring = progress::stage("scoring", test.raw.table.n_rows(), forced);
        let observe = |n: usize| scoring.inc(n as u64);
        sets.push(evaluation::test(&artefact, test, label, positive, &observe)?);
        scoring.finish_and_clear();
    }
    trained.report.auc = sets[0].figures.auc;
    trained.report.test = sets.get(1).map(|it| it.figures.clone());
    let making: ProgressBar = progress::spinner("making the report");
    trained.page = Some(page::page(
        &artefact,
        chosen.listed,
        &sets,
        &args.boundary,
        compared,
        Some((&check, warned.as_slice())),
    )?);
    making.finish_and_clear();
    let fatal = check.findings.into_iter().find(Finding::is_fatal);
    Ok((trained, fatal))
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
