//! Of what a score is and what it measures: said in one way only, and readable by programs that know neither.
//!
//! `fixtures/1a0d911.hex` has records as the code of commit 1a0d911 wrote them, a name and the bytes a line; the alert was
//! encoded from the generated type of that commit.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use jiff::Timestamp;
use prost::Message as _;
use shadowline_evaluation::MetricKind;
use shadowline_wire::{
    MetricRef, ModelRef, MonitorRef, Origin, Score, ScoreValue, Subject, Unscored, WatchedSpec,
    WindowRef, event,
};
use uuid::Uuid;

fn old(name: &str) -> Vec<u8> {
    let records: BTreeMap<_, _> = include_str!("fixtures/1a0d911.hex")
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let hex = records[name];
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn model() -> ModelRef {
    ModelRef { name: "census".into(), version: "3".into() }
}

/// A score of a monitor, of this inference.
fn score(inference_id: &str, result: Result<ScoreValue, Unscored>) -> Score {
    Score {
        subject: Subject::Inference(inference_id.into()),
        model: model(),
        metric: MonitorRef { name: "forest".into(), version: "2".into() }.into(),
        is_newest: true,
        threshold: None,
        result,
        origin: Origin {
            instance: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
            sequence: 42,
        },
        received_at: at("2026-11-03T08:15:30.25Z"),
        scored_at: at("2026-11-03T08:15:30.75Z"),
    }
}

fn value(value: f64) -> ScoreValue {
    ScoreValue {
        value,
        record_idx: 0,
        record_values: vec![],
        p_value: None,
        expected: None,
        contributions: vec![],
        n_unseen_categories: 0,
    }
}

/// What the records of the file say.
fn known() -> [(&'static str, Score); 3] {
    let batch = ScoreValue {
        record_idx: 1,
        record_values: vec![0.25, 0.75],
        p_value: Some(0.125),
        expected: Some(0.5),
        contributions: vec![("age".into(), 0.5), ("job".into(), -0.25)],
        n_unseen_categories: 1,
        ..value(0.75)
    };
    let reason =
        Unscored { code: "missing_field".into(), message: "field `age` is missing".into() };
    [
        ("score_of_a_batch", score("inference-1", Ok(batch))),
        ("score_of_one_record", score("inference-2", Ok(value(-1.5)))),
        ("unscored", score("inference-3", Err(reason))),
    ]
}

fn window() -> Score {
    let (from, to) = (at("2026-11-03T08:10:00Z"), at("2026-11-03T08:15:00Z"));
    let window = WindowRef::new(from, to, Some("country=DE/AT".into())).unwrap();
    let metric = MetricRef { kind: MetricKind::Drift, name: "psi".into(), version: String::new() };
    let score = score("", Ok(value(0.2)));
    Score { subject: Subject::Window(window), metric, received_at: to, ..score }
}

#[test]
fn old_records_are_read_as_scores_of_inferences_by_monitors() {
    for (name, expected) in known() {
        assert_eq!(Score::decode(&old(name)).unwrap(), expected, "{name}");
    }
    let spec = WatchedSpec::decode(&old("metric_spec")).unwrap();
    assert_eq!((spec.name.as_str(), spec.version), ("outliers", 3));
    assert_eq!(spec.monitor.unwrap().name, "forest");
    let alert = event::Alert::decode(old("alert").as_slice()).unwrap();
    assert_eq!(
        (alert.spec_name.as_str(), alert.to_state()),
        ("outliers", event::AlertState::Firing)
    );
    assert_eq!((alert.monitor.unwrap().name.as_str(), alert.metric), ("forest", None));
}

#[test]
fn what_is_written_today_is_what_old_programs_read_and_fields_that_they_pass_over() {
    for (name, score) in known() {
        let (old, new) = (old(name), score.encode());
        let added = new.strip_prefix(old.as_slice()).unwrap();
        let score = event::Score::decode(added).unwrap();
        let only_new = event::Score {
            subject: score.subject.clone(),
            metric: score.metric.clone(),
            ..Default::default()
        };
        assert_eq!(score, only_new, "{name}");
        assert!(score.subject.is_some() && score.metric.is_some(), "{name}");
    }
    // A window goes to their dead letters, because it has no inference.
    let window = event::Score::decode(window().encode().as_slice()).unwrap();
    assert_eq!((window.inference_id.as_str(), window.monitor), ("", None));
}

#[test]
fn the_id_of_a_window_is_one_text() {
    let segment = window();
    assert_eq!(
        segment.subject_id(),
        "window/census/3/2026-11-03T08:10:00Z/2026-11-03T08:15:00Z/country=DE%2FAT"
    );
    let (from, to) = (at("2026-01-31T12:00:00.5Z"), at("2026-01-31T12:05:00Z"));
    let whole = WindowRef::new(from, to, Some(String::new())).unwrap();
    assert_eq!(whole.segment(), None);
    let model = ModelRef { name: "50%/50%".into(), version: "1".into() };
    assert_eq!(
        whole.id(&model),
        "window/50%25%2F50%25/1/2026-01-31T12:00:00.5Z/2026-01-31T12:05:00Z/"
    );
    assert_eq!(score("inference-1", Ok(value(0.5))).subject_id(), "inference-1");
}

#[test]
fn each_metric_counts_by_a_name_of_its_own_and_monitors_by_the_one_that_they_had() {
    let metric =
        |kind, version: &str| MetricRef { kind, name: "psi".into(), version: version.into() };
    assert_eq!(metric(MetricKind::Monitor, "2").producer(), "psi/2");
    assert_eq!(metric(MetricKind::Drift, "").producer(), "drift:psi");
    assert_eq!(metric(MetricKind::Quality, "2").producer(), "quality:psi/2");
}

#[test]
fn a_subject_that_is_none_two_or_contradictory_is_refused_by_name() {
    let check = |of: &Score, change: &dyn Fn(&mut event::Score), expected: &str| {
        let mut wire = event::Score::decode(of.encode().as_slice()).unwrap();
        change(&mut wire);
        let error = Score::decode(&wire.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let inference = &known()[1].1;
    let window = &window();
    check(
        inference,
        &|it| (it.inference_id, it.subject) = Default::default(),
        "Score has no inference_id",
    );
    check(
        inference,
        &|it| it.subject = Some(event::Subject::default()),
        "Score has no subject.inference_id and no subject.window",
    );
    check(
        inference,
        &|it| it.subject.as_mut().unwrap().window = Some(event::WindowRef::default()),
        "Score: subject: expected an inference or a window, got both, with the inference `inference-2`",
    );
    check(
        inference,
        &|it| it.inference_id = "another".into(),
        "Score: inference_id: expected the inference of `subject`, and none beside a window, got `another`",
    );
    check(
        window,
        &|it| it.inference_id = "another".into(),
        "Score: inference_id: expected the inference of `subject`, and none beside a window, got `another`",
    );
    let of_window = |change: fn(&mut event::WindowRef)| {
        move |it: &mut event::Score| change(it.subject.as_mut().unwrap().window.as_mut().unwrap())
    };
    check(window, &of_window(|it| it.from = None), "Score has no subject.window.from");
    check(window, &of_window(|it| it.to = None), "Score has no subject.window.to");
    let backwards = "Score: subject.window: expected `from` before `to`, got from 2026-11-03T08:15:00Z to \
                     2026-11-03T08:15:00Z";
    check(window, &of_window(|it| it.from = it.to), backwards);
    let late = "Score: received_at: expected the end of the window, got 2026-11-03T08:15:01Z beside a window that ends at \
                2026-11-03T08:15:00Z";
    check(window, &|it| it.received_at.as_mut().unwrap().seconds += 1, late);
}

#[test]
fn an_inference_may_be_named_as_the_subject_alone() {
    for (name, score) in known() {
        let mut wire = event::Score::decode(score.encode().as_slice()).unwrap();
        wire.inference_id.clear();
        assert_eq!(Score::decode(&wire.encode_to_vec()).unwrap(), score, "{name}");
    }
}

#[test]
fn a_metric_that_is_unknown_or_contradictory_is_refused_by_name() {
    let check = |of: &Score, change: &dyn Fn(&mut event::Score), expected: &str| {
        let mut wire = event::Score::decode(of.encode().as_slice()).unwrap();
        change(&mut wire);
        let error = Score::decode(&wire.encode_to_vec()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let inference = &known()[1].1;
    let window = &window();
    check(inference, &|it| (it.metric, it.monitor) = Default::default(), "Score has no monitor");
    check(window, &|it| it.metric = None, "Score has no monitor");
    let of_metric = |change: fn(&mut event::MetricRef)| {
        move |it: &mut event::Score| change(it.metric.as_mut().unwrap())
    };
    check(window, &of_metric(|it| it.kind = 0), "Score has no metric.kind");
    check(
        window,
        &of_metric(|it| it.kind = 99),
        "Score: metric.kind: expected one of the known kinds, got 99",
    );
    check(window, &of_metric(|it| it.name.clear()), "Score has no metric.name");
    let contradiction = "Score: monitor: expected the monitor of `metric`, and none beside another kind, got `forest` \
                         version `2`";
    check(inference, &of_metric(|it| it.version = "3".into()), contradiction);
    check(inference, &of_metric(|it| it.kind = 2), contradiction);
}

#[test]
fn a_figure_of_a_window_that_is_no_number_is_read_as_unscored() {
    for value in [f64::NAN, f64::NEG_INFINITY] {
        let mut wire = event::Score::decode(window().encode().as_slice()).unwrap();
        wire.value = Some(value);
        let read = Score::decode(&wire.encode_to_vec()).unwrap();
        assert_eq!(read.subject, window().subject);
        assert_eq!(read.result.unwrap_err().code, "not_finite");
    }
}
