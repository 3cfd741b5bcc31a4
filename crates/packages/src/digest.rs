//! What says that two packages are the same, and that a stored one is as it was installed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::artefacts::{ArtefactName, Artefacts};
use crate::document::{DocumentError, ModelDocument};

/// The digests of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    /// Of everything but the version and where the artefacts lay.
    pub(crate) package: String,
    /// Of each further artefact, so that a corrupt one is named.
    pub(crate) further: BTreeMap<ArtefactName, String>,
}

impl Digests {
    pub(crate) fn of(
        document: &ModelDocument,
        artefacts: &Artefacts,
    ) -> Result<Self, DocumentError> {
        let further: BTreeMap<ArtefactName, String> = artefacts
            .further()
            .map(|(name, bytes)| (name, hex(Sha256::new_with_prefix(bytes))))
            .collect();
        // With their digests where their paths were, the further artefacts are a part of the meaning. Without
        // any, this is what it was when a package had one artefact.
        let meaning = ModelDocument {
            version: None,
            artefact: "artefact".into(),
            artefacts: further.clone(),
            ..document.clone()
        };
        let json = serde_json::to_vec(&meaning)
            .map_err(|error| DocumentError::Write { message: error.to_string() })?;
        let mut hash = Sha256::new();
        // The length keeps the border between the two parts.
        hash.update((json.len() as u64).to_le_bytes());
        hash.update(&json);
        hash.update(artefacts.model());
        Ok(Self { package: hex(hash), further })
    }

    /// The digests as they are stored: the package's, then a line for each further artefact.
    pub(crate) fn to_text(&self) -> String {
        let lines = self.further.iter().map(|(name, digest)| format!("{name} {digest}\n"));
        format!("{}\n{}", self.package, lines.collect::<String>())
    }

    /// Compares the digests of what is there with what was stored; the error is the reason as text.
    pub(crate) fn validate(&self, stored: &str) -> Result<(), String> {
        let mut lines = stored.lines();
        let package = lines.next().unwrap_or_default().trim();
        let stored: BTreeMap<&str, &str> = lines.filter_map(|it| it.split_once(' ')).collect();
        for (name, digest) in &self.further {
            match stored.get(name.as_str()) {
                Some(it) if it.trim() == digest => {}
                Some(it) => {
                    return Err(format!(
                        "its artefact `{name}` was changed or corrupted: it has {digest}, installed was {}",
                        it.trim()
                    ));
                }
                None => return Err(format!("its artefact `{name}` has no stored digest")),
            }
        }
        if self.package == package {
            return Ok(());
        }
        Err(format!(
            "its files were changed or corrupted: they have {}, installed was {package}",
            self.package
        ))
    }
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().fold(String::from("sha256:"), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CENSUS: &str = "kind: Model\nname: census\nversion: 3\nruntime: knn\nartefact: out/model.slm\n\
         contract: {inputs: {age: int64}, outputs: {score: float64}}\nmetadata: {rows: 26048}\n";

    fn digest(document: &ModelDocument, artefacts: &Artefacts) -> String {
        Digests::of(document, artefacts).unwrap().package
    }

    #[test]
    fn the_digest_is_of_the_meaning() {
        let document = ModelDocument::parse(CENSUS).unwrap();
        let bytes = Artefacts::of_model("bytes");
        let expected = digest(&document, &bytes);
        let mut other = document.clone();
        other.version = None;
        other.artefact = "elsewhere.slm".into();
        assert_eq!(digest(&other, &bytes), expected);
        assert_ne!(digest(&document, &Artefacts::of_model("byteZ")), expected);
        other.metadata.clear();
        assert_ne!(digest(&other, &bytes), expected);
    }

    #[test]
    fn a_further_artefact_is_a_part_of_it_wherever_it_lay() {
        let mut document = ModelDocument::parse(CENSUS).unwrap();
        document.artefacts.insert(ArtefactName::Profile, "out/profile.slm".into());
        let with = |bytes: &str| Artefacts::of_model("bytes").with(ArtefactName::Profile, bytes);
        let expected = digest(&document, &with("one"));
        assert_ne!(digest(&document, &with("two")), expected);
        assert_ne!(digest(&document, &Artefacts::of_model("bytes")), expected);
        document.artefacts.insert(ArtefactName::Profile, "elsewhere.slm".into());
        assert_eq!(digest(&document, &with("one")), expected);
    }

    #[test]
    fn what_was_stored_is_compared_artefact_by_artefact() {
        let document = ModelDocument::parse(CENSUS).unwrap();
        let with = |model: &str, profile: &str| {
            let artefacts = Artefacts::of_model(model).with(ArtefactName::Profile, profile);
            Digests::of(&document, &artefacts).unwrap()
        };
        let stored = with("bytes", "one").to_text();
        assert_eq!(with("bytes", "one").validate(&stored), Ok(()));
        let reason = |it: Digests| it.validate(&stored).unwrap_err();
        assert!(reason(with("bytes", "two")).starts_with("its artefact `profile` was changed"));
        assert!(reason(with("byteZ", "one")).starts_with("its files were changed or corrupted"));
        let (first, _) = stored.split_once('\n').unwrap();
        let error = with("bytes", "one").validate(first).unwrap_err();
        assert_eq!(error, "its artefact `profile` has no stored digest");
    }
}
