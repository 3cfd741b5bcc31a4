//! Versioned packages on disk: a `serving.yaml` and the artefacts it names, installed whole or not at all.
//!
//! A package is a target model or a detector; this crate does not know which, and never looks into an
//! artefact. A service that hosts packages gives [`Registry::open`] a function that turns the artefacts into
//! something that runs; a package that this function refuses is never installed. One artefact, the document's
//! `artefact`, is what runs; the further ones are known by their [`ArtefactName`].
//!
//! Start reading at [`ModelDocument`], then [`Registry`], then [`routes`] for its REST form.
//!
//! ```text
//! <dir>/<name>/<version>/serving.yaml   the document, with its version
//! <dir>/<name>/<version>/<artefact>     the bytes of each artefact, under the name the document has for it
//! <dir>/<name>/<version>/digest         sha256 of the document's meaning and the bytes; a line more for each
//!                                       further artefact
//! <dir>/.versions.json                  every version that was ever given, so that none is given twice, and which
//!                                       packages are rolled back
//! ```

mod artefacts;
mod digest;
mod disk;
mod document;
mod error;
mod folder;
mod history;
mod layout;
mod name;
mod package;
mod registry;
mod removal;
mod requests;
mod rest;
mod upload;
mod views;

pub use artefacts::{ArtefactName, Artefacts, UnknownArtefact};
pub use document::{DocumentError, ModelDocument};
pub use error::RegistryError;
pub use folder::{FolderError, read_artefacts, read_folder};
pub use name::{NameError, PackageName};
pub use package::{FurtherArtefact, Hosted, InstallOutcome, Package, PackageKey, UnusablePackage};
pub use registry::{Registry, Snapshot};
pub use removal::{Use, UsedBy};
pub use rest::{IsReady, declared, openapi, routes};
