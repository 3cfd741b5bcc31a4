//! A `Model` document: what a package is called, what runs it, and what it reads and answers.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::path::{Component, Path};

use serde::{Deserialize, Serialize};
use shadowline_contract::Signature;

use crate::artefacts::ArtefactName;
use crate::name::PackageName;

/// The kind a document must name.
const KIND: &str = "Model";

/// Why a text is not a `Model` document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// It is not YAML, or not of this shape; the message names the key and the line.
    #[error("model document: {message}")]
    Shape {
        /// What was wrong, where.
        message: String,
    },
    /// It cannot be written again.
    #[error("write model document: {message}")]
    Write {
        /// What was wrong.
        message: String,
    },
}

/// A checked `Model` document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawDocument", into = "RawDocument")]
pub struct ModelDocument {
    /// What the package is called.
    pub name: PackageName,
    /// Its version; none lets the store choose.
    pub version: Option<NonZeroU64>,
    /// What can run the artefact, for example `isolation-forest`.
    pub runtime: String,
    /// Path of the artefact that runs, relative to the document.
    pub artefact: String,
    /// Paths of the further artefacts, below the document's folder, by name; never [`ArtefactName::Model`].
    pub artefacts: BTreeMap<ArtefactName, String>,
    /// What it reads and answers.
    pub contract: Signature,
    /// Whatever else its maker wrote down.
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument {
    kind: String,
    name: PackageName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<RawVersion>,
    runtime: String,
    artefact: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    artefacts: BTreeMap<ArtefactName, String>,
    contract: Signature,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

/// A version as a document has it; the error says what was expected.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
struct RawVersion(NonZeroU64);

impl<'de> Deserialize<'de> for RawVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeNumber;
        impl serde::de::Visitor<'_> for WholeNumber {
            type Value = RawVersion;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`version` as a whole number from 1")
            }
            fn visit_u64<E: serde::de::Error>(self, given: u64) -> Result<RawVersion, E> {
                let number = NonZeroU64::new(given);
                number
                    .map(RawVersion)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(given), &self))
            }
            fn visit_i64<E: serde::de::Error>(self, given: i64) -> Result<RawVersion, E> {
                let number = u64::try_from(given).ok().and_then(NonZeroU64::new);
                number
                    .map(RawVersion)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(given), &self))
            }
        }
        deserializer.deserialize_any(WholeNumber)
    }
}

impl TryFrom<RawDocument> for ModelDocument {
    type Error = String;
    fn try_from(raw: RawDocument) -> Result<Self, String> {
        if raw.kind != KIND {
            return Err(format!("`kind` is `{}`, expected `{KIND}`", raw.kind));
        }
        if raw.runtime.trim().is_empty() {
            return Err("`runtime` is empty, expected a name such as `isolation-forest`".into());
        }
        if raw.artefact.trim().is_empty() {
            return Err("`artefact` is empty, expected a path relative to this document".into());
        }
        validate_paths(&raw.artefact, &raw.artefacts)?;
        Ok(ModelDocument {
            name: raw.name,
            version: raw.version.map(|it| it.0),
            runtime: raw.runtime,
            artefact: raw.artefact,
            artefacts: raw.artefacts,
            contract: raw.contract,
            metadata: raw.metadata,
        })
    }
}

/// Refuses further artefacts that lie outside the document's folder or in the file of another one.
fn validate_paths(
    artefact: &str,
    artefacts: &BTreeMap<ArtefactName, String>,
) -> Result<(), String> {
    let mut files = vec![(ArtefactName::Model, parts(artefact))];
    for (name, path) in artefacts {
        if *name == ArtefactName::Model {
            return Err(
                "`artefacts` has `model`, expected only what `artefact` does not name".into()
            );
        }
        if path.trim().is_empty() {
            return Err(format!(
                "`artefacts.{name}` is empty, expected a path relative to this document"
            ));
        }
        let parts = parts(path);
        if !parts.iter().all(|it| matches!(it, Component::Normal(_))) {
            return Err(format!(
                "`artefacts.{name}` is `{path}`, expected a path below this document's folder"
            ));
        }
        if let Some((other, _)) = files.iter().find(|(_, it)| *it == parts) {
            return Err(format!(
                "`artefacts.{name}` is `{path}`, the file of `{other}`; expected one of its own"
            ));
        }
        files.push((*name, parts));
    }
    Ok(())
}

/// The parts of a path, so that `./a//b` and `a/b` are the same.
fn parts(path: &str) -> Vec<Component<'_>> {
    Path::new(path).components().filter(|it| *it != Component::CurDir).collect()
}

impl From<ModelDocument> for RawDocument {
    fn from(document: ModelDocument) -> Self {
        RawDocument {
            kind: KIND.into(),
            name: document.name,
            version: document.version.map(RawVersion),
            runtime: document.runtime,
            artefact: document.artefact,
            artefacts: document.artefacts,
            contract: document.contract,
            metadata: document.metadata,
        }
    }
}

