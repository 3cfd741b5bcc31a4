//! Tables from CSV files with a header.

mod delimiter;
mod encoding;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use shadowline_features::{Cells, Choices, DecideError, RawColumn, RawTable, Table, TableError};

pub use delimiter::DelimiterError;
pub use encoding::EncodingError;

/// Why a file is not a table.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// It cannot be opened.
    #[error("read `{}`", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    /// It is not CSV; the cause names the line.
    #[error("read `{name}`")]
    Read { name: String, source: csv::Error },
    /// Its bytes are no text that is read here.
    #[error("read `{name}`")]
    Encoding { name: String, source: EncodingError },
    /// It is not known what separates its cells.
    #[error("read `{name}`")]
    Delimiter { name: String, source: DelimiterError },
    /// Its rows do not make a table.
    #[error("read `{name}`")]
    Table { name: String, source: TableError },
    /// It cannot be decided what a column is.
    #[error("read `{name}`")]
    Decide { name: String, source: DecideError },
    /// It has a header and nothing else, or not even that.
    #[error("`{name}` has no rows below its header")]
    Empty { name: String },
}

/// Reads a file, and decides by all cells of a column what it is.
///
/// # Errors
/// [`CsvError`] naming the file, and the line or the column where there is one.
pub fn read(path: &Path) -> Result<Table, CsvError> {
    let open = |source| CsvError::Open { path: path.to_owned(), source };
    let name = path.display().to_string();
    let raw = from_bytes(&name, &std::fs::read(path).map_err(open)?, None)?;
    let decided = raw.decide(&Choices::default());
    Ok(decided.map_err(|source| CsvError::Decide { name, source })?.table)
}

/// Reads the bytes of a file that is called `name` in errors: text in UTF-8, or in UTF-16 where a byte order mark says
/// so. Cells are text as they stand, with the white space around
/// them, unless a space follows every delimiter of the header: then it belongs to the delimiter.
///
/// Without a delimiter, the first rows say which it is: a comma, a semicolon, a tab or a bar. An empty line in a file of
/// one column is a cell without a value; elsewhere it is nothing.
///
/// # Errors
/// As [`read`], but for what columns are.
pub fn from_bytes(name: &str, bytes: &[u8], delimiter: Option<u8>) -> Result<RawTable, CsvError> {
    let read = |source| CsvError::Read { name: name.to_owned(), source };
    let text = encoding::to_utf8(bytes)
        .map_err(|source| CsvError::Encoding { name: name.to_owned(), source })?;
    // Excel writes its delimiter into a line of its own.
    let (said, bytes) = delimiter::said(text.as_bytes());
    let delimiter = match delimiter.or(said) {
        Some(delimiter) => delimiter,
        None => delimiter::recognise(bytes)
            .map_err(|source| CsvError::Delimiter { name: name.to_owned(), source })?,
    };
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(delimiter);
    let mut header_only = builder.from_reader(bytes);
    let header = header_only.headers().map_err(read)?.clone();
    let is_spaced = 1 < header.len() && header.iter().skip(1).all(|it| it.starts_with(' '));
    let names: Vec<String> = header.iter().map(|it| it.trim().to_owned()).collect();
    let bytes = if names.len() == 1 {
        let end = usize::try_from(header_only.position().byte()).unwrap_or(0).min(bytes.len());
        with_empty_cells(bytes, end)
    } else {
        Cow::Borrowed(bytes)
    };
    let mut reader = builder.from_reader(bytes.as_ref());
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut row = csv::StringRecord::new();
    // The reader refuses rows that are wider or narrower than the header.
    while reader.read_record(&mut row).map_err(read)? {
        for (column, cell) in columns.iter_mut().zip(&row) {
            let cell = if is_spaced { cell.trim_start() } else { cell };
            column.push(cell.to_owned());
        }
    }
    if columns.first().is_none_or(Vec::is_empty) {
        return Err(CsvError::Empty { name: name.to_owned() });
    }
    let column = |(name, cells): (String, Vec<String>)| RawColumn::new(name, Cells::Untyped(cells));
    RawTable::new(names.into_iter().zip(columns).map(column).collect())
        .map_err(|source| CsvError::Table { name: name.to_owned(), source })
}

/// Writes empty lines below a header as cells, which the reader would pass over.
fn with_empty_cells(bytes: &[u8], header_end: usize) -> Cow<'_, [u8]> {
    let (header, rest) = bytes.split_at(header_end);
    // Where the reader stopped between the two bytes of an end of line, the second one is still to come.
    let skip = usize::from(header.ends_with(b"\r") && rest.starts_with(b"\n"));
    let mut all = header.to_vec();
    all.extend_from_slice(&rest[..skip]);
    let (mut at, mut previous) = (At::Start, 0);
    for byte in rest[skip..].iter().copied() {
        let is_end = matches!(byte, b'\n' | b'\r') && at != At::Quoted;
        let is_second = byte == b'\n' && previous == b'\r';
        if is_end && at == At::Start && !is_second {
            all.extend_from_slice(b"\"\"");
        }
        at = match at {
            _ if is_end => At::Start,
            // Two of them are one that is written.
            At::Start | At::Closed if byte == b'"' => At::Quoted,
            At::Quoted if byte == b'"' => At::Closed,
            At::Quoted => At::Quoted,
            At::Start | At::Plain | At::Closed => At::Plain,
        };
        previous = byte;
        all.push(byte);
    }
    Cow::Owned(all)
}

