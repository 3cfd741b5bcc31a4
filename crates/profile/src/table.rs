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
    /// Cells with an infinite number, which no figure is made of; they are none of the missing ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub infinite: usize,
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

    /// Says how many cells of a column are infinite, which are missing in the table.
    pub fn note_infinite(&mut self, column: &str, n_infinite: usize) {
        for profile in self.columns.iter_mut().filter(|it| it.name == column) {
            profile.infinite = n_infinite;
            profile.missing = profile.missing.saturating_sub(n_infinite);
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

fn column_profile(name: &str, column: &TableColumn, n_bins: usize) -> ColumnProfile {
    let name = name.to_owned();
    if let TableColumn::Texts(texts) = column {
        let texts = TextProfile::of(texts);
        let missing = column.len() - texts.n_rows();
        return ColumnProfile { name, missing, infinite: 0, numbers: None, texts: Some(texts) };
    }
    let values = column.to_numbers().unwrap_or_default();
    let numbers = NumberProfile::of(&values, n_bins);
    let missing = column.len() - numbers.as_ref().map_or(0, |it| it.describe.count);
    ColumnProfile { name, missing, infinite: 0, numbers, texts: None }
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
        let mut profile = TableProfile::of(&Table::new(columns).unwrap(), 2);
        let count = |it: &ColumnProfile| it.numbers.as_ref().map(|it| it.describe.count);
        let found: Vec<_> = profile.columns.iter().map(|it| (it.missing, count(it))).collect();
        assert_eq!(found, [(0, Some(2)), (1, Some(1)), (2, None)]);
        profile.note_infinite("none", 1);
        assert_eq!((profile.columns[2].missing, profile.columns[2].infinite), (1, 1));
    }
}
