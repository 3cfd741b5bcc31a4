//! Which specs an observation may concern, and which of them wait for a time.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::entry::SpecEntry;
use crate::id::SpecId;
use crate::metric_kind::MetricKind;
use crate::observation::Observation;

/// Finds specs by the name of the model, and the kind and name of the metric.
///
/// Versions are left to [`MetricSpec::judges`](crate::MetricSpec::judges): few specs differ in them alone, and most
/// name none.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    models: HashMap<String, HashMap<MetricKind, HashMap<String, BTreeSet<SpecId>>>>,
}

impl Index {
    /// Adds a spec. One that is disabled judges nothing, so it is not found.
    pub(super) fn add(&mut self, id: SpecId, entry: &SpecEntry) {
        if entry.spec.enabled() {
            let metric = entry.spec.metric();
            let kinds = self.models.entry(entry.spec.model().name.clone()).or_default();
            let names = kinds.entry(metric.kind()).or_default();
            names.entry(metric.name().to_owned()).or_default().insert(id);
        }
    }

    /// Takes a spec out, and with the last of its kind the way to it: names come from users.
    pub(super) fn remove(&mut self, id: SpecId, entry: &SpecEntry) {
        let (model, metric) = (&entry.spec.model().name, entry.spec.metric());
        let Some(kinds) = self.models.get_mut(model) else { return };
        let Some(names) = kinds.get_mut(&metric.kind()) else { return };
        let Some(ids) = names.get_mut(metric.name()) else { return };
        ids.remove(&id);
        if ids.is_empty() {
            names.remove(metric.name());
        }
        if names.is_empty() {
            kinds.remove(&metric.kind());
        }
        if kinds.is_empty() {
            self.models.remove(model);
        }
    }

    /// Returns the specs that an observation may concern, in the order of their ids.
    pub(super) fn candidates(&self, of: &Observation<'_>) -> impl Iterator<Item = SpecId> + '_ {
        let kinds = self.models.get(of.model);
        let names = kinds.and_then(|it| it.get(&of.metric.kind));
        names.and_then(|it| it.get(of.metric.name)).into_iter().flatten().copied()
    }
}

/// The running timers of a set, the first one first.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Timers(BTreeSet<(Timestamp, SpecId)>);

impl Timers {
    pub(super) fn add(&mut self, id: SpecId, entry: &SpecEntry) {
        self.0.extend(entry.state.evaluation.next_timer(&entry.spec).map(|due| (due, id)));
    }

    pub(super) fn remove(&mut self, id: SpecId, entry: &SpecEntry) {
        if let Some(due) = entry.state.evaluation.next_timer(&entry.spec) {
            self.0.remove(&(due, id));
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, SpecId)> {
        self.0.iter().copied()
    }
}
