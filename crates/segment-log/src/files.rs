//! Steps on files that are safe against a kill or a power failure in the middle.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::error::{FileError, OpenError};

/// Creates the directory if it is not there and takes it for this process alone, as long as the handle lives.
///
/// The lock is on the directory itself, so there is no lock file to be left behind; the kernel releases it when the
/// process ends, however it ends.
///
/// # Errors
/// `Locked` if another handle, in this process or another one, holds the directory.
pub fn lock_directory(dir: &Path) -> Result<File, OpenError> {
    std::fs::create_dir_all(dir).map_err(FileError::at("create directory", dir))?;
    let handle = File::open(dir).map_err(FileError::at("open directory", dir))?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(source)) => {
            Err(FileError::at("lock directory", dir)(source).into())
        }
    }
}

/// Replaces a file's content so that after a kill or a power failure it is either the old one or the new one.
///
/// # Errors
/// The step that failed; the file then still has its old content.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    let temporary = Path::new(&name);
    let written = File::create(temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    if let Err(source) = written {
        // The old file is untouched; a left-over temporary one would only take room that may be short.
        remove_quietly(temporary);
        return Err(FileError { step: "write", path: temporary.to_owned(), source });
    }
    std::fs::rename(temporary, path).map_err(FileError::at("replace", path))?;
    sync_parent(path)
}

/// Makes the creation, renaming or removal of `path` itself survive a power failure.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(FileError::at("sync directory", parent))
}

/// Removes a file whose absence is as good as its removal.
pub(crate) fn remove_quietly(path: &Path) {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "left-over file could not be removed")
        }
    }
}
