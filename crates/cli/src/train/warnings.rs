//! What looks wrong in a table that a detector or a classifier is to learn from.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayView2, Axis};
use shadowline_detectors::{DetectorArtefact, DetectorKind, roc_auc};
use shadowline_features::{Scale, Table, TableColumn, Written, is_missing};

use crate::folder::WrittenAs;

/// Fewer rows are too few to call a column an identifier, or a label in another form.
const FEWEST_ROWS: usize = 50;
/// A column of which this share of the cells is distinct tells rows apart and says nothing of them.
const IDENTIFIES: f64 = 0.95;
/// Standard deviations that differ more leave the smaller ones without a say in a distance.
const SPREADS: f64 = 1_000.0;
/// What labels are called.
const LABELS: [&str; 18] = [
    "label",
    "labels",
    "target",
    "class",
    "y",
    "outcome",
    "anomaly",
    "is_anomaly",
    "outlier",
    "is_outlier",
    "fraud",
    "is_fraud",
    "ground_truth",
    "truth",
    "isfraud",
    "isanomaly",
    "isoutlier",
    "y_true",
];

/// Columns that nothing should be learnt from.
pub(crate) fn of_columns(features: &Table, written_as: &WrittenAs) -> Vec<String> {
    let mut warnings = Vec::new();
    if features.n_rows() < FEWEST_ROWS {
        return warnings;
    }
    for (name, column) in features.columns() {
        let may_identify = may_identify(column, written_as.of(name));
        let name_of_label = name.trim().to_lowercase().replace([' ', '-'], "_");
        let may_be_label = LABELS.contains(&name_of_label.as_str());
        if !may_identify && !may_be_label {
            continue;
        }
        let cells = column.to_texts();
        let present = cells.iter().filter(|it| !is_missing(it));
        let distinct: BTreeSet<&str> = present.clone().map(String::as_str).collect();
        let n_present = present.count();
        let share = distinct.len() as f64 / n_present.max(1) as f64;
        if may_identify && FEWEST_ROWS <= n_present && IDENTIFIES < share {
            warnings.push(format!(
                "column `{name}` looks like an identifier: {} distinct values in {} rows; leave it out with --drop {name}",
                crate::output::thousands(distinct.len()),
                crate::output::thousands(n_present),
            ));
        }
        if may_be_label && (2..=20).contains(&distinct.len()) {
            warnings.push(format!(
                "column `{name}` looks like a label, and is learnt as a feature; leave it out with --label {name} or --drop {name}"
            ));
        }
    }
    warnings
}

/// Whether distinct values are unusual. Measurements are distinct by nature, times among them; whole numbers and texts
/// are not. Whole numbers are floats where some are missing, or larger than integers are.
fn may_identify(column: &TableColumn, written: Written) -> bool {
    match column {
        TableColumn::Numbers(values) => {
            let is_whole = |it: &f64| it.is_nan() || it.fract().abs() <= 0.0;
            !written.is_time() && values.iter().all(is_whole)
        }
        TableColumn::Integers(_) | TableColumn::Texts(_) => true,
    }
}

/// Columns that say what the label says, which no column knows when a request comes.
pub(crate) fn of_label(features: &Table, labels: &[String]) -> Vec<String> {
    let kinds: BTreeSet<&str> =
        labels.iter().map(String::as_str).filter(|it| !is_missing(it)).collect();
    if features.n_rows() < FEWEST_ROWS || kinds.len() < 2 {
        return Vec::new();
    }
    let leaks = |name: &str| {
        let Ok(column) = features.column(name) else { return false };
        let cells = column.to_texts();
        let mut by_value: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (cell, label) in cells.iter().zip(labels) {
            by_value.entry(cell).or_default().insert(label);
        }
        let few = by_value.len() <= 2 * kinds.len();
        if 1 < by_value.len() && few && by_value.values().all(|it| it.len() == 1) {
            return true;
        }
        // Of two kinds, a number that parts them without an error.
        let Some(numbers) = column.to_numbers().filter(|_| kinds.len() == 2) else { return false };
        let last = kinds.last().copied();
        let known = numbers.iter().zip(labels).filter(|(it, _)| it.is_finite());
        let (scores, is_last): (Vec<f64>, Vec<bool>) =
            known.map(|(it, label)| (*it, Some(label.as_str()) == last)).unzip();
        FEWEST_ROWS <= scores.len()
            && roc_auc(&scores, &is_last).is_ok_and(|it| it <= 0.0 || 1.0 <= it)
    };
    let leaking = features.names().filter(|it| leaks(it));
    let warning = |name: &str| {
        format!(
            "column `{name}` alone decides the label: it may be the label in another form; if so, leave it out with --drop {name}"
        )
    };
    leaking.map(warning).collect()
}

