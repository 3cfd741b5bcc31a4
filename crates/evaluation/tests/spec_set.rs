//! A set of specs: known answers, and that it gives what a plain loop over all specs gives.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shadowline_evaluation::{
    AlertState, Effects, MetricKind, MetricSpec, Observation, ObservedMetric, Outcome,
    RawMetricSpec, Reading, SpecCheck, SpecEntry, SpecId, SpecSet, SpecVersion, Step,
    TransitionReason,
};
use uuid::Uuid;

fn id(number: usize) -> SpecId {
    SpecId(Uuid::from_u128(number as u128))
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(1_000_000.0 + seconds)
}

fn spec(text: &str) -> MetricSpec {
    let text = format!("{{name: s, alert_when: {{operator: '>', threshold: 0.5}}, {text}}}");
    MetricSpec::try_from(serde_saphyr::from_str::<RawMetricSpec>(&text).unwrap()).unwrap()
}

fn set(specs: &[&str]) -> SpecSet {
    let mut set = SpecSet::default();
    for (number, text) in specs.iter().enumerate() {
        set.insert(id(number), SpecEntry::new(SpecVersion::FIRST, spec(text), 0));
    }
    set
}

const SCORE: Observation<'static> = Observation {
    at: Timestamp::UNIX_EPOCH,
    value: Some(0.9),
    threshold: None,
    subject: "inference-1",
    model: "census",
    model_version: "2",
    metric: ObservedMetric {
        kind: MetricKind::Monitor,
        name: "iforest",
        version: "3",
        is_newest: true,
    },
};

fn concerned(set: &mut SpecSet, observation: &Observation<'_>) -> Vec<u128> {
    set.apply(observation, at(0.0)).touched().map(|it| it.0.as_u128()).collect()
}

#[test]
fn an_observation_is_judged_by_just_the_specs_that_it_concerns() {
    let mut set = set(&[
        "model: {name: census}, metric: {monitor: iforest}",
        "model: {name: census, version: 2}, metric: {monitor: iforest, version: 3}",
        "model: {name: census, version: 1}, metric: {monitor: iforest}",
        "model: {name: census}, metric: {monitor: iforest, version: 2}",
        "model: {name: census}, metric: {monitor: knn}",
        "model: {name: wine}, metric: {monitor: iforest}",
        "model: {name: census}, metric: {drift: iforest}",
        "model: {name: census}, metric: {monitor: iforest}, enabled: false",
    ]);
    assert_eq!(concerned(&mut set, &SCORE), [0, 1]);
    let metric =
        |kind, version, is_newest| ObservedMetric { kind, version, is_newest, ..SCORE.metric };
    // An older version of the detector answers the specs that name it, and no other.
    let older = Observation { metric: metric(MetricKind::Monitor, "2", false), ..SCORE };
    assert_eq!(concerned(&mut set, &older), [3]);
    let drift = Observation { metric: metric(MetricKind::Drift, "1", true), ..SCORE };
    assert_eq!(concerned(&mut set, &drift), [6]);
    let other_model = Observation { model: "wine", model_version: "", ..SCORE };
    assert_eq!(concerned(&mut set, &other_model), [5]);
    assert_eq!(concerned(&mut set, &Observation { model: "nobody", ..SCORE }), []);
}

