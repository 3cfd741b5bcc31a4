//! Whose traffic a spec judges.

use std::fmt;

use crate::error::SpecError;
use crate::raw::{RawModel, Scalar};
use crate::validate;

/// A version, or any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VersionSelector {
    /// Every version.
    Any,
    /// This version only.
    Exactly(u64),
}

impl VersionSelector {
    /// Returns whether `version` is selected.
    pub fn matches(self, version: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exactly(exactly) => version.parse() == Ok(exactly),
        }
    }

    pub(crate) fn parse(field: &'static str, text: Option<&Scalar>) -> Result<Self, SpecError> {
        match text {
            None => Ok(Self::Any),
            Some(text) if text.0 == "*" => Ok(Self::Any),
            Some(text) => validate::version(field, text)
                .map(Self::Exactly)
                .map_err(|it| it.expecting("a whole number from 1, or \"*\" for every version")),
        }
    }

    pub(crate) fn to_scalar(self) -> Option<Scalar> {
        match self {
            Self::Any => None,
            Self::Exactly(version) => Some(Scalar(version.to_string())),
        }
    }
}

impl fmt::Display for VersionSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exactly(version) => version.fmt(f),
        }
    }
}

/// Whose traffic is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSelector {
    /// The model's name.
    pub name: String,
    /// Which of its versions.
    pub version: VersionSelector,
}

impl ModelSelector {
    /// Returns whether traffic of this model version is judged.
    pub fn matches(&self, model: &str, version: &str) -> bool {
        self.name == model && self.version.matches(version)
    }
}

impl TryFrom<RawModel> for ModelSelector {
    type Error = SpecError;

    fn try_from(raw: RawModel) -> Result<Self, SpecError> {
        validate::name("model.name", &raw.name)?;
        let version = VersionSelector::parse("model.version", raw.version.as_ref())?;
        Ok(Self { name: raw.name, version })
    }
}

impl From<ModelSelector> for RawModel {
    fn from(model: ModelSelector) -> Self {
        let version = model.version.to_scalar().or_else(|| Some(Scalar("*".to_owned())));
        Self { name: model.name, version }
    }
}
