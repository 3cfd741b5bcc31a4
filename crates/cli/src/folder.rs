//! A package in a folder: what training writes, and what scoring and others read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use shadowline_detectors::DetectorArtefact;
use shadowline_features::Written;
use shadowline_packages::{ModelDocument, read_artefacts};

/// The document's file in a package.
pub(crate) const DOCUMENT: &str = "serving.yaml";

/// The key of a document's metadata under which a training's words for a missing value are, as a list in JSON.
pub(crate) const MISSING_WORDS: &str = "missing_words";

/// The key of a document's metadata under which it is what a training's numbers were written as, where they were not
/// all numbers: an object in JSON, by field.
pub(crate) const WRITTEN_AS: &str = "written_as";

/// What the fields of a model are written as. A field that is not named is of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WrittenAs(BTreeMap<String, Written>);

impl WrittenAs {
    /// Of fields and what they are written as.
    pub(crate) fn new(fields: impl IntoIterator<Item = (String, Written)>) -> Self {
        Self(fields.into_iter().filter(|(_, it)| *it != Written::Number).collect())
    }

    pub(crate) fn of(&self, field: &str) -> Written {
        self.0.get(field).copied().unwrap_or_default()
    }

    /// The value in a document's metadata, which has it if only to say that every field is of numbers.
    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        Ok(serde_json::to_string(&self.0)?)
    }

    pub(crate) fn from_json(text: &str) -> anyhow::Result<Self> {
        let fields = serde_json::from_str(text);
        Ok(Self(fields.with_context(|| format!("metadata `{WRITTEN_AS}`"))?))
    }
}

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
    words_of(words).with_context(|| format!("package `{}`", folder.display()))
}

/// The words that a document's metadata has.
pub(crate) fn words_of(text: &str) -> anyhow::Result<Vec<String>> {
    serde_json::from_str(text).with_context(|| format!("metadata `{MISSING_WORDS}`"))
}

/// What the fields of a package's model are written as.
pub(crate) fn written_as(folder: &Path) -> anyhow::Result<WrittenAs> {
    let document = document(folder)?;
    let Some(fields) = document.metadata.get(WRITTEN_AS) else { return Ok(WrittenAs::default()) };
    WrittenAs::from_json(fields).with_context(|| format!("package `{}`", folder.display()))
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