impl ModelDocument {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// [`DocumentError::Shape`], which names the key, and the line where there is one.
    pub fn parse(yaml: &str) -> Result<Self, DocumentError> {
        // Without the excerpt of the text: this message also goes into JSON and logs.
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(yaml, options)
            .map_err(|error| DocumentError::Shape { message: error.to_string() })
    }

    /// Writes the document as YAML that [`ModelDocument::parse`] reads.
    ///
    /// # Errors
    /// [`DocumentError::Write`].
    pub fn to_yaml(&self) -> Result<String, DocumentError> {
        serde_saphyr::to_string(self)
            .map_err(|error| DocumentError::Write { message: error.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use shadowline_contract::{DataType, Profile};

    use super::*;

    const CENSUS: &str = "
kind: Model
name: census
version: 3
runtime: logistic-regression
artefact: out/model.slm
contract:
  inputs:
    workclass: {type: string, profile: categorical}
    age: int64
    pixels: {type: float32, shape: [28, 28]}
  outputs:
    income: {type: string}
metadata: {trained_on: adult.data, rows: 26048}
";

    #[test]
    fn a_document_reads_and_writes() {
        let document = ModelDocument::parse(CENSUS).unwrap();
        assert_eq!(document.name.as_str(), "census");
        assert_eq!(document.version.map(NonZeroU64::get), Some(3));
        let inputs = document.contract.inputs();
        assert_eq!(
            inputs.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
            ["workclass", "age", "pixels"]
        );
        assert_eq!(
            (inputs[0].data_type, inputs[0].profile),
            (DataType::String, Profile::Categorical)
        );
        assert_eq!(inputs[2].shape.to_dims(), [28, 28]);
        assert_eq!(document.metadata["rows"], "26048");
        assert!(document.artefacts.is_empty());
        let again = ModelDocument::parse(&document.to_yaml().unwrap()).unwrap();
        assert_eq!(again, document);
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(CENSUS.contains(from), "{from}");
        ModelDocument::parse(&CENSUS.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn an_error_names_the_key_and_what_was_expected() {
        for (from, to, words) in [
            ("runtime:", "runtme:", &["runtme", "runtime", "line 5"][..]),
            ("age: int64", "age: int65", &["int65", "int64", "line 10"]),
            ("age: int64", "age: {type: int64, shap: [1]}", &["shap", "shape", "line 10"]),
            (
                "version: 3",
                "version: three",
                &["three", "`version` as a whole number from 1", "line 4"],
            ),
            ("version: 3", "version: 0", &["0", "`version` as a whole number from 1", "line 4"]),
            ("kind: Model", "kind: MetricSpec", &["`kind` is `MetricSpec`", "`Model`"]),
            ("name: census", "name: ../census", &["`../census` is not a model name", "line 3"]),
            ("name: census", "nome: census", &["nome"]),
            ("artefact: out/model.slm\n", "", &["artefact"]),
            ("    age: int64\n", "    age: int64\n    age: int64\n", &["age"]),
            ("shape: [28, 28]", "shape: [0]", &["dimension 0", "line 11"]),
        ] {
            let message = refused(from, to);
            for word in words {
                assert!(message.contains(word), "no `{word}` in: {message}");
            }
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn further_artefacts_are_named() {
        let with = CENSUS.replace("contract:", "artefacts: {profile: out/profile.slm}\ncontract:");
        let document = ModelDocument::parse(&with).unwrap();
        assert_eq!(document.artefact, "out/model.slm");
        assert_eq!(document.artefacts[&ArtefactName::Profile], "out/profile.slm");
        assert_eq!(ModelDocument::parse(&document.to_yaml().unwrap()).unwrap(), document);
        // A document without them is written as it always was.
        let plain = ModelDocument::parse(CENSUS).unwrap().to_yaml().unwrap();
        assert!(!plain.contains("artefacts"), "{plain}");
    }

    #[test]
    fn a_further_artefact_has_a_known_name_and_a_file_of_its_own_below_the_folder() {
        for (artefacts, words) in [
            ("{profil: a.slm}", &["`profil`", "`model` or `profile`", "line 7"][..]),
            ("{model: a.slm}", &["`artefacts` has `model`"]),
            ("{profile: out/model.slm}", &["`artefacts.profile`", "the file of `model`"]),
            ("{profile: ./out//model.slm}", &["`artefacts.profile`", "the file of `model`"]),
            ("{profile: ' '}", &["`artefacts.profile` is empty"]),
            ("{profile: ../a.slm}", &["`../a.slm`", "below this document's folder"]),
            ("{profile: a/../../b.slm}", &["`a/../../b.slm`", "below this document's folder"]),
            ("{profile: /etc/a.slm}", &["`/etc/a.slm`", "below this document's folder"]),
            ("{profile: a.slm, profile: b.slm}", &["profile"]),
        ] {
            let message = refused("contract:", &format!("artefacts: {artefacts}\ncontract:"));
            for word in words {
                assert!(message.contains(word), "no `{word}` in: {message}");
            }
        }
    }
}
