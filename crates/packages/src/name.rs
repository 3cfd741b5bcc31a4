use std::fmt;

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
