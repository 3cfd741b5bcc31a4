//! What outlives the files of packages: which versions were ever given, and which packages are rolled back.

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
    /// The highest version there had been by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rolled_back_from: Option<NonZeroU64>,
}

/// A package that answers by an older version until one comes that is newer than all there were. So the package itself
/// ends its rollback, in the moment in which it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rollback {
    pub(crate) to: NonZeroU64,
    pub(crate) from: NonZeroU64,
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
        let mut this: Self = serde_json::from_slice(&text).map_err(|error| {
            failed("read", &path)(io::Error::new(io::ErrorKind::InvalidData, error))
        })?;
        for it in this.packages.values_mut().filter(|it| it.rolled_back_to.is_some()) {
            // Earlier builds did not write it, and ended a rollback before a newer version was given.
            it.rolled_back_from = it.rolled_back_from.or(it.given.keys().next_back().copied());
        }
        Ok(this)
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

    /// Rolls a package back, or ends that.
    pub(crate) fn roll_back(&mut self, name: &PackageName, rollback: Option<Rollback>) {
        if rollback.is_some() || self.packages.contains_key(name) {
            let package = self.packages.entry(name.clone()).or_default();
            package.rolled_back_to = rollback.map(|it| it.to);
            package.rolled_back_from = rollback.map(|it| it.from);
        }
    }

    /// The packages that are rolled back.
    pub(crate) fn rolled_back(&self) -> BTreeMap<String, Rollback> {
        let all = self.packages.iter();
        all.filter_map(|(name, it)| {
            let (to, from) = (it.rolled_back_to?, it.rolled_back_from?);
            Some((name.to_string(), Rollback { to, from }))
        })
        .collect()
    }
}

/// The version that answers where none is named: the newest, or of a package that is rolled back the newest up to that
/// version. If that one has gone, or one came that is newer than all there were, the newest again.
pub(crate) fn default_version(
    versions: impl Iterator<Item = NonZeroU64> + Clone,
    rollback: Option<Rollback>,
) -> Option<NonZeroU64> {
    let newest = versions.clone().max();
    match rollback {
        Some(Rollback { to, from }) if newest <= Some(from) => {
            versions.filter(|it| *it <= to).max().or(newest)
        }
        _ => newest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_holds_while_its_version_is_there() {
        let version = |it| NonZeroU64::new(it).unwrap();
        let check = |versions: &[u64], rolled_back_to: Option<u64>, expected: Option<u64>| {
            let versions = versions.iter().copied().map(version);
            let rollback = rolled_back_to.map(|to| Rollback { to: version(to), from: version(5) });
            let found = default_version(versions, rollback);
            assert_eq!(found.map(NonZeroU64::get), expected);
        };
        check(&[], None, None);
        check(&[], Some(1), None);
        check(&[1, 2, 5], None, Some(5));
        check(&[1, 2, 5], Some(2), Some(2));
        check(&[1, 5], Some(2), Some(1));
        check(&[5], Some(2), Some(5));
        // Newer than all that there were.
        check(&[1, 2, 6], Some(2), Some(6));
        check(&[6, 2, 1, 5], None, Some(6));
        check(&[5, 2, 1], Some(2), Some(2));
    }

    #[test]
    fn a_rollback_of_an_earlier_build_is_one_from_the_highest_version_given() {
        let dir = tempfile::tempdir().unwrap();
        let text = r#"{"packages": {"knn": {"given": {"1": null, "3": "sha256:3"}, "rolled_back_to": 1}}}"#;
        fs::write(dir.path().join(FILE), text).unwrap();
        let version = |it| NonZeroU64::new(it).unwrap();
        let rolled_back = History::read(dir.path()).unwrap().rolled_back();
        assert_eq!(rolled_back["knn"], Rollback { to: version(1), from: version(3) });
    }

    #[test]
    fn a_history_comes_back_and_a_broken_one_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let (name, version) = (PackageName::try_from("knn".to_owned()).unwrap(), NonZeroU64::MIN);
        let mut history = History::read(dir.path()).unwrap();
        assert_eq!(history, History::default());
        history.give(&name, version, Some("sha256:1"));
        history.give(&name, version.saturating_add(1), None);
        history.roll_back(&name, Some(Rollback { to: version, from: version.saturating_add(1) }));
        history.write(dir.path()).unwrap();
        assert_eq!(History::read(dir.path()).unwrap(), history);
        assert!(history.is_of_other(&name, version, "sha256:2"));
        assert!(!history.is_of_other(&name, version, "sha256:1"));
        fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(History::read(dir.path()).unwrap_err().to_string().contains(FILE));
    }
}
