//! What a trained detector says of the rows that it was trained on and of others.

use anyhow::Context;
use serde::Serialize;
use shadowline_detectors::{Detector, DetectorArtefact, FittedDetector};
use shadowline_features::{RawColumn, RawTable, Table, TableColumn};

use crate::args::TypeArgs;
use crate::data::{self, Data, Purpose, Raw};
use crate::figures::{Truth, area_under_roc, truths};
use crate::folder::WrittenAs;
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
    /// The place of the first of them in their file.
    pub(crate) first_row: usize,
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
    /// Why the first row without a score has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_reason: Option<String>,
}

/// Rows that are read as the detector says, whatever they look like.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) raw: Raw,
    /// Of their label, which the detector does not read.
    pub(crate) types: TypeArgs,
    /// What the training's columns are written as.
    pub(crate) written_as: WrittenAs,
}

/// Scores, and why the first row without one has none.
type Scores = (Vec<Option<f64>>, Option<String>);

/// Judges the training rows by the scores that training gave them: KNN leaves the row itself out there.
pub(crate) fn training(
    artefact: &DetectorArtefact,
    data: Data,
    label: Option<&str>,
    positive: Option<&str>,
) -> anyhow::Result<Evaluated> {
    let scores: Scores = match artefact.detector() {
        FittedDetector::Knn(knn) if knn.training_scores().len() == data.table.n_rows() => {
            (knn.training_scores().iter().copied().map(Some).collect(), None)
        }
        FittedDetector::Knn(_) | FittedDetector::IsolationForest(_) => {
            scores(artefact, &Rows::of_decided(artefact, &data.table)?, &|_| {})
        }
    };
    evaluated("training", artefact, data, scores, label, positive)
}

/// Scores rows that the detector has not seen: each column is what it was at training, as for `score`.
pub(crate) fn test(
    artefact: &DetectorArtefact,
    test: Test,
    label: Option<&str>,
    positive: Option<&str>,
    observe: &(dyn Fn(usize) + Sync),
) -> anyhow::Result<Evaluated> {
    let Test { raw, types, written_as } = test;
    let words = data::words(&types.read);
    let rows = Rows::of(artefact, &raw.table, &words, &written_as).context("--test")?;
    let scores = scores(artefact, &rows, observe);
    let mut columns = rows.table().columns().to_vec();
    let (name, first_row) = (raw.name.clone(), raw.table.first_row());
    if let Some(label) = label
        && let Ok(cells) = raw.table.column(label)
    {
        let column = RawColumn::new(label, cells.clone());
        let named = |names: Vec<String>| names.into_iter().filter(|it| it == label).collect();
        let types = TypeArgs { text: named(types.text), number: named(types.number), ..types };
        let only = Raw { table: RawTable::new(vec![column])?, ..raw };
        let decision = only.decide(&types, &[label.to_owned()], Purpose::Looking);
        columns.extend(decision.context("--test")?.data.table.into_columns());
    }
    let data = Data { table: Table::new(columns)?, name, first_row, written_as };
    evaluated("test", artefact, data, scores, label, positive)
}

fn scores(artefact: &DetectorArtefact, rows: &Rows, observe: &(dyn Fn(usize) + Sync)) -> Scores {
    let scored = rows.score(artefact, observe).rows;
    let first_reason = scored.iter().find_map(|it| it.as_ref().err().cloned());
    (scored.into_iter().map(|it| it.ok().map(|it| it.score)).collect(), first_reason)
}

fn evaluated(
    name: &'static str,
    artefact: &DetectorArtefact,
    data: Data,
    (scores, first_reason): Scores,
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
    let flagged_share = flagged as f64 / n_scored as f64;
    let figures = Figures { rows, unscored, flagged, flagged_share, auc, first_reason };
    let Data { table, name: source, first_row, .. } = data;
    Ok(Evaluated { name, source, table, first_row, scores, figures })
}

fn auc(scores: &[Option<f64>], labels: &TableColumn, positive: Option<&str>) -> Option<f64> {
    let truths = truths(labels, positive);
    let labelled: Vec<(f64, Truth)> =
        scores.iter().zip(truths).filter_map(|(score, truth)| Some(((*score)?, truth))).collect();
    area_under_roc(&labelled)
}
