//! Tables from Parquet files and into them; the one crate that knows the format.
//!
//! A column has a value or none in each row, as the file says: truth values, whole numbers, numbers, text, and times in
//! seconds with all the digits that a float has: since the beginning of 1970, since midnight, or as long as they last.
//! The unit of a duration is in the schema that Arrow's writers add, or in what pandas does, which also says which columns
//! are its index. A column of several values in a row, of bytes that are no text or the like is [`Cells::Unusable`], and
//! no reason to refuse the others.
//!
//! Start at [`read`].

mod arrow_schema;
mod column;
mod error;
mod numbers;
mod pandas;
mod write;

use std::path::Path;

use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use shadowline_features::{Cells, RawColumn, RawTable};

pub use error::ParquetFileError;
pub use write::to_bytes;

/// How a Parquet file begins.
pub const MAGIC: &[u8; 4] = b"PAR1";

/// Reads a file.
///
/// # Errors
/// [`ParquetFileError`] naming the file, and the column where there is one.
pub fn read(path: &Path) -> Result<RawTable, ParquetFileError> {
    let open = |source| ParquetFileError::Open { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(open)?;
    from_chunks(&path.display().to_string(), file)
}

/// Reads the bytes of a file that is called `name` in errors.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<RawTable, ParquetFileError> {
    from_chunks(name, bytes::Bytes::from(bytes))
}

fn from_chunks<R: ChunkReader + 'static>(
    name: &str,
    chunks: R,
) -> Result<RawTable, ParquetFileError> {
    let read = |source| ParquetFileError::Read { name: name.to_owned(), source };
    let reader = SerializedFileReader::new(chunks).map_err(read)?;
    let metadata = reader.metadata().file_metadata();
    let n_rows = usize::try_from(metadata.num_rows()).unwrap_or(0);
    if n_rows == 0 {
        return Err(ParquetFileError::Empty { name: name.to_owned() });
    }
    let said = |key: &str| {
        let pairs = metadata.key_value_metadata()?;
        pairs.iter().find(|it| it.key == key)?.value.as_deref()
    };
    let mut durations = said("pandas").map(pandas::durations).unwrap_or_default();
    // Arrow's schema is of the file, and pandas' words of the table that it was made of.
    durations.extend(said("ARROW:schema").map(arrow_schema::durations).unwrap_or_default());
    let index = said("pandas").map(pandas::index_columns).unwrap_or_default();
    let schema = metadata.schema_descr();
    let mut columns: Vec<RawColumn> = Vec::new();
    let mut leaf_idx = 0;
    for (root_idx, root) in schema.root_schema().get_fields().iter().enumerate() {
        let first = leaf_idx;
        while leaf_idx < schema.num_columns() && schema.get_column_root_idx(leaf_idx) == root_idx {
            leaf_idx += 1;
        }
        let is_flat = root.is_primitive() && schema.column(first).max_rep_level() == 0;
        let cells = if is_flat {
            let unit = durations.get(root.name()).copied();
            column::read(&reader, first, n_rows, unit).map_err(|source| {
                let (name, column) = (name.to_owned(), root.name().to_owned());
                ParquetFileError::Column { name, column, source }
            })?
        } else {
            Cells::Unusable(n_rows, "nested, with several values in a row".to_owned())
        };
        columns.push(RawColumn::new(root.name(), cells));
    }
    let mut table = RawTable::new(columns)
        .map_err(|source| ParquetFileError::Table { name: name.to_owned(), source })?;
    table.mark_index(&index);
    Ok(table)
}
