//! Documents: what is accepted, what is refused, and what the refusal says.

use shadowline_evaluation::{
    MetricKind, MetricSpec, Observation, ObservedMetric, Operator, Outcome, RawMetricSpec,
    VersionSelector,
};

const CENSUS: &str = r#"
kind: MetricSpec
name: census_outliers
model: {name: census, version: 1}
metric: {monitor: census_iforest, version: 1}
alert_when: {operator: greater, threshold: 0.62}
over: {last: 20, aggregate: breach_share, min_samples: 20, exceeds: 0.5}
for: 0s
resolve_after: 2s
severity: warning
labels: {team: risk}
enabled: true
"#;

fn read(text: &str) -> Result<MetricSpec, String> {
    // As `shadowline apply` reads it.
    let options = serde_saphyr::options! {
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::PassThrough,
    };
    let raw: RawMetricSpec =
        serde_saphyr::from_str_with_options(text, options).map_err(|it| it.to_string())?;
    MetricSpec::try_from(raw).map_err(|it| it.to_string())
}

/// Whether it judges the score of a detector's newest version.
fn judges(spec: &MetricSpec, model: &str, model_version: &str, name: &str, version: &str) -> bool {
    let metric = ObservedMetric { kind: MetricKind::Monitor, name, version, is_newest: true };
    let at = jiff::Timestamp::UNIX_EPOCH;
    spec.judges(&Observation {
        at,
        value: None,
        threshold: None,
        subject: "x",
        model,
        model_version,
        metric,
    })
}

#[test]
fn a_document_reads_as_written_and_a_round_trip_through_json_is_exact() {
    let spec = read(CENSUS).unwrap();
    assert_eq!(spec.name().as_str(), "census_outliers");
    assert_eq!(spec.model().version, VersionSelector::Exactly(1));
    assert!(judges(&spec, "census", "1", "census_iforest", "1"));
    assert!(!judges(&spec, "census", "2", "census_iforest", "1"));
    assert!(!judges(&spec, "census", "", "census_iforest", "1"));
    assert_eq!(
        spec.sentence(),
        "alerts when > 0.62; healthy while <= 0.62; more than 50 % of the last 20 checks must breach, \
         with at least 20 scored"
    );
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<MetricSpec>(&json).unwrap(), spec, "{json}");
}

#[test]
fn what_is_left_out_has_its_default() {
    let spec = read(
        "{name: s, model: {name: m}, metric: {monitor: d}, alert_when: {operator: '>=', threshold: 1}}",
    )
    .unwrap();
    assert_eq!(spec.model().version, VersionSelector::Any);
    assert!(
        spec.enabled()
            && spec.over().is_none()
            && spec.hold_for().is_zero()
            && spec.labels().is_empty()
    );
    assert_eq!(spec.severity().name(), "warning");
    assert!(judges(&spec, "m", "7", "d", "3"));
    assert!(!judges(&spec, "m", "7", "other", "3") && !judges(&spec, "other", "7", "d", "3"));
    assert!(!judges(&spec.with(None, Some(false)).unwrap(), "m", "7", "d", "3"));
}

#[test]
fn a_spec_judges_its_own_kind_of_metric_only() {
    for kind in MetricKind::ALL {
        let text = format!(
            "{{name: s, model: {{name: m}}, metric: {{{kind}: psi}}, alert_when: {{operator: '>', threshold: 1}}}}"
        );
        let spec = read(&text).unwrap();
        assert_eq!((spec.metric().kind(), spec.metric().name()), (kind, "psi"));
        let judges = |kind, name, is_newest| {
            let metric = ObservedMetric { kind, name, version: "2", is_newest };
            let (at, subject) = (jiff::Timestamp::UNIX_EPOCH, "x");
            let (model, model_version) = ("m", "7");
            spec.judges(&Observation {
                at,
                value: None,
                threshold: None,
                subject,
                model,
                model_version,
                metric,
            })
        };
        let judged: Vec<_> =
            MetricKind::ALL.into_iter().filter(|it| judges(*it, "psi", true)).collect();
        assert_eq!(judged, [kind]);
        assert!(!judges(kind, "kld", true));
        // Only detectors have versions that specs choose among.
        assert_eq!(judges(kind, "psi", false), kind != MetricKind::Monitor);
    }
    assert_eq!(MetricKind::from_name("endpoint"), None);
}

