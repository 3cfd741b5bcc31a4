use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use serde::Serialize;
use shadowline_contract::Signature;

use crate::artefacts::{ArtefactName, Artefacts};
use crate::digest::Digests;
use crate::document::ModelDocument;
use crate::name::PackageName;

/// Which version of which package; sorts by name, then version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PackageKey {
    /// The package's name.
    pub name: PackageName,
    /// Its version, from 1.
    pub version: NonZeroU64,
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` version {}", self.name, self.version)
    }
}

/// What is known of an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name and version.
    #[serde(flatten)]
    pub key: PackageKey,
    /// What runs it.
    pub runtime: String,
    /// What it reads and answers.
    #[serde(rename = "contract")]
    pub signature: Signature,
    /// Whatever else its maker wrote down.
    pub metadata: BTreeMap<String, String>,
    /// `sha256:` and the digest of its document and artefacts.
    pub digest: String,
    /// Size of the artefact that runs.
    pub artefact_bytes: u64,
    /// The further artefacts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub artefacts: BTreeMap<ArtefactName, FurtherArtefact>,
}

/// What is known of a further artefact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FurtherArtefact {
    /// `sha256:` and the digest of its bytes.
    pub digest: String,
    /// Their number.
    pub size_bytes: u64,
}

impl Package {
    pub(crate) fn describe(
        document: &ModelDocument,
        version: NonZeroU64,
        digests: Digests,
        artefacts: &Artefacts,
    ) -> Self {
        let further = digests.further.into_iter().map(|(name, digest)| {
            let size_bytes = artefacts.get(name).map_or(0, <[u8]>::len) as u64;
            (name, FurtherArtefact { digest, size_bytes })
        });
        Package {
            key: PackageKey { name: document.name.clone(), version },
            runtime: document.runtime.clone(),
            signature: document.contract.clone(),
            metadata: document.metadata.clone(),
            digest: digests.package,
            artefact_bytes: artefacts.model().len() as u64,
            artefacts: further.collect(),
        }
    }
}

/// A package with what its artefacts were loaded as.
#[derive(Debug)]
pub struct Hosted<T> {
    /// What is known of it.
    pub package: Package,
    /// What runs.
    pub loaded: T,
}

/// A package on disk that cannot be used: corrupt, or refused by its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnusablePackage {
    /// Its directory's name.
    pub name: String,
    /// Its version.
    pub version: NonZeroU64,
    /// Why not.
    pub reason: String,
}

impl UnusablePackage {
    pub(crate) fn is(&self, key: &PackageKey) -> bool {
        self.name == key.name.as_str() && self.version == key.version
    }
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallOutcome {
    /// A new version is there.
    Installed,
    /// The same content was there already.
    Unchanged,
}
