//! Records that a service never read, for its health.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use shadowline_service::health::Component;
use shadowline_stream::{Lost, TopicId};
use shadowline_wire::{MetricRef, ModelRef, Origin, Score, Subject, Unscored};
use tokio::time::Instant;

/// How long the health says it: long enough to be seen, and the metric counts for ever.
const SAID_FOR: Duration = Duration::from_secs(60 * 60);

/// Says in the health of a service that records were lost before they were read, for an hour after the last.
#[derive(Debug)]
pub struct LostRecords {
    health: Component,
    group: Arc<str>,
    n_records: u64,
    /// When it is said no more.
    until: Option<Instant>,
}

impl LostRecords {
    /// Nothing was lost yet.
    pub fn new(health: Component, group: impl Into<Arc<str>>) -> Self {
        health.ok();
        Self { health, group: group.into(), n_records: 0, until: None }
    }

    /// Takes in what a [`Handler`](shadowline_stream::Handler) is told.
    pub fn note(&mut self, lost: &[Lost]) {
        let Some(last) = lost.last() else { return };
        self.n_records += lost.iter().map(Lost::n_records).sum::<u64>();
        self.until = Some(Instant::now() + SAID_FOR);
        let (n_records, topic, group) = (self.n_records, &last.partition.topic, &self.group);
        self.health.degraded(format!(
            "{n_records} records of `{topic}` were dropped by the log before group `{group}` had read them: its \
             retention is shorter than the group was behind"
        ));
    }

    /// Is to be called now and then, as [`Handler::tick`](shadowline_stream::Handler::tick) is.
    pub fn tick(&mut self) {
        if self.until.is_some_and(|it| it <= Instant::now()) {
            (self.n_records, self.until) = (0, None);
            self.health.ok();
        }
    }
}

/// Why what was lost has no score.
pub const LOST_RECORDS: &str = "lost_records";

/// What stands for lost records of a model in its checks. Its origin is the topic itself, at the offset behind the loss,
/// so that the same loss told twice counts once.
pub fn lost_score(lost: &Lost, model: ModelRef, metric: MetricRef, now: Timestamp) -> Score {
    let (topic, partition) = (&lost.partition.topic, lost.partition.partition);
    Score {
        subject: Subject::Inference(format!("lost/{topic}/{partition}/{}-{}", lost.from, lost.to)),
        model,
        metric,
        is_newest: true,
        threshold: None,
        result: Err(Unscored { code: LOST_RECORDS.to_owned(), message: lost_message(lost) }),
        origin: Origin {
            instance: lost.topic_id.map(TopicId::uuid).unwrap_or_default(),
            sequence: lost.to,
        },
        received_at: now,
        scored_at: now,
    }
}

/// The reason in words.
fn lost_message(lost: &Lost) -> String {
    let (topic, partition) = (&lost.partition.topic, lost.partition.partition);
    format!(
        "{} records of `{topic}`, partition {partition} from offset {} on, were dropped by the log before they were \
         read; how many of them were of this model is not known",
        lost.n_records(),
        lost.from,
    )
}

#[cfg(test)]
mod tests {
    use shadowline_service::health::{Health, Status};
    use shadowline_stream::TopicPartition;

    use super::*;

    fn lost(from: u64, to: u64) -> Lost {
        Lost { partition: TopicPartition::new("t", 0), from, to, topic_id: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_is_said_for_an_hour_after_the_last() {
        let component = Health::new("test").component("records");
        let mut records = LostRecords::new(component.clone(), "g");
        assert_eq!(component.status(), Status::Ok);
        records.note(&[lost(3, 10)]);
        tokio::time::advance(SAID_FOR / 2).await;
        records.note(&[lost(20, 23)]);
        tokio::time::advance(SAID_FOR / 2).await;
        records.tick();
        let Status::Degraded(reason) = component.status() else { panic!("it is degraded") };
        assert!(reason.starts_with("10 records of `t` were dropped"), "{reason}");
        tokio::time::advance(SAID_FOR / 2).await;
        records.tick();
        assert_eq!(component.status(), Status::Ok);
    }
}
