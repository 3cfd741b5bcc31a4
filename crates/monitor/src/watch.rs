//! Which detectors watch which model versions, because of which metric specs.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shadowline_detectors::DetectorArtefact;
use shadowline_packages::{Hosted, PackageKey, Registry, UnusablePackage};
use shadowline_stream::Bytes;
use shadowline_wire::{ModelRef, MonitorRef, Unscored, WatchedSpec};

use crate::metrics::MonitorMetrics;

/// The detectors installed in a monitor.
pub type Detectors = Registry<DetectorArtefact>;
type HostedDetector = Arc<Hosted<DetectorArtefact>>;

/// The metric specs by their keys on the topic; one that cannot be read stands with the reason.
pub(crate) type Specs = BTreeMap<Bytes, Result<WatchedSpec, String>>;

/// How often the specs and the detectors have changed.
type Generations = (u64, u64);

/// What this monitor knows: the specs that are on the topic, and the detectors that are installed.
#[derive(Debug)]
pub(crate) struct Watching {
    detectors: Arc<Detectors>,
    specs: RwLock<(u64, Arc<Specs>)>,
    metrics: MonitorMetrics,
    /// The plan for these generations of specs and detectors.
    cached: Mutex<Option<(Generations, Arc<Plan>)>>,
}

/// The specs, each with what it means for this monitor.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) watched: Vec<Watched>,
    pub(crate) ignored: Vec<Ignored>,
}

/// A spec that a detector here has to serve.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) spec: WatchedSpec,
    pub(crate) target: Target,
}

/// A detector that a spec asks for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) monitor: MonitorRef,
    /// Whether this is the newest version here, which answers the specs that name none.
    pub(crate) is_newest: bool,
    /// The detector, or why every score it is asked for has to be an unscored one.
    pub(crate) detector: Result<HostedDetector, Unscored>,
}

/// A spec that this monitor does nothing for.
#[derive(Debug)]
pub(crate) struct Ignored {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Watching {
    pub(crate) fn new(detectors: Arc<Detectors>, metrics: MonitorMetrics) -> Self {
        Watching { detectors, specs: RwLock::default(), metrics, cached: Mutex::new(None) }
    }

    /// Changes the specs.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Specs)) {
        let mut specs = self.specs.write();
        let mut next = Specs::clone(&specs.1);
        edit(&mut next);
        *specs = (specs.0 + 1, Arc::new(next));
    }

    /// What is to be done by what is known now.
    pub(crate) fn plan(&self) -> Arc<Plan> {
        // The generations are read before what they count, so a change in between only costs a rebuild.
        let detectors_generation = *self.detectors.changes().borrow();
        let (specs_generation, specs) = self.specs.read().clone();
        let generations = (specs_generation, detectors_generation);
        let mut cached = self.cached.lock();
        if let Some((of, plan)) = cached.as_ref()
            && *of == generations
        {
            return Arc::clone(plan);
        }
        let plan =
            Arc::new(Plan::new(&specs, &self.detectors.snapshot(), &self.detectors.unusable()));
        self.metrics.specs(plan.watched.len(), plan.ignored.len());
        for watched in &plan.watched {
            self.metrics.watching(&watched.target.monitor);
        }
        *cached = Some((generations, Arc::clone(&plan)));
        plan
    }
}

impl Plan {
    fn new(
        specs: &Specs,
        hosted: &BTreeMap<PackageKey, HostedDetector>,
        damaged: &[UnusablePackage],
    ) -> Self {
        let mut plan = Plan { watched: Vec::new(), ignored: Vec::new() };
        for (key, spec) in specs {
            let spec = match spec {
                Ok(spec) => spec,
                Err(reason) => {
                    let id = String::from_utf8_lossy(key).into_owned();
                    plan.ignored.push(Ignored { name: id.clone(), id, reason: reason.clone() });
                    continue;
                }
            };
            match target(spec, hosted, damaged) {
                Ok(target) => plan.watched.push(Watched { spec: spec.clone(), target }),
                Err(reason) => {
                    plan.ignored.push(Ignored {
                        id: spec.id.clone(),
                        name: spec.name.clone(),
                        reason,
                    });
                }
            }
        }
        plan
    }

    /// The detectors that score an inference of this model version, each once.
    pub(crate) fn targets(&self, model: &ModelRef) -> Vec<&Target> {
        let mut seen = BTreeSet::new();
        self.watched
            .iter()
            .filter(|it| watches(&it.spec.model, model))
            .map(|it| &it.target)
            .filter(|it| seen.insert(&it.monitor))
            .collect()
    }
}

/// Whether a spec's choice of a model version takes in this one.
fn watches(wanted: &ModelRef, model: &ModelRef) -> bool {
    wanted.name == model.name && (wanted.version == "*" || wanted.version == model.version)
}

/// The detector a spec asks for; the error is the reason why this monitor ignores the spec.
fn target(
    spec: &WatchedSpec,
    hosted: &BTreeMap<PackageKey, HostedDetector>,
    damaged: &[UnusablePackage],
) -> Result<Target, String> {
    if !spec.enabled {
        return Err("it is disabled".into());
    }
    let Some(wanted) = &spec.monitor else {
        return Err("it judges no detector's score".into());
    };
    let versions: BTreeMap<NonZeroU64, &HostedDetector> = hosted
        .iter()
        .filter(|(key, _)| key.name.as_str() == wanted.name)
        .map(|(key, hosted)| (key.version, hosted))
        .collect();
    let damaged: BTreeMap<NonZeroU64, &UnusablePackage> =
        damaged.iter().filter(|it| it.name == wanted.name).map(|it| (it.version, it)).collect();
    if versions.is_empty() && damaged.is_empty() {
        return Err(format!("detector `{}` is not hosted here", wanted.name));
    }
    // From here on nobody else can serve the spec, so what is missing must be said in scores.
    let newest = versions.keys().next_back().or(damaged.keys().next_back()).copied();
    let version = if wanted.version.is_empty() { newest } else { wanted.version.parse().ok() };
    let is_newest = version == newest;
    let detector = match version.and_then(|it| versions.get(&it)) {
        Some(hosted) => Ok(Arc::clone(hosted)),
        None => Err(match version.and_then(|it| damaged.get(&it)) {
            Some(damaged) => unscored(
                "detector_damaged",
                format!("the detector cannot be used: {}", damaged.reason),
            ),
            None => {
                let known: Vec<String> = versions.keys().map(ToString::to_string).collect();
                let message = format!(
                    "detector `{}` has no version {}; it has {}",
                    wanted.name,
                    wanted.version,
                    known.join(", ")
                );
                unscored("unknown_detector", message)
            }
        }),
    };
    let version = version.map_or_else(|| wanted.version.clone(), |it| it.to_string());
    Ok(Target { monitor: MonitorRef { name: wanted.name.clone(), version }, is_newest, detector })
}

fn unscored(code: &str, message: String) -> Unscored {
    Unscored { code: code.to_owned(), message }
}
