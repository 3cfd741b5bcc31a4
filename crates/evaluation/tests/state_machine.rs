//! The alert state machine: known stories, and properties over arbitrary ones.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use shadowline_evaluation::{
    AlertState, Condition, Evaluation, MetricSpec, Operator, Outcome, Reading, Transition,
    TransitionReason,
};

fn spec(rest: &str) -> MetricSpec {
    let text = format!(
        "{{name: s, model: {{name: m}}, metric: {{monitor: d}}, alert_when: {{operator: '>', threshold: 0.5}}{rest}}}"
    );
    MetricSpec::try_from(
        serde_saphyr::from_str::<shadowline_evaluation::RawMetricSpec>(&text).unwrap(),
    )
    .unwrap()
}

fn at(seconds: f64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(1_000_000.0 + seconds)
}

/// A story: `(second, value)`; `None` is unscored.
fn tell(spec: &MetricSpec, story: &[(f64, Option<f64>)]) -> Vec<(AlertState, AlertState, f64)> {
    let mut evaluation = Evaluation::new(spec);
    let mut told = Vec::new();
    for (second, value) in story {
        let (_, steps) = evaluation.observe(
            spec,
            Reading { at: at(*second), value: *value, threshold: None, subject: "id" },
        );
        told.extend(
            steps
                .iter()
                .map(|it| (it.from, it.to, (it.at - at(0.0)).total(jiff::Unit::Second).unwrap())),
        );
    }
    told
}

use AlertState::{Firing, Inactive, Pending};
const GOOD: Option<f64> = Some(0.1);
const BAD: Option<f64> = Some(0.9);

#[test]
fn without_for_the_first_breach_fires_and_the_first_healthy_check_resolves() {
    let told = tell(&spec(""), &[(0.0, GOOD), (1.0, BAD), (2.0, BAD), (3.0, GOOD), (4.0, GOOD)]);
    assert_eq!(told, [(Inactive, Firing, 1.0), (Firing, Inactive, 3.0)]);
}

#[test]
fn for_makes_it_pending_first_and_a_healthy_check_before_ends_it() {
    let rule = spec(", for: 10s");
    assert_eq!(
        tell(&rule, &[(0.0, BAD), (9.0, GOOD)]),
        [(Inactive, Pending, 0.0), (Pending, Inactive, 9.0)]
    );
    assert_eq!(
        tell(&rule, &[(0.0, BAD), (5.0, BAD), (12.0, BAD)]),
        [(Inactive, Pending, 0.0), (Pending, Firing, 10.0)]
    );
}

#[test]
fn resolve_after_counts_from_the_first_healthy_check_after_the_last_breach() {
    let story = [(0.0, BAD), (1.0, GOOD), (2.0, BAD), (3.0, GOOD), (7.9, GOOD), (8.1, GOOD)];
    assert_eq!(
        tell(&spec(", resolve_after: 5s"), &story),
        [(Inactive, Firing, 0.0), (Firing, Inactive, 8.0)]
    );
}

#[test]
fn one_incident_is_one_alert_however_many_requests_breach() {
    let story: Vec<_> = (0..10_000).map(|it| (f64::from(it) * 0.001, BAD)).collect();
    assert_eq!(tell(&spec(""), &story).len(), 1);
}

#[test]
fn silence_never_resolves_but_a_timer_that_is_running_goes_off() {
    let rule = spec(", resolve_after: 5s");
    let mut evaluation = Evaluation::new(&rule);
    evaluation.observe(&rule, Reading { at: at(0.0), value: BAD, threshold: None, subject: "id" });
    assert_eq!(evaluation.tick(&rule, at(1e6)), None);
    assert_eq!((evaluation.state(), evaluation.next_timer(&rule)), (Firing, None));

    let mut evaluation = Evaluation::new(&rule);
    evaluation.observe(&rule, Reading { at: at(0.0), value: BAD, threshold: None, subject: "a" });
    evaluation.observe(&rule, Reading { at: at(1.0), value: GOOD, threshold: None, subject: "b" });
    assert_eq!(evaluation.next_timer(&rule), Some(at(6.0)));
    assert_eq!(evaluation.tick(&rule, at(5.9)), None);
    let resolved = evaluation.tick(&rule, at(60.0)).unwrap();
    assert_eq!((resolved.to, resolved.at, resolved.fired_at), (Inactive, at(6.0), Some(at(0.0))));
    assert_eq!(
        (resolved.reason, resolved.examples),
        (TransitionReason::Recovered, vec!["a".to_owned()])
    );
}

