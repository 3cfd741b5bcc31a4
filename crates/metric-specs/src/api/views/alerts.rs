//! Alerts and their history as answers.

use jiff::Timestamp;
use shadowline_api::alerts::{AlertAnswer, AlertEventAnswer, JudgedAnswer, WindowAnswer};
use shadowline_evaluation::{Aggregate, Evaluation, MetricSpec, Operator, WindowSummary};
use shadowline_store::RecordedAlertEvent;

use super::reference;
use crate::engine::SpecStatus;

/// Where the alert of a spec stands.
pub(in crate::api) fn alert(status: SpecStatus) -> AlertAnswer {
    let (spec, evaluation) = (&status.spec.spec, &status.evaluation);
    let condition = spec.condition();
    AlertAnswer {
        spec: reference(&status.spec),
        state: evaluation.state(),
        incident: status.incident,
        condition_since: evaluation.condition_since(),
        fired_at: evaluation.fired_at(),
        last_value: evaluation.last_value(),
        window: evaluation.window(spec).map(window),
        examples: evaluation.examples().map(str::to_owned).collect(),
        model: (spec.model().name.clone(), spec.model().version.to_string()).into(),
        operator: condition.operator().name().to_owned(),
        threshold: condition.threshold(),
        judged: Some(judged(spec, evaluation, status.spec.updated_at)),
        rule: Some(spec.alerts_when()),
        alerts_when: condition.alerts_when(),
        healthy_while: condition.healthy_while(),
        severity: spec.severity().name().to_owned(),
        labels: spec.labels().clone(),
    }
}

/// The value by which the alert stands as it does.
fn judged(spec: &MetricSpec, evaluation: &Evaluation, updated_at: Timestamp) -> JudgedAnswer {
    let judged = evaluation.judged(spec);
    let operator = match spec.over().map(|it| it.aggregate()) {
        Some(Aggregate::BreachShare { .. }) => Operator::Greater,
        Some(Aggregate::Mean | Aggregate::Max | Aggregate::Min) | None => {
            spec.condition().operator()
        }
    };
    JudgedAnswer {
        by: spec.judged_by().to_owned(),
        value: judged.value.filter(|it| it.is_finite()),
        at: judged.at,
        operator: operator.name().to_owned(),
        line: judged.line,
        line_since: judged.line.map(|_| judged.line_since.unwrap_or(updated_at)),
    }
}

/// One change of a spec's alert.
pub(in crate::api) fn event(recorded: RecordedAlertEvent) -> AlertEventAnswer {
    let (spec, event) = (&recorded.spec.spec, recorded.event);
    let transition = event.transition;
    AlertEventAnswer {
        id: event.id,
        spec: reference(&recorded.spec),
        incident: event.incident,
        from: transition.from,
        to: transition.to,
        reason: transition.reason.name().to_owned(),
        at: transition.at,
        recorded_at: event.recorded_at,
        condition_since: transition.condition_since,
        fired_at: transition.fired_at,
        value: transition.value,
        line: transition.line,
        window: transition.window.map(window),
        examples: transition.examples,
        alerts_when: spec.condition().alerts_when(),
        healthy_while: spec.condition().healthy_while(),
        severity: spec.severity().name().to_owned(),
    }
}

fn window(window: WindowSummary) -> WindowAnswer {
    WindowAnswer {
        n_scored: window.n_scored,
        n_breach: window.n_breach,
        n_unscored: window.n_unscored,
        value: window.value.filter(|it| it.is_finite()),
    }
}
