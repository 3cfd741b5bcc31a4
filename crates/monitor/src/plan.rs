//! The subscription plan: which scorers watch which model versions, because of which metric specs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shadowline_stream::Bytes;
use shadowline_wire::{ModelRef, MonitorRef, WatchedSpec};

use crate::metrics::MonitorMetrics;
use crate::scorers::{Scorers, Target};

/// The metric specs by their keys on the topic; one that cannot be read stands with the reason.
pub(crate) type Specs = BTreeMap<Bytes, Result<WatchedSpec, String>>;

/// How often the specs and the scorers have changed.
type Generations = (u64, u64);

/// What a monitor knows: the specs that are on the topic, and the scorers that are here.
#[derive(Debug)]
pub struct Subscriptions<S: Scorers> {
    scorers: Arc<S>,
    specs: RwLock<(u64, Arc<Specs>)>,
    metrics: MonitorMetrics,
    /// The plan for these generations of specs and scorers.
    cached: Mutex<Option<CachedPlan<S::Scorer>>>,
}

/// A plan, and what it was made of.
type CachedPlan<S> = (Generations, Arc<SubscriptionPlan<S>>);

/// The specs, each with what it means for this monitor.
#[derive(Debug)]
pub(crate) struct SubscriptionPlan<S> {
    pub(crate) watched: Vec<Subscription<S>>,
    pub(crate) ignored: Vec<Ignored>,
}

/// A spec that a scorer here has to serve.
#[derive(Debug)]
pub(crate) struct Subscription<S> {
    pub(crate) spec: WatchedSpec,
    pub(crate) target: Target<S>,
}

/// A spec that this monitor does nothing for.
#[derive(Debug)]
pub(crate) struct Ignored {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl<S: Scorers> Subscriptions<S> {
    /// No specs are known yet; they come when the monitor runs.
    pub fn new(scorers: Arc<S>, metrics: MonitorMetrics) -> Self {
        Subscriptions { scorers, specs: RwLock::default(), metrics, cached: Mutex::new(None) }
    }

    pub(crate) fn scorers(&self) -> &Arc<S> {
        &self.scorers
    }

    /// Changes the specs.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Specs)) {
        let mut specs = self.specs.write();
        let mut next = Specs::clone(&specs.1);
        edit(&mut next);
        *specs = (specs.0 + 1, Arc::new(next));
    }

    /// What is to be done by what is known now.
    pub(crate) fn plan(&self) -> Arc<SubscriptionPlan<S::Scorer>> {
        // The generations are read before what they count, so a change in between only costs a rebuild.
        let scorers_generation = self.scorers.generation();
        let (specs_generation, specs) = self.specs.read().clone();
        let generations = (specs_generation, scorers_generation);
        let mut cached = self.cached.lock();
        if let Some((of, plan)) = cached.as_ref()
            && *of == generations
        {
            return Arc::clone(plan);
        }
        let plan = Arc::new(SubscriptionPlan::new(&specs, self.scorers.resolver()));
        self.metrics.specs(plan.watched.len(), plan.ignored.len());
        for watched in &plan.watched {
            self.metrics.watching(&watched.target.monitor);
        }
        *cached = Some((generations, Arc::clone(&plan)));
        plan
    }
}