#[test]
fn every_refusal_names_the_field_what_came_and_what_was_expected() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("kind: MetricSpec", "kind: Model", &["`kind`", "`Model`", "`MetricSpec`"]),
        ("name: census_outliers", "name: ''", &["`name`", "``", "1 to 128"]),
        ("name: census_outliers", "name: a/b", &["`name`", "`a/b`", "characters"]),
        (
            "name: census_outliers",
            "name: 01900000-0000-7000-8000-000000000000",
            &["`name`", "UUID"],
        ),
        ("name: census_outliers", "", &["name"]),
        ("name: census,", "name: 'a b',", &["`model.name`", "`a b`"]),
        (
            "census, version: 1",
            "census, version: 0",
            &["`model.version`", "`0`", "from 1", "\"*\""],
        ),
        ("census, version: 1", "census, version: 1.5", &["`model.version`", "`1.5`"]),
        ("census, version: 1", "census, version: -1", &["`model.version`", "`-1`"]),
        ("census, version: 1", "census, version: latest", &["`model.version`", "`latest`"]),
        ("monitor: census_iforest, version: 1", "", &["`metric`", "without a kind", "monitor"]),
        ("monitor: census_iforest, version: 1", "monitor: a, drift: b", &["`metric`", "2 kinds"]),
        (
            "monitor: census_iforest, version: 1",
            "drift: psi, version: 1",
            &["`metric.version`", "`1`"],
        ),
        ("monitor: census_iforest", "monitor: ' '", &["`metric.monitor`"]),
        (
            "operator: greater",
            "operator: Greater",
            &["`alert_when.operator`", "`Greater`", "greater_or_equal"],
        ),
        ("operator: greater", "operator: '=>'", &["`alert_when.operator`", "`=>`"]),
        ("threshold: 0.62", "threshold: .nan", &["`alert_when.threshold`", "NaN", "finite"]),
        ("threshold: 0.62", "threshold: .inf", &["`alert_when.threshold`", "inf", "finite"]),
        ("threshold: 0.62", "threshold: high", &["threshold", "high"]),
        ("threshold: 0.62", "threshold: 0.62, treshold: 1", &["treshold"]),
        ("last: 20,", "", &["`over`", "neither", "window: 5m"]),
        ("last: 20,", "last: 20, window: 5m,", &["`over`", "both", "one of them"]),
        ("last: 20,", "last: 0,", &["`over.last`", "`0`", "1 to 1000"]),
        ("last: 20,", "last: 1001,", &["`over.last`", "`1001`"]),
        ("last: 20,", "window: 5,", &["`over.window`", "`5`", "unit"]),
        ("last: 20,", "window: 1ms,", &["`over.window`", "`1ms`", "100ms"]),
        ("last: 20,", "window: 90days,", &["`over.window`", "30 days"]),
        ("min_samples: 20", "min_samples: 21", &["`over.min_samples`", "`21`", "20"]),
        ("min_samples: 20", "min_samples: 0", &["`over.min_samples`", "`0`", "from 1"]),
        ("exceeds: 0.5", "exceeds: 1.0", &["`over.exceeds`", "`1`", "not including, 1"]),
        ("exceeds: 0.5", "exceeds: -0.1", &["`over.exceeds`", "`-0.1`"]),
        ("exceeds: 0.5", "exceeds: .nan", &["`over.exceeds`", "NaN"]),
        (", exceeds: 0.5", "", &["`over.exceeds`", "missing", "share"]),
        ("aggregate: breach_share", "aggregate: median", &["`over.aggregate`", "`median`", "mean"]),
        ("aggregate: breach_share", "aggregate: mean", &["`over.exceeds`", "alert_when"]),
        ("for: 0s", "for: soon", &["`for`", "`soon`", "duration"]),
        ("for: 0s", "for: 60", &["`for`", "`60`", "unit"]),
        ("resolve_after: 2s", "resolve_after: -2s", &["`resolve_after`", "`-2s`"]),
        ("severity: warning", "severity: page", &["`severity`", "`page`", "critical"]),
        ("team: risk", "'te am': risk", &["`labels`", "`te am`"]),
        ("team: risk", "severity: risk", &["`labels`", "`severity`", "every alert has"]),
        ("team: risk", "__name__: risk", &["`labels`", "`__name__`"]),
        ("team: risk", "team: ''", &["`labels`", "0 bytes", "`team`"]),
        ("enabled: true", "enabled: perhaps", &["perhaps"]),
        ("enabled: true", "enable: true", &["enable"]),
    ];
    for (from, to, says) in cases {
        assert!(CENSUS.contains(from), "{from} is not in the document");
        let error =
            read(&CENSUS.replacen(from, to, 1)).expect_err(&format!("{from} → {to} was accepted"));
        for word in *says {
            assert!(error.contains(word), "{from} → {to}: `{error}` does not say `{word}`");
        }
    }
}

#[test]
fn names_and_symbols_both_read_as_the_operator() {
    for operator in Operator::ALL {
        assert_eq!(operator.name().parse(), Ok(operator));
        assert_eq!(operator.symbol().parse(), Ok(operator));
        assert_eq!(serde_json::to_string(&operator).unwrap(), format!("\"{}\"", operator.name()));
    }
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::from_name(outcome.name()), Some(outcome));
    }
}
