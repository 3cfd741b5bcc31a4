//! How a metric spec and its versions are identified.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::SpecError;
use crate::validate;

/// Identifies a metric spec permanently, through every rename and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecId(pub Uuid);

impl fmt::Display for SpecId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the versions of one metric spec, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpecVersion(pub u32);

impl SpecVersion {
    /// The version that a new spec has.
    pub const FIRST: Self = Self(1);

    /// Returns the version after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for SpecVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The validated name of a metric spec. It is never in the form of an id, so either can address a spec.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SpecName(String);

impl SpecName {
    /// Validates a name.
    ///
    /// # Errors
    /// Characters that would need quoting in a path or a label, or the form of a UUID.
    pub fn new(name: String) -> Result<Self, SpecError> {
        validate::name("name", &name)?;
        if Uuid::try_parse(&name).is_ok() {
            return Err(SpecError::new(
                "name",
                validate::quoted(&name),
                "a name that is not in the form of an id (UUID)",
            ));
        }
        Ok(Self(name))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpecName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<SpecName> for String {
    fn from(name: SpecName) -> Self {
        name.0
    }
}
