//! The stored form of an evaluation, bit for bit: databases written by commit 1a0d911 are read, and what is written is
//! read by it, which passes over when the newest value was: a member that came later.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::{SignedDuration, Timestamp};
use shadowline_evaluation::{Evaluation, MetricSpec, RawMetricSpec, Reading};

/// What happens to each spec: milliseconds and values.
const STORY: [(i64, Option<f64>); 8] = [
    (0, Some(0.1)),
    (1_500, None),
    (2_000, Some(0.9)),
    (2_250, Some(0.75)),
    (1_900, Some(f64::NAN)),
    (4_500, Some(0.7)),
    (6_000, Some(0.2)),
    (6_100, None),
];

/// The rest of the spec, how much of the story, and what that commit stores.
// A line each, because the stored form has no other.
#[rustfmt::skip]
const STORED: [(&str, usize, &str); 8] = [
    ("", 0, r#"{"phase":"inactive","clock":null,"window":null,"last_value":null,"examples":[]}"#),
    (", over: {window: 60s, aggregate: mean}", 0, r#"{"phase":"inactive","clock":null,"window":{"time":{"panes":[]}},"last_value":null,"examples":[]}"#),
    (", over: {last: 3, exceeds: 0.5}", 0, r#"{"phase":"inactive","clock":null,"window":{"last":{"samples":[],"n_unscored_since":0}},"last_value":null,"examples":[]}"#),
    (", over: {window: 60s, exceeds: 0.4, min_samples: 2}, for: 2s", 8, r#"{"phase":{"firing":{"condition_since":"2023-11-14T22:13:22Z","fired_at":"2023-11-14T22:13:24Z","healthy_since":null}},"clock":"2023-11-14T22:13:26.1Z","window":{"time":{"panes":[{"idx":1700000000,"n_healthy":1,"n_breach":0,"n_unscored":0,"sum":4591870180066957722,"min":4591870180066957722,"max":4591870180066957722},{"idx":1700000001,"n_healthy":0,"n_breach":0,"n_unscored":2,"sum":0,"min":9218868437227405312,"max":18442240474082181120},{"idx":1700000002,"n_healthy":0,"n_breach":2,"n_unscored":0,"sum":4610109758557808230,"min":4604930618986332160,"max":4606281698874543309},{"idx":1700000004,"n_healthy":0,"n_breach":1,"n_unscored":0,"sum":4604480259023595110,"min":4604480259023595110,"max":4604480259023595110},{"idx":1700000006,"n_healthy":1,"n_breach":0,"n_unscored":1,"sum":4596373779694328218,"min":4596373779694328218,"max":4596373779694328218}]}},"last_value":4596373779694328218,"examples":["request-2000","request-2250","request-4500"]}"#),
    (", over: {window: 60s, aggregate: mean}, resolve_after: 30s", 8, r#"{"phase":{"firing":{"condition_since":"2023-11-14T22:13:22.25Z","fired_at":"2023-11-14T22:13:22.25Z","healthy_since":null}},"clock":"2023-11-14T22:13:26.1Z","window":{"time":{"panes":[{"idx":1700000000,"n_healthy":1,"n_breach":0,"n_unscored":0,"sum":4591870180066957722,"min":4591870180066957722,"max":4591870180066957722},{"idx":1700000001,"n_healthy":0,"n_breach":0,"n_unscored":2,"sum":0,"min":9218868437227405312,"max":18442240474082181120},{"idx":1700000002,"n_healthy":0,"n_breach":2,"n_unscored":0,"sum":4610109758557808230,"min":4604930618986332160,"max":4606281698874543309},{"idx":1700000004,"n_healthy":0,"n_breach":1,"n_unscored":0,"sum":4604480259023595110,"min":4604480259023595110,"max":4604480259023595110},{"idx":1700000006,"n_healthy":1,"n_breach":0,"n_unscored":1,"sum":4596373779694328218,"min":4596373779694328218,"max":4596373779694328218}]}},"last_value":4596373779694328218,"examples":["request-2000","request-2250","request-4500"]}"#),
    (", over: {last: 3, exceeds: 0.5}, resolve_after: 30s", 8, r#"{"phase":{"firing":{"condition_since":"2023-11-14T22:13:22.25Z","fired_at":"2023-11-14T22:13:22.25Z","healthy_since":null}},"clock":"2023-11-14T22:13:26.1Z","window":{"last":{"samples":[{"value":4604930618986332160,"n_unscored_before":0},{"value":4604480259023595110,"n_unscored_before":1},{"value":4596373779694328218,"n_unscored_before":0}],"n_unscored_since":1}},"last_value":4596373779694328218,"examples":["request-2000","request-2250","request-4500"]}"#),
    (", resolve_after: 30s", 8, r#"{"phase":{"firing":{"condition_since":"2023-11-14T22:13:22Z","fired_at":"2023-11-14T22:13:22Z","healthy_since":"2023-11-14T22:13:26Z"}},"clock":"2023-11-14T22:13:26.1Z","window":null,"last_value":4596373779694328218,"examples":["request-2000","request-2250","request-4500"]}"#),
    (", for: 1h", 3, r#"{"phase":{"pending":{"since":"2023-11-14T22:13:22Z"}},"clock":"2023-11-14T22:13:22Z","window":null,"last_value":4606281698874543309,"examples":["request-2000"]}"#),
];

fn spec(rest: &str) -> MetricSpec {
    let text = format!(
        "{{name: s, model: {{name: m}}, metric: {{monitor: d}}, alert_when: {{operator: '>', threshold: 0.5}}{rest}}}"
    );
    MetricSpec::try_from(serde_saphyr::from_str::<RawMetricSpec>(&text).unwrap()).unwrap()
}

fn told(spec: &MetricSpec, mut evaluation: Evaluation, from: usize, to: usize) -> Evaluation {
    for (ms, value) in STORY[from..to].iter().copied() {
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_700_000_000_000 + ms);
        evaluation.observe(
            spec,
            Reading { at, value, threshold: None, subject: &format!("request-{ms}") },
        );
    }
    evaluation
}

/// The stored form with the time of the newest value.
fn with_time(stored: &str, n_readings: usize) -> String {
    let is_value = |it: &&(i64, Option<f64>)| it.1.is_some_and(f64::is_finite);
    // The newest of the story are in order.
    let Some((ms, _)) = STORY[..n_readings].iter().rfind(is_value) else {
        return stored.to_owned();
    };
    let at = Timestamp::UNIX_EPOCH + SignedDuration::from_millis(1_700_000_000_000 + ms);
    format!("{},\"scored_at\":\"{at}\"}}", stored.strip_suffix('}').unwrap())
}

#[test]
fn the_stored_form_is_what_it_was_and_when_the_newest_value_was() {
    for (rest, n_readings, stored) in STORED {
        let spec = spec(rest);
        let evaluation = told(&spec, Evaluation::new(&spec), 0, n_readings);
        let with_time = with_time(stored, n_readings);
        assert_eq!(serde_json::to_string(&evaluation).unwrap(), with_time, "{rest}");
        assert_eq!(serde_json::from_str::<Evaluation>(&with_time).unwrap(), evaluation, "{rest}");
        // Without it, the time of the newest check stands in its place.
        let restored = serde_json::from_str::<Evaluation>(stored).unwrap();
        assert_eq!(restored.judged(&spec).at, restored.clock(), "{rest}");
    }
}

#[test]
fn what_was_stored_goes_on_as_if_it_had_not_been() {
    for (rest, n_readings, stored) in STORED {
        let spec = spec(rest);
        let restored = serde_json::from_str(&with_time(stored, n_readings)).unwrap();
        let went_on = told(&spec, restored, n_readings, STORY.len());
        assert_eq!(went_on, told(&spec, Evaluation::new(&spec), 0, STORY.len()), "{rest}");
    }
}
