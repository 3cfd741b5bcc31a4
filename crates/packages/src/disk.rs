//! The files of packages: written so that a crash leaves a whole package or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crate::document::ModelDocument;
use crate::registry::StoreError;

/// The document's file.
pub(crate) const DOCUMENT: &str = "serving.yaml";
/// The file with the digest.
pub(crate) const DIGEST: &str = "digest";
/// File names an artefact cannot have.
pub(crate) const RESERVED: [&str; 2] = [DOCUMENT, DIGEST];
/// Beginning of the names of directories that are being made or taken away.
const UNFINISHED: &str = ".unfinished-";

/// A package as it was read, with its artefact.
pub(crate) struct FromDisk {
    pub(crate) document: ModelDocument,
    pub(crate) digest: String,
    pub(crate) artefact: Vec<u8>,
}

/// Turns an I/O error into one that says what was tried on which path.
pub(crate) fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> StoreError + 'a {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

/// Makes the store's directory and clears what a crash left unfinished.
pub(crate) fn prepare(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(failed("create directory", dir))?;
    for entry in entries(dir)? {
        if file_name(&entry).starts_with(UNFINISHED) {
            tracing::info!(path = %entry.display(), "an unfinished package is cleared away");
            fs::remove_dir_all(&entry).map_err(failed("remove", &entry))?;
        }
    }
    Ok(())
}

/// The directories of all versions of all packages, whatever is in them.
pub(crate) fn versions(dir: &Path) -> Result<Vec<(String, NonZeroU64, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for package in entries(dir)? {
        let name = file_name(&package);
        if name.starts_with('.') || !package.is_dir() {
            continue;
        }
        for path in entries(&package)? {
            match file_name(&path).parse::<NonZeroU64>() {
                Ok(version) if path.is_dir() => found.push((name.clone(), version, path)),
                _ => tracing::warn!(path = %path.display(), "not a package's version; left alone"),
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a package and checks its digest; the error is a reason in words.
pub(crate) fn read(path: &Path) -> Result<FromDisk, String> {
    let text = |file: &str| {
        fs::read_to_string(path.join(file)).map_err(|error| format!("read `{file}`: {error}"))
    };
    let document = ModelDocument::parse(&text(DOCUMENT)?).map_err(|error| error.to_string())?;
    let recorded = text(DIGEST)?;
    let file = document.artefact_file();
    let artefact = fs::read(path.join(file)).map_err(|error| format!("read `{file}`: {error}"))?;
    let digest = document.digest(&artefact).map_err(|error| error.to_string())?;
    if digest != recorded.trim() {
        return Err(format!(
            "its files were changed or damaged: they have {digest}, installed was {}",
            recorded.trim()
        ));
    }
    Ok(FromDisk { document, digest, artefact })
}

/// Writes a package next to its final place; [`commit`] moves it there.
pub(crate) fn stage(
    dir: &Path,
    document: &ModelDocument,
    artefact: &[u8],
    digest: &str,
) -> Result<tempfile::TempDir, StoreError> {
    let staging = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(dir)
        .map_err(failed("create a directory in", dir))?;
    let yaml = document.to_yaml()?;
    for (file, bytes) in [
        (document.artefact_file(), artefact),
        (DOCUMENT, yaml.as_bytes()),
        (DIGEST, format!("{digest}\n").as_bytes()),
    ] {
        let path = staging.path().join(file);
        let write = || {
            let mut handle = File::create_new(&path)?;
            handle.write_all(bytes)?;
            handle.sync_all()
        };
        write().map_err(failed("write", &path))?;
    }
    sync(staging.path())?;
    Ok(staging)
}

/// Moves a staged package to its place; afterwards it survives a crash.
pub(crate) fn commit(staging: tempfile::TempDir, place: &Path) -> Result<(), StoreError> {
    let package = place.parent().unwrap_or(place);
    fs::create_dir_all(package).map_err(failed("create directory", package))?;
    if let Some(store) = package.parent() {
        sync(store)?;
    }
    let staged = staging.keep();
    if let Err(source) = fs::rename(&staged, place) {
        // Best effort: what stays is cleared at the next start.
        if let Err(error) = fs::remove_dir_all(&staged) {
            tracing::warn!(path = %staged.display(), %error, "cannot be removed");
        }
        return Err(failed("create", place)(source));
    }
    sync(package)
}

/// Takes a package away, at once for every reader.
pub(crate) fn remove(dir: &Path, place: &Path) -> Result<(), StoreError> {
    let grave = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(dir)
        .map_err(failed("create a directory in", dir))?;
    fs::rename(place, grave.path().join("package")).map_err(failed("remove", place))?;
    if let Some(package) = place.parent() {
        sync(package)?;
        if entries(package)?.is_empty() {
            fs::remove_dir(package).map_err(failed("remove", package))?;
        }
    }
    let path = grave.path().to_owned();
    grave.close().map_err(failed("remove", &path))
}

fn sync(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|it| it.sync_all()).map_err(failed("sync", dir))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list =
        || fs::read_dir(dir)?.map(|it| it.map(|it| it.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(failed("list", dir))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
