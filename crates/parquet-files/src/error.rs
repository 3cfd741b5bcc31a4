use std::path::PathBuf;

use parquet::errors::ParquetError;
use shadowline_features::TableError;

/// Why a file is not a table.
#[derive(Debug, thiserror::Error)]
pub enum ParquetFileError {
    /// It cannot be opened.
    #[error("read `{}`", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    /// It is not Parquet, or corrupt.
    #[error("read `{name}` as Parquet")]
    Read { name: String, source: ParquetError },
    /// A column has no plain values.
    #[error(
        "column `{column}` of `{name}` is {found}; numbers, truth values, times or text expected"
    )]
    Column { name: String, column: String, found: String },
    /// A value cannot be one of a table.
    #[error("row {row_idx} of column `{column}` of `{name}` is {found}")]
    Value { name: String, column: String, row_idx: usize, found: String },
    /// Its columns do not make a table.
    #[error("read `{name}`")]
    Table { name: String, source: TableError },
    /// It has no rows.
    #[error("`{name}` has no rows")]
    Empty { name: String },
}
