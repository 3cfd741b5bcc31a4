//! Packages: what a training is written as, and what is said of it.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use shadowline_contract::{DataType, Field, Profile, Signature};
use shadowline_detectors::{Detector, DetectorArtefact, DetectorParams, TrainOptions};
use shadowline_features::{Missing, Table};
use shadowline_models::LogisticRegression;
use shadowline_packages::{ModelDocument, PackageName};
use tokio::time::Instant;

use super::evaluation::Figures;
use super::figures::{ClassifierFigures, SelfCheckFigures, ShareFigures};
use super::{spec, warnings};
use crate::data::{Column, Decision, Left};
use crate::folder::{DOCUMENT, MISSING_WORDS, WRITTEN_AS, WrittenAs};
use crate::output;

/// The artefact's file in a package.
const ARTEFACT: &str = "model.slm";
/// The metric spec's file beside them; it is applied by itself, or with the folder.
const SPEC: &str = "spec.yaml";
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
    /// A metric spec for it, where there is one.
    pub(crate) spec: Option<String>,
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
    /// Of detectors: what is above the threshold of rows like the training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expected: Option<ShareFigures>,
    /// What the detector found out about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) self_check: Option<SelfCheckFigures>,
    /// Of classifiers, on the training rows.
    #[serde(flatten)]
    pub(crate) classifier: Option<ClassifierFigures>,
    /// What looks wrong.
    pub(crate) warnings: Vec<String>,
    /// What the columns of the file were taken for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) columns: Vec<Column>,
    /// The columns that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_out: Vec<Left>,
}

/// How the columns of a training's file were read.
#[derive(Debug)]
pub(crate) struct Read {
    columns: Vec<Column>,
    left_out: Vec<Left>,
    written_as: WrittenAs,
}

impl Read {
    pub(crate) fn of(decision: &Decision) -> Self {
        Self {
            columns: decision.columns(),
            left_out: decision.left(),
            written_as: decision.data.written_as.clone(),
        }
    }
}

impl Trained {
    /// Notes what the columns were taken for, what they are written as, and the words that stood for a missing value.
    pub(crate) fn take(
        &mut self,
        Read { columns, left_out, written_as }: Read,
        missing_words: &[String],
    ) -> anyhow::Result<()> {
        self.report.columns = columns;
        self.report.left_out = left_out;
        self.document.metadata.insert(WRITTEN_AS.to_owned(), written_as.to_json()?);
        if !missing_words.is_empty() {
            let words = serde_json::to_string(missing_words)?;
            self.document.metadata.insert(MISSING_WORDS.to_owned(), words);
        }
        Ok(())
    }

    /// Writes the package. The document comes last, so that it never names an artefact that is not there.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make directory `{}`", folder.display()))?;
        crate::files::write_whole(&folder.join(ARTEFACT), &self.artefact)?;
        if let Some(spec) = &self.spec {
            // It may have been edited since.
            let path = folder.join(SPEC);
            if !path.exists() {
                crate::files::write_whole(&path, spec.as_bytes())?;
            }
        }
        if let Some(page) = &self.page {
            crate::files::write_whole(&folder.join(REPORT), page.as_bytes())?;
        }
        crate::files::write_whole(&folder.join(DOCUMENT), self.document.to_yaml()?.as_bytes())
    }
}

impl Trained {
    /// Writes nothing but the page, which says why there is no package.
    pub(crate) fn write_page(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("make directory `{}`", folder.display()))?;
        match &self.page {
            Some(page) => crate::files::write_whole(&folder.join(REPORT), page.as_bytes()),
            None => Ok(()),
        }
    }
}

