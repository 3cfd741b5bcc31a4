//! The census data (UCI Adult) as tables.

use shadowline_features::{Table, TableBuilder, TableColumn, TableError};

use crate::{LoadError, Loader, Place};

/// The data set's name in the manifest.
pub const NAME: &str = "adult";
/// The column that a model predicts: `<=50K` or `>50K`.
pub const LABEL: &str = "income";
/// The census's own weight of a row, which is no property of a person.
pub const WEIGHT: &str = "fnlwgt";

const TRAIN: &str = "adult/adult.data";
const TEST: &str = "adult/adult.test";

/// The census data, in the split that its authors made.
#[derive(Debug, Clone)]
pub struct Census {
    /// `adult.data`: 32,561 rows to train on.
    pub train: Table,
    /// `adult.test`: 16,281 rows held out.
    pub test: Table,
    /// Where the two files were found.
    pub places: [Place; 2],
}

/// Why there is no census data.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// A file cannot be had.
    #[error("load the census data")]
    Load(#[from] LoadError),
    /// A file is not what the manifest says, although its checksum is.
    #[error("parse `{file}`")]
    Parse { file: &'static str, source: ParseError },
}

/// Why bytes are not rows of the census.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// They are not text.
    #[error("not UTF-8 text")]
    Utf8(#[from] std::str::Utf8Error),
    /// A row has more or fewer cells.
    #[error("line {line} has {got} cells; expected {expected}")]
    Width { line: usize, got: usize, expected: usize },
    /// A column of numbers has something else.
    #[error("column `{column}` has values of type {got}; expected {expected}")]
    Type { column: String, got: &'static str, expected: &'static str },
    /// The columns do not make a table.
    #[error("make a table")]
    Table(#[from] TableError),
}

/// Finds and reads the census data.
///
/// # Errors
/// [`CensusError`].
pub async fn load(loader: &Loader) -> Result<Census, CensusError> {
    let columns = loader.manifest().data_set(NAME).map(|it| it.columns.clone()).unwrap_or_default();
    let train = loader.load(TRAIN).await?;
    let test = loader.load(TEST).await?;
    let table = |file, bytes: &[u8]| {
        parse(bytes, &columns).map_err(|source| CensusError::Parse { file, source })
    };
    Ok(Census {
        train: table(TRAIN, &train.bytes)?,
        test: table(TEST, &test.bytes)?,
        places: [train.place, test.place],
    })
}

/// Reads rows as UCI writes them: cells separated by `, `, no header, `?` for a missing value. Comment lines (`|`)
/// and empty lines are passed over, and the full stop behind a label is taken off.
///
/// # Errors
/// [`ParseError`] naming the line or the column.
pub fn parse(bytes: &[u8], columns: &[String]) -> Result<Table, ParseError> {
    let text = std::str::from_utf8(bytes)?;
    let mut builder = TableBuilder::new(columns)?;
    for (idx, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('|') {
            continue;
        }
        let mut cells: Vec<&str> = line.split(',').map(str::trim).collect();
        if cells.len() != columns.len() {
            let (got, expected) = (cells.len(), columns.len());
            return Err(ParseError::Width { line: idx + 1, got, expected });
        }
        if let Some(label) = cells.last_mut() {
            *label = label.trim_end_matches('.');
        }
        builder.push_row(cells)?;
    }
    let table = builder.finish();
    for (column, values) in table.columns() {
        let expected = if is_number(column) { "int64" } else { "string" };
        let got = values.data_type().name();
        if got != expected {
            return Err(ParseError::Type { column: column.clone(), got, expected });
        }
    }
    Ok(table)
}

fn is_number(column: &str) -> bool {
    matches!(
        column,
        "age" | WEIGHT | "education-num" | "capital-gain" | "capital-loss" | "hours-per-week"
    )
}

/// Rows that no census would have: a 50 years older doctor from Germany with two jobs' worth of hours, and with
/// gains and losses that seldom meet.
///
/// # Errors
/// [`TableError`] if the table lacks one of the census's columns.
pub fn anomalous(rows: &Table) -> Result<Table, TableError> {
    let mut columns = rows.columns().to_vec();
    for name in ["age", "education", "education-num", "native-country", "occupation"] {
        rows.column(name)?;
    }
    for name in ["hours-per-week", "capital-loss", "capital-gain"] {
        rows.column(name)?;
    }
    let n_rows = rows.n_rows();
    let text = |value: &str| TableColumn::Texts(vec![value.to_owned(); n_rows]);
    let number = |value| TableColumn::Integers(vec![value; n_rows]);
    for (name, column) in &mut columns {
        match name.as_str() {
            "age" => {
                if let TableColumn::Integers(ages) = column {
                    ages.iter_mut().for_each(|it| *it += 50);
                }
            }
            "education" => *column = text("Doctorate"),
            "education-num" => *column = number(16),
            "native-country" => *column = text("Germany"),
            // A category that the training rows do not have.
            "occupation" => *column = text("Other"),
            "hours-per-week" => *column = number(60),
            "capital-loss" => *column = number(1590),
            "capital-gain" => *column = number(27828),
            _ => {}
        }
    }
    Table::new(columns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Manifest;

    fn columns() -> Vec<String> {
        Manifest::built_in().data_set(NAME).unwrap().columns.clone()
    }

    const ROW: &str = "25, Private, 226802, 11th, 7, Never-married, ?, Own-child, Black, Male, 0, 0, 40, \
                       United-States, <=50K";

    #[test]
    fn both_files_ways_of_writing_are_read() {
        let text = format!("|1x3 Cross validator\n{ROW}.\n{ROW}\n\n");
        let table = parse(text.as_bytes(), &columns()).unwrap();
        assert_eq!(table.n_rows(), 2);
        assert_eq!(table.column(LABEL).unwrap().to_texts(), ["<=50K", "<=50K"]);
        assert_eq!(table.column("occupation").unwrap().to_texts(), ["?", "?"]);
        assert_eq!(*table.column("age").unwrap(), TableColumn::Integers(vec![25, 25]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refused = |text: &str| parse(text.as_bytes(), &columns()).unwrap_err().to_string();
        assert_eq!(refused(&format!("{ROW}\n25, Private\n")), "line 2 has 2 cells; expected 15");
        let error = refused(&ROW.replace("25,", "old,"));
        assert_eq!(error, "column `age` has values of type string; expected int64");
        assert_eq!(parse(&[0xff], &columns()).unwrap_err().to_string(), "not UTF-8 text");
    }

    #[test]
    fn anomalous_rows_differ_where_they_should() {
        let rows = parse(ROW.as_bytes(), &columns()).unwrap();
        let strange = anomalous(&rows).unwrap();
        let cells = |table: &Table, name: &str| table.column(name).unwrap().to_texts()[0].clone();
        assert_eq!(cells(&strange, "age"), "75");
        assert_eq!(cells(&strange, "occupation"), "Other");
        assert_eq!(cells(&strange, "capital-gain"), "27828");
        assert_eq!(cells(&strange, "race"), cells(&rows, "race"));
        assert!(anomalous(&rows.without(&["age"]).unwrap()).is_err());
    }
}
