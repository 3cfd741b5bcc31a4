//! Checks as answers.

use shadowline_api::checks::{
    CheckAnswer, CheckedMetric, CheckedWindow, ContributionAnswer, CountsAnswer, ExplanationAnswer,
    OriginAnswer,
};
use shadowline_api::specs::SpecName;
use shadowline_evaluation::MetricKind;
use shadowline_store::{Check, CheckCounts, CheckMetric, CheckSubject, Explanation};

/// One score judged by one metric spec.
pub(in crate::api) fn check(check: Check) -> CheckAnswer {
    let (inference_id, window) = match check.subject {
        CheckSubject::Inference(id) => (Some(id), None),
        CheckSubject::Window { from, to, segment } => {
            (None, Some(CheckedWindow { from, to, segment }))
        }
    };
    let CheckMetric { kind, name, version } = check.metric;
    let monitor = (kind == MetricKind::Monitor).then(|| (name.clone(), version.clone()).into());
    let version = Some(version).filter(|it| !it.is_empty());
    CheckAnswer {
        inference_id,
        window,
        spec: SpecName {
            id: check.spec_id.to_string(),
            name: check.spec_name,
            version: check.spec_version.0,
        },
        model: check.model.into(),
        metric: Some(CheckedMetric { kind: kind.name().to_owned(), name, version }),
        monitor,
        value: check.value,
        outcome: check.outcome,
        reason: check.reason,
        explanation: check.explanation.map(explanation),
        operator: check.operator.name().to_owned(),
        threshold: check.threshold,
        event_at: check.event_at,
        partition: check.partition,
        origin: OriginAnswer { instance: check.origin.0.to_string(), sequence: check.origin.1 },
    }
}

fn explanation(explanation: Explanation) -> ExplanationAnswer {
    let Explanation { expected, contributions } = explanation;
    let contributions = contributions.into_iter();
    ExplanationAnswer {
        expected,
        contributions: contributions
            .map(|(feature, value)| ContributionAnswer { feature, value })
            .collect(),
    }
}

/// How many checks there are; the different requests among them if they were counted.
pub(in crate::api) fn counts(counts: CheckCounts, inferences: Option<u64>) -> CountsAnswer {
    let CheckCounts { healthy, breach, unscored } = counts;
    CountsAnswer { total: counts.total(), healthy, breach, unscored, inferences }
}
