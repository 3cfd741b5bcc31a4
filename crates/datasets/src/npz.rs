//! Tables from numpy's `.npz` files, as ADBench keeps its sets: records `X` and labels `y`.
//!
//! `X` becomes the columns `x0`, `x1`, …, and `y`, which is 1 for an anomaly, the column `y`.

use std::io::{Cursor, Read};

use shadowline_features::{Table, TableColumn, TableError};

/// Why a file is not records and labels.
#[derive(Debug, thiserror::Error)]
pub enum NpzError {
    /// It is no archive, or an array is not in it.
    #[error("read array `{array}`")]
    Archive { array: &'static str, source: zip::result::ZipError },
    /// An array cannot be unpacked.
    #[error("unpack array `{array}`")]
    Unpack { array: &'static str, source: std::io::Error },
    /// An array is not of numbers in rows, or ends early.
    #[error("array `{array}` is {found}; {expected} expected")]
    Array { array: &'static str, found: String, expected: &'static str },
    /// Records and labels do not make a table.
    #[error("{0}")]
    Table(#[from] TableError),
}

/// An array of one or two dimensions, row by row.
#[derive(Debug)]
struct Array {
    name: &'static str,
    n_rows: usize,
    n_columns: usize,
    is_column_major: bool,
    values: Vec<f64>,
}

/// Reads the bytes of a file.
///
/// # Errors
/// [`NpzError`] naming the array at fault.
pub fn from_bytes(bytes: &[u8]) -> Result<Table, NpzError> {
    let records = array(bytes, "X", "X.npy")?;
    let labels = array(bytes, "y", "y.npy")?;
    let mut columns: Vec<(String, TableColumn)> = (0..records.n_columns)
        .map(|idx| (format!("x{idx}"), TableColumn::Numbers(records.column(idx))))
        .collect();
    columns.push(("y".to_owned(), TableColumn::Integers(labels.integers()?)));
    Ok(Table::new(columns)?)
}

fn array(bytes: &[u8], name: &'static str, file: &str) -> Result<Array, NpzError> {
    let archive = |source| NpzError::Archive { array: name, source };
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).map_err(archive)?;
    let mut unpacked = Vec::new();
    let mut entry = zip.by_name(file).map_err(archive)?;
    entry.read_to_end(&mut unpacked).map_err(|source| NpzError::Unpack { array: name, source })?;
    parse(name, &unpacked)
}

/// Reads an array in numpy's format 1, whose header is a Python dictionary.
///
/// Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>.
fn parse(name: &'static str, bytes: &[u8]) -> Result<Array, NpzError> {
    let refuse = |found: &str, expected| {
        Err(NpzError::Array { array: name, found: found.to_owned(), expected })
    };
    let Some((start, rest)) = bytes.split_at_checked(10) else {
        return refuse("cut short", "a header");
    };
    if !start.starts_with(b"\x93NUMPY\x01") {
        return refuse("of another format", "numpy's format 1");
    }
    let header_bytes = usize::from(u16::from_le_bytes([start[8], start[9]]));
    let Some((header, data)) = rest.split_at_checked(header_bytes) else {
        return refuse("cut short", "a header");
    };
    let header = String::from_utf8_lossy(header);
    let between = |from: &str, to: char| {
        let start = header.find(from)? + from.len();
        Some(&header[start..start + header[start..].find(to)?])
    };
    let Some(shape) = between("'shape': (", ')') else {
        return refuse("without a shape", "rows and columns");
    };
    let sizes: Result<Vec<usize>, _> =
        shape.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::parse).collect();
    let (n_rows, n_columns) = match sizes.as_deref() {
        Ok([n_rows]) => (*n_rows, 1),
        Ok([n_rows, n_columns]) => (*n_rows, *n_columns),
        _ => return refuse(&format!("of shape ({shape})"), "one or two dimensions"),
    };
    let is_column_major = between("'fortran_order': ", ',') == Some("True");
    let element = between("'descr': '", '\'').unwrap_or_default();
    let values: Vec<f64> = match element {
        "|u1" | "|b1" => data.iter().map(|it| f64::from(*it)).collect(),
        "|i1" => data.iter().map(|it| f64::from(it.cast_signed())).collect(),
        "<i2" => numbers(data, |it| f64::from(i16::from_le_bytes(it))),
        "<u2" => numbers(data, |it| f64::from(u16::from_le_bytes(it))),
        "<i4" => numbers(data, |it| f64::from(i32::from_le_bytes(it))),
        "<i8" => numbers(data, |it| float(i64::from_le_bytes(it))),
        "<f4" => numbers(data, |it| f64::from(f32::from_le_bytes(it))),
        "<f8" => numbers(data, f64::from_le_bytes),
        other => return refuse(&format!("of elements `{other}`"), "whole numbers or floats"),
    };
    if Some(values.len()) != n_rows.checked_mul(n_columns) {
        let found = format!("{} numbers for the shape ({shape})", values.len());
        return refuse(&found, "as many as the shape says");
    }
    Ok(Array { name, n_rows, n_columns, is_column_major, values })
}

fn numbers<const N: usize>(data: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
    data.as_chunks::<N>().0.iter().map(|it| number(*it)).collect()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "integers beyond 2^53 are rounded to the nearest float"
)]
fn float(value: i64) -> f64 {
    value as f64
}

