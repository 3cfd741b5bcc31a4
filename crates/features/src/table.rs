use shadowline_contract::{Batch, Column, DataType, Field, Profile, Tensor, TensorData};

use crate::{FieldSource, Values};

/// Whether a cell says that its value is missing: it is empty, or `?`.
pub fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "?")
}

/// Training data, column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    n_rows: usize,
    columns: Vec<(String, TableColumn)>,
}

/// One column's values, typed by what all of its cells can be read as.
#[derive(Debug, Clone, PartialEq)]
pub enum TableColumn {
    /// Every cell is a whole number.
    Integers(Vec<i64>),
    /// Every cell is a finite number, or missing and then NaN.
    Numbers(Vec<f64>),
    /// Anything else.
    Texts(Vec<String>),
}

/// Why rows do not make a table, or a table has not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// A row is wider or narrower than the header.
    #[error("row {row_idx} has {got} cells; the header has {expected}")]
    RowWidth {
        /// The row, counted from 0 without the header.
        row_idx: usize,
        /// Its cells.
        got: usize,
        /// The header's cells.
        expected: usize,
    },
    /// Columns are of different lengths.
    #[error("column `{column}` has {got} rows; the first column has {expected}")]
    ColumnLength {
        /// The column.
        column: String,
        /// Its rows.
        got: usize,
        /// The first column's rows.
        expected: usize,
    },
    /// Two columns share a name.
    #[error("two columns are named `{0}`")]
    Duplicate(String),
    /// There is no such column.
    #[error("no column `{column}`; there are {}", .known.join(", "))]
    NoColumn {
        /// The name asked for.
        column: String,
        /// The names there are.
        known: Vec<String>,
    },
}

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
    pub fn finish(self) -> Table {
        let columns = self
            .columns
            .into_iter()
            .map(|(name, cells)| (name, TableColumn::infer(cells)))
            .collect();
        Table { n_rows: self.n_rows, columns }
    }
}

impl TableColumn {
    /// Types cells: whole numbers if all are, numbers if all are finite numbers or [missing](is_missing) and
    /// not all are missing, else text.
    pub fn infer(cells: Vec<String>) -> Self {
        if let Ok(integers) = cells.iter().map(|it| it.parse()).collect::<Result<Vec<i64>, _>>() {
            return Self::Integers(integers);
        }
        let number = |cell: &String| match cell.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(number),
            _ if is_missing(cell) => Some(f64::NAN),
            _ => None,
        };
        match cells.iter().map(number).collect::<Option<Vec<f64>>>() {
            Some(numbers) if !numbers.iter().all(|it| it.is_nan()) => Self::Numbers(numbers),
            _ => Self::Texts(cells),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type that a contract's field of this column would have.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Integers(_) => DataType::Int64,
            Self::Numbers(_) => DataType::Float64,
            Self::Texts(_) => DataType::String,
        }
    }

    /// The first row without a value: a number that is NaN, or a text that [says so](is_missing).
    pub fn first_missing(&self) -> Option<usize> {
        match self {
            Self::Integers(_) => None,
            Self::Numbers(values) => values.iter().position(|it| it.is_nan()),
            Self::Texts(values) => values.iter().position(|it| is_missing(it)),
        }
    }

    /// The values as they are.
    pub fn values(&self) -> Values<'_> {
        match self {
            Self::Integers(values) => Values::Integers(values),
            Self::Numbers(values) => Values::Numbers(values),
            Self::Texts(values) => Values::Texts(values),
        }
    }

    /// Each value as text, as a class label is: `7`, `0.5`, `<=50K`.
    pub fn to_texts(&self) -> Vec<String> {
        match self {
            Self::Integers(values) => values.iter().map(ToString::to_string).collect(),
            Self::Numbers(values) => values.iter().map(ToString::to_string).collect(),
            Self::Texts(values) => values.clone(),
        }
    }

    /// The values as floats, NaN where one is missing; none for text.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers beyond 2^53 are rounded to the nearest float"
    )]
    pub fn to_numbers(&self) -> Option<Vec<f64>> {
        match self {
            Self::Integers(values) => Some(values.iter().map(|it| *it as f64).collect()),
            Self::Numbers(values) => Some(values.clone()),
            Self::Texts(_) => None,
        }
    }

    fn slice(&self, range: std::ops::Range<usize>) -> Self {
        match self {
            Self::Integers(values) => Self::Integers(values[range].to_vec()),
            Self::Numbers(values) => Self::Numbers(values[range].to_vec()),
            Self::Texts(values) => Self::Texts(values[range].to_vec()),
        }
    }

    fn to_tensor(&self) -> Tensor {
        Tensor::vector(match self {
            Self::Integers(values) => TensorData::Int64(values.clone()),
            Self::Numbers(values) => TensorData::Float64(values.clone()),
            Self::Texts(values) => TensorData::String(values.clone()),
        })
    }
}

