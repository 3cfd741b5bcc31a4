//! A package in a folder: what training writes, and what scoring and others read.

use std::path::Path;

use anyhow::Context;
use shadowline_detectors::DetectorArtefact;
use shadowline_packages::{ModelDocument, read_artefacts};

/// The document's file in a package.
pub(crate) const DOCUMENT: &str = "serving.yaml";

/// The detector of a package on disk.
pub(crate) fn read_package(folder: &Path) -> anyhow::Result<DetectorArtefact> {
    let path = folder.join(DOCUMENT);
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("package `{}`: read `{}`", folder.display(), path.display()))?;
    let document = ModelDocument::parse(&text).with_context(|| path.display().to_string())?;
    let artefacts = read_artefacts(&document, folder)
        .with_context(|| format!("package `{}`", folder.display()))?;
    let path = folder.join(&document.artefact);
    DetectorArtefact::from_bytes(artefacts.model())
        .with_context(|| format!("load `{}`", path.display()))
}