/// Writes the package into a folder and says what it came to.
pub(crate) fn finish(trained: &Trained, folder: &Path, json: bool) -> anyhow::Result<()> {
    let spec_was_there = trained.spec.is_some() && folder.join(SPEC).exists();
    trained.write(folder)?;
    let report = &trained.report;
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    if spec_was_there {
        eprintln!("{} is kept as it was; delete it for a new one", folder.join(SPEC).display());
    }
    if json {
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
    if let Some(expected) = &report.expected {
        output::line(spec::expected_text(&expected.share()))?;
    }
    if let Some(held_out) = report.self_check.as_ref().and_then(|it| it.held_out.as_ref()) {
        output::line(format!(
            "of rows that were held out, {} were above it (95 % interval {} to {})",
            spec::percent(held_out.share),
            spec::percent(held_out.low),
            spec::percent(held_out.high)
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
    if let Some(classifier) = &report.classifier {
        let ClassifierFigures { training_accuracy, base_rate, most_frequent, training_auc } =
            classifier;
        output::line(format!(
            "{} of the training rows are predicted right; always `{most_frequent}` would be right for {}",
            output::percent(*training_accuracy),
            output::percent(*base_rate)
        ))?;
        if let Some(auc) = training_auc {
            output::line(format!("area under the ROC curve: {auc:.4} of the training rows"))?;
        }
    }
    if trained.page.is_some() {
        output::line(format!("report: {}", folder.join(REPORT).display()))?;
    }
    let out = folder.join(DOCUMENT);
    if trained.spec.is_some() {
        output::line(format!("metric spec: {}", folder.join(SPEC).display()))?;
    }
    output::line(format!("written; install it with: shadowline apply -f {}", out.display()))
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
    Ok((package(name, &artefact, features, trained_on, seconds)?, artefact))
}

/// Makes a package of a detector and the rows that it was fitted on.
pub(crate) fn package(
    name: PackageName,
    artefact: &DetectorArtefact,
    features: &Table,
    trained_on: &str,
    seconds: f64,
) -> anyhow::Result<Trained> {
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
        expected: Some(scores.expected_share_above(threshold).into()),
        self_check: None,
        classifier: None,
        warnings: Vec::new(),
        columns: Vec::new(),
        left_out: Vec::new(),
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
        artefacts: BTreeMap::new(),
        contract: Signature::new(features.fields(), outputs)?,
        metadata,
    };
    let spec = spec::document(artefact, None, &spec::watched(&document.name));
    Ok(Trained { document, artefact: artefact.to_bytes()?, report, page: None, spec })
}

/// Trains a classifier that predicts a column by all others.
pub(crate) fn classifier(
    name: PackageName,
    table: &Table,
    label: &str,
    missing: Missing,
    trained_on: &str,
    written_as: &WrittenAs,
) -> anyhow::Result<Trained> {
    let started = Instant::now();
    let model = LogisticRegression::params()
        .missing(missing)
        .train(name.as_str(), table, label)
        .with_context(|| format!("train `{name}`"))?;
    let seconds = started.elapsed().as_secs_f64();
    let features = table.without(&[label])?;
    let labels = table.column(label)?.to_texts();
    let figures = ClassifierFigures::of(&model, table, &labels)?;
    let warnings =
        [warnings::of_columns(&features, written_as), warnings::of_label(&features, &labels)]
            .concat();
    let rows = table.n_rows();
    let report = Report {
        name: name.to_string(),
        runtime: "logistic-regression".to_owned(),
        rows,
        features: features.columns().len(),
        seconds,
        threshold: None,
        flagged: None,
        flagged_share: None,
        auc: None,
        test: None,
        expected: None,
        self_check: None,
        classifier: Some(figures),
        warnings,
        columns: Vec::new(),
        left_out: Vec::new(),
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
        artefacts: BTreeMap::new(),
        contract: Signature::new(features.fields(), model.outputs())?,
        metadata,
    };
    let (artefact, page, spec) = (model.to_bytes()?, None, None);
    Ok(Trained { document, artefact, report, page, spec })
}

/// The name that was given, or else the last part of the folder's.
pub(crate) fn package_name(name: Option<&String>, folder: &Path) -> anyhow::Result<PackageName> {
    let name = match name {
        Some(name) => name.clone(),
        None => {
            let last = folder.file_name();
            let last = last.with_context(|| format!("--out `{}` has no name", folder.display()))?;
            last.to_string_lossy().into_owned()
        }
    };
    PackageName::try_from(name).context("--name, or the last part of --out")
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}
