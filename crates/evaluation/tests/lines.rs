//! Thresholds that come with the scores, and what is said of the value that is judged.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use shadowline_evaluation::{
    AlertState, Evaluation, Judged, MetricSpec, Outcome, RawMetricSpec, Reading, Threshold,
};

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
