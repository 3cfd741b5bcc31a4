//! The packages a service hosts: on disk, and loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::Serialize;
use shadowline_contract::Signature;
use shadowline_error::{BoxError, chain};
use tokio::sync::watch;

use crate::disk;
use crate::document::{DocumentError, ModelDocument, PackageName};

/// Turns a package's artefact into what runs.
type Loader<T> = Box<dyn Fn(&Package, &[u8]) -> Result<T, BoxError> + Send + Sync>;

/// Which version of which package; sorts by name, then version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PackageKey {
    /// The package's name.
    pub name: PackageName,
    /// Its version, from 1.
    pub version: NonZeroU64,
}

impl fmt::Display for PackageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` version {}", self.name, self.version)
    }
}

/// What is known of an installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name and version.
    #[serde(flatten)]
    pub key: PackageKey,
    /// What runs it.
    pub runtime: String,
    /// What it reads and answers.
    #[serde(rename = "contract")]
    pub signature: Signature,
    /// Whatever else its maker wrote down.
    pub metadata: BTreeMap<String, String>,
    /// `sha256:` and the digest of its document and artefact.
    pub digest: String,
    /// Size of the artefact.
    pub artefact_bytes: u64,
}

/// A package with what its artefact was loaded as.
#[derive(Debug)]
pub struct Hosted<T> {
    /// What is known of it.
    pub package: Package,
    /// What runs.
    pub loaded: T,
}

/// A package on disk that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damaged {
    /// Its directory's name.
    pub name: String,
    /// Its version.
    pub version: NonZeroU64,
    /// Why not.
    pub reason: String,
}

/// What an installation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstallOutcome {
    /// A new version is there.
    Installed,
    /// The same content was there already.
    Unchanged,
}

/// Why packages could not be read, installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The document cannot be written.
    #[error("package document")]
    Document(#[from] DocumentError),
    /// The version is taken by other content.
    #[error(
        "{key} exists with other content; leave the version out for the next one, or choose another"
    )]
    Conflict {
        /// The version in question.
        key: PackageKey,
    },
    /// The version is there, but damaged.
    #[error("{key} exists and is damaged ({reason}); delete it first")]
    Damaged {
        /// The version in question.
        key: PackageKey,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such package.
    #[error("there is no package {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The host cannot run it.
    #[error("package {key} cannot be used")]
    Refused {
        /// The package in question.
        key: PackageKey,
        /// Why not.
        source: BoxError,
    },
    /// The file system failed.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}

/// The packages of one service. Readers never wait for an installation.
pub struct Registry<T> {
    dir: PathBuf,
    loader: Loader<T>,
    hosted: RwLock<Arc<BTreeMap<PackageKey, Arc<Hosted<T>>>>>,
    damaged: RwLock<Vec<Damaged>>,
    /// Held while files and the map change, so that both change in the same order.
    changing: Mutex<()>,
    generation: watch::Sender<u64>,
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Registry<T> {
    /// Opens the packages in a directory, which is made if it is missing, and loads them all.
    ///
    /// A package that is damaged or refused by `loader` is logged, kept in [`Registry::damaged`] and passed
    /// over: one bad file must not keep the others from their work.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the directory itself cannot be read or made.
    pub fn open(
        dir: impl Into<PathBuf>,
        loader: impl Fn(&Package, &[u8]) -> Result<T, BoxError> + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let dir = dir.into();
        disk::prepare(&dir)?;
        let mut hosted = BTreeMap::new();
        let mut damaged = Vec::new();
        for (name, version, path) in disk::versions(&dir)? {
            match open_one(&loader, &name, version, &path) {
                Ok(one) => {
                    hosted.insert(one.package.key.clone(), Arc::new(one));
                }
                Err(reason) => {
                    tracing::error!(
                        name,
                        version,
                        reason,
                        "package cannot be used; it is passed over"
                    );
                    damaged.push(Damaged { name, version, reason });
                }
            }
        }
        Ok(Registry {
            dir,
            loader: Box::new(loader),
            hosted: RwLock::new(Arc::new(hosted)),
            damaged: RwLock::new(damaged),
            changing: Mutex::new(()),
            generation: watch::Sender::new(0),
        })
    }

    /// Everything hosted now, by name and version.
    pub fn snapshot(&self) -> Arc<BTreeMap<PackageKey, Arc<Hosted<T>>>> {
        Arc::clone(&self.hosted.read())
    }

    /// One version, or the newest if none is named.
    pub fn get(&self, name: &str, version: Option<NonZeroU64>) -> Option<Arc<Hosted<T>>> {
        let snapshot = self.snapshot();
        let mut versions =
            snapshot.iter().filter(|(key, _)| key.name.as_str() == name).map(|(_, hosted)| hosted);
        match version {
            Some(version) => versions.find(|it| it.package.key.version == version).cloned(),
            None => versions.next_back().cloned(),
        }
    }

    /// Packages on disk that cannot be used, with reasons.
    pub fn damaged(&self) -> Vec<Damaged> {
        self.damaged.read().clone()
    }

    /// Changes whenever a package comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Installs a package: checks that it runs, writes it durably, then hosts it.
    ///
    /// Without a version in the document, identical content keeps the version it has and other content
    /// gets the next one. Blocks on the disk and on loading.
    ///
    /// # Errors
    /// `Conflict`, `Damaged` or `Refused` as the variants say, `Io` if the disk fails; then nothing changed.
    pub fn install(
        &self,
        mut document: ModelDocument,
        artefact: &[u8],
    ) -> Result<(Package, InstallOutcome), StoreError> {
        let digest = document.digest(artefact)?;
        let _changing = self.changing.lock();
        let name = document.name.clone();
        let version = match document.version {
            Some(version) => version,
            None => match self.same_content(&name, &digest) {
                Some(package) => return Ok((package, InstallOutcome::Unchanged)),
                None => self.next_version(&name),
            },
        };
        let key = PackageKey { name, version };
        if let Some(existing) = self.snapshot().get(&key) {
            return if existing.package.digest == digest {
                Ok((existing.package.clone(), InstallOutcome::Unchanged))
            } else {
                Err(StoreError::Conflict { key })
            };
        }
        if let Some(damaged) = self.damaged.read().iter().find(|it| same(it, &key)) {
            return Err(StoreError::Damaged { reason: damaged.reason.clone(), key });
        }
        document.version = Some(version);
        document.artefact = document.artefact_file().to_owned();
        let package = describe(&document, version, digest, artefact);
        let loaded = (self.loader)(&package, artefact)
            .map_err(|source| StoreError::Refused { key: key.clone(), source })?;
        let staging = disk::stage(&self.dir, &document, artefact, &package.digest)?;
        disk::commit(staging, &self.place(&key))?;
        tracing::info!(name = %key.name, version, runtime = package.runtime, "package installed");
        self.change(|hosted| {
            hosted.insert(key, Arc::new(Hosted { package: package.clone(), loaded }));
        });
        Ok((package, InstallOutcome::Installed))
    }

    /// Removes one version, or all of them; damaged ones too. Returns how many there were.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Io` if the disk fails.
    pub fn remove(
        &self,
        name: &PackageName,
        version: Option<NonZeroU64>,
    ) -> Result<usize, StoreError> {
        let _changing = self.changing.lock();
        let wanted = |it: &NonZeroU64| version.is_none_or(|version| version == *it);
        let mut versions: Vec<NonZeroU64> = self
            .snapshot()
            .keys()
            .filter(|it| it.name == *name)
            .map(|it| it.version)
            .chain(
                self.damaged
                    .read()
                    .iter()
                    .filter(|it| it.name == name.as_str())
                    .map(|it| it.version),
            )
            .collect();
        versions.retain(wanted);
        if versions.is_empty() {
            let what =
                version.map_or_else(|| format!("`{name}`"), |it| format!("`{name}` version {it}"));
            return Err(StoreError::NotFound { what });
        }
        for version in &versions {
            let key = PackageKey { name: name.clone(), version: *version };
            disk::remove(&self.dir, &self.place(&key))?;
            tracing::info!(%name, version, "package removed");
            self.damaged.write().retain(|it| !same(it, &key));
            self.change(|hosted| {
                hosted.remove(&key);
            });
        }
        Ok(versions.len())
    }

    /// Loads versions of a package that came into the directory by another way than [`Registry::install`], and
    /// tries damaged ones again. Returns how many were taken in. Blocks on the disk and on loading.
    ///
    /// # Errors
    /// `Io` if the directory cannot be read.
    pub fn rescan(&self, name: &PackageName) -> Result<usize, StoreError> {
        let _changing = self.changing.lock();
        let mut n_loaded = 0;
        for (found, version, path) in disk::versions(&self.dir)? {
            let key = PackageKey { name: name.clone(), version };
            if found != name.as_str() || self.snapshot().contains_key(&key) {
                continue;
            }
            let opened = open_one(&self.loader, &found, version, &path);
            self.damaged.write().retain(|it| !same(it, &key));
            match opened {
                Ok(one) => {
                    n_loaded += 1;
                    self.change(|hosted| {
                        hosted.insert(key, Arc::new(one));
                    });
                }
                Err(reason) => {
                    tracing::error!(%name, version, reason, "package cannot be used; it is passed over");
                    self.damaged.write().push(Damaged { name: found, version, reason });
                }
            }
        }
        Ok(n_loaded)
    }

    fn same_content(&self, name: &PackageName, digest: &str) -> Option<Package> {
        let snapshot = self.snapshot();
        let mut same = snapshot
            .values()
            .filter(|it| it.package.key.name == *name && it.package.digest == digest);
        same.next_back().map(|it| it.package.clone())
    }

    /// One above every version there is, damaged ones included.
    fn next_version(&self, name: &PackageName) -> NonZeroU64 {
        let hosted = self.get(name.as_str(), None).map(|it| it.package.key.version);
        let damaged = self.damaged.read();
        let damaged =
            damaged.iter().filter(|it| it.name == name.as_str()).map(|it| it.version).max();
        hosted.max(damaged).map_or(NonZeroU64::MIN, |it| it.saturating_add(1))
    }

    fn place(&self, key: &PackageKey) -> PathBuf {
        self.dir.join(key.name.as_str()).join(key.version.to_string())
    }

    fn change(&self, edit: impl FnOnce(&mut BTreeMap<PackageKey, Arc<Hosted<T>>>)) {
        let mut next = BTreeMap::clone(&self.hosted.read());
        edit(&mut next);
        *self.hosted.write() = Arc::new(next);
        self.generation.send_modify(|it| *it += 1);
    }
}

