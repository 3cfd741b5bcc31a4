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
use crate::folder::DOCUMENT;
use crate::output;

/// The artefact's file in a package.
const ARTEFACT: &str = "model.slm";
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

/// Writes the package into a folder and says what it came to.
pub(crate) fn finish(trained: &Trained, folder: &Path, json: bool) -> anyhow::Result<()> {
    trained.write(folder)?;
    let report = &trained.report;
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
        output::line(format!("report: {}", folder.join(REPORT).display()))?;
    }
    let out = folder.join(DOCUMENT);
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
        artefacts: BTreeMap::new(),
        contract: Signature::new(features.fields(), outputs)?,
        metadata,
    };
    Ok(Trained { document, artefact: artefact.to_bytes()?, report, page: None })
}

/// Trains a classifier that predicts a column by all others.
pub(crate) fn classifier(
    name: PackageName,
    table: &Table,
    label: &str,
    missing: Missing,
    trained_on: &str,
) -> anyhow::Result<Trained> {
    let started = Instant::now();
    let model = LogisticRegression::params()
        .missing(missing)
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
        artefacts: BTreeMap::new(),
        contract: Signature::new(inputs, model.outputs())?,
        metadata,
    };
    Ok(Trained { document, artefact: model.to_bytes()?, report, page: None })
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