/// Columns that a distance is made of alone, because the others are a thousandth as wide.
pub(crate) fn of_spreads(artefact: &DetectorArtefact, records: ArrayView2<'_, f64>) -> Vec<String> {
    let is_knn = artefact.detector().kind() == DetectorKind::Knn;
    if !is_knn || artefact.preprocessing().scale() != Scale::None || records.nrows() < 2 {
        return Vec::new();
    }
    let names = artefact.preprocessing().feature_names();
    let spreads = records.std_axis(Axis(0), 0.0);
    let spread = names.iter().zip(spreads.iter().copied()).filter(|(_, it)| 0.0 < *it);
    let widest = spread.clone().max_by(|(_, a), (_, b)| a.total_cmp(b));
    let narrowest = spread.min_by(|(_, a), (_, b)| a.total_cmp(b));
    match (widest, narrowest) {
        (Some((widest, wide)), Some((narrowest, narrow))) if SPREADS < wide / narrow => {
            vec![format!(
                "distances are of `{widest}` (standard deviation {wide:.3}) and hardly of `{narrowest}` ({narrow:.3}): scale \
                 the columns with --scale standard or --scale robust"
            )]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &dyn Fn(i64) -> String)]) -> Table {
        let columns = columns.iter().map(|(name, cell)| {
            ((*name).to_owned(), TableColumn::infer((0..200).map(cell).collect()))
        });
        Table::new(columns.collect()).unwrap()
    }

    #[test]
    fn identifiers_and_labels_among_the_features_are_named() {
        let table = table(&[
            ("customer", &|it| (70_000 + it).to_string()),
            ("uuid", &|it| format!("u-{it:x}")),
            ("age", &|it| (it % 60).to_string()),
            ("spend", &|it| format!("{}.25", it * 7)),
            ("Is Fraud", &|it| (it % 2).to_string()),
            ("y", &|it| format!("{}.5", it)),
        ]);
        let warnings = of_columns(&table, &WrittenAs::default());
        let named: Vec<&str> = warnings.iter().map(|it| it.split('`').nth(1).unwrap()).collect();
        assert_eq!(named, ["customer", "uuid", "Is Fraud"]);
        assert!(of_columns(&table.rows(0..20), &WrittenAs::default()).is_empty());
    }

    #[test]
    fn identifiers_with_gaps_or_beyond_integers_are_named_and_times_are_not() {
        let numbers = |of: &dyn Fn(i32) -> f64| TableColumn::Numbers((0..200).map(of).collect());
        let columns = vec![
            ("gap".to_owned(), numbers(&|it| if it == 7 { f64::NAN } else { f64::from(it) })),
            ("large".to_owned(), numbers(&|it| 1e19 + f64::from(it) * 1e6)),
            ("at".to_owned(), numbers(&|it| 1.7e9 + f64::from(it) * 60.0)),
            ("spend".to_owned(), numbers(&|it| f64::from(it) * 7.25)),
        ];
        let written_as = WrittenAs::new([("at".to_owned(), Written::Timestamp)]);
        let warnings = of_columns(&Table::new(columns).unwrap(), &written_as);
        let named: Vec<&str> = warnings.iter().map(|it| it.split('`').nth(1).unwrap()).collect();
        assert_eq!(named, ["gap", "large"]);
    }

    #[test]
    fn a_column_that_decides_the_label_is_named() {
        let table = table(&[
            ("age", &|it| (it % 60).to_string()),
            ("code", &|it| if it % 3 == 0 { "A" } else { "B" }.to_owned()),
            ("limit", &|it| (if it % 3 == 0 { 1000 + it } else { it }).to_string()),
        ]);
        let labels: Vec<String> = (0..200).map(|it| u8::from(it % 3 == 0).to_string()).collect();
        let warnings = of_label(&table, &labels);
        let named: Vec<&str> = warnings.iter().map(|it| it.split('`').nth(1).unwrap()).collect();
        assert_eq!(named, ["code", "limit"]);
    }
}
