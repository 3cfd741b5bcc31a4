//! What the topics and the metric-spec service say, by id.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use serde_json::Value;
use shadowline_stream::{Log, Received, StartAt};
use shadowline_wire::{Inference, Score};

use crate::fleet::{Fleet, SPECS};
use crate::traffic::Calls;

/// The ids along the path.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// Every record on the topic; a re-send repeats the origin and the id.
    shadowed: Vec<Inference>,
    /// By monitor.
    scored: BTreeMap<String, HashSet<String>>,
    /// By metric spec, one entry a check.
    checked: BTreeMap<String, Vec<String>>,
}

impl Ledger {
    /// Waits until every spec has as many checks as there are shadowed inferences, then takes everything down.
    pub(crate) async fn settled(fleet: &mut Fleet, within: Duration) -> Self {
        let shadowed: Vec<Inference> = fleet
            .read(|topics| topics.inferences())
            .await
            .iter()
            .map(|it| Inference::decode(value(it)).expect("an inference"))
            .collect();
        let n_shadowed = shadowed.iter().map(|it| &it.id).collect::<HashSet<_>>().len();
        for (spec, _) in SPECS {
            let what = format!("{n_shadowed} checks of {spec}");
            shadowline_testkit::wait_for(&what, within, async || {
                n_checks(fleet, spec).await.is_some_and(|it| n_shadowed <= it)
            })
            .await;
        }
        let mut checked = BTreeMap::new();
        for (spec, _) in SPECS {
            checked.insert(spec.to_owned(), ids_of_checks(fleet, spec).await);
        }
        let mut scored: BTreeMap<String, HashSet<String>> = BTreeMap::new();
        for record in fleet.read(|topics| topics.scores()).await {
            let score = Score::decode(value(&record)).expect("a score");
            let id = score.subject.inference_id().expect("monitors score inferences").to_owned();
            scored.entry(score.metric.name).or_default().insert(id);
        }
        let letters = fleet.read(|topics| topics.dead_letters()).await;
        assert!(letters.is_empty(), "{} dead letters, the first: {:?}", letters.len(), letters[0]);
        Self { shadowed, scored, checked }
    }

    /// Asserts that the sets are what they must be.
    pub(crate) fn compare(&self, calls: &Calls) {
        let mut origins = BTreeMap::new();
        for inference in &self.shadowed {
            let origin = inference.origin.expect("every shadowed inference has its origin");
            let before = origins.insert((origin.instance, origin.sequence), &inference.id);
            assert!(before.is_none_or(|it| *it == inference.id), "one origin, two inferences");
        }
        let shadowed: HashSet<&String> = origins.values().copied().collect();
        assert_eq!(shadowed.len(), origins.len(), "one inference, two origins");

        let lost: Vec<_> = calls.answered.iter().filter(|it| !shadowed.contains(it)).collect();
        assert!(
            lost.is_empty(),
            "{} answered and not shadowed, such as {:?}",
            lost.len(),
            lost.first()
        );
        let unknown: Vec<_> = shadowed
            .iter()
            .filter(|it| !calls.answered.contains(**it) && !calls.cut_off.contains(**it))
            .collect();
        assert!(unknown.is_empty(), "{} shadowed that nobody sent", unknown.len());

        assert_eq!(self.scored.len(), SPECS.len(), "both monitors have scored");
        for (monitor, ids) in &self.scored {
            let ids: HashSet<&String> = ids.iter().collect();
            assert!(ids == shadowed, "{monitor} scored {} of {}", ids.len(), shadowed.len());
        }
        for (spec, ids) in &self.checked {
            let distinct: HashSet<&String> = ids.iter().collect();
            assert_eq!(distinct.len(), ids.len(), "{spec} has checked an inference twice");
            assert!(
                distinct == shadowed,
                "{spec} checked {} of {}",
                distinct.len(),
                shadowed.len()
            );
        }
        eprintln!(
            "{} answered, {} cut off; {} inferences on the topic in {} records; both specs agree",
            calls.answered.len(),
            calls.cut_off.len(),
            shadowed.len(),
            self.shadowed.len(),
        );
    }
}

fn value(record: &Received) -> &[u8] {
    record.value.as_deref().expect("a record with a value")
}

/// Every record of a topic, from its beginning to its end.
pub(crate) async fn read_to_end(log: &Log, topic: &str) -> Vec<Received> {
    let mut reader = log.reader(topic, StartAt::Earliest).await.expect("open a reader");
    reader.read_to_end().await.expect("read the topic")
}

/// How many checks a spec has.
pub(crate) async fn n_checks(fleet: &Fleet, spec: &str) -> Option<usize> {
    let answer = fleet.get(&format!("/v1/checks/count?spec={spec}")).await?;
    answer["total"].as_u64().and_then(|it| usize::try_from(it).ok())
}

/// The inference ids of every check of a spec, page by page.
async fn ids_of_checks(fleet: &Fleet, spec: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = fleet
            .get(&format!("/v1/checks?spec={spec}&limit=1000{cursor}"))
            .await
            .expect("a page of checks");
        let checks = page["checks"].as_array().expect("checks");
        ids.extend(checks.iter().map(|it| it["inference_id"].as_str().expect("an id").to_owned()));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return ids,
        }
    }
}
