//! Tables from CSV files with a header.

use std::path::{Path, PathBuf};

use shadowline_features::{Table, TableColumn, TableError};

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
    let table = |source| CsvError::Table { path: path.to_owned(), source };
    let (names, columns) = cells(path)?;
    let columns = names.into_iter().zip(columns.into_iter().map(TableColumn::infer)).collect();
    Table::new(columns).map_err(table)
}

/// Reads a file whose every column is text, as it stands there; for whoever knows what the columns should be.
///
/// # Errors
/// As [`read`].
pub fn read_texts(path: &Path) -> Result<Table, CsvError> {
    let table = |source| CsvError::Table { path: path.to_owned(), source };
    let (names, columns) = cells(path)?;
    let columns = names.into_iter().zip(columns.into_iter().map(TableColumn::Texts)).collect();
    Table::new(columns).map_err(table)
}

/// The header and each column's cells.
fn cells(path: &Path) -> Result<(Vec<String>, Vec<Vec<String>>), CsvError> {
    let read = |source| CsvError::Read { path: path.to_owned(), source };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(read)?;
    let header = reader.headers().map_err(read)?.clone();
    // A byte-order mark is no part of the first column's name.
    let name = |it: &str| it.trim_start_matches('\u{feff}').trim().to_owned();
    let names: Vec<String> = header.iter().map(name).collect();
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut row = csv::StringRecord::new();
    // The reader refuses rows that are wider or narrower than the header.
    while reader.read_record(&mut row).map_err(read)? {
        for (column, cell) in columns.iter_mut().zip(&row) {
            column.push(cell.to_owned());
        }
    }
    if columns.first().is_none_or(Vec::is_empty) {
        return Err(CsvError::Empty { path: path.to_owned() });
    }
    Ok((names, columns))
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
    fn a_file_can_be_had_as_it_stands() {
        let file = file("code,x\n007,1\n010,two\n");
        let table = read_texts(file.path()).unwrap();
        let texts = |it: &str| table.column(it).unwrap().to_texts();
        assert_eq!(
            (texts("code"), texts("x")),
            (vec!["007".into(), "010".into()], vec!["1".into(), "two".into()])
        );
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
