//! What cannot be decided.

use crate::TableError;

/// Why it cannot be decided what a column is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// Most cells are of one kind, and some are not.
    #[error(
        "column `{column}`: {n_like} of its {n_present} cells are {expected} and {} {}, the first `{cell}` in row \
         {row_idx}, counted from 0",
        .n_present - .n_like,
        if .n_present - .n_like == 1 { "is not" } else { "are not" }
    )]
    Mixed {
        /// The column.
        column: String,
        /// What most cells are.
        expected: &'static str,
        /// How many are.
        n_like: usize,
        /// The cells that are not missing.
        n_present: usize,
        /// The row of the first other one in the file.
        row_idx: usize,
        /// That cell.
        cell: String,
    },
    /// No cell is a plain number, and most are numbers but for what is written around or within them.
    #[error(
        "column `{column}`: {n_dressed} of its {n_present} cells are numbers with separators, a decimal comma, a sign \
         of money or the like, the first `{cell}` in row {row_idx}, counted from 0; plain numbers such as 1234.5 expected"
    )]
    Dressed {
        /// The column.
        column: String,
        /// How many are.
        n_dressed: usize,
        /// The cells that are not missing.
        n_present: usize,
        /// The row of the first in the file.
        row_idx: usize,
        /// That cell.
        cell: String,
    },
    /// Some numbers are written with leading zeros, as codes are, and most are not.
    #[error(
        "column `{column}`: `{cell}` in row {row_idx}, counted from 0, is written as a code is, and most of its \
         numbers are not"
    )]
    Codes {
        /// The column.
        column: String,
        /// The row of the first such cell in the file.
        row_idx: usize,
        /// That cell.
        cell: String,
    },
    /// A column of values has no name.
    #[error("column {place} of the file, counted from 1, has no name in the header")]
    Nameless {
        /// Its place.
        place: usize,
    },
    /// There is no such column, or the columns do not make a table.
    #[error(transparent)]
    Table(#[from] TableError),
}
