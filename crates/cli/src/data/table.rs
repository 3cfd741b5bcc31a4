//! A table and where it is from.

use std::path::PathBuf;

use shadowline_features::{RawTable, Table, Words};

use crate::args::ReadArgs;
use crate::folder::WrittenAs;

/// A table as its file has it, and where it is from.
#[derive(Debug)]
pub(crate) struct Raw {
    pub(crate) table: RawTable,
    /// For a package's metadata; the same for the same content, wherever it was found.
    pub(crate) name: String,
    /// For people.
    pub(crate) found: String,
}

/// A table whose columns are decided, and where it is from.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) table: Table,
    /// As of [`Raw`].
    pub(crate) name: String,
    /// The place of its first row in the file, counted from 0.
    pub(crate) first_row: usize,
    /// What its numbers are written as.
    pub(crate) written_as: WrittenAs,
}

/// The words for a missing value, the usual ones and those of `--na`.
pub(crate) fn words(args: &ReadArgs) -> Words {
    Words::with(args.na.iter().cloned())
}

/// The files on disk that `--data` names, which nothing may be written over; none for a data set or standard input.
pub(crate) fn input_path(data: &str) -> Option<PathBuf> {
    (data != "-" && !data.starts_with("dataset:")).then(|| PathBuf::from(data))
}
