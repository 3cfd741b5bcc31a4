//! The spans of checks and alerts, in the traces of the requests that caused them.

use jiff::Timestamp;
use shadowline_evaluation::{AlertState, SpecId};
use shadowline_service::traces::{self, KeyValue, SpanContext};
use shadowline_store::{AlertEvent, Batch};

use super::apply::TracedCheck;
use super::state::Engine;

impl Engine {
    /// Writes down the spans of checks that were stored, and below them those of the alerts that they changed.
    pub(super) fn trace_checks(&self, traced: &[TracedCheck], stored: &Batch, now: Timestamp) {
        for TracedCheck { trace, check_idx, spec, events } in traced {
            let Some(tracked) = self.tracked.get(spec) else { continue };
            let (name, check) = (tracked.stored.spec.name().as_str(), &stored.checks[*check_idx]);
            let below = traces::step("check", Some(trace), now, || {
                let mut attributes = vec![
                    KeyValue::new("shadowline.spec.name", name.to_owned()),
                    KeyValue::new("shadowline.check.outcome", check.outcome.name()),
                    KeyValue::new("shadowline.check.condition", check.condition.to_string()),
                ];
                let inference_id = check.subject.inference_id().map(str::to_owned);
                attributes
                    .extend(inference_id.map(|it| KeyValue::new("shadowline.inference.id", it)));
                let value = check.value.map(|it| KeyValue::new("shadowline.check.value", it));
                attributes.extend(value);
                attributes
            });
            for event in &stored.events[events.clone()] {
                self.trace_alert(name, event, below.as_ref().or(Some(trace)), now);
            }
        }
    }

    /// An alert that fires by a timer belongs to the trace of the last breach; one that resolves belongs to none.
    pub(super) fn trace_timers(&self, alerts: &[SpecId], events: &[AlertEvent], now: Timestamp) {
        let fired = |it: &(_, &AlertEvent)| it.1.transition.to == AlertState::Firing;
        for (id, event) in alerts.iter().zip(events).filter(fired) {
            let Some(tracked) = self.tracked.get(id) else { continue };
            let name = tracked.stored.spec.name().as_str();
            self.trace_alert(name, event, tracked.breach.as_ref(), now);
        }
    }

    /// Writes down the span of an alert's step, and keeps it for the record that announces the step.
    fn trace_alert(
        &self,
        spec: &str,
        event: &AlertEvent,
        below: Option<&SpanContext>,
        now: Timestamp,
    ) {
        let transition = &event.transition;
        let step = traces::step("alert", below, now, || {
            let incident = i64::try_from(event.incident).unwrap_or(i64::MAX);
            vec![
                KeyValue::new("shadowline.spec.name", spec.to_owned()),
                KeyValue::new("shadowline.alert.from", transition.from.name()),
                KeyValue::new("shadowline.alert.to", transition.to.name()),
                KeyValue::new("shadowline.alert.reason", transition.reason.name()),
                KeyValue::new("shadowline.alert.incident", incident),
            ]
        });
        if let Some(trace) = step.or_else(|| below.cloned()) {
            self.wakers.traces.keep(&event.id, trace);
        }
    }
}
