//! Thresholds that come with the scores, and what is said of the value that is judged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use shadowline_evaluation::{
    AlertState, Evaluation, Judged, MetricKind, MetricSpec, Observation, ObservedMetric, Outcome,
    RawMetricSpec, Reading, SpecEntry, SpecId, SpecSet, SpecVersion, Threshold,
};
use uuid::Uuid;

fn read(threshold: &str, rest: &str) -> Result<MetricSpec, String> {
    let text = format!(
        "{{name: s, model: {{name: m}}, metric: {{monitor: d}}, alert_when: {{operator: '>', threshold: {threshold}}}{rest}}}"
    );
    let raw = serde_saphyr::from_str::<RawMetricSpec>(&text).map_err(|it| it.to_string())?;
    MetricSpec::try_from(raw).map_err(|it| it.to_string())
}

fn of_package(rest: &str) -> MetricSpec {
    read("from_package", rest).unwrap()
}

fn at(second: u32) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000_000 + i64::from(second))
}

/// Tells values with the thresholds that come with them, a second each, and returns what became of each. The state is
/// stored and restored between any two.
fn tell(
    spec: &MetricSpec,
    evaluation: &mut Evaluation,
    story: &[(f64, Option<f64>)],
) -> Vec<Outcome> {
    let begin = evaluation.clock().map_or(at(0), |it| it + SignedDuration::from_secs(1));
    let told = story.iter().enumerate().map(|(idx, (value, threshold))| {
        let second = SignedDuration::from_secs(i64::try_from(idx).unwrap());
        let (at, value, subject) = (begin + second, Some(*value), "id");
        let reading = Reading { at, value, threshold: *threshold, subject };
        let (outcome, _) = evaluation.observe(spec, reading);
        let stored = serde_json::to_string(&evaluation).unwrap();
        let restored: Evaluation = serde_json::from_str(&stored).unwrap();
        assert_eq!(restored, *evaluation);
        outcome
    });
    told.collect()
}

use Outcome::{Breach, Healthy, Unscored};

#[test]
fn each_detector_version_brings_its_own_line() {
    let spec = of_package("");
    assert_eq!(spec.condition().threshold(), Threshold::FromPackage);
    assert_eq!(
        spec.sentence(),
        "alerts when > the threshold of its package; healthy while <= the threshold of its package"
    );
    let mut evaluation = Evaluation::new(&spec);
    // The first came without one, as those of older programs do.
    let story =
        [(9.0, None), (0.6, Some(0.5)), (0.6, Some(0.7)), (3.0, Some(2.0)), (1.9, Some(2.0))];
    let told = tell(&spec, &mut evaluation, &story);
    assert_eq!(told, [Unscored, Breach, Healthy, Breach, Healthy]);
    let judged =
        Judged { value: Some(1.9), line: Some(2.0), line_since: Some(at(3)), at: Some(at(4)) };
    assert_eq!(evaluation.judged(&spec), judged);
    assert_eq!(evaluation.condition(&spec).alerts_when(), "alerts when > 2");
}

#[test]
fn a_value_is_judged_by_its_own_line_or_not_at_all() {
    for rest in ["", ", over: {last: 4, exceeds: 0.5}", ", over: {window: 1m, exceeds: 0.5}"] {
        let spec = of_package(rest);
        let mut evaluation = Evaluation::new(&spec);
        let story = [
            (0.6, Some(0.5)),
            // Another program's, which sends none: what another version's line is says nothing of it.
            (0.6, None),
            (0.1, None),
            (0.6, Some(f64::NAN)),
            // Two versions at once.
            (0.6, Some(0.7)),
            (0.6, Some(0.5)),
            (0.6, Some(0.7)),
        ];
        let told = tell(&spec, &mut evaluation, &story);
        assert_eq!(
            told,
            [Breach, Unscored, Unscored, Unscored, Healthy, Breach, Healthy],
            "{rest}"
        );
    }
}

#[test]
fn a_check_says_by_which_line_it_was_judged() {
    let mut set = SpecSet::default();
    let id = SpecId(Uuid::from_u128(1));
    set.insert(id, SpecEntry::new(SpecVersion(1), of_package(""), 0));
    let mut line_of = |second, threshold| {
        let metric =
            ObservedMetric { kind: MetricKind::Monitor, name: "d", version: "1", is_newest: true };
        let observation = Observation {
            at: at(second),
            value: Some(0.6),
            threshold,
            subject: "id",
            model: "m",
            model_version: "1",
            metric,
        };
        let check = set.apply(&observation, at(second)).checks.remove(0);
        (check.outcome, check.condition.line())
    };
    assert_eq!(line_of(0, Some(0.5)), (Breach, Some(0.5)));
    assert_eq!(line_of(1, None), (Unscored, None));
    assert_eq!(line_of(2, Some(0.7)), (Healthy, Some(0.7)));
}

