//! Tables from rows of text.

use super::cells::Cells;
use super::decide::Choices;
use super::table::{RawColumn, RawTable};
use crate::table::refuse_duplicates;
use crate::{Table, TableColumn, TableError};

/// Collects rows of text; [`TableBuilder::finish`] finds each column's type.
#[derive(Debug, Clone)]
pub struct TableBuilder {
    n_rows: usize,
    columns: Vec<(String, Vec<String>)>,
}

impl TableBuilder {
    /// Starts a table with the given columns.
    ///
    /// # Errors
    /// [`TableError::Duplicate`].
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self, TableError> {
        let columns: Vec<(String, Vec<String>)> =
            names.into_iter().map(|name| (name.into().trim().to_owned(), Vec::new())).collect();
        refuse_duplicates(columns.iter().map(|(name, _)| name))?;
        Ok(Self { n_rows: 0, columns })
    }

    /// Adds a row; white space around a cell is dropped.
    ///
    /// # Errors
    /// [`TableError::RowWidth`]; the row is then not added.
    pub fn push_row<'a>(
        &mut self,
        cells: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), TableError> {
        let cells: Vec<&str> = cells.into_iter().collect();
        if cells.len() != self.columns.len() {
            let (got, expected) = (cells.len(), self.columns.len());
            return Err(TableError::RowWidth { row_idx: self.n_rows, got, expected });
        }
        for ((_, column), cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell.trim().to_owned());
        }
        self.n_rows += 1;
        Ok(())
    }

    /// Types each column by its cells.
    ///
    /// # Panics
    /// Never: rows are as wide as the header.
    pub fn finish(self) -> Table {
        let columns = self
            .columns
            .into_iter()
            .map(|(name, cells)| (name, TableColumn::infer(cells)))
            .collect();
        Table::new(columns)
            .expect("every row has a cell of every column, and the names are distinct")
    }
}

impl TableColumn {
    /// Types cells as [`RawTable::decide`] does; what is refused there is text here, for who knows the cells.
    pub fn infer(cells: Vec<String>) -> Self {
        let column = RawColumn::new("cells", Cells::Untyped(cells.clone()));
        let decided = RawTable::new(vec![column]).map(|it| it.decide(&Choices::default()));
        match decided.map(|it| it.map(|it| it.table.into_columns())) {
            Ok(Ok(mut columns)) if columns.len() == 1 => columns.remove(0).1,
            _ => Self::Texts(cells),
        }
    }
}

#[cfg(test)]
mod tests {
    use shadowline_contract::DataType;

    use super::*;

    fn cells(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[track_caller]
    fn check_type(values: &[&str], expected: DataType) {
        assert_eq!(TableColumn::infer(cells(values)).data_type(), expected, "{values:?}");
    }

    #[test]
    fn a_column_is_typed_by_all_of_its_cells() {
        check_type(&["1", "-2"], DataType::Int64);
        check_type(&["1", "2.5"], DataType::Float64);
        check_type(&["1", "?"], DataType::Float64);
        check_type(&["1e3", ""], DataType::Float64);
        check_type(&["1", "two"], DataType::String);
        check_type(&["1", "inf"], DataType::Float64);
        check_type(&["NaN", "1"], DataType::Float64);
        check_type(&["?", ""], DataType::String);
        check_type(&["9223372036854775808", "1"], DataType::Float64);
    }

    #[test]
    fn a_missing_number_is_nan() {
        let TableColumn::Numbers(numbers) = TableColumn::infer(cells(&["1.5", "?"])) else {
            panic!("numbers")
        };
        assert!(numbers[1].is_nan());
    }

    #[test]
    fn rows_become_columns() {
        let mut builder = TableBuilder::new(["age", "job"]).unwrap();
        builder.push_row(["39", " State-gov"]).unwrap();
        builder.push_row(["50", "?"]).unwrap();
        let narrow = builder.push_row(["1"]);
        assert_eq!(narrow, Err(TableError::RowWidth { row_idx: 2, got: 1, expected: 2 }));
        let table = builder.finish();
        assert_eq!(table.n_rows(), 2);
        assert_eq!(table.column("age").unwrap(), &TableColumn::Integers(vec![39, 50]));
        assert_eq!(table.column("job").unwrap(), &TableColumn::Texts(cells(&["State-gov", "?"])));
        assert_eq!(table.without(&["age"]).unwrap().names().collect::<Vec<_>>(), ["job"]);
        assert_eq!(table.rows(1..9).n_rows(), 1);
        assert_eq!(table.to_batch().n_records(), 2);
        assert_eq!(
            table.column("sex").unwrap_err().to_string(),
            "no column `sex`; there are age, job"
        );
        assert_eq!(
            table.without(&["sex"]).unwrap_err().to_string(),
            "no column `sex`; there are age, job"
        );
    }

    #[test]
    fn a_repeated_name_is_refused() {
        assert_eq!(
            TableBuilder::new(["a", "a"]).unwrap_err(),
            TableError::Duplicate("a".to_owned())
        );
    }
}
