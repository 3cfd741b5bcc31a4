//! `/v1/models` of every service that hosts packages: what is installed, and what an upload came to.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shadowline_contract::Signature;
use utoipa::ToSchema;

/// An installed package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    #[schema(example = "spend")]
    pub name: String,
    /// From 1.
    pub version: u64,
    /// Whether this version answers where none is named: the newest, unless the package was rolled back.
    #[serde(default)]
    #[schema(required = false)]
    pub is_default: bool,
    /// What runs it.
    #[schema(example = "isolation-forest")]
    pub runtime: String,
    /// What it reads and answers: `inputs` and `outputs`, each field with its type, shape and profile.
    #[schema(value_type = Object)]
    pub contract: Contract,
    /// Whatever else its maker wrote down.
    pub metadata: BTreeMap<String, String>,
    /// `sha256:` and the digest of its document and artefact.
    pub digest: String,
    /// Size of the artefact.
    pub artefact_bytes: u64,
    /// The further artefacts by name, each with its digest and its size; left out where there are none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object, required = false)]
    pub artefacts: BTreeMap<String, FurtherArtefact>,
}

/// An artefact of a package beside the one that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FurtherArtefact {
    /// `sha256:` and the digest of its bytes.
    pub digest: String,
    /// Their number.
    pub size_bytes: u64,
}

/// What a package reads and answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Contract {
    /// One whose every field is understood.
    Known(Signature),
    /// One that a newer service wrote, with types that this version has no word for; to be shown, not used.
    Newer(serde_json::Map<String, serde_json::Value>),
}

/// A package on disk that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DamagedPackage)]
pub struct UnusablePackage {
    pub name: String,
    pub version: u64,
    /// Why not.
    pub reason: String,
}

/// Every installed package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Packages {
    pub models: Vec<Package>,
    pub damaged: Vec<UnusablePackage>,
}

/// The versions of one package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackageVersions {
    pub name: String,
    /// The version that answers where none is named.
    #[serde(default)]
    pub default_version: Option<u64>,
    /// Whether a version of it takes requests; what clients of KServe's first protocol ask for.
    #[serde(default)]
    #[schema(required = true)]
    pub ready: bool,
    pub versions: Vec<Package>,
    pub damaged: Vec<UnusablePackage>,
}

/// Which version is to answer where none is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultVersion {
    /// From 1.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// An upload.
// Sent as the parts of a form: this is their description.
#[derive(Debug, Clone, ToSchema)]
pub struct PackageUpload {
    /// `serving.yaml`: the model document.
    #[schema(format = Binary)]
    pub document: String,
    /// The file that the document names.
    #[schema(value_type = String, format = Binary)]
    pub artefact: Vec<u8>,
    /// The file of `artefacts.profile`, where the document names one.
    #[schema(value_type = String, format = Binary, required = false)]
    pub profile: Option<Vec<u8>>,
}

/// What an upload came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstalledPackage {
    /// `installed`, or `unchanged` where the same content was there already.
    #[schema(value_type = String)]
    pub outcome: InstallOutcome,
    pub model: Package,
}

/// What an upload did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallOutcome {
    /// A new version is there.
    Installed,
    /// The same content was there already.
    Unchanged,
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    fn package(data_type: &str) -> serde_json::Value {
        json!({
            "name": "knn", "version": 2, "is_default": true, "runtime": "knn", "metadata": {"rows": "3"}, "digest": "sha256:0",
            "artefact_bytes": 7, "contract": {
                "inputs": {"pixels": {"type": data_type, "shape": [28, 28]}},
                "outputs": {"score": {"type": "float64"}},
            },
        })
    }

    #[test]
    fn a_package_is_read_with_its_contract() {
        let read: Package = from_value(package("float32")).unwrap();
        let Contract::Known(signature) = &read.contract else { panic!("{read:?}") };
        assert_eq!(signature.inputs()[0].name, "pixels");
        assert_eq!(from_value::<Package>(to_value(&read).unwrap()).unwrap(), read);
    }

    #[test]
    fn a_contract_of_a_newer_service_does_not_hide_its_package() {
        let newer = package("float128");
        let read: Package = from_value(newer.clone()).unwrap();
        assert!(matches!(read.contract, Contract::Newer(_)), "{read:?}");
        assert_eq!(to_value(&read).unwrap(), newer);
    }
}