impl<S> SubscriptionPlan<S> {
    fn new(specs: &Specs, resolve: impl Fn(&MonitorRef) -> Result<Target<S>, String>) -> Self {
        let mut plan = SubscriptionPlan { watched: Vec::new(), ignored: Vec::new() };
        for (key, spec) in specs {
            let spec = match spec {
                Ok(spec) => spec,
                Err(reason) => {
                    let id = String::from_utf8_lossy(key).into_owned();
                    plan.ignored.push(Ignored { name: id.clone(), id, reason: reason.clone() });
                    continue;
                }
            };
            let target = match (spec.enabled, &spec.monitor) {
                (false, _) => Err("it is disabled".into()),
                (true, None) => Err("it judges no detector's score".into()),
                (true, Some(wanted)) => resolve(wanted),
            };
            match target {
                Ok(target) => plan.watched.push(Subscription { spec: spec.clone(), target }),
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

    /// The scorers of an inference of this model version, each once.
    pub(crate) fn targets(&self, model: &ModelRef) -> Vec<&Target<S>> {
        let mut seen = BTreeSet::new();
        self.watched
            .iter()
            .filter(|it| watches(&it.spec.model, model))
            .map(|it| &it.target)
            .filter(|it| seen.insert(&it.monitor))
            .collect()
    }

    /// Every pair of a model version that specs name and a scorer that watches it, each once. Specs of any version get
    /// along with those of their model that name one; if there is none, the version is `*`.
    pub(crate) fn watched_models(&self) -> Vec<(ModelRef, &Target<S>)> {
        let mut pairs = BTreeMap::new();
        for it in &self.watched {
            let (model, monitor) = (&it.spec.model, &it.target.monitor);
            pairs.insert((&model.name, monitor, &model.version), &it.target);
        }
        let any = |version: &String| version == "*";
        let named: BTreeSet<_> =
            pairs.keys().filter(|it| !any(it.2)).map(|it| (it.0, it.1)).collect();
        pairs.retain(|key, _| !any(key.2) || !named.contains(&(key.0, key.1)));
        let model = |name: &String, version: &String| ModelRef {
            name: name.clone(),
            version: version.clone(),
        };
        pairs
            .into_iter()
            .map(|((name, _, version), target)| (model(name, version), target))
            .collect()
    }
}

/// Whether a spec's choice of a model version takes in this one.
fn watches(wanted: &ModelRef, model: &ModelRef) -> bool {
    wanted.name == model.name && (wanted.version == "*" || wanted.version == model.version)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use jiff::Timestamp;
    use shadowline_service::metrics::Metrics;
    use shadowline_wire::{Inference, ScoreValue, Unscored};

    use super::*;

    /// Hosts nothing but one scorer `here` of version 1, and hosts no packages.
    #[derive(Debug, Default)]
    struct One {
        generation: AtomicU64,
        n_asked: AtomicU64,
    }

    impl Scorers for One {
        type Scorer = ();

        fn generation(&self) -> u64 {
            self.generation.load(Ordering::Relaxed)
        }

        fn resolver(&self) -> impl Fn(&MonitorRef) -> Result<Target<()>, String> {
            |wanted| {
                self.n_asked.fetch_add(1, Ordering::Relaxed);
                if wanted.name != "here" {
                    return Err(format!("`{}` is somewhere else", wanted.name));
                }
                let monitor = MonitorRef { name: "here".into(), version: "1".into() };
                Ok(Target { monitor, is_newest: true, threshold: None, scorer: Ok(()) })
            }
        }

        fn score(&self, (): &(), inferences: &[&Inference]) -> Vec<Result<ScoreValue, Unscored>> {
            let none = || Unscored { code: "none".into(), message: String::new() };
            inferences.iter().map(|_| Err(none())).collect()
        }
    }

    fn spec(id: &str, model_version: &str, monitor: Option<&str>) -> WatchedSpec {
        WatchedSpec {
            id: id.into(),
            name: id.into(),
            version: 1,
            enabled: true,
            model: ModelRef { name: "census".into(), version: model_version.into() },
            monitor: monitor.map(|it| MonitorRef { name: it.into(), version: String::new() }),
            document_json: "{}".into(),
            changed_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn subscriptions() -> Subscriptions<One> {
        let metrics = MonitorMetrics::register(&Metrics::new("test", "0.0.0"), || {
            prometheus_client::metrics::histogram::Histogram::new([0.5])
        });
        Subscriptions::new(Arc::default(), metrics)
    }

    fn put(subscriptions: &Subscriptions<One>, spec: WatchedSpec) {
        let key = Bytes::from(spec.id.clone());
        subscriptions.edit(|specs| {
            specs.insert(key, Ok(spec));
        });
    }

    #[test]
    fn each_spec_is_served_or_ignored_for_a_reason() {
        let known = subscriptions();
        put(&known, spec("a", "*", Some("here")));
        put(&known, spec("b", "1", Some("here")));
        put(&known, spec("c", "1", Some("there")));
        put(&known, spec("d", "1", None));
        put(&known, WatchedSpec { enabled: false, ..spec("e", "1", Some("here")) });
        known.edit(|specs| {
            specs.insert(Bytes::from_static(b"f"), Err("no message".into()));
        });
        let plan = known.plan();
        let reasons: Vec<_> =
            plan.ignored.iter().map(|it| (it.id.as_str(), it.reason.as_str())).collect();
        let expected = [
            ("c", "`there` is somewhere else"),
            ("d", "it judges no detector's score"),
            ("e", "it is disabled"),
            ("f", "no message"),
        ];
        assert_eq!(reasons, expected);
        let model = |version: &str| ModelRef { name: "census".into(), version: version.into() };
        // Two specs ask for the pair, and it is scored once.
        assert_eq!(plan.targets(&model("1")).len(), 1);
        assert_eq!(plan.targets(&model("2")).len(), 1);
        let other = ModelRef { name: "wine".into(), version: "1".into() };
        assert!(plan.targets(&other).is_empty());
        let watched: Vec<_> = plan.watched_models().into_iter().map(|it| it.0).collect();
        assert_eq!(watched, [model("1")], "which the spec of any version judges too");
    }

    #[test]
    fn a_plan_is_kept_until_specs_or_scorers_change() {
        let known = subscriptions();
        put(&known, spec("a", "*", Some("here")));
        let n_asked = || known.scorers.n_asked.load(Ordering::Relaxed);
        known.plan();
        known.plan();
        assert_eq!(n_asked(), 1);
        known.scorers.generation.fetch_add(1, Ordering::Relaxed);
        known.plan();
        assert_eq!(n_asked(), 2);
        put(&known, spec("b", "*", Some("here")));
        assert_eq!(known.plan().watched.len(), 2);
        assert_eq!(n_asked(), 4);
    }
}
