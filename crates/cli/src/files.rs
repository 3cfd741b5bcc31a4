//! Files that are there as a whole or not at all.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use tempfile::Builder;

/// Writes a file so that a reader sees all of it or what was there before.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let folder =
            path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = like_any_file().tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("write `{}`", path.display()))
}

/// A temporary file that whoever may read the folder's other files may read, too.
fn like_any_file() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's own mask takes away what it takes away from every file.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder
}
