//! How well scores part anomalies from other records.

/// Why scores have no area under the curve.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum RocError {
    /// Scores and labels do not belong together.
    #[error("{n_scores} scores of {n_labels} labels; as many expected")]
    Lengths {
        /// The scores.
        n_scores: usize,
        /// The labels.
        n_labels: usize,
    },
    /// There is nothing to part.
    #[error(
        "{n_anomalies} anomalies among {n_records} records; at least one of either kind expected"
    )]
    OneKind {
        /// The records labelled as anomalies.
        n_anomalies: usize,
        /// All records.
        n_records: usize,
    },
    /// A score has no rank.
    #[error("score {record_idx} is NaN; a number expected")]
    Nan {
        /// The record, counted from 0.
        record_idx: usize,
    },
}

/// The area under the receiver operating characteristic: the share of pairs of an anomaly and another record in
/// which the anomaly has the higher score. An equal score counts one half; 0.5 is chance, 1 is perfect.
///
/// Source: Hanley, McNeil, *The Meaning and Use of the Area under a ROC Curve* (1982),
/// <https://doi.org/10.1148/radiology.143.1.7063747>; by midranks, as scikit-learn's `roc_auc_score` answers.
///
/// # Shapes
/// Both slices are `(n_records,)`; `is_anomaly` is the truth.
///
/// # Errors
/// [`RocError`] for slices of different lengths, labels of one kind only, and NaN.
///
/// ```
/// use shadowline_detectors::roc_auc;
///
/// // Of four pairs, the anomaly has the higher score in three.
/// assert_eq!(roc_auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), Ok(0.75));
/// ```
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
pub fn roc_auc(scores: &[f64], is_anomaly: &[bool]) -> Result<f64, RocError> {
    let n_records = scores.len();
    if n_records != is_anomaly.len() {
        return Err(RocError::Lengths { n_scores: n_records, n_labels: is_anomaly.len() });
    }
    if let Some(record_idx) = scores.iter().position(|it| it.is_nan()) {
        return Err(RocError::Nan { record_idx });
    }
    let n_anomalies = is_anomaly.iter().filter(|it| **it).count();
    let n_others = n_records - n_anomalies;
    if n_anomalies == 0 || n_others == 0 {
        return Err(RocError::OneKind { n_anomalies, n_records });
    }
    // Adding 0 makes one of the two zeros, which are equal as scores.
    let mut order: Vec<(f64, bool)> =
        scores.iter().zip(is_anomaly).map(|(score, it)| (score + 0.0, *it)).collect();
    order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // Counted in halves of pairs, which is exact.
    let mut halves = 0_u128;
    let mut n_lower = 0_u128;
    for tied in order.chunk_by(|(a, _), (b, _)| a.total_cmp(b).is_eq()) {
        let anomalies = tied.iter().filter(|(_, it)| *it).count() as u128;
        let others = tied.len() as u128 - anomalies;
        halves += anomalies * (2 * n_lower + others);
        n_lower += others;
    }
    Ok(halves as f64 / 2.0 / (n_anomalies as f64 * n_others as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scores: &[f64], labels: &[u8], expected: f64) {
        let is_anomaly: Vec<bool> = labels.iter().map(|it| *it == 1).collect();
        let got = roc_auc(scores, &is_anomaly).unwrap();
        assert!((got - expected).abs() < 1e-15, "{got}; {expected} expected");
    }

    #[test]
    fn the_area_matches_hand_calculation() {
        check(&[1.0, 2.0], &[0, 1], 1.0);
        check(&[1.0, 2.0], &[1, 0], 0.0);
        check(&[1.0, 1.0], &[1, 0], 0.5);
        check(&[0.0, -0.0], &[1, 0], 0.5);
        check(&[f64::NEG_INFINITY, 3.0, f64::INFINITY], &[0, 0, 1], 1.0);
        // Anomalies 2, 2, 5 against 1, 2, 3: 1 + 1/2, 1 + 1/2, 3 of 9 pairs.
        check(&[2.0, 1.0, 2.0, 2.0, 5.0, 3.0], &[1, 0, 0, 1, 1, 0], 6.0 / 9.0);
    }

    #[test]
    fn the_area_is_scikit_learns() {
        // scikit-learn 1.9.1, for i below 200: roc_auc_score([i * i % 7 == 2], [i * 37 % 23]), and with
        // scores [i * i % 11].
        let labels: Vec<u8> = (0..200).map(|i| u8::from(i * i % 7 == 2)).collect();
        let scores =
            |score: fn(i32) -> i32| (0..200).map(|i| score(i).into()).collect::<Vec<f64>>();
        check(&scores(|i| i * 37 % 23), &labels, 0.513801987486198);
        check(&scores(|i| i * i % 11), &labels, 0.4943565206723101);
    }

    #[test]
    fn what_has_no_area_is_refused() {
        let refused = |scores: &[f64], is_anomaly: &[bool], expected: &str| {
            assert_eq!(roc_auc(scores, is_anomaly).unwrap_err().to_string(), expected);
        };
        refused(&[1.0], &[], "1 scores of 0 labels; as many expected");
        refused(&[], &[], "0 anomalies among 0 records; at least one of either kind expected");
        refused(
            &[1.0, 2.0],
            &[true, true],
            "2 anomalies among 2 records; at least one of either kind expected",
        );
        refused(&[1.0, f64::NAN], &[true, false], "score 1 is NaN; a number expected");
    }
}