#[test]
fn unscored_checks_say_nothing_about_the_condition() {
    let nan = Some(f64::NAN);
    assert_eq!(tell(&spec(""), &[(0.0, None), (1.0, nan), (2.0, Some(f64::INFINITY))]), []);
    // Firing stays firing: no value is not a recovery.
    assert_eq!(tell(&spec(""), &[(0.0, BAD), (1.0, None), (2.0, nan)]).len(), 1);
    // Half of the scored ones breach, which does not exceed a half, whatever the unscored ones are.
    let rule = spec(", over: {last: 4, exceeds: 0.5}");
    let story =
        [(0.0, BAD), (1.0, None), (2.0, GOOD), (3.0, None), (4.0, BAD), (5.0, GOOD), (6.0, None)];
    assert_eq!(tell(&rule, &story), []);
    let mut evaluation = Evaluation::new(&rule);
    for (second, value) in story {
        evaluation
            .observe(&rule, Reading { at: at(second), value, threshold: None, subject: "id" });
    }
    let window = evaluation.window(&rule).unwrap();
    assert_eq!((window.n_scored, window.n_breach, window.n_unscored), (4, 2, 3));
    assert_eq!(window.value, Some(0.5));
}

#[test]
fn a_count_window_needs_min_samples_and_more_than_the_share() {
    let rule = spec(", over: {last: 4, exceeds: 0.5}");
    let story =
        [(0.0, BAD), (1.0, BAD), (2.0, BAD), (3.0, BAD), (4.0, GOOD), (5.0, GOOD), (6.0, GOOD)];
    // Fires with the fourth sample; two of four is not more than a half.
    assert_eq!(tell(&rule, &story), [(Inactive, Firing, 3.0), (Firing, Inactive, 5.0)]);
}

#[test]
fn a_time_window_forgets_by_event_time() {
    let rule = spec(", over: {window: 60s, exceeds: 0.5, min_samples: 2}");
    let story = [(0.0, BAD), (10.0, BAD), (20.0, GOOD), (65.0, GOOD), (75.0, GOOD)];
    // At 65 s the first breach is out: one of three.
    assert_eq!(tell(&rule, &story), [(Inactive, Firing, 10.0), (Firing, Inactive, 65.0)]);
}

#[test]
fn few_healthy_requests_end_an_alert_but_few_breaches_raise_none() {
    let rule = spec(", over: {window: 10s, exceeds: 0.5, min_samples: 3}");
    let story = [(0.0, BAD), (1.0, BAD), (2.0, BAD), (100.0, GOOD)];
    assert_eq!(tell(&rule, &story), [(Inactive, Firing, 2.0), (Firing, Inactive, 100.0)]);
    assert_eq!(tell(&rule, &[(0.0, BAD), (1.0, BAD)]), []);
}

#[test]
fn the_other_aggregates_are_compared_by_the_condition() {
    let over = |aggregate: &str| spec(&format!(", over: {{last: 3, aggregate: {aggregate}}}"));
    let story =
        [(0.0, Some(0.2)), (1.0, Some(0.9)), (2.0, Some(0.3)), (3.0, Some(0.7)), (4.0, Some(0.6))];
    // Windows of three: (.2 .9 .3), (.9 .3 .7), (.3 .7 .6).
    assert_eq!(tell(&over("max"), &story), [(Inactive, Firing, 2.0)]);
    assert_eq!(tell(&over("mean"), &story), [(Inactive, Firing, 3.0)]);
    assert_eq!(tell(&over("min"), &story), []);
}

#[test]
fn a_closed_alert_says_why() {
    let rule = spec("");
    let mut evaluation = Evaluation::new(&rule);
    assert_eq!(evaluation.close(&rule, at(0.0), TransitionReason::SpecDeleted), None);
    evaluation.observe(&rule, Reading { at: at(1.0), value: BAD, threshold: None, subject: "id" });
    let closed = evaluation.close(&rule, at(2.0), TransitionReason::SpecDisabled).unwrap();
    assert_eq!(
        (closed.from, closed.to, closed.reason),
        (Firing, Inactive, TransitionReason::SpecDisabled)
    );
}

#[test]
fn an_alert_names_its_last_breaching_requests() {
    let rule = spec(", over: {last: 8, exceeds: 0.9}");
    let mut evaluation = Evaluation::new(&rule);
    let mut fired = Vec::new();
    for second in 0..8 {
        let id = format!("request-{second}");
        fired.extend(
            evaluation
                .observe(
                    &rule,
                    Reading {
                        at: at(f64::from(second)),
                        value: BAD,
                        threshold: None,
                        subject: &id,
                    },
                )
                .1,
        );
    }
    assert_eq!(
        fired[0].examples,
        ["request-3", "request-4", "request-5", "request-6", "request-7"]
    );
}

fn operators() -> impl Strategy<Value = Operator> {
    prop::sample::select(Operator::ALL.to_vec())
}

fn values() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        4 => (0.0..1.0f64).prop_map(Some),
        1 => Just(Some(0.5)),
        1 => Just(Some(f64::NAN)),
        1 => Just(None),
    ]
}

