//! The subscription plan: which scorers watch which model versions, because of which metric specs, and what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use shadowline_stream::Bytes;
use shadowline_wire::{ModelRef, MonitorRef, Unscored, WatchedSpec};
use tokio::sync::watch;

use crate::metrics::MonitorMetrics;
use crate::scorers::{Scorers, Target};

/// The metric specs by their keys on the topic; one that cannot be read stands with the reason.
pub(crate) type Specs = BTreeMap<Bytes, Result<WatchedSpec, String>>;
/// The service that each detector belongs to, by the detector's name.
pub(crate) type Hosts = BTreeMap<Bytes, String>;

/// What is on the topics.
#[derive(Debug, Clone, Default)]
struct Known {
    /// How often it has changed.
    generation: u64,
    specs: Arc<Specs>,
    hosts: Arc<Hosts>,
}

/// How often the specs and the scorers have changed.
type Generations = (u64, u64);

/// What a monitor knows: the specs that are on the topic, and the scorers that are here.
#[derive(Debug)]
pub struct Subscriptions<S: Scorers> {
    service: &'static str,
    scorers: Arc<S>,
    known: RwLock<Known>,
    changed: watch::Sender<()>,
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
    pub(crate) missing: Vec<Missing>,
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

/// A detector that an enabled spec asks for and that should be here, or nobody has: what it is asked for is unscored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Missing {
    pub(crate) detector: String,
    pub(crate) spec: String,
    /// Whether it is this service that should have it.
    pub(crate) is_own: bool,
    pub(crate) reason: String,
}

impl<S: Scorers> Subscriptions<S> {
    /// No specs are known yet; they come when the monitor runs. `service` is the name that all replicas share.
    pub fn new(service: &'static str, scorers: Arc<S>, metrics: MonitorMetrics) -> Self {
        Subscriptions {
            service,
            scorers,
            known: RwLock::default(),
            changed: watch::Sender::new(()),
            metrics,
            cached: Mutex::new(None),
        }
    }

    /// The enabled specs that ask for a detector, each with the version that it names.
    pub fn asking_for(&self, detector: &str) -> Vec<(String, Option<String>)> {
        let specs = Arc::clone(&self.known.read().specs);
        let enabled = specs.values().flatten().filter(|it| it.enabled);
        enabled
            .filter_map(|it| Some((it, it.monitor.as_ref().filter(|it| it.name == detector)?)))
            .map(|(spec, monitor)| {
                let version = Some(monitor.version.clone()).filter(|it| !it.is_empty());
                (spec.name.clone(), version)
            })
            .collect()
    }

    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    /// Is told of every change of what is on the topics.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The service that a detector belongs to, if one has said so.
    pub(crate) fn host_of(&self, detector: &str) -> Option<String> {
        self.known.read().hosts.get(detector.as_bytes()).cloned()
    }

    pub(crate) fn scorers(&self) -> &Arc<S> {
        &self.scorers
    }

    /// Changes the specs.
    pub(crate) fn edit(&self, edit: impl FnOnce(&mut Specs)) {
        self.change(|known| edit(Arc::make_mut(&mut known.specs)));
    }

    /// Changes which service each detector belongs to.
    pub(crate) fn edit_hosts(&self, edit: impl FnOnce(&mut Hosts)) {
        self.change(|known| edit(Arc::make_mut(&mut known.hosts)));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known.write();
        change(&mut known);
        known.generation += 1;
        drop(known);
        self.changed.send_replace(());
    }

    /// What is to be done by what is known now.
    pub(crate) fn plan(&self) -> Arc<SubscriptionPlan<S::Scorer>> {
        // The generations are read before what they count, so a change in between only costs a rebuild.
        let scorers_generation = self.scorers.generation();
        let known = self.known.read().clone();
        let generations = (known.generation, scorers_generation);
        let mut cached = self.cached.lock();
        if let Some((of, plan)) = cached.as_ref()
            && *of == generations
        {
            return Arc::clone(plan);
        }
        let plan = SubscriptionPlan::new(&known, self.service, self.scorers.resolver());
        let plan = Arc::new(plan);
        self.metrics.specs(plan.watched.len(), plan.ignored.len());
        self.metrics.missing(plan.missing.iter().map(|it| it.detector.as_str()));
        for watched in &plan.watched {
            self.metrics.watching(&watched.target.monitor);
        }
        *cached = Some((generations, Arc::clone(&plan)));
        plan
    }
}

