//! Scores that the log dropped before they were read.

use std::collections::BTreeSet;

use shadowline_evaluation::{MetricKind, MetricSelector, MetricSpec};
use shadowline_service::clock;
use shadowline_store::StoreError;
use shadowline_stream::Lost;
use shadowline_wire::{MetricRef, ModelRef};
use shadowline_worker::lost_score;

use super::handle::{PartitionedScore, Scores};
use super::state::Engine;

/// Any version, as a score names it that stands for scores nobody knows.
const ANY: &str = "*";

/// What a spec watches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Watched {
    model: (String, String),
    monitor: (String, String),
}

impl Watched {
    fn model_ref(&self) -> ModelRef {
        let (name, version) = self.model.clone();
        ModelRef { name, version }
    }

    fn metric(&self) -> MetricRef {
        let (name, version) = self.monitor.clone();
        MetricRef { kind: MetricKind::Monitor, name, version }
    }
}

impl Engine {
    /// Gives every enabled spec an unscored check: what was lost may have been what it judges. The offsets go on
    /// behind the loss in the same transaction, so that it counts once.
    pub(super) async fn lost(&mut self, lost: &[Lost]) -> Result<(), StoreError> {
        if self.stale {
            self.reload().await?;
        }
        let specs = self.specs.iter().map(|(_, it)| &it.spec);
        let watched = narrowest(specs.filter(|it| it.enabled()).filter_map(watched_by).collect());
        let now = clock::now();
        let mut scores = Scores::default();
        for lost in lost {
            let partition = lost.partition.partition;
            scores.next_offsets.insert(partition, lost.to);
            scores.scores.extend(watched.iter().map(|it| PartitionedScore {
                partition,
                score: lost_score(lost, it.model_ref(), it.metric(), now),
                trace: None,
            }));
        }
        self.apply(scores).await
    }
}

fn watched_by(spec: &MetricSpec) -> Option<Watched> {
    match spec.metric() {
        MetricSelector::Monitor { name, version } => Some(Watched {
            model: (spec.model().name.clone(), spec.model().version.to_string()),
            monitor: (name.clone(), version.to_string()),
        }),
        // Nobody writes any of these yet.
        MetricSelector::Drift { .. }
        | MetricSelector::Quality { .. }
        | MetricSelector::Service { .. }
        | MetricSelector::Performance { .. } => None,
    }
}

/// Leaves out what a score of another one is judged as, too, so that no spec is told twice of one loss if that can be
/// helped.
fn narrowest(all: BTreeSet<Watched>) -> Vec<Watched> {
    let takes_in = |wide: &(String, String), narrow: &(String, String)| {
        wide.0 == narrow.0 && (wide.1 == ANY || wide.1 == narrow.1)
    };
    let covered = |it: &Watched| {
        all.iter().any(|other| {
            other != it
                && takes_in(&it.model, &other.model)
                && takes_in(&it.monitor, &other.monitor)
        })
    };
    all.iter().filter(|it| !covered(it)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_of_any_version_gets_along_with_one_that_names_it() {
        let watched = |model: &str, monitor: &str| Watched {
            model: ("census".to_owned(), model.to_owned()),
            monitor: ("iforest".to_owned(), monitor.to_owned()),
        };
        let all = [watched("*", "*"), watched("1", "*"), watched("2", "3")];
        assert_eq!(narrowest(all.into()), [watched("1", "*"), watched("2", "3")]);
        assert_eq!(narrowest([watched("*", "*")].into()), [watched("*", "*")]);
    }
}
