use std::path::PathBuf;

use parquet::errors::ParquetError;
use shadowline_features::TableError;

/// Why a file is not a table, or a table is no file.
#[derive(Debug, thiserror::Error)]
pub enum ParquetFileError {
    /// It cannot be opened.
    #[error("read `{}`", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    /// It is not Parquet, or corrupt.
    #[error("read `{name}` as Parquet")]
    Read { name: String, source: ParquetError },
    /// A column is corrupt, or compressed in a way that is not read here.
    #[error("read column `{column}` of `{name}`")]
    Column { name: String, column: String, source: ParquetError },
    /// Its columns do not make a table.
    #[error("read `{name}`")]
    Table { name: String, source: TableError },
    /// It has no rows.
    #[error("`{name}` has no rows")]
    Empty { name: String },
    /// It cannot be written.
    #[error("write Parquet")]
    Write(#[source] ParquetError),
}
