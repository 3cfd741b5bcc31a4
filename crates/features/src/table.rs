use shadowline_contract::{Batch, Column, DataType, Field, Profile, Tensor, TensorData};

use crate::missing::is_missing;
use crate::{FieldSource, Values};

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

impl TableColumn {
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

    /// The columns and their names, for who has no more use for the table.
    pub fn into_columns(self) -> Vec<(String, TableColumn)> {
        self.columns
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

pub(crate) fn refuse_duplicates<'a>(
    names: impl Iterator<Item = &'a String>,
) -> Result<(), TableError> {
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

    #[test]
    fn a_repeated_name_is_refused() {
        let columns = vec![
            ("a".to_owned(), TableColumn::Integers(vec![1])),
            ("b".to_owned(), TableColumn::Integers(vec![1, 2])),
        ];
        assert!(matches!(Table::new(columns), Err(TableError::ColumnLength { .. })));
    }
}
