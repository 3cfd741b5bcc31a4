//! Figures of a training as its JSON has them.

use std::collections::BTreeMap;

use serde::Serialize;
use shadowline_detectors::{SelfCheck, Share, roc_auc};
use shadowline_features::Table;
use shadowline_models::LogisticRegression;

/// A counted share, with the interval that holds the true one in 95 % of cases.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ShareFigures {
    hits: usize,
    rows: usize,
    pub(crate) share: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl From<Share> for ShareFigures {
    fn from(Share { n_hits, n, share, low, high }: Share) -> Self {
        Self { hits: n_hits, rows: n, share, low, high }
    }
}

impl ShareFigures {
    pub(crate) fn share(&self) -> Share {
        let Self { hits, rows, share, low, high } = *self;
        Share { n_hits: hits, n: rows, share, low, high }
    }
}

/// What a detector found out about itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct SelfCheckFigures {
    distinct_scores: usize,
    lowest_score: f64,
    highest_score: f64,
    interquartile_range: f64,
    share_of_most_frequent_score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbours_checked: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    neighbours_wrong: Option<usize>,
    /// The least rank correlation between detectors of three seeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    stability: Option<f64>,
    /// Above the threshold among rows that were held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held_out: Option<ShareFigures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisive_column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decisive_share: Option<f64>,
}

impl From<&SelfCheck> for SelfCheckFigures {
    fn from(check: &SelfCheck) -> Self {
        Self {
            distinct_scores: check.n_distinct,
            lowest_score: check.range.0,
            highest_score: check.range.1,
            interquartile_range: check.interquartile_range,
            share_of_most_frequent_score: check.share_of_most_frequent,
            neighbours_checked: check.neighbours.map(|it| it.0),
            neighbours_wrong: check.neighbours.map(|it| it.1),
            stability: check.stability,
            held_out: check.held_out.map(Into::into),
            decisive_column: check.decisive.as_ref().map(|it| it.0.clone()),
            decisive_share: check.decisive.as_ref().map(|it| it.1),
        }
    }
}

/// What a classifier comes to on its training rows, beside what needs no classifier.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ClassifierFigures {
    pub(crate) training_accuracy: f64,
    /// The accuracy of always answering with the most frequent label.
    pub(crate) base_rate: f64,
    pub(crate) most_frequent: String,
    /// The area under the ROC curve; of more than two labels the mean of each against the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) training_auc: Option<f64>,
}

impl ClassifierFigures {
    /// Holds a model against the rows and labels that it was trained on.
    pub(crate) fn of(
        model: &LogisticRegression,
        table: &Table,
        labels: &[String],
    ) -> anyhow::Result<Self> {
        let predicted = model.predict(table)?.labels;
        let n_right = predicted.iter().zip(labels).filter(|(it, label)| it == label).count();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for label in labels {
            *counts.entry(label).or_default() += 1;
        }
        // Of two as frequent, the first by name.
        let most = counts.iter().rev().max_by_key(|(_, n)| **n).map(|(label, n)| (*label, *n));
        let (most_frequent, n_most) = most.unwrap_or(("", 0));
        let n_rows = labels.len().max(1) as f64;
        Ok(Self {
            training_accuracy: n_right as f64 / n_rows,
            base_rate: n_most as f64 / n_rows,
            most_frequent: most_frequent.to_owned(),
            training_auc: auc(model, table, labels)?,
        })
    }
}

/// The area under the ROC curve; of two classes that of the second, as of the first is the same.
fn auc(
    model: &LogisticRegression,
    table: &Table,
    labels: &[String],
) -> anyhow::Result<Option<f64>> {
    let classes = model.classes();
    let by_class = model.probabilities(table)?;
    let first = if classes.len() == 2 { 1 } else { 0 };
    let areas = classes.iter().zip(&by_class).skip(first).filter_map(|(class, probabilities)| {
        let is_class: Vec<bool> = labels.iter().map(|it| it == class).collect();
        roc_auc(probabilities, &is_class).ok()
    });
    let areas: Vec<f64> = areas.collect();
    Ok((!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64))
}
