//! Figures about scores whose rows are labelled.

use std::collections::BTreeMap;

use anyhow::bail;
use shadowline_detectors::roc_auc;
use shadowline_features::{TableColumn, is_missing};

/// What a label says of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Truth {
    Anomaly,
    Normal,
    /// The label is missing.
    Unknown,
}

/// Reads labels: an anomaly's is the value that is named, or 1 or true if none is.
pub(crate) fn truths(labels: &TableColumn, positive: Option<&str>) -> Vec<Truth> {
    let is_anomaly = |label: &str| match positive {
        Some(positive) => is_same(label, positive.trim()),
        None => is_same(label, "1"),
    };
    let truth = |label: &String| match label.trim() {
        label if is_missing(label) => Truth::Unknown,
        label if is_anomaly(label) => Truth::Anomaly,
        _ => Truth::Normal,
    };
    labels.to_texts().iter().map(truth).collect()
}

/// Whether two labels are the same text, the same number (`1`, `1.0`), or the same truth value (`1`, `True`).
fn is_same(a: &str, b: &str) -> bool {
    let number = |text: &str| match text {
        text if text.eq_ignore_ascii_case("true") => Some(1.0),
        text if text.eq_ignore_ascii_case("false") => Some(0.0),
        text => text.parse::<f64>().ok(),
    };
    let numbers = || Some((number(a)?, number(b)?));
    a == b || numbers().is_some_and(|(a, b)| a.total_cmp(&b).is_eq())
}

/// The labels there are, most frequent first, for a message.
pub(crate) fn frequent(labels: &TableColumn) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for label in labels.to_texts() {
        *counts.entry(label).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let shown: Vec<String> = counts.iter().take(8).map(|(it, _)| format!("`{it}`")).collect();
    let more = if shown.len() < counts.len() { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Refuses labels among which the named value never occurs.
pub(crate) fn validate_positive(
    labels: &TableColumn,
    name: &str,
    positive: Option<&str>,
) -> anyhow::Result<()> {
    if let Some(positive) = positive
        && !truths(labels, Some(positive)).contains(&Truth::Anomaly)
    {
        bail!("--positive `{positive}`: no row has it in `{name}`; there are {}", frequent(labels));
    }
    Ok(())
}

/// The area under the ROC curve of the rows whose label is known; none unless there are rows of both kinds.
pub(crate) fn area_under_roc(scored: &[(f64, Truth)]) -> Option<f64> {
    let known = scored.iter().filter(|(_, truth)| *truth != Truth::Unknown);
    let (scores, is_anomaly): (Vec<f64>, Vec<bool>) =
        known.map(|(score, truth)| (*score, *truth == Truth::Anomaly)).unzip();
    roc_auc(&scores, &is_anomaly).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_label_do_not_count() {
        use Truth::{Anomaly, Normal, Unknown};
        let area = area_under_roc;
        assert_eq!(area(&[(0.1, Normal), (0.9, Anomaly), (5.0, Unknown)]), Some(1.0));
        assert_eq!(area(&[(0.1, Normal), (0.9, Unknown)]), None);
        assert_eq!(area(&[]), None);
    }

    #[test]
    fn labels_are_read_by_a_stated_rule() {
        use Truth::{Anomaly, Normal, Unknown};
        let texts = |it: &[&str]| TableColumn::Texts(it.iter().map(ToString::to_string).collect());
        let labels = texts(&["1", "0", "True", "?", "1.0", "yes"]);
        assert_eq!(truths(&labels, None), [Anomaly, Normal, Anomaly, Unknown, Anomaly, Normal]);
        assert_eq!(truths(&labels, Some("yes"))[5], Anomaly);
        let numbers = TableColumn::Numbers(vec![1.0, 0.0, f64::NAN]);
        assert_eq!(truths(&numbers, None), [Anomaly, Normal, Unknown]);
        assert_eq!(truths(&TableColumn::Integers(vec![2, 1]), Some("2")), [Anomaly, Normal]);
        assert_eq!(truths(&TableColumn::Integers(vec![0, 1]), Some("True")), [Normal, Anomaly]);
        let message = validate_positive(&labels, "y", Some("maybe")).unwrap_err().to_string();
        assert!(message.contains("`maybe`") && message.contains("`yes`"), "{message}");
    }
}