/// Two detector versions score in turns: the old one calm, the new one far over its line.
fn in_turns(n_each: usize) -> Vec<(f64, Option<f64>)> {
    [(0.1, Some(0.5)), (30.0, Some(20.0))].repeat(n_each)
}

#[test]
fn two_versions_at_once_silence_no_aggregate() {
    for aggregate in ["mean", "max", "min"] {
        for span in ["last: 4", "window: 1m"] {
            let case = format!("{aggregate} of {span}");
            let rest = format!(", over: {{{span}, aggregate: {aggregate}, min_samples: 3}}");
            let spec = of_package(&rest);
            let mut evaluation = Evaluation::new(&spec);
            tell(&spec, &mut evaluation, &[(0.1, Some(0.5)); 4]);
            // The old line is judged until the new one has values enough.
            tell(&spec, &mut evaluation, &in_turns(2));
            assert_eq!(evaluation.judged(&spec).line, Some(0.5), "{case}");
            assert_eq!(evaluation.state(), AlertState::Inactive, "{case}");
            let told = tell(&spec, &mut evaluation, &in_turns(6));
            assert_eq!(told, [Healthy, Breach].repeat(6), "{case}");
            let judged = evaluation.judged(&spec);
            assert_eq!((judged.value, judged.line), (Some(30.0), Some(20.0)), "{case}");
            assert_eq!(judged.at, evaluation.clock(), "{case}");
            assert_eq!(evaluation.state(), AlertState::Firing, "{case}");
            // The last of the old ones is no recovery of the new one.
            tell(&spec, &mut evaluation, &[(0.1, Some(0.5))]);
            assert_eq!(evaluation.state(), AlertState::Firing, "{case}");
            assert_eq!(evaluation.judged(&spec).line, Some(20.0), "{case}");
        }
    }
}

#[test]
fn a_value_of_an_older_line_that_comes_late_starts_nothing_afresh() {
    let spec = of_package(", over: {window: 1m, aggregate: mean, min_samples: 2}");
    let mut evaluation = Evaluation::new(&spec);
    let mut tell_at = |second, value, threshold| {
        let (value, threshold) = (Some(value), Some(threshold));
        evaluation.observe(&spec, Reading { at: at(second), value, threshold, subject: "id" });
        let window = evaluation.window(&spec).unwrap();
        (window.n_scored, window.value, evaluation.judged(&spec).line)
    };
    tell_at(100, 3.0, 20.0);
    assert_eq!(tell_at(101, 5.0, 20.0), (2, Some(4.0), Some(20.0)));
    // From a partition that lags; the line was never seen before.
    for second in 95..99 {
        assert_eq!(tell_at(second, 0.1, 0.5), (2, Some(4.0), Some(20.0)));
    }
    // As old as that it is in no window at all.
    assert_eq!(tell_at(10, 0.1, 0.7), (2, Some(4.0), Some(20.0)));
    assert_eq!(tell_at(102, 6.0, 20.0), (3, Some(14.0 / 3.0), Some(20.0)));
}

#[test]
fn a_version_that_was_rolled_back_is_forgotten_with_its_last_value() {
    for (span, n_until_forgotten) in [("last: 4", 4), ("window: 10s", 10)] {
        let rest = format!(", over: {{{span}, aggregate: mean, min_samples: 1}}");
        let spec = of_package(&rest);
        let mut evaluation = Evaluation::new(&spec);
        tell(&spec, &mut evaluation, &[(0.1, Some(0.5)), (30.0, Some(20.0))]);
        assert_eq!(evaluation.state(), AlertState::Firing, "{span}");
        tell(&spec, &mut evaluation, &vec![(0.1, Some(0.5)); n_until_forgotten - 1]);
        assert_eq!(evaluation.judged(&spec).line, Some(20.0), "{span}");
        tell(&spec, &mut evaluation, &[(0.1, Some(0.5))]);
        assert_eq!(evaluation.judged(&spec).line, Some(0.5), "{span}");
        assert_eq!(evaluation.state(), AlertState::Inactive, "{span}");
    }
}

