use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an artefact of a package is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum ArtefactName {
    /// What runs: a target model or a detector. Every package has it.
    Model,
    /// The statistics of the data that the model was trained on.
    Profile,
}

/// A name that no artefact of a package has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an artefact of a package: expected {}", expected())]
pub struct UnknownArtefact {
    /// The name as it came.
    pub given: String,
}

fn expected() -> String {
    ArtefactName::ALL.map(|it| format!("`{it}`")).join(" or ")
}

impl ArtefactName {
    /// Every name there is.
    pub const ALL: [Self; 2] = [Self::Model, Self::Profile];

    /// The name as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Profile => "profile",
        }
    }
}

impl FromStr for ArtefactName {
    type Err = UnknownArtefact;
    fn from_str(text: &str) -> Result<Self, UnknownArtefact> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| UnknownArtefact { given: text.to_owned() })
    }
}

impl TryFrom<String> for ArtefactName {
    type Error = UnknownArtefact;
    fn try_from(text: String) -> Result<Self, UnknownArtefact> {
        text.parse()
    }
}

impl From<ArtefactName> for &'static str {
    fn from(name: ArtefactName) -> Self {
        name.as_str()
    }
}

impl fmt::Display for ArtefactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bytes of a package's artefacts, by name; the model is always there.
#[derive(Clone, PartialEq, Eq)]
pub struct Artefacts {
    model: Vec<u8>,
    /// Never the model.
    further: BTreeMap<ArtefactName, Vec<u8>>,
}

impl Artefacts {
    /// The artefacts of a package that has no other than its model.
    pub fn of_model(model: impl Into<Vec<u8>>) -> Self {
        Self { model: model.into(), further: BTreeMap::new() }
    }

    /// Adds an artefact, or replaces the one of this name.
    #[must_use]
    pub fn with(mut self, name: ArtefactName, bytes: impl Into<Vec<u8>>) -> Self {
        match name {
            ArtefactName::Model => self.model = bytes.into(),
            ArtefactName::Profile => {
                self.further.insert(name, bytes.into());
            }
        }
        self
    }

    /// The bytes of what runs.
    pub fn model(&self) -> &[u8] {
        &self.model
    }

    /// The bytes of an artefact, if the package has it.
    pub fn get(&self, name: ArtefactName) -> Option<&[u8]> {
        match name {
            ArtefactName::Model => Some(&self.model),
            ArtefactName::Profile => self.further.get(&name).map(Vec::as_slice),
        }
    }

    /// All artefacts but the model, in the order of their names.
    pub fn further(&self) -> impl Iterator<Item = (ArtefactName, &[u8])> {
        self.further.iter().map(|(name, bytes)| (*name, bytes.as_slice()))
    }
}

impl fmt::Debug for Artefacts {
    /// Says how large the artefacts are: their bytes would fill the screen.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let further = self.further().map(|(name, bytes)| (name, bytes.len()));
        let sizes = std::iter::once((ArtefactName::Model, self.model.len())).chain(further);
        f.debug_map().entries(sizes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for name in ArtefactName::ALL {
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        assert_eq!(
            "profil".parse::<ArtefactName>().unwrap_err().to_string(),
            "`profil` is not an artefact of a package: expected `model` or `profile`"
        );
    }

    #[test]
    fn the_model_is_one_of_them_and_no_further_one() {
        let artefacts = Artefacts::of_model("one")
            .with(ArtefactName::Profile, "two")
            .with(ArtefactName::Model, "three");
        assert_eq!(artefacts.model(), b"three");
        assert_eq!(artefacts.get(ArtefactName::Model), Some(b"three".as_slice()));
        assert_eq!(artefacts.get(ArtefactName::Profile), Some(b"two".as_slice()));
        assert_eq!(artefacts.further().count(), 1);
        assert_eq!(Artefacts::of_model("one").get(ArtefactName::Profile), None);
        assert_eq!(format!("{artefacts:?}"), "{Model: 5, Profile: 3}");
    }
}
