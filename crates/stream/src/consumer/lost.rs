//! Records that the log dropped before they were read: noticed, counted, said, and told to the handler.

use std::collections::BTreeMap;

use shadowline_error::chain;
use tracing::error;

use super::state::Consumer;
use crate::error::ConsumeError;
use crate::handler::{Handler, HandlerError};
use crate::record::{Lost, Received, TopicPartition};

impl<H: Handler> Consumer<'_, H> {
    /// Looks for gaps before and between records. One is a loss only as far as the log itself begins behind it: what
    /// compaction and transactions leave out was never there to be read.
    pub(super) async fn note_gaps(&mut self, records: &[Received]) -> Result<(), ConsumeError> {
        let mut gaps = Vec::new();
        for record in records {
            let at = record.topic_partition();
            let next = self.next.entry(at.clone()).or_insert(record.offset);
            if *next < record.offset {
                gaps.push((at, *next, record.offset));
            }
            *next = record.offset + 1;
        }
        let mut lost = Vec::new();
        for (at, from, to) in gaps {
            let Some(low) = self.low(&at).await? else { return Ok(()) };
            if from < low {
                lost.push(self.lost(at, from, to.min(low)));
            }
        }
        self.report_lost(lost).await
    }

    /// Looks for partitions of which the log has dropped what comes next and nothing has come since.
    pub(super) async fn note_taken(&mut self) -> Result<(), ConsumeError> {
        let mut lost = Vec::new();
        for (at, low) in self.member.taken() {
            let Some(next) = self.next.get_mut(&at).filter(|it| **it < low) else { continue };
            let from = std::mem::replace(next, low);
            lost.push(self.lost(at, from, low));
        }
        self.report_lost(lost).await
    }

    pub(super) fn lost(&self, partition: TopicPartition, from: u64, to: u64) -> Lost {
        let topic_id = self.topics.get(&partition.topic).copied();
        Lost { partition, from, to, topic_id }
    }

    /// Counts and says it at once, and tells the handler until it has heard it.
    pub(super) async fn report_lost(&mut self, lost: Vec<Lost>) -> Result<(), ConsumeError> {
        if lost.is_empty() {
            return Ok(());
        }
        let mut by_topic: BTreeMap<&str, (u64, Vec<String>)> = BTreeMap::new();
        for it in &lost {
            self.log.metrics().lost(&self.options.group, &it.partition.topic, it.n_records());
            let (n_records, offsets) = by_topic.entry(&it.partition.topic).or_default();
            *n_records += it.n_records();
            offsets.push(format!("{}:{}-{}", it.partition.partition, it.from, it.to - 1));
        }
        for (topic, (n_records, offsets)) in by_topic {
            error!(
                group = %self.options.group, topic, n_records, offsets = offsets.join(" "),
                "records lost: the log dropped them, by its retention, before they were read"
            );
        }
        let mut trying = self.trying("tell of lost records again");
        loop {
            let error = match self.handler.lost(&lost).await {
                Ok(()) => return Ok(()),
                Err(HandlerError::Fatal(source)) => return Err(self.handler_error(source)),
                Err(HandlerError::Retry(error)) => chain(&*error),
            };
            if !self.wait_again(&mut trying, error).await? {
                return Ok(());
            }
        }
    }

    /// The first offset of a partition that the log still has; `None` if there is no time to ask for it.
    async fn low(&mut self, at: &TopicPartition) -> Result<Option<u64>, ConsumeError> {
        let mut trying = self.trying("ask again what is there");
        loop {
            let error = match self.log.watermarks(&at.topic, at.partition).await {
                Ok(watermarks) => return Ok(Some(watermarks.low)),
                Err(error) => chain(&error),
            };
            if !self.wait_again(&mut trying, error).await? {
                return Ok(None);
            }
        }
    }
}
