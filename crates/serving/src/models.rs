//! Which model versions are there, and which of them answer.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;

use parking_lot::RwLock;
use shadowline_contract::Signature;
use shadowline_packages::{Hosted, PackageName, Registry, RegistryError};
use tokio::sync::watch;

use crate::backend::Backend;
use crate::metrics::{ModelMetrics, ServingMetrics};
use crate::statistics::Statistics;

/// One version of a model, loaded.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) name: String,
    pub(crate) version: NonZeroU64,
    /// The version as requests and records have it.
    pub(crate) version_text: String,
    pub(crate) signature: Signature,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) backend: Backend,
    pub(crate) metrics: ModelMetrics,
    pub(crate) statistics: Statistics,
}

impl Model {
    pub(crate) fn new(
        name: String,
        version: NonZeroU64,
        signature: Signature,
        metadata: BTreeMap<String, String>,
        backend: Backend,
        metrics: &ServingMetrics,
    ) -> Self {
        let version_text = version.to_string();
        let metrics = metrics.of_model(&name, &version_text);
        let statistics = Statistics::default();
        Self { name, version, version_text, signature, metadata, backend, metrics, statistics }
    }
}

/// A model or version that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotFound {
    #[error("model name is empty; expected {expected}")]
    Unnamed { expected: String },
    #[error("model `{name}` does not exist; expected {expected}")]
    Model { name: String, expected: String },
    #[error("model `{name}` has no version `{version}`; expected {expected}")]
    Version { name: String, version: String, expected: String },
    #[error("model `{name}` version {version} is unloaded; load it to use it")]
    Unloaded { name: String, version: NonZeroU64 },
}

/// A line of the repository's index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexEntry {
    pub(crate) name: String,
    pub(crate) version: NonZeroU64,
    pub(crate) is_ready: bool,
    pub(crate) reason: String,
}

/// The models of one server.
///
/// A caller holds the model that it looked up for as long as it needs, so loading, unloading and removing never disturb
/// a request in flight.
#[derive(Debug)]
pub(crate) struct Models {
    packages: Arc<Registry<Arc<Model>>>,
    functions: BTreeMap<(String, NonZeroU64), Arc<Model>>,
    unloaded: RwLock<BTreeSet<(String, NonZeroU64)>>,
    /// Changes with every load and unload.
    generation: watch::Sender<u64>,
}

impl Models {
    /// Loads every package in a directory; one that cannot be used is logged, and told by [`Models::index`].
    pub(crate) fn open(
        dir: &Path,
        functions: Vec<Model>,
        metrics: ServingMetrics,
    ) -> Result<Self, RegistryError> {
        let packages = Registry::open(dir, move |package, artefacts| {
            Ok(Arc::new(Model::new(
                package.key.name.as_str().to_owned(),
                package.key.version,
                package.signature.clone(),
                package.metadata.clone(),
                Backend::load(package, artefacts.model())?,
                &metrics,
            )))
        })?;
        let functions =
            functions.into_iter().map(|it| ((it.name.clone(), it.version), Arc::new(it))).collect();
        Ok(Self {
            packages: Arc::new(packages),
            functions,
            unloaded: RwLock::default(),
            generation: watch::Sender::new(0),
        })
    }

    /// The packages, for their REST routes.
    pub(crate) fn packages(&self) -> &Arc<Registry<Arc<Model>>> {
        &self.packages
    }

    /// The version that a request asks for; an empty one is the default: the newest, unless the model was rolled back.
    pub(crate) fn find(&self, name: &str, version: &str) -> Result<Arc<Model>, NotFound> {
        let snapshot = self.packages.snapshot();
        let of_name = || {
            let hosted = snapshot.values().map(|it: &Arc<Hosted<Arc<Model>>>| &it.loaded);
            hosted.chain(self.functions.values()).filter(|it| it.name == name)
        };
        let unloaded = self.unloaded.read();
        let is_loaded = |it: &&Arc<Model>| {
            unloaded.is_empty() || !unloaded.contains(&(it.name.clone(), it.version))
        };
        let found = if version.is_empty() {
            let loaded = of_name().filter(is_loaded).map(|it| it.version);
            let default = snapshot
                .choose(name, loaded)
                .or_else(|| snapshot.choose(name, of_name().map(|it| it.version)));
            default.and_then(|default| of_name().find(|it| it.version == default))
        } else {
            of_name().find(|it| it.version_text == version)
        };
        match found {
            Some(model) if is_loaded(&model) => Ok(Arc::clone(model)),
            Some(model) => {
                Err(NotFound::Unloaded { name: model.name.clone(), version: model.version })
            }
            None => {
                let versions: Vec<&str> = of_name().map(|it| it.version_text.as_str()).collect();
                drop(unloaded);
                Err(self.not_found(name, version, &versions))
            }
        }
    }

