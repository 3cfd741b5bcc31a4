//! The rows with the highest scores, and what made them high.

use shadowline_detectors::{Detector, DetectorArtefact};
use shadowline_report::{Reason, WorstRow, WorstRows};

use super::evaluation::Evaluated;
use crate::scoring::Rows;

/// Rows that are shown of each set.
const N_ROWS: usize = 20;
/// Reasons that are shown of each row.
const N_REASONS: usize = 3;

/// The rows of a set with the highest scores, highest first.
pub(crate) fn of(artefact: &DetectorArtefact, set: &Evaluated) -> anyhow::Result<WorstRows> {
    let mut order: Vec<(usize, f64)> =
        set.scores.iter().enumerate().filter_map(|(idx, it)| Some((idx, (*it)?))).collect();
    // Of equal scores the first row.
    order.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    order.truncate(N_ROWS);
    let rows = Rows::of_decided(artefact, &set.table)?;
    let worst = order.into_iter().map(|(row_idx, score)| {
        let reasons = artefact.explain(&rows.row(row_idx)).ok().and_then(|mut it| it.pop());
        let mut reasons = reasons.map(|it| it.contributions).unwrap_or_default();
        reasons.retain(|(_, it)| 0.0 < *it);
        reasons.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        reasons.truncate(N_REASONS);
        let row = set.table.rows(row_idx..row_idx + 1);
        let cell = |field: &str| row.column(field).ok()?.to_texts().pop();
        let reasons = reasons.into_iter().map(|(field, contribution)| Reason {
            value: cell(&field).unwrap_or_default(),
            field,
            contribution,
        });
        WorstRow {
            row_idx: set.first_row + row_idx,
            score,
            p_value: artefact.training_scores().p_value(score),
            is_above: artefact.detector().threshold() < score,
            reasons: reasons.collect(),
        }
    });
    Ok(WorstRows { set: set.name.to_owned(), rows: worst.collect() })
}
