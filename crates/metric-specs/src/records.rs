//! The records of specs and alerts, as the topics have them.

use std::sync::Arc;

use prost::Message;
use shadowline_evaluation::{
    Aggregate, AlertState, MetricSelector, MetricSpec, Span, VersionSelector,
};
use shadowline_service::clock;
use shadowline_store::{RecordedAlertEvent, SpecChange, StoredSpec};
use shadowline_stream::{Bytes, Envelope, OutRecord};
use shadowline_wire::{
    ALERT_TYPE, METRIC_SPEC_TYPE, MetricRef, ModelRef, WatchedSpec, event, to_timestamp,
};

const SOURCE: &str = "/metric-specs";

/// The key of everything that is about a spec.
pub(crate) fn spec_key(spec: &StoredSpec) -> Bytes {
    Bytes::from(spec.id.to_string())
}

/// The record of a change of a spec; without a value if the spec was deleted.
pub(crate) fn spec_record(topic: &Arc<str>, change: &SpecChange) -> OutRecord {
    let key = Bytes::from(change.id.to_string());
    let (value, version, time) = match &change.to {
        Some(spec) => {
            (Some(Bytes::from(watched(spec).encode())), spec.version.to_string(), spec.updated_at)
        }
        None => (None, "deleted".to_owned(), clock::now()),
    };
    let envelope =
        Envelope::new(format!("{}/{version}", change.id), METRIC_SPEC_TYPE, SOURCE, time);
    OutRecord { topic: Arc::clone(topic), partition: None, key: Some(key), value, envelope }
}

fn watched(stored: &StoredSpec) -> WatchedSpec {
    let spec = &stored.spec;
    WatchedSpec {
        id: stored.id.to_string(),
        name: spec.name().to_string(),
        version: stored.version.0.into(),
        enabled: spec.enabled(),
        model: ModelRef {
            name: spec.model().name.clone(),
            version: spec.model().version.to_string(),
        },
        monitor: metric(spec).monitor(),
        document_json: serde_json::to_string(spec)
            .expect("a checked spec has finite numbers and text keys"),
        changed_at: stored.updated_at,
    }
}

/// What a spec judges; the newest version has none here.
fn metric(spec: &MetricSpec) -> MetricRef {
    let version = match spec.metric() {
        MetricSelector::Monitor { version: VersionSelector::Exactly(version), .. } => {
            version.to_string()
        }
        MetricSelector::Monitor { version: VersionSelector::Any, .. }
        | MetricSelector::Drift { .. }
        | MetricSelector::Quality { .. }
        | MetricSelector::Service { .. }
        | MetricSelector::Performance { .. } => String::new(),
    };
    MetricRef { kind: spec.metric().kind(), name: spec.metric().name().to_owned(), version }
}

/// The record of a step of an alert.
pub(crate) fn alert_record(topic: &Arc<str>, recorded: &RecordedAlertEvent) -> OutRecord {
    let event = &recorded.event;
    let message = alert(recorded);
    let envelope = Envelope::new(event.id.as_str(), ALERT_TYPE, SOURCE, event.recorded_at);
    OutRecord {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(spec_key(&recorded.spec)),
        value: Some(Bytes::from(message.encode_to_vec())),
        envelope,
    }
}

fn alert(recorded: &RecordedAlertEvent) -> event::Alert {
    let (spec, transition) = (&recorded.spec.spec, &recorded.event.transition);
    let of_spec = match spec.over() {
        Some(over) => over.line(spec.condition()),
        None => spec.condition().line(),
    };
    // A change from before lines were kept was judged by a number of its spec. Else there was no line, and NaN is none.
    let limit = transition.line.or(of_spec).unwrap_or(f64::NAN);
    event::Alert {
        id: recorded.event.id.clone(),
        spec_id: recorded.spec.id.to_string(),
        spec_name: spec.name().to_string(),
        spec_version: recorded.spec.version.0.into(),
        model: Some(event::ModelRef {
            name: spec.model().name.clone(),
            version: spec.model().version.to_string(),
        }),
        monitor: metric(spec)
            .monitor()
            .map(|it| event::MonitorRef { name: it.name, version: it.version }),
        from_state: wire_state(transition.from).into(),
        to_state: wire_state(transition.to).into(),
        value: transition.value,
        threshold: limit,
        operator: spec.condition().operator().name().to_owned(),
        sentence: spec.condition().to_string(),
        window: window(recorded),
        severity: spec.severity().name().to_owned(),
        labels: spec.labels().clone().into_iter().collect(),
        example_inference_ids: transition.examples.clone(),
        contributions: Vec::new(),
        at: Some(to_timestamp(transition.at)),
        started_at: transition.fired_at.or(transition.condition_since).map(to_timestamp),
        incident: recorded.event.incident,
        metric: Some((&metric(spec)).into()),
    }
}

fn window(recorded: &RecordedAlertEvent) -> Option<event::Window> {
    let over = recorded.spec.spec.over()?;
    let found = recorded.event.transition.window.as_ref();
    let (length, last) = match over.span() {
        Span::Time(length) => (prost_types::Duration::try_from(length).ok(), 0),
        Span::Last(last) => (None, narrow(last)),
    };
    let exceeds = match over.aggregate() {
        Aggregate::BreachShare { exceeds } => exceeds,
        Aggregate::Mean | Aggregate::Max | Aggregate::Min => 0.0,
    };
    Some(event::Window {
        length,
        last,
        aggregate: over.aggregate().name().to_owned(),
        exceeds,
        min_samples: narrow(over.min_samples()),
        n_checks: narrow(found.map_or(0, |it| it.n_scored + it.n_unscored)),
        n_breaches: narrow(found.map_or(0, |it| it.n_breach)),
        n_unscored: narrow(found.map_or(0, |it| it.n_unscored)),
    })
}

fn narrow(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn wire_state(state: AlertState) -> event::AlertState {
    match state {
        AlertState::Inactive => event::AlertState::Inactive,
        AlertState::Pending => event::AlertState::Pending,
        AlertState::Firing => event::AlertState::Firing,
    }
}