#[test]
fn the_time_beside_a_value_is_the_values_own() {
    let spec = read("0.5", ", for: 1s, resolve_after: 2s").unwrap();
    let mut evaluation = Evaluation::new(&spec);
    tell(&spec, &mut evaluation, &[(0.9, None), (0.8, None)]);
    let is_at = |evaluation: &Evaluation, value, second| {
        let judged = evaluation.judged(&spec);
        assert_eq!((judged.value, judged.at), (Some(value), Some(at(second))));
    };
    is_at(&evaluation, 0.8, 1);
    // A check without a value, however new.
    let unscored = Reading { at: at(5), value: None, threshold: None, subject: "id" };
    evaluation.observe(&spec, unscored);
    is_at(&evaluation, 0.8, 1);
    // A late one is the last that came, and was then.
    let late = Reading { at: at(3), value: Some(0.1), threshold: None, subject: "id" };
    evaluation.observe(&spec, late);
    is_at(&evaluation, 0.1, 3);
    // A timer moves the clock, and nothing was scored then.
    assert!(evaluation.tick(&spec, at(60)).is_some());
    assert_eq!(evaluation.clock(), Some(at(7)));
    is_at(&evaluation, 0.1, 3);

    let window = read("0.5", ", over: {window: 1m, aggregate: max}").unwrap();
    let mut evaluation = Evaluation::new(&window);
    for (second, value) in [(10, Some(0.3)), (8, Some(0.2)), (12, None)] {
        let reading = Reading { at: at(second), value, threshold: None, subject: "id" };
        evaluation.observe(&window, reading);
    }
    assert_eq!(evaluation.judged(&window).at, Some(at(10)));
}

#[test]
fn a_share_is_of_breaches_of_the_lines_that_held_then() {
    let spec = of_package(", over: {last: 4, exceeds: 0.5}");
    let mut evaluation = Evaluation::new(&spec);
    // Under the last line alone, all four would breach.
    tell(
        &spec,
        &mut evaluation,
        &[(3.0, Some(5.0)), (3.0, Some(5.0)), (3.0, Some(2.0)), (1.0, Some(0.5))],
    );
    let window = evaluation.window(&spec).unwrap();
    assert_eq!((window.n_scored, window.n_breach, window.value), (4, 2, Some(0.5)));
    assert_eq!(evaluation.state(), AlertState::Inactive);
    let judged = evaluation.judged(&spec);
    assert_eq!((judged.value, judged.line, judged.line_since), (Some(0.5), Some(0.5), None));
}

#[test]
fn values_under_two_lines_are_not_made_one_mean() {
    let spec = of_package(", over: {last: 3, aggregate: mean, min_samples: 1}");
    let mut evaluation = Evaluation::new(&spec);
    tell(&spec, &mut evaluation, &[(100.0, Some(500.0)), (100.0, Some(500.0)), (0.3, Some(0.5))]);
    let window = evaluation.window(&spec).unwrap();
    assert_eq!((window.n_scored, window.value), (1, Some(0.3)));
    assert_eq!(evaluation.state(), AlertState::Inactive);
    tell(&spec, &mut evaluation, &[(0.9, Some(0.5))]);
    assert_eq!(evaluation.state(), AlertState::Firing);
}

#[test]
fn no_request_is_a_breach_of_a_mean_by_itself() {
    let spec = read("0.5", ", over: {last: 4, aggregate: mean, min_samples: 2}").unwrap();
    let mut evaluation = Evaluation::new(&spec);
    let story = [(0.9, None), (0.05, None), (0.0, None), (0.9, None), (0.9, None), (0.9, None)];
    let told = tell(&spec, &mut evaluation, &story);
    // Means from the second on: 0.475, 0.317, 0.463, 0.463, 0.675.
    assert_eq!(told, [Healthy, Healthy, Healthy, Healthy, Healthy, Breach]);
    let window = evaluation.window(&spec).unwrap();
    assert_eq!((window.n_scored, window.n_breach), (4, 0));
    let judged = evaluation.judged(&spec);
    assert_eq!((judged.value, judged.line, judged.at), (window.value, Some(0.5), Some(at(5))));
}

#[test]
fn a_rule_says_what_is_compared() {
    for (rest, alerts_when, by) in [
        ("", "alerts when > 0.5", "score"),
        (
            ", over: {last: 200, exceeds: 0.03}",
            "alerts when more than 3 % of the last 200 checks are > 0.5",
            "breach_share",
        ),
        (
            ", over: {window: 5m, aggregate: mean}",
            "alerts when the mean of the last 5m is > 0.5",
            "mean",
        ),
    ] {
        let spec = read("0.5", rest).unwrap();
        assert_eq!((spec.alerts_when().as_str(), spec.judged_by()), (alerts_when, by));
    }
}

#[test]
fn a_threshold_is_a_number_or_the_word() {
    let refused = |threshold: &str| read(threshold, "").unwrap_err();
    assert!(refused("from_pakage").contains("`from_package`"), "{}", refused("from_pakage"));
    assert!(refused("true").contains("a number or `from_package`"), "{}", refused("true"));
    assert_eq!(read("3", "").unwrap().condition().line(), Some(3.0));
    let text = "{name: s, model: {name: m}, metric: {drift: psi}, \
                alert_when: {operator: '>', threshold: from_package}}";
    let raw = serde_saphyr::from_str::<RawMetricSpec>(text).unwrap();
    let error = MetricSpec::try_from(raw).unwrap_err().to_string();
    assert!(error.contains("alert_when.threshold") && error.contains("drift"), "{error}");
}