fn rules() -> impl Strategy<Value = MetricSpec> {
    let overs = prop::sample::select(vec![
        "",
        ", over: {last: 5, exceeds: 0.4}",
        ", over: {last: 7, exceeds: 0.2, min_samples: 3}",
        ", over: {window: 8s, exceeds: 0.4, min_samples: 2}",
        ", over: {window: 20s, aggregate: mean}",
        ", over: {last: 4, aggregate: max}",
        ", over: {last: 4, aggregate: min, min_samples: 1}",
    ]);
    (overs, 0..6u32, 0..6u32).prop_map(|(over, hold, resolve)| {
        spec(&format!("{over}, for: {hold}s, resolve_after: {resolve}s"))
    })
}

/// Checks nearly in order, as several partitions give them: steps of time may go back a little.
fn stories() -> impl Strategy<Value = Vec<(Timestamp, Option<f64>)>> {
    prop::collection::vec((-1.0..4.0f64, values()), 1..80).prop_map(|steps| {
        let mut now = 0.0;
        steps
            .into_iter()
            .map(|(step, value)| {
                now += step;
                (at(now), value)
            })
            .collect()
    })
}

fn run(
    rule: &MetricSpec,
    story: &[(Timestamp, Option<f64>)],
    store_each_time: bool,
) -> (Evaluation, Vec<Transition>) {
    let mut evaluation = Evaluation::new(rule);
    let mut all = Vec::new();
    for (idx, (at, value)) in story.iter().enumerate() {
        let id = format!("request-{idx}");
        all.extend(
            evaluation
                .observe(rule, Reading { at: *at, value: *value, threshold: None, subject: &id })
                .1,
        );
        if store_each_time {
            let stored = serde_json::to_string(&evaluation).unwrap();
            evaluation = serde_json::from_str(&stored).unwrap();
        }
    }
    (evaluation, all)
}

fn config() -> ProptestConfig {
    ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::with_cases(512)
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_value_that_is_no_number_is_never_healthy_and_never_a_breach(operator in operators(), threshold in -1e9..1e9f64) {
        let condition = Condition::new(operator, threshold).unwrap();
        for value in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            prop_assert_eq!(condition.judge(value), Outcome::Unscored);
        }
    }

    #[test]
    fn a_condition_and_its_complement_never_agree(operator in operators(), threshold in -3i32..3, value in -3i32..3) {
        let alerting = Condition::new(operator, f64::from(threshold)).unwrap();
        let healthy = Condition::new(operator.complement(), f64::from(threshold)).unwrap();
        let value = Some(f64::from(value));
        prop_assert_ne!(alerting.judge(value), healthy.judge(value));
        prop_assert_eq!(operator.complement().complement(), operator);
        prop_assert_eq!(
            alerting.healthy_while().replace("healthy while", "alerts when"), healthy.alerts_when());
    }

    #[test]
    fn storing_and_restoring_between_any_two_checks_changes_nothing(rule in rules(), story in stories()) {
        prop_assert_eq!(run(&rule, &story, false), run(&rule, &story, true));
    }

    #[test]
    fn transitions_follow_each_other_in_state_and_in_time(rule in rules(), story in stories()) {
        let (evaluation, all) = run(&rule, &story, false);
        let mut state = AlertState::Inactive;
        let mut time = Timestamp::MIN;
        for step in &all {
            prop_assert_eq!(step.from, state);
            prop_assert_ne!(step.from, step.to);
            prop_assert!(step.at >= time);
            prop_assert_eq!(step.fired_at.is_some(), step.from == AlertState::Firing || step.to == AlertState::Firing);
            (state, time) = (step.to, step.at);
        }
        prop_assert_eq!(evaluation.state(), state);
    }

    #[test]
    fn looking_at_the_clock_in_between_changes_nothing(rule in rules(), story in stories()) {
        let mut evaluation = Evaluation::new(&rule);
        let mut all = Vec::new();
        let mut newest = Timestamp::MIN;
        for (idx, (at, value)) in story.iter().enumerate() {
            newest = newest.max(*at);
            let id = format!("request-{idx}");
            // A look just before the next check, when timers may already be due.
            all.extend(evaluation.tick(&rule, newest));
            all.extend(evaluation.observe(&rule, Reading { at: *at, value: *value, threshold: None, subject: &id }).1);
        }
        prop_assert_eq!((evaluation, all), run(&rule, &story, false));
    }

    #[test]
    fn unscored_checks_alone_never_move_an_alert(rule in rules(), n in 1..50usize) {
        let story: Vec<_> = (0..n).map(|it| (at(it as f64), Some(f64::NAN))).collect();
        prop_assert_eq!(run(&rule, &story, false).1, vec![]);
    }
}
