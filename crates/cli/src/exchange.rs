//! `shadowline import` and `shadowline export`: forests from and for other libraries.

use anyhow::{Context, bail};
use shadowline_detectors::isolation_forest::interchange::JsonForest;
use shadowline_detectors::{Detector, DetectorArtefact, FittedDetector, IsolationForest};
use shadowline_features::{Encoding, Feature, MissingNumber, Preprocessing, Scale, Table};

use crate::args::{BoundaryArgs, ExportArgs, FormatArg, ImportCommand, ImportForestArgs};
use crate::data::{self, Data, Purpose};
use crate::train::{Read, evaluation, finish, package, package_name, page};
use crate::{files, output, progress};

pub(crate) async fn import(command: &ImportCommand) -> anyhow::Result<()> {
    let ImportCommand::SklearnForest(args) = command;
    let name = package_name(args.name.as_ref(), &args.out)?;
    let (forest, names) = read_forest(&args.file)?;
    let reading = progress::spinner(&format!("reading {}", args.data));
    let mut raw = data::load(&args.data, None, &args.types.read).await.context("--data")?;
    reading.finish_and_clear();
    eprintln!("data: {}, {} rows", raw.found, output::thousands(raw.table.n_rows()));
    let wanted = wanted(args, names.as_deref());
    if !wanted.is_empty() {
        raw.table = raw.table.only(&wanted).context("--data")?;
    }
    // scikit-learn's features are numbers, whatever their cells look like.
    let mut types = args.types.clone();
    types.number.extend(wanted.iter().filter(|it| !args.types.text.contains(it)).cloned());
    let decision = raw.decide(&types, &wanted, Purpose::Looking).context("--data")?;
    decision.say();
    let read = Read::of(&decision);
    let mut data = decision.data;
    data.table = features_of(&data, args, names, forest.n_features())?;
    let file = args.file.display().to_string();
    let mut trained = tokio::task::spawn_blocking(move || {
        let listed = vec![
            ("imported from".to_owned(), file),
            ("n_estimators".to_owned(), forest.n_estimators().to_string()),
            ("max_samples".to_owned(), forest.n_samples().to_string()),
            ("offset".to_owned(), forest.offset().to_string()),
        ];
        let artefact = DetectorArtefact::with_reference(
            name.as_str(),
            numbers(&data.table)?,
            FittedDetector::IsolationForest(forest),
            &data.table,
        )
        .context("score the rows of --data")?;
        let mut trained = package(name, &artefact, &data.table, &data.name, 0.0)?;
        let sets = [evaluation::training(&artefact, data, None, None)?];
        let boundary = BoundaryArgs { grid_range: None, grid: 100, compare: None };
        trained.page = Some(page::page(&artefact, listed, &sets, &boundary, None, None)?);
        anyhow::Ok(trained)
    })
    .await??;
    trained.take(read, &args.types.read.na)?;
    finish(&trained, &args.out, args.json)
}

/// The columns that somebody names: --features, or the file of the forest.
fn wanted(args: &ImportForestArgs, names: Option<&[String]>) -> Vec<String> {
    let named = if args.features.is_empty() { names.unwrap_or_default() } else { &args.features };
    named.to_vec()
}

/// The forest of a file, and the names of its features where the file has them.
fn read_forest(path: &std::path::Path) -> anyhow::Result<(IsolationForest, Option<Vec<String>>)> {
    let name = || format!("`{}`", path.display());
    let bytes = std::fs::read(path).with_context(|| format!("read {}", name()))?;
    let start = bytes.iter().find(|it| !it.is_ascii_whitespace());
    if start == Some(&b'{') {
        let text = std::str::from_utf8(&bytes).with_context(name)?;
        let document = JsonForest::from_text(text).with_context(name)?;
        let names = document.feature_names.clone();
        return Ok((document.try_into().with_context(name)?, names));
    }
    Ok((IsolationForest::from_onnx(&bytes).with_context(name)?, None))
}

/// The columns that are the forest's features, in its order.
fn features_of(
    data: &Data,
    args: &ImportForestArgs,
    names: Option<Vec<String>>,
    n_features: usize,
) -> anyhow::Result<Table> {
    let (names, from) = if !args.features.is_empty() {
        (args.features.clone(), "--features")
    } else if let Some(names) = names {
        (names, "the file")
    } else {
        (data.table.names().map(str::to_owned).collect(), "--data")
    };
    if names.len() != n_features {
        bail!(
            "the forest has {n_features} features, and {from} names {}; name them by --features",
            names.len()
        );
    }
    let column = |name: &String| anyhow::Ok((name.clone(), data.table.column(name)?.clone()));
    let columns = names.iter().map(column).collect::<anyhow::Result<Vec<_>>>().context("--data")?;
    Ok(Table::new(columns)?)
}

/// Features as scikit-learn reads them: numbers as they are, and a missing one stays missing.
fn numbers(table: &Table) -> anyhow::Result<Preprocessing> {
    let feature = |name: &str| Feature {
        field: name.to_owned(),
        encoding: Encoding::Number,
        center: 0.0,
        scale: 1.0,
        missing: MissingNumber::Keep,
    };
    Ok(Preprocessing::new(Scale::None, table.names().map(feature).collect())?)
}

pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<()> {
    let artefact = crate::folder::read_package(&args.package)?;
    let FittedDetector::IsolationForest(forest) = artefact.detector() else {
        bail!("`{}` is a KNN detector; only isolation forests can be exported", artefact.name());
    };
    files::refuse_input(&args.out, &crate::folder::files(&args.package)?)?;
    let names = artefact.preprocessing().feature_names();
    let bytes = match args.to {
        FormatArg::Onnx => forest.to_onnx()?,
        FormatArg::Json => JsonForest::of(forest, Some(names.clone()))?.to_text()?.into_bytes(),
    };
    files::write_whole(&args.out, &bytes)?;
    if !files::is_stdout(&args.out) {
        output::line(format!("written: {}; features: {}", args.out.display(), names.join(", ")))?;
    }
    let is_plain = |it: &Feature| {
        matches!(it.encoding, Encoding::Number)
            && it.center.total_cmp(&0.0).is_eq()
            && it.scale.total_cmp(&1.0).is_eq()
            && !matches!(it.missing, MissingNumber::Fill(_))
    };
    let prepared: Vec<&str> = artefact
        .preprocessing()
        .features()
        .iter()
        .filter(|it| !is_plain(it))
        .map(|it| it.field.as_str())
        .collect();
    if !prepared.is_empty() {
        eprintln!(
            "encode, fill or scale these first, as the package does: {}",
            prepared.join(", ")
        );
    }
    Ok(())
}
