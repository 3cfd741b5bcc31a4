use serde::Serialize;
use shadowline_features::{Table, TableColumn};

use crate::{NumberProfile, TextProfile};

/// What can be said of a table, column by column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableProfile {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// The columns, in order.
    pub columns: Vec<ColumnProfile>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Cells without a value: NaN, or text that stands for a missing value.
    pub missing: usize,
    /// Of a column of numbers with at least one value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberProfile>,
    /// Of a column of text.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub texts: Option<TextProfile>,
}

impl TableProfile {
    /// Describes every column; `n_bins` is the number of bins of the histograms, at least one.
    pub fn of(table: &Table, n_bins: usize) -> Self {
        let columns =
            table.columns().iter().map(|(name, column)| column_profile(name, column, n_bins));
        Self { shape: (table.n_rows(), table.columns().len()), columns: columns.collect() }
    }
}

fn column_profile(name: &str, column: &TableColumn, n_bins: usize) -> ColumnProfile {
    let name = name.to_owned();
    if let TableColumn::Texts(texts) = column {
        let texts = TextProfile::of(texts);
        let missing = column.len() - texts.n_rows();
        return ColumnProfile { name, missing, numbers: None, texts: Some(texts) };
    }
    let values = column.to_numbers().unwrap_or_default();
    let numbers = NumberProfile::of(&values, n_bins);
    let missing = column.len() - numbers.as_ref().map_or(0, |it| it.describe.count);
    ColumnProfile { name, missing, numbers, texts: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_counted_by_category() {
        let texts = ["b", "a", "?", "b", "", "c", "a"].map(str::to_owned).to_vec();
        let table = Table::new(vec![("job".to_owned(), TableColumn::Texts(texts))]).unwrap();
        let profile = TableProfile::of(&table, 20);
        assert_eq!(profile.shape, (7, 1));
        let [column] = profile.columns.as_slice() else { panic!("one column") };
        assert_eq!(column.missing, 2);
        let texts = column.texts.as_ref().unwrap();
        let expected = [("a", 2), ("b", 2), ("c", 1)].map(|(it, n)| (it.to_owned(), n));
        assert_eq!((texts.n_categories, texts.n_others), (3, 0));
        assert_eq!(texts.categories, expected);
    }

    #[test]
    fn numbers_are_described_without_the_missing_ones() {
        let columns = vec![
            ("age".to_owned(), TableColumn::Integers(vec![1, 3])),
            ("hours".to_owned(), TableColumn::Numbers(vec![f64::NAN, 2.0])),
            ("none".to_owned(), TableColumn::Numbers(vec![f64::NAN; 2])),
        ];
        let profile = TableProfile::of(&Table::new(columns).unwrap(), 2);
        let count = |it: &ColumnProfile| it.numbers.as_ref().map(|it| it.describe.count);
        let found: Vec<_> = profile.columns.iter().map(|it| (it.missing, count(it))).collect();
        assert_eq!(found, [(0, Some(2)), (1, Some(1)), (2, None)]);
    }
}