impl Array {
    fn column(&self, column: usize) -> Vec<f64> {
        let at = |row: usize| {
            if self.is_column_major {
                column * self.n_rows + row
            } else {
                row * self.n_columns + column
            }
        };
        (0..self.n_rows).map(|row| self.values[at(row)]).collect()
    }

    /// The first column's values, all of which must be 0 or 1.
    fn integers(&self) -> Result<Vec<i64>, NpzError> {
        let integer = |value: f64| match value.to_bits() {
            0 => Ok(0),
            ONE => Ok(1),
            _ => Err(NpzError::Array {
                array: self.name,
                found: format!("a label {value}"),
                expected: "0, or 1 for an anomaly,",
            }),
        };
        self.column(0).into_iter().map(integer).collect()
    }
}

const ONE: u64 = 1.0_f64.to_bits();

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn both_orders_are_read_as_columns() {
        let header = |order: &str| {
            format!("{{'descr': '<i2', 'fortran_order': {order}, 'shape': (2, 3), }}")
        };
        let data: Vec<u8> =
            [1_i16, 2, 3, 4, 5, -6].iter().flat_map(|it| it.to_le_bytes()).collect();
        let by_column = parse("X", &npy(&header("True"), &data)).unwrap();
        assert_eq!(by_column.column(2), [5.0, -6.0]);
        let by_row = parse("X", &npy(&header("False"), &data)).unwrap();
        assert_eq!(by_row.column(2), [3.0, -6.0]);
        let labels = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(parse("y", &npy(labels, &[0, 1])).unwrap().integers().unwrap(), [0, 1]);
        assert!(parse("y", &npy(labels, &[0, 2])).unwrap().integers().is_err());
    }

    #[test]
    fn what_is_no_array_is_refused() {
        let check = |bytes: &[u8], expected: &str| {
            let message = parse("X", bytes).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        check(b"", "cut short");
        check(b"not numpy's at all", "another format");
        check(&npy("{'descr': '|u1', 'shape': (2, 2, 2), }", &[0; 8]), "of shape (2, 2, 2)");
        check(&npy("{'descr': '|u1', 'shape': (9,), }", &[0; 8]), "8 numbers");
        check(&npy("{'descr': '<c16', 'shape': (1,), }", &[0; 16]), "`<c16`");
        check(&npy("{'descr': '|u1'}", &[0]), "without a shape");
        assert!(from_bytes(b"PK no archive").is_err());
    }
}