impl<S> SubscriptionPlan<S> {
    fn new(
        known: &Known,
        service: &str,
        resolve: impl Fn(&MonitorRef) -> Result<Target<S>, String>,
    ) -> Self {
        let mut plan =
            SubscriptionPlan { watched: Vec::new(), ignored: Vec::new(), missing: Vec::new() };
        for (key, spec) in known.specs.iter() {
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
                (true, Some(wanted)) => resolve(wanted).or_else(|_| {
                    let host = known.hosts.get(wanted.name.as_bytes());
                    not_here(wanted, host.map(String::as_str), service)
                }),
            };
            match target {
                Ok(target) => {
                    if let (Err(unscored), Some(wanted)) = (&target.scorer, &spec.monitor) {
                        plan.missing.push(Missing {
                            detector: wanted.name.clone(),
                            spec: spec.name.clone(),
                            is_own: unscored.code != UNKNOWN_ANYWHERE,
                            reason: unscored.message.clone(),
                        });
                    }
                    plan.watched.push(Subscription { spec: spec.clone(), target });
                }
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

/// Why there is no score by a detector that this service has, but not this replica of it.
const MISSING_HERE: &str = "detector_missing";
/// Why there is no score by a detector that no service has, as far as is known.
const UNKNOWN_ANYWHERE: &str = "detector_unknown";

/// What becomes of a spec whose detector is not here. If it is another service's, it is that one's; else everything that
/// it is asked for is unscored, so that nothing passes in silence. Of a detector that nobody has, every monitor says so,
/// and the checks of all of them are one, because their scores have one name and one origin.
fn not_here<S>(
    wanted: &MonitorRef,
    host: Option<&str>,
    service: &str,
) -> Result<Target<S>, String> {
    let name = &wanted.name;
    let (code, message) = match host {
        Some(host) if host != service => return Err(format!("detector `{name}` is one of {host}")),
        Some(_) => (
            MISSING_HERE,
            format!("detector `{name}` is not installed in this replica of {service}"),
        ),
        None => (UNKNOWN_ANYWHERE, format!("no monitor has a detector `{name}`")),
    };
    let unscored = Unscored { code: code.to_owned(), message };
    Ok(Target {
        monitor: wanted.clone(),
        // It answers those that name no version.
        is_newest: wanted.version.is_empty(),
        threshold: None,
        scorer: Err(unscored),
    })
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
    use shadowline_wire::{Inference, ScoreValue};

    use super::*;

    /// Hosts nothing but one scorer `here` of version 1, and hosts no packages.
    #[derive(Debug, Default)]
    struct One {
        generation: AtomicU64,
        n_asked: AtomicU64,
        changes: watch::Sender<u64>,
    }

    impl Scorers for One {
        type Scorer = ();

        fn generation(&self) -> u64 {
            self.generation.load(Ordering::Relaxed)
        }

        fn changes(&self) -> watch::Receiver<u64> {
            self.changes.subscribe()
        }

        fn names(&self) -> BTreeSet<String> {
            BTreeSet::from(["here".to_owned()])
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
        Subscriptions::new("monitor-one", Arc::default(), metrics)
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
        known.edit_hosts(|hosts| {
            hosts.insert(Bytes::from_static(b"there"), "monitor-other".to_owned());
        });
        put(&known, spec("d", "1", None));
        put(&known, WatchedSpec { enabled: false, ..spec("e", "1", Some("here")) });
        known.edit(|specs| {
            specs.insert(Bytes::from_static(b"f"), Err("no message".into()));
        });
        let plan = known.plan();
        let reasons: Vec<_> =
            plan.ignored.iter().map(|it| (it.id.as_str(), it.reason.as_str())).collect();
        let expected = [
            ("c", "detector `there` is one of monitor-other"),
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
    fn what_is_missing_here_or_everywhere_is_unscored_and_said() {
        let known = subscriptions();
        put(&known, spec("a", "1", Some("gone")));
        put(&known, spec("b", "1", Some("typo")));
        let mut pinned = spec("c", "1", Some("gone"));
        pinned.monitor = Some(MonitorRef { name: "gone".into(), version: "3".into() });
        put(&known, pinned);
        put(&known, WatchedSpec { enabled: false, ..spec("d", "1", Some("gone")) });
        known.edit_hosts(|hosts| {
            hosts.insert(Bytes::from_static(b"gone"), "monitor-one".to_owned());
        });
        let plan = known.plan();
        let here = "detector `gone` is not installed in this replica of monitor-one";
        let missing = |spec: &str, detector: &str, is_own, reason: &str| Missing {
            detector: detector.to_owned(),
            spec: spec.to_owned(),
            is_own,
            reason: reason.to_owned(),
        };
        let expected = [
            missing("a", "gone", true, here),
            missing("b", "typo", false, "no monitor has a detector `typo`"),
            missing("c", "gone", true, here),
        ];
        assert_eq!(plan.missing, expected);
        let targets = plan.targets(&ModelRef { name: "census".into(), version: "1".into() });
        let told: Vec<_> = targets
            .iter()
            .map(|it| (it.monitor.version.as_str(), it.is_newest, it.scorer.as_ref().unwrap_err()))
            .map(|(version, is_newest, unscored)| (version, is_newest, unscored.code.as_str()))
            .collect();
        assert_eq!(
            told,
            [("", true, MISSING_HERE), ("", true, UNKNOWN_ANYWHERE), ("3", false, MISSING_HERE)]
        );
        // As soon as another service says that it has it, it is that one's to score.
        known.edit_hosts(|hosts| {
            hosts.insert(Bytes::from_static(b"typo"), "monitor-other".to_owned());
        });
        assert_eq!(known.plan().missing.len(), 2);
        assert_eq!(
            known.asking_for("gone"),
            [("a".to_owned(), None), ("c".to_owned(), Some("3".to_owned()))]
        );
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
