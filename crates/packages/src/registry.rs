//! The packages a service hosts: on disk, and loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shadowline_error::{BoxError, chain};
use tokio::sync::watch;

use crate::artefacts::{ArtefactName, Artefacts};
use crate::digest::Digests;
use crate::document::ModelDocument;
use crate::error::RegistryError;
use crate::history::{self, History, Rollback};
use crate::name::PackageName;
use crate::package::{Hosted, InstallOutcome, Package, PackageKey, UnusablePackage};
use crate::upload::Turns;
use crate::{disk, layout};

/// Turns a package's artefacts into what runs.
type Loader<T> = Box<dyn Fn(&Package, &Artefacts) -> Result<T, BoxError> + Send + Sync>;

/// The packages of one service. Readers never wait for an installation.
pub struct Registry<T> {
    dir: PathBuf,
    loader: Loader<T>,
    snapshot: RwLock<Arc<Snapshot<T>>>,
    unusable: RwLock<Vec<UnusablePackage>>,
    /// What outlives the packages. Held while files and the map change, so that both change in the same order.
    changing: Mutex<History>,
    generation: watch::Sender<u64>,
    turns: Turns,
}

/// The packages that are hosted at one moment, by name and version, and which of them answer where no version is named.
#[derive(Debug)]
pub struct Snapshot<T> {
    hosted: BTreeMap<PackageKey, Arc<Hosted<T>>>,
    /// What [`History::rolled_back`] says; mostly empty. In one with the packages, so that no reader sees a package
    /// without its rollback or a rollback without the package that ends it.
    rolled_back: BTreeMap<String, Rollback>,
}

impl<T> Deref for Snapshot<T> {
    type Target = BTreeMap<PackageKey, Arc<Hosted<T>>>;

    fn deref(&self) -> &Self::Target {
        &self.hosted
    }
}

impl<T> Snapshot<T> {
    /// One version, or the default if none is named: the newest, unless the package is rolled back.
    pub fn find(&self, name: &str, version: Option<NonZeroU64>) -> Option<&Arc<Hosted<T>>> {
        let of_name = self.hosted.iter().filter(|(key, _)| key.name.as_str() == name);
        let versions = of_name.clone().map(|(key, _)| key.version);
        let wanted = version.or_else(|| self.choose(name, versions))?;
        of_name.clone().find(|(key, _)| key.version == wanted).map(|(_, it)| it)
    }

    /// The version that answers where none is named.
    pub fn default_version(&self, name: &str) -> Option<NonZeroU64> {
        self.find(name, None).map(|it| it.package.key.version)
    }

    /// Chooses of some versions of a package the one that answers where none is named.
    pub fn choose(
        &self,
        name: &str,
        versions: impl Iterator<Item = NonZeroU64> + Clone,
    ) -> Option<NonZeroU64> {
        history::default_version(versions, self.rolled_back.get(name).copied())
    }
}