    fn not_found(&self, name: &str, version: &str, versions: &[&str]) -> NotFound {
        if !versions.is_empty() {
            let expected = format!("one of {}, or none for the default", versions.join(", "));
            return NotFound::Version { name: clip(name), version: clip(version), expected };
        }
        let names: BTreeSet<String> = self.all().into_iter().map(|it| it.name.clone()).collect();
        let names: Vec<String> = names.into_iter().collect();
        let expected = match names.as_slice() {
            [] => "a model, and none is installed".to_owned(),
            names if names.len() <= 20 => format!("one of {}", names.join(", ")),
            names => format!("one of {} models, such as {}", names.len(), names[0]),
        };
        if name.is_empty() {
            NotFound::Unnamed { expected }
        } else {
            NotFound::Model { name: clip(name), expected }
        }
    }

    /// The versions of a model that answer, oldest first.
    pub(crate) fn versions(&self, name: &str) -> Vec<Arc<Model>> {
        let unloaded = self.unloaded.read();
        let mut versions = self.all();
        versions.retain(|it| it.name == name && !unloaded.contains(&(it.name.clone(), it.version)));
        versions
    }

    /// The versions that answer, of a name and a version or of all of them.
    ///
    /// # Errors
    /// If a name or a version is asked for that is not there.
    pub(crate) fn chosen(&self, name: &str, version: &str) -> Result<Vec<Arc<Model>>, NotFound> {
        if name.is_empty() {
            let unloaded = self.unloaded.read();
            let mut all = self.all();
            all.retain(|it| !unloaded.contains(&(it.name.clone(), it.version)));
            return Ok(all);
        }
        let found = self.find(name, version)?;
        Ok(if version.is_empty() { self.versions(name) } else { vec![found] })
    }

    fn all(&self) -> Vec<Arc<Model>> {
        let snapshot = self.packages.snapshot();
        let mut all: Vec<_> = snapshot
            .values()
            .map(|it| &it.loaded)
            .chain(self.functions.values())
            .cloned()
            .collect();
        all.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        all
    }

    /// Every version there is, with its state.
    pub(crate) fn index(&self) -> Vec<IndexEntry> {
        let unloaded = self.unloaded.read();
        let mut index: Vec<IndexEntry> = self
            .all()
            .into_iter()
            .map(|it| {
                let is_ready = !unloaded.contains(&(it.name.clone(), it.version));
                let reason = if is_ready { "" } else { "unloaded" };
                let (name, version) = (it.name.clone(), it.version);
                IndexEntry { name, version, is_ready, reason: reason.to_owned() }
            })
            .collect();
        index.extend(self.packages.unusable().into_iter().map(|it| IndexEntry {
            name: it.name,
            version: it.version,
            is_ready: false,
            reason: it.reason,
        }));
        index.sort_by(|a, b| (&a.name, a.version).cmp(&(&b.name, b.version)));
        index
    }

    /// Takes the versions of a model into service: those that were unloaded, and those that have come into the
    /// directory. Blocks on the disk.
    pub(crate) fn load(&self, name: &str) -> Result<(), LoadRefused> {
        let package = PackageName::try_from(name.to_owned()).map_err(|_| NotFound::Model {
            name: clip(name),
            expected: "a name of a model".into(),
        })?;
        self.packages.rescan(&package)?;
        let versions: Vec<String> =
            self.index().into_iter().filter(|it| it.name == name).map(|it| it.reason).collect();
        if versions.is_empty() {
            return Err(self.not_found(name, "", &[]).into());
        }
        self.unloaded.write().retain(|(it, _)| it != name);
        self.generation.send_modify(|it| *it += 1);
        match self.versions(name).is_empty() {
            false => Ok(()),
            true => {
                let reason = versions.join("; ");
                Err(LoadRefused::Unusable { name: name.to_owned(), reason })
            }
        }
    }

    /// Takes all versions of a model out of service. They stay installed, and requests in flight finish.
    pub(crate) fn unload(&self, name: &str) -> Result<(), NotFound> {
        let versions: Vec<NonZeroU64> =
            self.all().into_iter().filter(|it| it.name == name).map(|it| it.version).collect();
        if versions.is_empty() {
            return Err(self.not_found(name, "", &[]));
        }
        self.unloaded.write().extend(versions.into_iter().map(|it| (name.to_owned(), it)));
        self.generation.send_modify(|it| *it += 1);
        tracing::info!(model = name, "unloaded");
        Ok(())
    }

    /// Changes whenever a model is loaded or unloaded by a call.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }
}

/// Why a model could not be taken into service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadRefused {
    #[error(transparent)]
    NotFound(#[from] NotFound),
    #[error("model `{name}` cannot be used: {reason}")]
    Unusable { name: String, reason: String },
    #[error("read the packages of models")]
    Store(#[from] RegistryError),
}

/// Enough of a caller's name to recognise it.
pub(crate) fn clip(name: &str) -> String {
    const MOST: usize = 80;
    if name.chars().count() <= MOST {
        name.to_owned()
    } else {
        name.chars().take(MOST).chain(['…']).collect()
    }
}
