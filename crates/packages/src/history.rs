//! What outlives the files of packages: which versions were ever given, and up to which one a package was rolled back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::disk::{failed, sync};
use crate::error::RegistryError;
use crate::name::PackageName;

/// The file, in the registry's directory. Its name begins with a dot, so that it is no package.
const FILE: &str = ".versions.json";

/// What is remembered of every package there ever was, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct History {
    packages: BTreeMap<PackageName, Remembered>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    /// Every version that was given, with the digest of its package; none where that could not be read.
    given: BTreeMap<NonZeroU64, Option<String>>,
    /// The version that the package was rolled back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolled_back_to: Option<NonZeroU64>,
}

impl History {
    /// Reads the history of a directory; none if there is no file.
    ///
    /// # Errors
    /// A file that cannot be read is an error and not an empty history, which would give versions again.
    pub(crate) fn read(dir: &Path) -> Result<Self, RegistryError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(failed("read", &path)(source)),
        };
        serde_json::from_slice(&text).map_err(|error| {
            failed("read", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
        })
    }

    /// Writes the history, whole or not at all; afterwards it survives a crash.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), RegistryError> {
        let path = dir.join(FILE);
        let write = || {
            let mut file = tempfile::Builder::new().prefix(".versions-").tempfile_in(dir)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(failed("write", &path))?;
        sync(dir)
    }

    /// Remembers that a version was given to a package of this digest.
    pub(crate) fn give(&mut self, name: &PackageName, version: NonZeroU64, digest: Option<&str>) {
        let given = self.packages.entry(name.clone()).or_default();
        let known = given.given.entry(version).or_default();
        if digest.is_some() {
            *known = digest.map(str::to_owned);
        }
    }

    /// The highest version that a package was ever given.
    pub(crate) fn highest(&self, name: &PackageName) -> Option<NonZeroU64> {
        self.packages.get(name)?.given.keys().next_back().copied()
    }

    /// Whether a version was given to other content than this.
    pub(crate) fn is_of_other(
        &self,
        name: &PackageName,
        version: NonZeroU64,
        digest: &str,
    ) -> bool {
        let given = self.packages.get(name).and_then(|it| it.given.get(&version));
        given.is_some_and(|it| it.as_deref().is_some_and(|it| it != digest))
    }

    /// Rolls a package back to a version, or ends that.
    pub(crate) fn roll_back(&mut self, name: &PackageName, to: Option<NonZeroU64>) {
        if to.is_some() || self.packages.contains_key(name) {
            self.packages.entry(name.clone()).or_default().rolled_back_to = to;
        }
    }

    /// The packages that are rolled back, and to which version.
    pub(crate) fn rolled_back(&self) -> BTreeMap<String, NonZeroU64> {
        let all = self.packages.iter();
        all.filter_map(|(name, it)| Some((name.to_string(), it.rolled_back_to?))).collect()
    }
}

/// The version that answers where none is named: the newest, or of a package that was rolled back the newest up to that
/// version. If that one has gone, the newest again.
pub(crate) fn default_version(
    versions: impl DoubleEndedIterator<Item = NonZeroU64> + Clone,
    rolled_back_to: Option<NonZeroU64>,
) -> Option<NonZeroU64> {
    let mut newest_first = versions.rev();
    let newest = newest_first.clone().next();
    rolled_back_to.and_then(|to| newest_first.find(|it| *it <= to)).or(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_holds_while_its_version_is_there() {
        let version = |it| NonZeroU64::new(it).unwrap();
        let check = |versions: &[u64], rolled_back_to: Option<u64>, expected: Option<u64>| {
            let versions = versions.iter().copied().map(version);
            let found = default_version(versions, rolled_back_to.map(version));
            assert_eq!(found.map(NonZeroU64::get), expected);
        };
        check(&[], None, None);
        check(&[], Some(1), None);
        check(&[1, 2, 5], None, Some(5));
        check(&[1, 2, 5], Some(2), Some(2));
        check(&[1, 5], Some(2), Some(1));
        check(&[5], Some(2), Some(5));
    }

    #[test]
    fn a_history_comes_back_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (name, version) = (PackageName::try_from("knn".to_owned()).unwrap(), NonZeroU64::MIN);
        let mut history = History::read(dir.path()).unwrap();
        assert_eq!(history, History::default());
        history.give(&name, version, Some("sha256:1"));
        history.give(&name, version.saturating_add(1), None);
        history.roll_back(&name, Some(version));
        history.write(dir.path()).unwrap();
        assert_eq!(History::read(dir.path()).unwrap(), history);
        assert!(history.is_of_other(&name, version, "sha256:2"));
        assert!(!history.is_of_other(&name, version, "sha256:1"));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(History::read(dir.path()).unwrap_err().to_string().contains(FILE));
    }
}