impl<T> fmt::Debug for Registry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("dir", &self.dir).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Registry<T> {
    /// Opens the packages in a directory, which is made if it is missing, and loads them all.
    ///
    /// A package that is corrupt or refused by `loader` is logged, kept in [`Registry::unusable`] and passed
    /// over: one bad file must not keep the others from their work.
    ///
    /// # Errors
    /// [`RegistryError::Io`] if the directory itself, or what it remembers of versions, cannot be read or made.
    pub fn open(
        dir: impl Into<PathBuf>,
        loader: impl Fn(&Package, &Artefacts) -> Result<T, BoxError> + Send + Sync + 'static,
    ) -> Result<Self, RegistryError> {
        let dir = dir.into();
        disk::prepare(&dir)?;
        let mut history = History::read(&dir)?;
        let mut hosted = BTreeMap::new();
        let mut unusable = Vec::new();
        for (name, version, path) in disk::versions(&dir)? {
            if let Ok(name) = PackageName::try_from(name.clone()) {
                history.give(&name, version, disk::digest(&path).as_deref());
            }
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
                    unusable.push(UnusablePackage { name, version, reason });
                }
            }
        }
        Ok(Registry {
            dir,
            loader: Box::new(loader),
            snapshot: RwLock::new(Arc::new(Snapshot {
                hosted,
                rolled_back: history.rolled_back(),
            })),
            unusable: RwLock::new(unusable),
            changing: Mutex::new(history),
            generation: watch::Sender::new(0),
            turns: Turns::default(),
        })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The turns of uploads.
    pub(crate) fn turns(&self) -> &Turns {
        &self.turns
    }

    /// Everything hosted now, by name and version.
    pub fn snapshot(&self) -> Arc<Snapshot<T>> {
        Arc::clone(&self.snapshot.read())
    }

    /// As [`Snapshot::find`], of what is hosted now.
    pub fn get(&self, name: &str, version: Option<NonZeroU64>) -> Option<Arc<Hosted<T>>> {
        self.snapshot().find(name, version).map(Arc::clone)
    }

    /// Says which version is to answer where none is named. A version that is not the newest is a rollback, which
    /// holds until the newest is chosen, or one comes that is newer than all there were.
    ///
    /// # Errors
    /// `NotFound` if it is not there, `Unusable` if it cannot be used, `Io` if the disk fails.
    pub fn set_default(
        &self,
        name: &PackageName,
        version: NonZeroU64,
    ) -> Result<(), RegistryError> {
        let mut history = self.changing.lock();
        let key = PackageKey { name: name.clone(), version };
        if let Some(unusable) = self.unusable.read().iter().find(|it| it.is(&key)) {
            return Err(RegistryError::Unusable { reason: unusable.reason.clone(), key });
        }
        let snapshot = self.snapshot();
        if !snapshot.contains_key(&key) {
            return Err(RegistryError::NotFound { what: format!("`{name}` version {version}") });
        }
        let newest = snapshot.keys().filter(|it| it.name == *name).map(|it| it.version).max();
        let from = newest.max(self.newest_unusable(name)).max(history.highest(name));
        let rollback = from.map(|from| Rollback { to: version, from });
        let mut next = history.clone();
        next.roll_back(name, rollback.filter(|_| newest != Some(version)));
        self.remember(&mut history, next)?;
        tracing::info!(%name, version, "default version chosen");
        self.publish(&history, |_| ());
        Ok(())
    }

    /// Packages on disk that cannot be used, with reasons.
    pub fn unusable(&self) -> Vec<UnusablePackage> {
        self.unusable.read().clone()
    }

    /// Changes whenever a package comes or goes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// Installs a package: checks that it runs, writes it durably, then hosts it.
    ///
    /// Without a version in the document, identical content keeps the version it has and other content
    /// gets the next one, which is above every version that the package was ever given. Blocks on the disk and on loading.
    ///
    /// # Errors
    /// `Conflict`, `Given`, `Unusable`, `MissingArtefact`, `UnnamedArtefact` or `Refused` as the variants say, `Io` if
    /// the disk fails; then the same versions answer as before, and at most a number was used up.
    pub fn install(
        &self,
        mut document: ModelDocument,
        artefacts: &Artefacts,
    ) -> Result<(Package, InstallOutcome), RegistryError> {
        validate_names(&document, artefacts)?;
        let digests = Digests::of(&document, artefacts)?;
        let mut history = self.changing.lock();
        let name = document.name.clone();
        let version = match document.version {
            Some(version) => version,
            None => match self.same_content(&name, &digests.package) {
                Some(package) => return Ok((package, InstallOutcome::Unchanged)),
                None => self.next_version(&name, &history),
            },
        };
        let key = PackageKey { name, version };
        if let Some(existing) = self.snapshot().get(&key) {
            return if existing.package.digest == digests.package {
                Ok((existing.package.clone(), InstallOutcome::Unchanged))
            } else {
                Err(RegistryError::Conflict { key })
            };
        }
        if let Some(unusable) = self.unusable.read().iter().find(|it| it.is(&key)) {
            return Err(RegistryError::Unusable { reason: unusable.reason.clone(), key });
        }
        if history.is_of_other(&key.name, version, &digests.package) {
            return Err(RegistryError::Given { key });
        }
        document.version = Some(version);
        let document = layout::installed(document);
        let package = Package::describe(&document, version, digests.clone(), artefacts);
        let loaded = (self.loader)(&package, artefacts)
            .map_err(|source| RegistryError::Refused { key: key.clone(), source })?;
        let staging = disk::stage(&self.dir, &document, artefacts, &digests)?;
        let mut next = history.clone();
        next.give(&key.name, version, Some(&digests.package));
        // Before the package: a crash in between costs a number, and gives none twice.
        self.remember(&mut history, next)?;
        disk::commit(staging, &self.place(&key))?;
        tracing::info!(name = %key.name, version, runtime = package.runtime, "package installed");
        self.end_rollback(&mut history, &key);
        self.publish(&history, |hosted| {
            hosted.insert(key, Arc::new(Hosted { package: package.clone(), loaded }));
        });
        Ok((package, InstallOutcome::Installed))
    }

    /// Removes one version, or all of them; unusable ones too. Returns how many there were.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Io` if the disk fails.
    pub fn remove(
        &self,
        name: &PackageName,
        version: Option<NonZeroU64>,
    ) -> Result<usize, RegistryError> {
        let mut history = self.changing.lock();
        let wanted = |it: &NonZeroU64| version.is_none_or(|version| version == *it);
        let mut versions: Vec<NonZeroU64> = self
            .snapshot()
            .keys()
            .filter(|it| it.name == *name)
            .map(|it| it.version)
            .chain(
                self.unusable
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
            return Err(RegistryError::NotFound { what });
        }
        // What was there before versions were remembered is remembered now.
        let next = history.clone();
        self.remember(&mut history, next)?;
        for version in &versions {
            let key = PackageKey { name: name.clone(), version: *version };
            disk::remove(&self.dir, &self.place(&key))?;
            tracing::info!(%name, version, "package removed");
            self.unusable.write().retain(|it| !it.is(&key));
            self.publish(&history, |hosted| {
                hosted.remove(&key);
            });
        }
        Ok(versions.len())
    }

    /// Loads versions of a package that came into the directory by another way than [`Registry::install`], and
    /// tries unusable ones again. Returns how many were loaded. Blocks on the disk and on loading.
    ///
    /// # Errors
    /// `Io` if the directory cannot be read.
    pub fn rescan(&self, name: &PackageName) -> Result<usize, RegistryError> {
        let mut history = self.changing.lock();
        let mut n_loaded = 0;
        for (found, version, path) in disk::versions(&self.dir)? {
            let key = PackageKey { name: name.clone(), version };
            if found != name.as_str() || self.snapshot().contains_key(&key) {
                continue;
            }
            history.give(name, version, disk::digest(&path).as_deref());
            let opened = open_one(&self.loader, &found, version, &path);
            self.unusable.write().retain(|it| !it.is(&key));
            match opened {
                Ok(one) => {
                    n_loaded += 1;
                    self.end_rollback(&mut history, &key);
                    self.publish(&history, |hosted| {
                        hosted.insert(key, Arc::new(one));
                    });
                }
                Err(reason) => {
                    tracing::error!(%name, version, reason, "package cannot be used; it is passed over");
                    self.unusable.write().push(UnusablePackage { name: found, version, reason });
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

    /// One above every version there is, unusable ones included, and every one that there was.
    fn next_version(&self, name: &PackageName, history: &History) -> NonZeroU64 {
        let snapshot = self.snapshot();
        let hosted = snapshot.keys().filter(|it| it.name == *name).map(|it| it.version).max();
        hosted
            .max(self.newest_unusable(name))
            .max(history.highest(name))
            .map_or(NonZeroU64::MIN, |it| it.saturating_add(1))
    }

    fn newest_unusable(&self, name: &PackageName) -> Option<NonZeroU64> {
        let unusable = self.unusable.read();
        unusable.iter().filter(|it| it.name == name.as_str()).map(|it| it.version).max()
    }

    /// Stores what is to be remembered, then holds it.
    fn remember(&self, history: &mut History, next: History) -> Result<(), RegistryError> {
        next.write(&self.dir)?;
        *history = next;
        Ok(())
    }

    /// Forgets the rollback that a package of this key ends by being there.
    fn end_rollback(&self, history: &mut History, key: &PackageKey) {
        let ended =
            history.rolled_back().get(key.name.as_str()).is_some_and(|it| it.from < key.version);
        if !ended {
            return;
        }
        let mut next = history.clone();
        next.roll_back(&key.name, None);
        if let Err(error) = self.remember(history, next) {
            // It is over all the same while the package is there.
            tracing::warn!(name = %key.name, error = chain(&error), "the end of a rollback cannot be stored");
        }
    }

    fn place(&self, key: &PackageKey) -> PathBuf {
        self.dir.join(key.name.as_str()).join(key.version.to_string())
    }

    /// Shows readers what has changed, all at once.
    fn publish(
        &self,
        history: &History,
        edit: impl FnOnce(&mut BTreeMap<PackageKey, Arc<Hosted<T>>>),
    ) {
        let mut hosted = self.snapshot().hosted.clone();
        edit(&mut hosted);
        let next = Snapshot { hosted, rolled_back: history.rolled_back() };
        *self.snapshot.write() = Arc::new(next);
        self.generation.send_modify(|it| *it += 1);
    }
}

/// Refuses artefacts that are not the ones that the document names.
fn validate_names(document: &ModelDocument, artefacts: &Artefacts) -> Result<(), RegistryError> {
    let came: Vec<ArtefactName> = artefacts.further().map(|(name, _)| name).collect();
    if let Some(name) = document.artefacts.keys().find(|it| !came.contains(it)) {
        return Err(RegistryError::MissingArtefact { name: *name });
    }
    match came.into_iter().find(|it| !document.artefacts.contains_key(it)) {
        Some(name) => Err(RegistryError::UnnamedArtefact { name }),
        None => Ok(()),
    }
}

fn open_one<T>(
    loader: &impl Fn(&Package, &Artefacts) -> Result<T, BoxError>,
    name: &str,
    version: NonZeroU64,
    path: &std::path::Path,
) -> Result<Hosted<T>, String> {
    let disk::FromDisk { document, digests, artefacts } = disk::read(path)?;
    if document.name.as_str() != name || document.version != Some(version) {
        let found = document.version.map_or("no version".to_owned(), |it| format!("version {it}"));
        return Err(format!("its document is of `{}`, {found}", document.name));
    }
    let package = Package::describe(&document, version, digests, &artefacts);
    let loaded = loader(&package, &artefacts).map_err(|error| chain(error.as_ref()))?;
    Ok(Hosted { package, loaded })
}
