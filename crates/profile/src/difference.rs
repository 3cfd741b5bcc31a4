//! How far the same columns of two tables are apart.

use std::collections::BTreeMap;

use serde::Serialize;
use shadowline_features::{Table, TableColumn, is_missing};

/// Why there is no distance where there is nothing to compare.
const NO_VALUE: &str = "no value in one of them";

/// How far a column of one table is from the same one of another, most telling first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The column.
    pub column: String,
    /// Which statistic `distance` is.
    pub statistic: Statistic,
    /// From 0, the same distribution, to 1, nothing in common; of values that are not missing. None where one of the
    /// tables has no value, or no such column, or numbers where the other has text.
    pub distance: Option<f64>,
    /// The greatest distance that two samples of one distribution, as large as these, have in 95 % of cases; of numbers.
    pub by_chance: Option<f64>,
    /// The medians of both, or their most frequent values.
    pub middle: (Option<String>, Option<String>),
    /// The shares of missing values in both; all of them where there is no such column.
    pub missing: (f64, f64),
    /// Why there is no distance.
    pub note: Option<&'static str>,
}

/// A named distance of two distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Statistic {
    /// Of numbers: the greatest difference of the two shares of values at or below any number.
    ///
    /// Source: Smirnov, *Table for Estimating the Goodness of Fit of Empirical Distributions* (1948),
    /// <https://doi.org/10.1214/aoms/1177730256>; `scipy.stats.ks_2samp` answers the same.
    KolmogorovSmirnov,
    /// Of categories: half the sum of the differences of their shares.
    ///
    /// Source: Levin, Peres, *Markov Chains and Mixing Times* (2017), proposition 4.2.
    TotalVariation,
}

/// Compares every column of the first table with the column of that name of the second; the greatest difference first.
pub fn differences(a: &Table, b: &Table) -> Vec<Difference> {
    let names = a.names().chain(b.names().filter(|it| a.column(it).is_err()));
    let mut all: Vec<Difference> = names.map(|name| of_column(name, a, b)).collect();
    // What cannot be compared at all differs most.
    let telling = |it: &Difference| {
        let missing = (it.missing.0 - it.missing.1).abs();
        it.distance.map_or(2.0, |distance| distance.max(missing))
    };
    all.sort_by(|a, b| telling(b).total_cmp(&telling(a)));
    all
}

fn of_column(name: &str, a: &Table, b: &Table) -> Difference {
    // A table that has no such column has no value of it.
    let of_table = |table: &Table| table.column(name).map_or(1.0, share_missing);
    let shares = (of_table(a), of_table(b));
    let unlike = |note| Difference {
        column: name.to_owned(),
        statistic: Statistic::KolmogorovSmirnov,
        distance: None,
        by_chance: None,
        middle: (None, None),
        missing: shares,
        note: Some(note),
    };
    let (Ok(of_a), Ok(of_b)) = (a.column(name), b.column(name)) else {
        return unlike(if a.column(name).is_ok() {
            "only in the first"
        } else {
            "only in the second"
        });
    };
    match (of_a.to_numbers(), of_b.to_numbers()) {
        (Some(a), Some(b)) => of_numbers(name, &a, &b),
        (None, None) => of_texts(name, &of_a.to_texts(), &of_b.to_texts()),
        // What has no value at all could be of any kind.
        _ if 1.0 <= shares.0.max(shares.1) => unlike(NO_VALUE),
        (Some(_), None) => unlike("numbers in the first, text in the second"),
        (None, Some(_)) => unlike("text in the first, numbers in the second"),
    }
}

/// The share of a column's rows that have no value; all of no rows.
fn share_missing(column: &TableColumn) -> f64 {
    let n_present = match column {
        TableColumn::Integers(values) => values.len(),
        TableColumn::Numbers(values) => values.iter().filter(|it| !it.is_nan()).count(),
        TableColumn::Texts(texts) => texts.iter().filter(|it| !is_missing(it)).count(),
    };
    if column.is_empty() { 1.0 } else { missing(column.len(), n_present) }
}

fn of_numbers(name: &str, a: &[f64], b: &[f64]) -> Difference {
    let sorted = |values: &[f64]| {
        let mut kept: Vec<f64> = values.iter().copied().filter(|it| !it.is_nan()).collect();
        kept.sort_by(f64::total_cmp);
        kept
    };
    let (sorted_a, sorted_b) = (sorted(a), sorted(b));
    let (n, m) = (count(sorted_a.len()), count(sorted_b.len()));
    let median = |sorted: &[f64]| {
        shadowline_features::percentile_of_sorted(sorted, 50.0).map(|it| it.to_string())
    };
    let distance = kolmogorov_smirnov(&sorted_a, &sorted_b);
    Difference {
        column: name.to_owned(),
        statistic: Statistic::KolmogorovSmirnov,
        distance,
        // The 95th percentile of Kolmogorov's distribution, for samples that are not small.
        by_chance: distance.map(|_| (1.358_098_6 * ((n + m) / (n * m)).sqrt()).min(1.0)),
        middle: (median(&sorted_a), median(&sorted_b)),
        missing: (missing(a.len(), sorted_a.len()), missing(b.len(), sorted_b.len())),
        note: distance.is_none().then_some(NO_VALUE),
    }
}

/// The statistic of two sorted samples; none if one is empty.
fn kolmogorov_smirnov(a: &[f64], b: &[f64]) -> Option<f64> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (mut at_a, mut at_b, mut greatest) = (0, 0, 0.0_f64);
    while at_a < a.len() && at_b < b.len() {
        let value = a[at_a].min(b[at_b]);
        // Equal values are passed together: between them there is no difference to be seen.
        while a.get(at_a).is_some_and(|it| *it <= value) {
            at_a += 1;
        }
        while b.get(at_b).is_some_and(|it| *it <= value) {
            at_b += 1;
        }
        let difference = count(at_a) / count(a.len()) - count(at_b) / count(b.len());
        greatest = greatest.max(difference.abs());
    }
    Some(greatest)
}

