//! A package in a folder: what training writes, and what scoring and others read.

use std::path::{Path, PathBuf};

use anyhow::Context;
use shadowline_detectors::DetectorArtefact;
use shadowline_packages::{ModelDocument, read_artefacts};

/// The document's file in a package.
pub(crate) const DOCUMENT: &str = "serving.yaml";

/// The key of a document's metadata under which a training's words for a missing value are, as a list in JSON.
pub(crate) const MISSING_WORDS: &str = "missing_words";

/// The detector of a package on disk.
pub(crate) fn read_package(folder: &Path) -> anyhow::Result<DetectorArtefact> {
    let document = document(folder)?;
    let artefacts = read_artefacts(&document, folder)
        .with_context(|| format!("package `{}`", folder.display()))?;
    let path = folder.join(&document.artefact);
    DetectorArtefact::from_bytes(artefacts.model())
        .with_context(|| format!("load `{}`", path.display()))
}

/// The words beside the usual ones that stood for a missing value when a package was trained.
pub(crate) fn missing_words(folder: &Path) -> anyhow::Result<Vec<String>> {
    let document = document(folder)?;
    let Some(words) = document.metadata.get(MISSING_WORDS) else { return Ok(Vec::new()) };
    serde_json::from_str(words)
        .with_context(|| format!("package `{}`: metadata `{MISSING_WORDS}`", folder.display()))
}

/// The files of a package, which nothing may be written over while it is read.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    Ok(vec![folder.join(DOCUMENT), folder.join(document(folder)?.artefact)])
}

fn document(folder: &Path) -> anyhow::Result<ModelDocument> {
    let path = folder.join(DOCUMENT);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("package `{}`: read `{}`", folder.display(), path.display()))?;
    ModelDocument::parse(&text).with_context(|| path.display().to_string())
}