#[test]
fn a_spec_of_every_kind_of_metric_judges_and_fires() {
    for kind in MetricKind::ALL {
        let mut set = set(&[&format!("model: {{name: census}}, metric: {{{kind}: figure}}")]);
        let metric = ObservedMetric { kind, name: "figure", version: "1", is_newest: true };
        let observation = Observation { subject: "window-7", metric, at: at(1.0), ..SCORE };
        let effects = set.apply(&observation, at(2.0));
        assert_eq!(effects.checks[0].outcome, Outcome::Breach, "{kind}");
        let step = effects.steps().next().unwrap();
        assert_eq!((step.transition.to, step.incident), (AlertState::Firing, 1));
        assert_eq!(
            (step.transition.at, step.transition.examples.as_slice()),
            (at(1.0), &["window-7".to_owned()][..])
        );
        assert_eq!(MetricKind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn a_clock_that_runs_ahead_takes_no_spec_along() {
    let mut set = set(&["model: {name: census}, metric: {monitor: iforest}, for: 10s"]);
    set.apply(&Observation { at: at(5_000.0), ..SCORE }, at(1.0));
    assert_eq!(set.get(id(0)).unwrap().state.evaluation.clock(), Some(at(1.0)));
    assert_eq!(set.next_timer(), Some(at(11.0)));
    assert_eq!(set.tick(at(10.9)), []);
    let fired = set.tick(at(60.0));
    // The timer was due before anybody looked.
    assert_eq!((fired[0].transition.to, fired[0].transition.at), (AlertState::Firing, at(11.0)));
    assert_eq!(set.next_timer(), None);
}

#[test]
fn a_new_version_starts_afresh_and_goes_on_counting_incidents() {
    let rule = "model: {name: census}, metric: {monitor: iforest}";
    let mut set = set(&[rule]);
    assert_eq!(set.apply(&SCORE, at(0.0)).steps().next().unwrap().incident, 1);
    let closed = set.close(id(0), at(1.0), TransitionReason::SpecChanged).unwrap();
    assert_eq!((closed.incident, closed.transition.reason), (1, TransitionReason::SpecChanged));
    set.replace(id(0), SpecVersion(2), spec("model: {name: wine}, metric: {monitor: iforest}"));
    assert_eq!(concerned(&mut set, &SCORE), []);
    let wine = Observation { model: "wine", ..SCORE };
    let effects = set.apply(&wine, at(0.0));
    let step = effects.steps().next().unwrap();
    assert_eq!((step.incident, step.version), (2, SpecVersion(2)));
    assert!(set.remove(id(0)).is_some() && set.remove(id(0)).is_none());
    assert_eq!((concerned(&mut set, &wine), set.len(), set.is_empty()), (vec![], 0, true));
}

#[test]
fn what_a_draft_leads_to_does_not_touch_a_spec_that_was_changed_since() {
    let rule = "model: {name: census}, metric: {monitor: iforest}";
    let mut set = set(&[rule, rule, rule]);
    let mut draft = set.draft();
    draft.apply(&SCORE, at(0.0));
    let changes = draft.into_changes();
    set.replace(id(0), SpecVersion(2), spec(rule));
    set.remove(id(1));
    set.commit(changes);
    let states: Vec<_> =
        set.iter().map(|(id, it)| (id.0.as_u128(), it.state.evaluation.state())).collect();
    assert_eq!(states, [(0, AlertState::Inactive), (2, AlertState::Firing)]);
}

/// What happens to a set.
#[derive(Debug, Clone)]
enum Event {
    Observe {
        at: f64,
        value: Option<f64>,
        model: usize,
        version: usize,
        metric: (MetricKind, usize, usize, bool),
    },
    Tick {
        at: f64,
    },
    Close {
        spec: usize,
    },
    Replace {
        spec: usize,
        by: MetricSpec,
    },
    Remove {
        spec: usize,
    },
}

const MODELS: [&str; 2] = ["census", "wine"];
const METRICS: [&str; 2] = ["one", "two"];
const VERSIONS: [&str; 3] = ["1", "2", ""];

fn specs() -> impl Strategy<Value = MetricSpec> {
    let versions = || prop::sample::select(vec!["", ", version: 1", ", version: 2"]);
    let overs = prop::sample::select(vec![
        "",
        ", over: {last: 3, exceeds: 0.4}",
        ", over: {window: 8s, exceeds: 0.4, min_samples: 2}",
        ", over: {window: 20s, aggregate: mean}",
    ]);
    let kinds = prop_oneof![3 => Just(MetricKind::Monitor), 1 => prop::sample::select(MetricKind::ALL.to_vec())];
    (0..2usize, versions(), kinds, 0..2usize, versions(), overs, (0..4u32, 0..4u32, 0..8u8)).prop_map(
        |(model, model_version, kind, metric, version, over, (hold, resolve, enabled))| {
            let version = if kind == MetricKind::Monitor { version } else { "" };
            let (model, metric, enabled) = (MODELS[model], METRICS[metric], enabled != 0);
            spec(&format!(
                "model: {{name: {model}{model_version}}}, metric: {{{kind}: {metric}{version}}}{over}, \
                 for: {hold}s, resolve_after: {resolve}s, enabled: {enabled}"
            ))
        },
    )
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let values =
        prop_oneof![4 => (0.0..1.0f64).prop_map(Some), 1 => Just(Some(f64::NAN)), 1 => Just(None)];
    let kinds = prop_oneof![3 => Just(MetricKind::Monitor), 1 => prop::sample::select(MetricKind::ALL.to_vec())];
    let metric = (kinds, 0..2usize, 0..3usize, any::<bool>());
    let observe = (-1.0..4.0f64, values, 0..2usize, 0..3usize, metric);
    let event = prop_oneof![
        12 => observe.prop_map(|(at, value, model, version, metric)| Event::Observe { at, value, model, version, metric }),
        2 => (0.0..4.0f64).prop_map(|at| Event::Tick { at }),
        1 => (0..8usize).prop_map(|spec| Event::Close { spec }),
        1 => ((0..8usize), specs()).prop_map(|(spec, by)| Event::Replace { spec, by }),
        1 => (0..8usize).prop_map(|spec| Event::Remove { spec }),
    ];
    // Times are steps from the one before.
    prop::collection::vec(event, 1..60).prop_map(|mut events| {
        let mut now = 0.0;
        for event in &mut events {
            if let Event::Observe { at, .. } | Event::Tick { at } = event {
                now += *at;
                *at = now;
            }
        }
        events
    })
}

/// Every spec is held against every observation, one after the other.
#[derive(Debug, Default)]
struct PlainLoop(BTreeMap<SpecId, SpecEntry>);

impl PlainLoop {
    fn step(
        id: SpecId,
        entry: &mut SpecEntry,
        transition: shadowline_evaluation::Transition,
    ) -> Step {
        entry.state.incident += u64::from(transition.from == AlertState::Inactive);
        Step { spec: id, version: entry.version, incident: entry.state.incident, transition }
    }

    fn apply(&mut self, observation: &Observation<'_>, now: Timestamp) -> Effects {
        let mut effects = Effects::default();
        for (id, entry) in &mut self.0 {
            if !entry.spec.judges(observation) {
                continue;
            }
            let reading = Reading {
                at: observation.at.min(now),
                value: observation.value,
                threshold: observation.threshold,
                subject: observation.subject,
            };
            let (outcome, transitions) =
                entry.state.evaluation.observe(&entry.spec.clone(), reading);
            let steps = transitions.into_iter().map(|it| Self::step(*id, entry, it)).collect();
            let condition = entry.state.evaluation.condition(&entry.spec);
            let (spec, version) = (*id, entry.version);
            effects.checks.push(SpecCheck { spec, version, outcome, condition, steps });
        }
        effects
    }

    fn tick(&mut self, now: Timestamp) -> Vec<Step> {
        let mut steps = Vec::new();
        for (id, entry) in &mut self.0 {
            let moved = entry.state.evaluation.tick(&entry.spec, now);
            steps.extend(moved.map(|it| Self::step(*id, entry, it)));
        }
        steps
    }

    fn close(&mut self, id: SpecId, now: Timestamp) -> Option<Step> {
        let entry = self.0.get_mut(&id)?;
        let closed =
            entry.state.evaluation.close(&entry.spec, now, TransitionReason::SpecChanged)?;
        Some(Self::step(id, entry, closed))
    }

    fn replace(&mut self, id: SpecId, spec: MetricSpec) {
        let before = self.0.get(&id);
        let version = before.map_or(SpecVersion::FIRST, |it| it.version.next());
        let incident = before.map_or(0, |it| it.state.incident);
        self.0.insert(id, SpecEntry::new(version, spec, incident));
    }

    fn next_timer(&self) -> Option<Timestamp> {
        self.0.values().filter_map(|it| it.state.evaluation.next_timer(&it.spec)).min()
    }
}

fn entries(set: &SpecSet) -> BTreeMap<SpecId, SpecEntry> {
    set.iter().map(|(id, entry)| (id, entry.clone())).collect()
}

/// Clocks run at most so far ahead of the one that judges.
const NOW: f64 = 100.0;

fn with_observation<T>(
    event: &Event,
    subject: &str,
    then: impl FnOnce(&Observation<'_>) -> T,
) -> Option<T> {
    let Event::Observe {
        at: event_at,
        value,
        model,
        version,
        metric: (kind, name, metric_version, is_newest),
    } = event
    else {
        return None;
    };
    Some(then(&Observation {
        at: at(*event_at),
        value: *value,
        threshold: None,
        subject,
        model: MODELS[*model],
        model_version: VERSIONS[*version],
        metric: ObservedMetric {
            kind: *kind,
            name: METRICS[*name],
            version: VERSIONS[*metric_version],
            is_newest: *is_newest,
        },
    }))
}

fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::with_cases(256)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_set_gives_what_a_plain_loop_over_all_specs_gives(specs in prop::collection::vec(specs(), 0..8), events in events()) {
        let (mut set, mut plain) = (SpecSet::default(), PlainLoop::default());
        for (number, spec) in specs.into_iter().enumerate() {
            let entry = SpecEntry::new(SpecVersion::FIRST, spec, 0);
            set.insert(id(number), entry.clone());
            plain.0.insert(id(number), entry);
        }
        for (number, event) in events.iter().enumerate() {
            let subject = format!("subject-{number}");
            match event {
                Event::Observe { .. } => {
                    let both = with_observation(event, &subject, |it| (set.apply(it, at(NOW)), plain.apply(it, at(NOW))));
                    let (found, expected) = both.unwrap();
                    prop_assert_eq!(found, expected);
                }
                Event::Tick { at: now } => prop_assert_eq!(set.tick(at(*now)), plain.tick(at(*now))),
                Event::Close { spec } => prop_assert_eq!(
                    set.close(id(*spec), at(0.0), TransitionReason::SpecChanged), plain.close(id(*spec), at(0.0))),
                Event::Replace { spec, by } => {
                    let version = set.get(id(*spec)).map_or(SpecVersion::FIRST, |it| it.version.next());
                    set.replace(id(*spec), version, by.clone());
                    plain.replace(id(*spec), by.clone());
                }
                Event::Remove { spec } => prop_assert_eq!(set.remove(id(*spec)), plain.0.remove(&id(*spec))),
            }
            prop_assert_eq!(set.next_timer(), plain.next_timer());
            prop_assert_eq!(set.timers().count(), plain.0.values()
                .filter(|it| it.state.evaluation.next_timer(&it.spec).is_some()).count());
        }
        prop_assert_eq!(entries(&set), plain.0);
    }

    /// A batch of any size judged by one draft is what the set would have come to alone; until it is committed, and
    /// if it is dropped, the set is what it was.
    #[test]
    fn a_draft_changes_nothing_until_it_is_committed_and_then_what_the_set_would_have_come_to(
        specs in prop::collection::vec(specs(), 0..8), events in events(), n_before in 0..30usize,
    ) {
        let mut set = SpecSet::default();
        for (number, spec) in specs.into_iter().enumerate() {
            set.insert(id(number), SpecEntry::new(SpecVersion::FIRST, spec, 0));
        }
        let (before, after) = events.split_at(n_before.min(events.len()));
        for event in before {
            with_observation(event, "before", |it| set.apply(it, at(NOW)));
        }
        let untouched = entries(&set);
        let mut at_once = set.clone();
        let mut draft = set.draft();
        for (number, event) in after.iter().enumerate() {
            let subject = format!("subject-{number}");
            match event {
                Event::Observe { .. } => {
                    let found = with_observation(event, &subject, |it| draft.apply(it, at(NOW)));
                    prop_assert_eq!(found, with_observation(event, &subject, |it| at_once.apply(it, at(NOW))));
                }
                Event::Tick { at: now } => prop_assert_eq!(draft.tick(at(*now)), at_once.tick(at(*now))),
                Event::Close { spec } | Event::Replace { spec, .. } | Event::Remove { spec } => prop_assert_eq!(
                    draft.close(id(*spec), at(0.0), TransitionReason::SpecDisabled),
                    at_once.close(id(*spec), at(0.0), TransitionReason::SpecDisabled)),
            }
        }
        let changes = draft.into_changes();
        prop_assert_eq!(entries(&set), untouched);
        set.commit(changes);
        prop_assert_eq!(entries(&set), entries(&at_once));
        prop_assert_eq!(set.timers().collect::<Vec<_>>(), at_once.timers().collect::<Vec<_>>());
    }
}
