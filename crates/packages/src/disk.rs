//! The files of packages: written so that a crash leaves a whole package or none.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use crate::artefacts::{ArtefactName, Artefacts};
use crate::digest::Digests;
use crate::document::ModelDocument;
use crate::error::RegistryError;
use crate::layout::{DIGEST, DOCUMENT, artefact_files};

/// Beginning of the names of directories that are being made or taken away.
const UNFINISHED: &str = ".unfinished-";

/// A package as it was read, with its artefacts.
pub(crate) struct FromDisk {
    pub(crate) document: ModelDocument,
    pub(crate) digests: Digests,
    pub(crate) artefacts: Artefacts,
}

/// Turns an I/O error into one that says what was tried on which path.
pub(crate) fn failed<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> RegistryError + 'a {
    move |source| RegistryError::Io { action, path: path.to_owned(), source }
}

/// Makes the store's directory and clears what a crash left unfinished.
pub(crate) fn prepare(dir: &Path) -> Result<(), RegistryError> {
    shadowline_own_files::folder(dir).map_err(failed("create directory", dir))?;
    for entry in entries(dir)? {
        if file_name(&entry).starts_with(UNFINISHED) {
            tracing::info!(path = %entry.display(), "an unfinished package is cleared away");
            fs::remove_dir_all(&entry).map_err(failed("remove", &entry))?;
        }
    }
    Ok(())
}

/// The directories of all versions of all packages, whatever is in them.
pub(crate) fn versions(dir: &Path) -> Result<Vec<(String, NonZeroU64, PathBuf)>, RegistryError> {
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

/// The digest that a package was installed with, if it can be read.
pub(crate) fn digest(path: &Path) -> Option<String> {
    let stored = fs::read_to_string(path.join(DIGEST)).ok()?;
    stored.lines().next().map(|it| it.trim().to_owned()).filter(|it| !it.is_empty())
}

/// Reads a package and compares its digests; the error is the reason as text.
pub(crate) fn read(path: &Path) -> Result<FromDisk, String> {
    let text = |file: &str| {
        fs::read_to_string(path.join(file)).map_err(|error| format!("read `{file}`: {error}"))
    };
    let document = ModelDocument::parse(&text(DOCUMENT)?).map_err(|error| error.to_string())?;
    let stored = text(DIGEST)?;
    let mut artefacts = Artefacts::of_model([]);
    for (name, file) in artefact_files(&document) {
        let bytes = fs::read(path.join(&file)).map_err(|error| match name {
            ArtefactName::Model => format!("read `{file}`: {error}"),
            ArtefactName::Profile => format!("its artefact `{name}`: read `{file}`: {error}"),
        })?;
        artefacts = artefacts.with(name, bytes);
    }
    let digests = Digests::of(&document, &artefacts).map_err(|error| error.to_string())?;
    digests.validate(&stored)?;
    Ok(FromDisk { document, digests, artefacts })
}

/// Makes a folder for what is not finished; it is cleared away at the next start, if not before.
pub(crate) fn unfinished(dir: &Path) -> io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(dir)
}

/// Writes a package next to its final place; [`commit`] moves it there.
pub(crate) fn stage(
    dir: &Path,
    document: &ModelDocument,
    artefacts: &Artefacts,
    digests: &Digests,
) -> Result<tempfile::TempDir, RegistryError> {
    let staging = unfinished(dir).map_err(failed("create a directory in", dir))?;
    let (yaml, digests) = (document.to_yaml()?, digests.to_text());
    let files = artefact_files(document);
    let artefacts = files
        .iter()
        .filter_map(|(name, file)| artefacts.get(*name).map(|bytes| (file.as_str(), bytes)));
    for (file, bytes) in
        artefacts.chain([(DOCUMENT, yaml.as_bytes()), (DIGEST, digests.as_bytes())])
    {
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
pub(crate) fn commit(staging: tempfile::TempDir, place: &Path) -> Result<(), RegistryError> {
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
pub(crate) fn remove(dir: &Path, place: &Path) -> Result<(), RegistryError> {
    let grave = unfinished(dir).map_err(failed("create a directory in", dir))?;
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

/// Makes what happened in a directory survive a crash.
pub(crate) fn sync(dir: &Path) -> Result<(), RegistryError> {
    File::open(dir).and_then(|it| it.sync_all()).map_err(failed("sync", dir))
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let list =
        || fs::read_dir(dir)?.map(|it| it.map(|it| it.path())).collect::<io::Result<Vec<_>>>();
    list().map_err(failed("list", dir))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
