//! Tables from Parquet files; the one crate that knows the format.
//!
//! Columns are flat: a value or none in each row. Whole numbers and truth values (1 and 0) become integers, or numbers
//! where one is missing; floats and decimals become numbers. A date or a timestamp becomes the seconds since the
//! beginning of 1970 as the file has them, and a time of day the seconds since midnight, so that a detector finds
//! numbers there. Text stays text; a missing one is empty.
//!
//! Start at [`read`].

mod column;
mod error;

use std::path::Path;

use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use shadowline_features::Table;

pub use error::ParquetFileError;

use crate::column::Column;

/// How a Parquet file begins.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// Reads a file.
///
/// # Errors
/// [`ParquetFileError`] naming the file, and the column and the row where there are such.
pub fn read(path: &Path) -> Result<Table, ParquetFileError> {
    let open = |source| ParquetFileError::Open { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(open)?;
    from_chunks(&path.display().to_string(), file)
}

/// Reads the bytes of a file that is called `name` in errors.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Table, ParquetFileError> {
    from_chunks(name, bytes::Bytes::from(bytes))
}

fn from_chunks<R: ChunkReader + 'static>(name: &str, chunks: R) -> Result<Table, ParquetFileError> {
    let read = |source| ParquetFileError::Read { name: name.to_owned(), source };
    let reader = SerializedFileReader::new(chunks).map_err(read)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let mut columns = Vec::with_capacity(schema.num_columns());
    for descriptor in schema.columns() {
        columns.push(Column::of(name, descriptor)?);
    }
    let rows = reader.get_row_iter(None).map_err(read)?;
    for (row_idx, row) in rows.enumerate() {
        let row = row.map_err(read)?;
        for (column, (_, field)) in columns.iter_mut().zip(row.get_column_iter()) {
            column.push(field).map_err(|found| ParquetFileError::Value {
                name: name.to_owned(),
                column: column.name.clone(),
                row_idx,
                found,
            })?;
        }
    }
    if columns.first().is_none_or(|it| it.cells.is_empty()) {
        return Err(ParquetFileError::Empty { name: name.to_owned() });
    }
    let columns = columns.into_iter().map(|it| (it.name, it.cells)).collect();
    Table::new(columns).map_err(|source| ParquetFileError::Table { name: name.to_owned(), source })
}