fn of_texts(name: &str, a: &[String], b: &[String]) -> Difference {
    let counts = |texts: &[String]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for text in texts.iter().filter(|it| !is_missing(it)) {
            *counts.entry(text.clone()).or_default() += 1;
        }
        counts
    };
    let (of_a, of_b) = (counts(a), counts(b));
    let (n, m) = (of_a.values().sum::<usize>(), of_b.values().sum::<usize>());
    let share = |of: &BTreeMap<String, usize>, n: usize, text: &str| {
        count(of.get(text).copied().unwrap_or(0)) / count(n)
    };
    let distance = (0 < n && 0 < m).then(|| {
        let texts = of_a.keys().chain(of_b.keys().filter(|it| !of_a.contains_key(*it)));
        texts.map(|it| (share(&of_a, n, it) - share(&of_b, m, it)).abs()).sum::<f64>() / 2.0
    });
    let most = |of: &BTreeMap<String, usize>| {
        of.iter().rev().max_by_key(|(_, n)| **n).map(|(text, _)| text.clone())
    };
    Difference {
        column: name.to_owned(),
        statistic: Statistic::TotalVariation,
        distance,
        by_chance: None,
        middle: (most(&of_a), most(&of_b)),
        missing: (missing(a.len(), n), missing(b.len(), m)),
        note: distance.is_none().then_some(NO_VALUE),
    }
}

fn missing(n_rows: usize, n_present: usize) -> f64 {
    count(n_rows - n_present) / count(n_rows.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
fn count(n: usize) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f64]) -> TableColumn {
        TableColumn::Numbers(values.to_vec())
    }

    fn texts(values: &[&str]) -> TableColumn {
        TableColumn::Texts(values.iter().map(ToString::to_string).collect())
    }

    fn table(columns: Vec<(&str, TableColumn)>) -> Table {
        Table::new(columns.into_iter().map(|(name, it)| (name.to_owned(), it)).collect()).unwrap()
    }

    #[test]
    fn the_statistic_is_scipys() {
        let check = |a: &[f64], b: &[f64], expected: f64| {
            let got = kolmogorov_smirnov(a, b).unwrap();
            assert!((got - expected).abs() < 1e-12, "{got}");
        };
        // scipy 1.17.1, ks_2samp(a, b).statistic.
        check(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0.0);
        check(&[1.0, 2.0, 3.0], &[4.0, 5.0], 1.0);
        check(&[1.0, 1.0, 2.0, 3.0], &[1.0, 3.0, 3.0, 3.0, 4.0], 0.55);
        assert_eq!(kolmogorov_smirnov(&[], &[1.0]), None);
    }

    #[test]
    fn what_differs_most_comes_first() {
        let a = table(vec![
            ("same", numbers(&[1.0, 2.0, 3.0, 4.0])),
            ("moved", numbers(&[1.0, 2.0, 3.0, 4.0])),
            ("kind", texts(&["x", "x", "y", "y"])),
            ("gone", numbers(&[1.0, 2.0, 3.0, 4.0])),
            ("gaps", numbers(&[1.0, 2.0, 3.0, 4.0])),
        ]);
        let b = table(vec![
            ("same", numbers(&[1.0, 2.0, 3.0, 4.0])),
            ("moved", numbers(&[11.0, 12.0, 13.0, 14.0])),
            ("kind", texts(&["x", "y", "y", "z"])),
            ("gaps", numbers(&[1.0, 4.0, f64::NAN, f64::NAN])),
        ]);
        let all = differences(&a, &b);
        let names: Vec<&str> = all.iter().map(|it| it.column.as_str()).collect();
        assert_eq!(names, ["gone", "moved", "gaps", "kind", "same"]);
        let of = |name: &str| all.iter().find(|it| it.column == name).unwrap();
        assert_eq!(of("gone").note, Some("only in the first"));
        assert_eq!(of("gone").missing, (0.0, 1.0));
        assert_eq!(of("moved").distance, Some(1.0));
        assert_eq!(of("moved").middle, (Some("2.5".to_owned()), Some("12.5".to_owned())));
        assert_eq!(of("kind").distance, Some(0.25));
        assert_eq!(of("gaps").missing, (0.0, 0.5));
        assert_eq!(of("same").distance, Some(0.0));
    }

    #[test]
    fn what_is_missing_is_said_of_columns_that_cannot_be_compared() {
        let check = |a: TableColumn, b: TableColumn, note: &str, missing: (f64, f64)| {
            let all = differences(&table(vec![("x", a)]), &table(vec![("x", b)]));
            assert_eq!((all[0].note, all[0].missing), (Some(note), missing));
        };
        let none = || numbers(&[f64::NAN, f64::NAN]);
        check(texts(&["", "NA"]), numbers(&[1.0, f64::NAN]), NO_VALUE, (1.0, 0.5));
        check(texts(&["a", "NA"]), none(), NO_VALUE, (0.5, 1.0));
        check(numbers(&[1.0, 2.0]), none(), NO_VALUE, (0.0, 1.0));
        check(texts(&["a"]), texts(&["?"]), NO_VALUE, (0.0, 1.0));
        let note = "numbers in the first, text in the second";
        check(numbers(&[1.0, f64::NAN]), texts(&["a", "a", "a", ""]), note, (0.5, 0.25));
    }
}
