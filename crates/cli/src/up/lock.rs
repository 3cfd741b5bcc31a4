//! One process at a time in a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};

/// Held for as long as a data directory is in use. The operating system releases it when the process ends,
/// however it ends.
#[derive(Debug)]
pub(crate) struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Makes the directory if it is missing, and takes it.
    ///
    /// # Errors
    /// If another process has it; the message names that process.
    pub(crate) fn take(data_dir: &Path) -> anyhow::Result<Self> {
        // Whatever is made here from now on, by whichever service.
        shadowline_own_files::from_now_on();
        shadowline_own_files::make(data_dir)
            .with_context(|| format!("make data directory `{}`", data_dir.display()))?;
        let path = data_dir.join("lock");
        let in_use = || format!("lock data directory `{}`", data_dir.display());
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(in_use)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).with_context(in_use)?;
                let holder = match holder.trim() {
                    "" => "another process".to_owned(),
                    process_id => format!("process {process_id}"),
                };
                bail!(
                    "data directory `{}` is in use by {holder}; stop it, or choose another --data-dir",
                    data_dir.display()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(in_use),
        }
        let mut write_process_id = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())?;
            file.flush()
        };
        write_process_id().with_context(in_use)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataDirLock::take(&folder.path().join("data")).unwrap();
        let error = DataDirLock::take(&folder.path().join("data")).unwrap_err().to_string();
        let expected = format!("in use by process {}", std::process::id());
        assert!(error.contains(&expected), "{error}");
        drop(first);
        DataDirLock::take(&folder.path().join("data")).unwrap();
    }
}
