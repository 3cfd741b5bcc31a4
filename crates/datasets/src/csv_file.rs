//! Tables from CSV files with a header.

use std::path::{Path, PathBuf};

use shadowline_features::{Table, TableBuilder, TableError};

/// Why a file is not a table.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It cannot be read, or is not CSV; the cause names the line.
    #[error("read `{}`", path.display())]
    Read { path: PathBuf, source: csv::Error },
    /// Its rows do not make a table.
    #[error("read `{}`", path.display())]
    Table { path: PathBuf, source: TableError },
    /// It has a header and nothing else, or not even that.
    #[error("`{}` has no rows below its header", path.display())]
    Empty { path: PathBuf },
}

/// Reads a file; white space around cells is dropped, and each column has the type that all of its cells have.
///
/// # Errors
/// [`CsvError`] naming the file, and the line where there is one.
pub fn read(path: &Path) -> Result<Table, CsvError> {
    let read = |source| CsvError::Read { path: path.to_owned(), source };
    let table = |source| CsvError::Table { path: path.to_owned(), source };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(read)?;
    let header = reader.headers().map_err(read)?.clone();
    // A byte-order mark is no part of the first column's name.
    let names = header.iter().map(|it| it.trim_start_matches('\u{feff}').trim());
    let mut builder = TableBuilder::new(names).map_err(table)?;
    let mut row = csv::StringRecord::new();
    let mut is_empty = true;
    while reader.read_record(&mut row).map_err(read)? {
        builder.push_row(&row).map_err(table)?;
        is_empty = false;
    }
    if is_empty {
        return Err(CsvError::Empty { path: path.to_owned() });
    }
    Ok(builder.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_file_becomes_typed_columns() {
        let file = file("\u{feff}age , income,note\n39, 1.5 ,\"a, b\"\n40,?,c\n");
        let table = read(file.path()).unwrap();
        assert_eq!(table.names().collect::<Vec<_>>(), ["age", "income", "note"]);
        let types: Vec<_> = table.columns().iter().map(|(_, it)| it.data_type().name()).collect();
        assert_eq!(types, ["int64", "float64", "string"]);
        assert_eq!(table.n_rows(), 2);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |text: &str, expected: &str| {
            let file = file(text);
            let error = read(file.path()).unwrap_err();
            let source = std::error::Error::source(&error).map(ToString::to_string);
            let message = format!("{error} {}", source.unwrap_or_default());
            assert!(message.contains(expected), "{message}");
        };
        check("a,b\n1,2\n3\n", "line: 3");
        check("a,a\n1,2\n", "two columns are named `a`");
        check("a,b\n", "has no rows");
        check("", "has no rows");
        let error = read(Path::new("/nowhere/at.csv")).unwrap_err();
        assert_eq!(error.to_string(), "read `/nowhere/at.csv`");
    }
}
