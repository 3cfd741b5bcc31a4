//! What can go wrong with a log, one type per operation.

use std::io;
use std::path::{Path, PathBuf};

use crate::frame::BadFrame;

/// A step on a file or directory that the operating system refused.
#[derive(Debug, thiserror::Error)]
#[error("{step} {}", path.display())]
pub struct FileError {
    /// What was tried, as a verb: `open`, `truncate`, `rename`.
    pub step: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl FileError {
    /// Makes a function that adds the step and the path to an I/O error, for `map_err`.
    pub fn at(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { step, path: path.to_owned(), source }
    }
}

/// Why a log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{} is in use by another process", dir.display())]
    Locked { dir: PathBuf },
    #[error("{} is not a segment this version can read: {found}", path.display())]
    Header { path: PathBuf, found: String },
    #[error("segment {} is corrupt at byte {position}: {reason}", path.display())]
    Corrupt { path: PathBuf, position: u64, reason: BadFrame },
    #[error("segment {} begins at offset {found}, but the one before it ends at {expected}", path.display())]
    Gap { path: PathBuf, expected: u64, found: u64 },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Why records could not be appended. The log holds what it held before, and goes on working.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk, a quota or a limit on file sizes leaves no room.
    #[error("no room left to write {}", path.display())]
    DiskFull { path: PathBuf, source: io::Error },
    #[error("a record of {size_bytes} bytes is over the limit of {max_bytes} bytes")]
    TooLarge { size_bytes: usize, max_bytes: usize },
    #[error(transparent)]
    File(#[from] FileError),
}

impl AppendError {
    /// Sorts a failed step into "no room" and everything else.
    pub(crate) fn from_file(error: FileError) -> Self {
        match error.source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => {
                Self::DiskFull { path: error.path, source: error.source }
            }
            _ => Self::File(error),
        }
    }
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(
        "offset {asked} is outside the log, which holds {first} up to but not including {next}"
    )]
    OutOfRange { asked: u64, first: u64, next: u64 },
    #[error("segment {} is corrupt at byte {position}: {reason}", path.display())]
    Corrupt { path: PathBuf, position: u64, reason: BadFrame },
    #[error(transparent)]
    File(#[from] FileError),
}
