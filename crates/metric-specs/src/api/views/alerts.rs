//! Alerts and their history as answers.

use shadowline_api::alerts::{AlertAnswer, AlertEventAnswer, WindowAnswer};
use shadowline_evaluation::WindowSummary;
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
        alerts_when: condition.alerts_when(),
        healthy_while: condition.healthy_while(),
        severity: spec.severity().name().to_owned(),
        labels: spec.labels().clone(),
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
