//! Versioned packages on disk: a `serving.yaml` and the artefact it names, installed whole or not at all.
//!
//! A package is a target model or a detector; this crate does not know which, and never looks into an
//! artefact. Whoever hosts packages gives [`Registry::open`] a function that turns an artefact into
//! something that runs; a package that this function refuses is never installed.
//!
//! Start reading at [`ModelDocument`], then [`Registry`], then [`routes`] for its REST form.
//!
//! ```text
//! <dir>/<name>/<version>/serving.yaml   the document, with its version
//! <dir>/<name>/<version>/<artefact>     the bytes, under the name the document has for them
//! <dir>/<name>/<version>/digest         sha256 of the document's meaning and the bytes
//! ```

mod disk;
mod document;
mod folder;
mod registry;
mod rest;

pub use document::{DocumentError, ModelDocument, NameError, PackageName};
pub use folder::{FolderError, read_folder};
pub use registry::{Damaged, Hosted, InstallOutcome, Package, PackageKey, Registry, StoreError};
pub use rest::{DEFAULT_MAX_UPLOAD_BYTES, declared, openapi, routes};
