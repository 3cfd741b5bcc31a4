//! Which model answers: the default version of each detector that is installed.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;
use std::sync::Arc;

use parking_lot::RwLock;
use shadowline_api::prediction::Information;
use shadowline_detector_host::Detectors;
use shadowline_detectors::{DetectorArtefact, FittedDetector, IsolationForest};
use shadowline_packages::Hosted;
use shadowline_service::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use super::information;
use super::metrics::{ModelMetrics, PredictionMetrics};

/// A model that answers.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) name: String,
    hosted: Arc<Hosted<DetectorArtefact>>,
    pub(super) information: Information,
    pub(super) metrics: ModelMetrics,
}

impl Model {
    pub(super) fn artefact(&self) -> &DetectorArtefact {
        &self.hosted.loaded
    }

    /// The forest; nothing for a detector of another kind, which a table does not take in.
    pub(super) fn forest(&self) -> Option<&IsolationForest> {
        match self.hosted.loaded.detector() {
            FittedDetector::IsolationForest(forest) => Some(forest),
            FittedDetector::Knn(_) => None,
        }
    }
}

/// The models there are.
#[derive(Debug)]
struct Table {
    /// Which state of the detectors it was made of.
    generation: u64,
    models: HashMap<String, Arc<Model>>,
}

/// Finds models by name, as detectors come and go.
#[derive(Debug)]
pub(super) struct Models {
    detectors: Arc<Detectors>,
    /// The model of the paths that name none; empty, it is the only one there is.
    unnamed: String,
    pub(super) metrics: PredictionMetrics,
    table: RwLock<Arc<Table>>,
}

/// Why no model answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoModel {
    /// There is no model at all.
    NoneInstalled,
    /// There is none of this name; there are these.
    Unknown { name: String, known: Vec<String> },
    /// The path names none, and there are several.
    Several { known: Vec<String> },
}

impl Models {
    pub(super) fn new(detectors: Arc<Detectors>, metrics: &Metrics, unnamed: String) -> Self {
        let metrics = PredictionMetrics::register(metrics);
        let table = RwLock::new(Arc::new(Table::of(&detectors, &metrics)));
        Self { detectors, unnamed, metrics, table }
    }

    /// Takes in what is installed, as soon as it is, so that its series are there before anybody asks it.
    pub(super) async fn follow(self: Arc<Self>, ending: CancellationToken) {
        let mut changes = self.detectors.changes();
        loop {
            drop(self.current());
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = ending.cancelled() => return,
            }
        }
    }

    /// The model of a name, or the one that answers where none is named.
    pub(super) fn find(&self, name: Option<&str>) -> Result<Arc<Model>, NoModel> {
        let table = self.current();
        let unnamed = Some(self.unnamed.as_str()).filter(|it| !it.is_empty());
        let known = || {
            let mut known: Vec<String> = table.models.keys().cloned().collect();
            known.sort();
            known
        };
        if table.models.is_empty() {
            return Err(NoModel::NoneInstalled);
        }
        match name.or(unnamed) {
            Some(name) => table
                .models
                .get(name)
                .cloned()
                .ok_or_else(|| NoModel::Unknown { name: name.to_owned(), known: known() }),
            None => match table.models.values().next() {
                Some(model) if table.models.len() == 1 => Ok(Arc::clone(model)),
                _ => Err(NoModel::Several { known: known() }),
            },
        }
    }

    fn current(&self) -> Arc<Table> {
        let generation = *self.detectors.changes().borrow();
        let table = Arc::clone(&self.table.read());
        if table.generation == generation {
            return table;
        }
        let table = Arc::new(Table::of(&self.detectors, &self.metrics));
        *self.table.write() = Arc::clone(&table);
        table
    }
}

impl Table {
    fn of(detectors: &Detectors, metrics: &PredictionMetrics) -> Self {
        // Read before what it counts, so that a change in between only costs another look.
        let generation = *detectors.changes().borrow();
        let mut versions: BTreeMap<String, BTreeMap<NonZeroU64, _>> = BTreeMap::new();
        let snapshot = detectors.snapshot();
        for (key, hosted) in snapshot.iter() {
            let Some(information) = information::of(&hosted.package, &hosted.loaded) else {
                continue;
            };
            let of_name = versions.entry(key.name.to_string()).or_default();
            of_name.insert(key.version, (Arc::clone(hosted), information));
        }
        let mut models = HashMap::new();
        for (name, mut versions) in versions {
            let default = snapshot.choose(&name, versions.keys().copied());
            let Some((hosted, information)) = default.and_then(|it| versions.remove(&it)) else {
                continue;
            };
            let metrics = metrics.of(&name);
            models.insert(name.clone(), Arc::new(Model { name, hosted, information, metrics }));
        }
        Self { generation, models }
    }
}
