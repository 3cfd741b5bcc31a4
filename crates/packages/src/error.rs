use std::path::PathBuf;

use shadowline_error::BoxError;

use crate::artefacts::ArtefactName;
use crate::document::DocumentError;
use crate::package::PackageKey;

/// Why packages could not be read, installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The document cannot be written.
    #[error("package document")]
    Document(#[from] DocumentError),
    /// An artefact that the document names did not come with it.
    #[error("artefact `{name}` is missing; the document names it")]
    MissingArtefact {
        /// The artefact in question.
        name: ArtefactName,
    },
    /// An artefact came that the document does not name.
    #[error("artefact `{name}` is not among the document's `artefacts`")]
    UnnamedArtefact {
        /// The artefact in question.
        name: ArtefactName,
    },
    /// The version is taken by other content.
    #[error(
        "{key} exists with other content; leave the version out for the next one, or choose another"
    )]
    Conflict {
        /// The version in question.
        key: PackageKey,
    },
    /// The version was given to other content, which has been deleted.
    #[error(
        "{key} was given to other content, which has been deleted, and no version is given twice; leave the version out for the next one"
    )]
    Given {
        /// The version in question.
        key: PackageKey,
    },
    /// The version is there, but cannot be used.
    #[error("{key} exists and is unusable ({reason}); delete it first")]
    Unusable {
        /// The version in question.
        key: PackageKey,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such package.
    #[error("there is no package {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The host cannot run it.
    #[error("package {key} cannot be used")]
    Refused {
        /// The package in question.
        key: PackageKey,
        /// Why not.
        source: BoxError,
    },
    /// The file system failed.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
