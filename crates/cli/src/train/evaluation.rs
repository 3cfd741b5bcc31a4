//! What a trained detector says of the rows that it was trained on and of others.

use anyhow::Context;
use serde::Serialize;
use shadowline_detectors::{Detector, DetectorArtefact, FittedDetector};
use shadowline_features::{Table, TableColumn};

use crate::data::Data;
use crate::figures::{Truth, area_under_roc, truths};
use crate::scoring::Rows;

/// Rows and the detector's scores of them.
#[derive(Debug)]
pub(crate) struct Evaluated {
    /// `training` or `test`.
    pub(crate) name: &'static str,
    /// Where the rows are from.
    pub(crate) source: String,
    /// The rows, label and all.
    pub(crate) table: Table,
    /// One for each row; none where there is no score.
    pub(crate) scores: Vec<Option<f64>>,
    pub(crate) figures: Figures,
}

/// What the scores of some rows come to.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) rows: usize,
    pub(crate) unscored: usize,
    pub(crate) flagged: usize,
    pub(crate) flagged_share: f64,
    /// Of labelled rows of both kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auc: Option<f64>,
}

/// Judges the training rows by the scores that training gave them: KNN leaves the row itself out there.
pub(crate) fn training(
    artefact: &DetectorArtefact,
    data: Data,
    label: Option<&str>,
    positive: Option<&str>,
) -> anyhow::Result<Evaluated> {
    let scores: Vec<Option<f64>> = match artefact.detector() {
        FittedDetector::Knn(knn) if knn.training_scores().len() == data.table.n_rows() => {
            knn.training_scores().iter().copied().map(Some).collect()
        }
        FittedDetector::Knn(_) | FittedDetector::IsolationForest(_) => {
            scores(artefact, &data.table, &|_| {})?
        }
    };
    evaluated("training", artefact, data, scores, label, positive)
}

/// Scores rows that the detector has not seen.
pub(crate) fn test(
    artefact: &DetectorArtefact,
    data: Data,
    label: Option<&str>,
    positive: Option<&str>,
    observe: &(dyn Fn(usize) + Sync),
) -> anyhow::Result<Evaluated> {
    let scores = scores(artefact, &data.table, observe).context("--test")?;
    evaluated("test", artefact, data, scores, label, positive)
}

fn scores(
    artefact: &DetectorArtefact,
    table: &Table,
    observe: &(dyn Fn(usize) + Sync),
) -> anyhow::Result<Vec<Option<f64>>> {
    let scored = Rows::of(artefact, table)?.score(artefact, observe);
    Ok(scored.rows.into_iter().map(|it| it.ok().map(|it| it.score)).collect())
}

fn evaluated(
    name: &'static str,
    artefact: &DetectorArtefact,
    data: Data,
    scores: Vec<Option<f64>>,
    label: Option<&str>,
    positive: Option<&str>,
) -> anyhow::Result<Evaluated> {
    let threshold = artefact.detector().threshold();
    let labels = label.and_then(|it| data.table.column(it).ok());
    let auc = labels.and_then(|it| auc(&scores, it, positive));
    let rows = scores.len();
    let flagged = scores.iter().flatten().filter(|it| threshold < **it).count();
    let unscored = scores.iter().filter(|it| it.is_none()).count();
    let n_scored = (rows - unscored).max(1);
    let figures =
        Figures { rows, unscored, flagged, flagged_share: flagged as f64 / n_scored as f64, auc };
    Ok(Evaluated { name, source: data.name, table: data.table, scores, figures })
}

fn auc(scores: &[Option<f64>], labels: &TableColumn, positive: Option<&str>) -> Option<f64> {
    let truths = truths(labels, positive);
    let labelled: Vec<(f64, Truth)> =
        scores.iter().zip(truths).filter_map(|(score, truth)| Some(((*score)?, truth))).collect();
    area_under_roc(&labelled)
}
