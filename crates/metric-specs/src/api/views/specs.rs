//! Metric specs as answers.

use shadowline_api::specs::{Change, SpecAnswer, SpecName};
use shadowline_store::StoredSpec;

/// A registered spec; after a change, with what was changed.
pub(in crate::api) fn registered(stored: &StoredSpec, change: Option<Change>) -> SpecAnswer {
    let condition = stored.spec.condition();
    SpecAnswer {
        id: stored.id.to_string(),
        version: stored.version.0,
        alerts_when: condition.alerts_when(),
        healthy_while: condition.healthy_while(),
        sentence: stored.spec.sentence(),
        spec: stored.spec.clone().into(),
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        change,
    }
}

/// A spec's name, and the version that is spoken of.
pub(in crate::api) fn reference(stored: &StoredSpec) -> SpecName {
    SpecName {
        id: stored.id.to_string(),
        name: stored.spec.name().to_string(),
        version: stored.version.0,
    }
}