/// Where a reader is in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    /// Where quotes are what they are: as in `5" pipe`.
    Plain,
    Quoted,
    /// Behind a quote that ends the cell, unless another one follows.
    Closed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    fn raw(text: &str) -> RawTable {
        from_bytes("rows.csv", text.as_bytes(), None).unwrap()
    }

    #[track_caller]
    fn check_cells(table: &RawTable, name: &str, expected: &[&str]) {
        let Cells::Untyped(cells) = table.column(name).unwrap() else { panic!("{name}") };
        assert_eq!(cells, expected);
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
    fn cells_stay_as_they_stand() {
        let table = raw("code,x\n007, State-gov\n010,\" two \"\n");
        check_cells(&table, "code", &["007", "010"]);
        check_cells(&table, "x", &[" State-gov", " two "]);
    }

    #[test]
    fn a_space_behind_every_delimiter_belongs_to_it() {
        let table = raw("age, work, pay\n39, State-gov, >50K \n");
        check_cells(&table, "work", &["State-gov"]);
        check_cells(&table, "pay", &[">50K "]);
    }

    #[test]
    fn delimiters_are_recognised() {
        for delimiter in [',', ';', '\t', '|'] {
            let text = "a,b\n1,\"x;y\"\n2,z\n".replace(',', &delimiter.to_string());
            let table = raw(&text);
            check_cells(&table, "a", &["1", "2"]);
            check_cells(&table, "b", &["x;y", "z"]);
        }
        check_cells(&raw("a;b\n1,5;2,5\n3,5;4,5\n"), "b", &["2,5", "4,5"]);
        check_cells(&raw("note;b\n\"a, b, c\";1\n"), "note", &["a, b, c"]);
        check_cells(&raw("sep=;\r\na;b;c\r\n1;2;3\r\n"), "c", &["3"]);
        check_cells(&raw("date;value, kW;z\n0;0,0;1\n"), "value, kW", &["0,0"]);
        let said = from_bytes("rows.csv", b"date;value, kW\n0;0,0\n", Some(b';')).unwrap();
        check_cells(&said, "value, kW", &["0,0"]);
        let wide = "a\tb\r\n1\té\r\n".encode_utf16().flat_map(u16::to_le_bytes);
        let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(wide).collect();
        check_cells(&from_bytes("excel.txt", &wide, None).unwrap(), "b", &["é"]);
        let forced = from_bytes("rows.csv", b"a;b\n1;2\n", Some(b',')).unwrap();
        check_cells(&forced, "a;b", &["1;2"]);
    }

    #[test]
    fn an_empty_line_is_a_cell_of_the_only_column() {
        check_cells(&raw("x\n1.0\n\n2.0\n\"\"\n\n"), "x", &["1.0", "", "2.0", "", ""]);
        check_cells(&raw("x\r\n1.0\r\n\r\n2.0\r\n"), "x", &["1.0", "", "2.0"]);
        check_cells(&raw("x\n\n1\n"), "x", &["", "1"]);
        check_cells(&raw("x\n\"a\n\nb\"\n\nc"), "x", &["a\n\nb", "", "c"]);
        check_cells(&raw("x\n5\" pipe\n\nfoo\n\nbar\n"), "x", &["5\" pipe", "", "foo", "", "bar"]);
        check_cells(&raw("x\n\"a\"\"\n\nb\"\n\n\"c\"\n"), "x", &["a\"\n\nb", "", "c"]);
        check_cells(&raw("x\n\"a\"b\"\n\nc\n"), "x", &["ab\"", "", "c"]);
        check_cells(&raw("x,y\n1,2\n\n3,4\n\n"), "x", &["1", "3"]);
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
        check("a;b\n1;2\n3\n", "line: 3");
        check("a,a\n1,2\n", "two columns are named `a`");
        check("a,b\n", "has no rows");
        check("", "has no rows");
        check("x\n1;2\n3;4\n", "`1;2`");
        check("x y\n1 2\n3 4\n", "white space");
        check("a\nx\n1\n2\n3\n", "column `a`");
        let error = read(Path::new("/nowhere/at.csv")).unwrap_err();
        assert_eq!(error.to_string(), "read `/nowhere/at.csv`");
        check("date;value, kW\n0;0,0\n1;0,5\n", "--delimiter");
    }
}
