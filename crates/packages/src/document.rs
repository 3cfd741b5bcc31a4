//! A `Model` document: what a package is called, what runs it, and what it reads and answers.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shadowline_contract::Signature;

/// The kind a document must name.
const KIND: &str = "Model";

/// A package's name: a letter, then up to 62 letters, digits, `_`, `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

/// A name that no package can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is not a model name: expected a letter, then up to 62 letters, digits, `_`, `.` or `-`"
)]
pub struct NameError {
    /// The name as it came.
    pub given: String,
}

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PackageName {
    type Error = NameError;
    fn try_from(given: String) -> Result<Self, NameError> {
        // A letter first also keeps `.`, `..` and hidden files out of the store's directories.
        let mut bytes = given.bytes();
        let usable = bytes.next().is_some_and(|it| it.is_ascii_alphabetic())
            && bytes.all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it))
            && given.len() <= 63;
        if usable { Ok(PackageName(given)) } else { Err(NameError { given }) }
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
    /// Path of the artefact, relative to the document.
    pub artefact: String,
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
    contract: Signature,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, String>,
}

/// A version as a document has it, refused in words.
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
        Ok(ModelDocument {
            name: raw.name,
            version: raw.version.map(|it| it.0),
            runtime: raw.runtime,
            artefact: raw.artefact,
            contract: raw.contract,
            metadata: raw.metadata,
        })
    }
}

impl From<ModelDocument> for RawDocument {
    fn from(document: ModelDocument) -> Self {
        RawDocument {
            kind: KIND.into(),
            name: document.name,
            version: document.version.map(RawVersion),
            runtime: document.runtime,
            artefact: document.artefact,
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

    /// The file name an installed package keeps its artefact under: the last part of the path, where that
    /// is a plain one.
    pub(crate) fn artefact_file(&self) -> &str {
        let last = self.artefact.rsplit('/').next().unwrap_or_default();
        let plain = last.bytes().all(|it| it.is_ascii_alphanumeric() || b"_.-".contains(&it));
        let usable = plain && (1..=100).contains(&last.len()) && !last.starts_with('.');
        if usable && !crate::disk::RESERVED.contains(&last) { last } else { "artefact" }
    }

    /// What makes two packages the same: everything but the version and where the artefact lay.
    pub(crate) fn digest(&self, artefact: &[u8]) -> Result<String, DocumentError> {
        let meaning = ModelDocument { version: None, artefact: "artefact".into(), ..self.clone() };
        let json = serde_json::to_vec(&meaning)
            .map_err(|error| DocumentError::Write { message: error.to_string() })?;
        let mut hash = Sha256::new();
        // The length keeps the border between the two parts.
        hash.update((json.len() as u64).to_le_bytes());
        hash.update(&json);
        hash.update(artefact);
        Ok(hash
            .finalize()
            .iter()
            .fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}")))
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
        assert_eq!(document.artefact_file(), "model.slm");
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
    fn names_are_plain() {
        let name = |text: &str| PackageName::try_from(text.to_owned());
        let longest = format!("a{}", "b".repeat(62));
        for good in ["a", "census_iforest", "A.b-c_9", &longest] {
            assert!(name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "9a", "_a", "a b", "a/b", "é", &format!("{longest}c")] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let document = ModelDocument::parse(CENSUS).unwrap();
        let digest = document.digest(b"bytes").unwrap();
        let mut other = document.clone();
        other.version = None;
        other.artefact = "elsewhere.slm".into();
        assert_eq!(other.digest(b"bytes").unwrap(), digest);
        assert_ne!(document.digest(b"byteZ").unwrap(), digest);
        other.metadata.clear();
        assert_ne!(other.digest(b"bytes").unwrap(), digest);
    }

    #[test]
    fn an_artefact_never_gets_a_path_of_its_own_choice() {
        let mut document = ModelDocument::parse(CENSUS).unwrap();
        for (path, file) in [
            ("a/b/forest.sld", "forest.sld"),
            ("../..", "artefact"),
            ("x/", "artefact"),
            ("serving.yaml", "artefact"),
            ("digest", "artefact"),
            ("a b", "artefact"),
        ] {
            document.artefact = path.into();
            assert_eq!(document.artefact_file(), file);
        }
    }
}