impl Table {
    /// Puts typed columns together.
    ///
    /// # Errors
    /// [`TableError::Duplicate`] or [`TableError::ColumnLength`].
    pub fn new(columns: Vec<(String, TableColumn)>) -> Result<Self, TableError> {
        refuse_duplicates(columns.iter().map(|(name, _)| name))?;
        let n_rows = columns.first().map_or(0, |(_, column)| column.len());
        match columns.iter().find(|(_, column)| column.len() != n_rows) {
            Some((name, column)) => Err(TableError::ColumnLength {
                column: name.clone(),
                got: column.len(),
                expected: n_rows,
            }),
            None => Ok(Self { n_rows, columns }),
        }
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The columns and their names, in order.
    pub fn columns(&self) -> &[(String, TableColumn)] {
        &self.columns
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// The column of a name.
    ///
    /// # Errors
    /// [`TableError::NoColumn`], which lists the names there are.
    pub fn column(&self, name: &str) -> Result<&TableColumn, TableError> {
        match self.columns.iter().find(|(it, _)| it == name) {
            Some((_, column)) => Ok(column),
            None => Err(TableError::NoColumn {
                column: name.to_owned(),
                known: self.names().map(ToOwned::to_owned).collect(),
            }),
        }
    }

    /// The table without some columns.
    ///
    /// # Errors
    /// [`TableError::NoColumn`] if one of them is not there.
    pub fn without<S: AsRef<str>>(&self, names: &[S]) -> Result<Self, TableError> {
        for name in names {
            self.column(name.as_ref())?;
        }
        let kept = |name: &str| names.iter().all(|it| it.as_ref() != name);
        let columns = self.columns.iter().filter(|(name, _)| kept(name)).cloned().collect();
        Ok(Self { n_rows: self.n_rows, columns })
    }

    /// Some of the rows; a range beyond the end is cut at the end.
    pub fn rows(&self, range: std::ops::Range<usize>) -> Self {
        let end = range.end.min(self.n_rows);
        let range = range.start.min(end)..end;
        let columns = self
            .columns
            .iter()
            .map(|(name, column)| (name.clone(), column.slice(range.clone())))
            .collect();
        Self { n_rows: range.len(), columns }
    }

    /// The fields that a contract for records like these rows would have; a column with gaps is nullable.
    pub fn fields(&self) -> Vec<Field> {
        self.columns
            .iter()
            .map(|(name, column)| {
                let profile = match column {
                    TableColumn::Texts(_) => Profile::Categorical,
                    TableColumn::Integers(_) | TableColumn::Numbers(_) => Profile::Numerical,
                };
                let nullable = column.first_missing().is_some();
                Field { profile, nullable, ..Field::scalar(name.clone(), column.data_type()) }
            })
            .collect()
    }

    /// The rows as a batch of scalar fields.
    ///
    /// # Panics
    /// Never: the columns of a table are of one length.
    pub fn to_batch(&self) -> Batch {
        let columns = self
            .columns
            .iter()
            .map(|(name, column)| Column { name: name.clone(), tensor: column.to_tensor() })
            .collect();
        Batch::new(self.n_rows, columns).expect("every column of a table has n_rows values")
    }
}

impl FieldSource for Table {
    fn n_records(&self) -> usize {
        self.n_rows
    }

    fn values(&self, field: &str) -> Option<Values<'_>> {
        self.columns.iter().find(|(name, _)| name == field).map(|(_, column)| column.values())
    }
}

fn refuse_duplicates<'a>(names: impl Iterator<Item = &'a String>) -> Result<(), TableError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(TableError::Duplicate(name.clone()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        check_type(&["1", "inf"], DataType::String);
        check_type(&["NaN", "1"], DataType::String);
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
        let columns = vec![
            ("a".to_owned(), TableColumn::Integers(vec![1])),
            ("b".to_owned(), TableColumn::Integers(vec![1, 2])),
        ];
        assert!(matches!(Table::new(columns), Err(TableError::ColumnLength { .. })));
    }
}