fn same(damaged: &Damaged, key: &PackageKey) -> bool {
    damaged.name == key.name.as_str() && damaged.version == key.version
}

fn describe(
    document: &ModelDocument,
    version: NonZeroU64,
    digest: String,
    artefact: &[u8],
) -> Package {
    Package {
        key: PackageKey { name: document.name.clone(), version },
        runtime: document.runtime.clone(),
        signature: document.contract.clone(),
        metadata: document.metadata.clone(),
        digest,
        artefact_bytes: artefact.len() as u64,
    }
}

fn open_one<T>(
    loader: &impl Fn(&Package, &[u8]) -> Result<T, BoxError>,
    name: &str,
    version: NonZeroU64,
    path: &std::path::Path,
) -> Result<Hosted<T>, String> {
    let disk::FromDisk { document, digest, artefact } = disk::read(path)?;
    if document.name.as_str() != name || document.version != Some(version) {
        let found = document.version.map_or("no version".to_owned(), |it| format!("version {it}"));
        return Err(format!("its document is of `{}`, {found}", document.name));
    }
    let package = describe(&document, version, digest, &artefact);
    let loaded = loader(&package, &artefact).map_err(|error| chain(error.as_ref()))?;
    Ok(Hosted { package, loaded })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn document(version: Option<u64>) -> ModelDocument {
        let yaml = "kind: Model\nname: knn\nruntime: knn\nartefact: a/knn.sld\n\
             contract: {inputs: {age: int64}, outputs: {score: float64}}\n";
        let mut document = ModelDocument::parse(yaml).unwrap();
        document.version = version.and_then(NonZeroU64::new);
        document
    }

    fn open(dir: &tempfile::TempDir) -> Registry<String> {
        Registry::open(dir.path(), |_, artefact| {
            let text = String::from_utf8(artefact.to_vec())?;
            if text == "bad" { Err("bad artefact".into()) } else { Ok(text) }
        })
        .unwrap()
    }

    fn version(
        registry: &Registry<String>,
        given: Option<u64>,
        artefact: &str,
    ) -> (u64, InstallOutcome) {
        let (package, outcome) = registry.install(document(given), artefact.as_bytes()).unwrap();
        (package.key.version.get(), outcome)
    }

    #[test]
    fn content_chooses_the_version() {
        use InstallOutcome::{Installed, Unchanged};
        let dir = tempfile::tempdir().unwrap();
        let registry = open(&dir);
        assert_eq!(version(&registry, None, "one"), (1, Installed));
        assert_eq!(version(&registry, None, "one"), (1, Unchanged));
        assert_eq!(version(&registry, None, "two"), (2, Installed));
        assert_eq!(version(&registry, None, "one"), (1, Unchanged));
        assert_eq!(version(&registry, Some(7), "seven"), (7, Installed));
        assert_eq!(version(&registry, Some(7), "seven"), (7, Unchanged));
        assert_eq!(version(&registry, None, "eight"), (8, Installed));
        let conflict = registry.install(document(Some(7)), b"other").unwrap_err();
        assert!(
            conflict.to_string().starts_with("`knn` version 7 exists with other content"),
            "{conflict}"
        );
        assert_eq!(registry.get("knn", None).unwrap().loaded, "eight");
        assert_eq!(registry.get("knn", NonZeroU64::new(2)).unwrap().loaded, "two");
        assert!(registry.get("knn", NonZeroU64::new(3)).is_none());
        let versions = |it: &Registry<String>| {
            it.snapshot().keys().map(|it| it.version.get()).collect::<Vec<_>>()
        };
        assert_eq!(versions(&registry), [1, 2, 7, 8]);
        assert_eq!(versions(&open(&dir)), [1, 2, 7, 8]);
    }

    #[test]
    fn what_cannot_run_is_not_installed() {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(&dir);
        let error = registry.install(document(None), b"bad").unwrap_err();
        assert_eq!(chain(&error), "package `knn` version 1 cannot be used: bad artefact");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_package_is_named_and_the_others_work() {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(&dir);
        for artefact in ["one", "two", "three"] {
            version(&registry, None, artefact);
        }
        drop(registry);
        std::fs::write(dir.path().join("knn/3/knn.sld"), "thrEe").unwrap();
        std::fs::remove_file(dir.path().join("knn/1/serving.yaml")).unwrap();
        std::fs::create_dir(dir.path().join(".unfinished-x")).unwrap();
        let registry = open(&dir);
        assert!(!dir.path().join(".unfinished-x").exists());
        let damaged = registry.damaged();
        assert_eq!(damaged.iter().map(|it| it.version.get()).collect::<Vec<_>>(), [1, 3]);
        assert!(damaged[0].reason.contains("serving.yaml"), "{damaged:?}");
        assert!(damaged[1].reason.contains("changed or damaged"), "{damaged:?}");
        assert_eq!(registry.get("knn", None).unwrap().loaded, "two");
        // A number that was ever given is not given again.
        assert_eq!(version(&registry, None, "four"), (4, InstallOutcome::Installed));
        let error = registry.install(document(Some(3)), b"three").unwrap_err();
        assert!(error.to_string().contains("delete it first"), "{error}");
        registry.remove(&document(None).name, NonZeroU64::new(3)).unwrap();
        assert_eq!(version(&registry, Some(3), "three"), (3, InstallOutcome::Installed));
    }

    #[test]
    fn removal_is_for_good_and_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let registry = open(&dir);
        let mut changes = registry.changes();
        version(&registry, None, "one");
        version(&registry, None, "two");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let name = document(None).name;
        assert_eq!(registry.remove(&name, NonZeroU64::new(2)).unwrap(), 1);
        assert!(changes.has_changed().unwrap());
        assert!(matches!(
            registry.remove(&name, NonZeroU64::new(2)),
            Err(StoreError::NotFound { .. })
        ));
        assert_eq!(registry.remove(&name, None).unwrap(), 1);
        assert!(open(&dir).snapshot().is_empty());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
