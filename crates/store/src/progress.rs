//! How far each consumer group has come: offsets, and the highest sequence applied of each producer.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::database::{DatabaseTransaction, Statement};
use crate::error::StoreError;
use crate::store::Store;
use crate::transaction::Transaction;

/// How far a consumer group comes by what a transaction keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Who reads; two consumer groups of one log keep their own progress.
    pub consumer_group: String,
    /// What is read.
    pub topic: String,
    /// Where reading goes on.
    pub offsets: Vec<OffsetStep>,
    /// The highest sequence of each producer among what was read.
    pub checkpoints: Vec<Checkpoint>,
}

/// How far a producer's records were applied. Within a partition, its sequences only go up or repeat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checkpoint {
    /// Which partition.
    pub partition: u32,
    /// Who made the records: for scores, the metric, such as a monitor's name and version.
    pub producer: String,
    /// Which spool they came through.
    pub instance: Uuid,
    /// The highest sequence applied.
    pub sequence: u64,
}

/// Moves the offset of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetStep {
    /// Which partition.
    pub partition: u32,
    /// What the consumer group believes is stored. Another value means that somebody else applied records.
    pub from: Option<u64>,
    /// The first offset that is not applied yet.
    pub to: u64,
}

impl Transaction {
    /// Moves a consumer group's offsets and checkpoints. Other effects of the same records belong in the
    /// same transaction, after this: of two that believe the same offsets, one waits here for the other.
    ///
    /// # Errors
    /// `Fenced` if an offset is not where it is believed to be.
    pub async fn advance(&mut self, progress: &Progress) -> Result<(), StoreError> {
        for step in &progress.offsets {
            move_offset(&mut self.inner, progress, step).await?;
        }
        for checkpoint in &progress.checkpoints {
            set_checkpoint(&mut self.inner, progress, checkpoint).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Holds what is kept of a consumer group against the topic that the name leads to now. Offsets and checkpoints of
    /// another topic, which was deleted and made again, are forgotten: they say nothing of this one. Returns whether
    /// that was so.
    ///
    /// # Errors
    /// If the database cannot be used; then nothing has changed.
    pub async fn begin_topic(
        &self,
        consumer_group: &str,
        topic: &str,
        topic_id: &str,
    ) -> Result<bool, StoreError> {
        let read = Statement::new(
            "read which topic was read",
            "SELECT topic_id FROM topics_read WHERE reader = $1 AND topic = $2",
        );
        let rows = self.database.rows(read.bind(consumer_group).bind(topic)).await?;
        let known: Option<String> = rows.first().map(|it| it.get("topic_id")).transpose()?;
        if known.as_deref() == Some(topic_id) {
            return Ok(false);
        }
        let mut transaction = self.begin().await?;
        if known.is_some() {
            let offsets = Statement::new(
                "forget the offsets of a topic that is gone",
                "DELETE FROM offsets WHERE reader = $1 AND topic = $2",
            );
            transaction.inner.change(offsets.bind(consumer_group).bind(topic)).await?;
            let applied = Statement::new(
                "forget what was applied of a topic that is gone",
                "DELETE FROM applied WHERE reader = $1",
            );
            transaction.inner.change(applied.bind(consumer_group)).await?;
        }
        let keep = Statement::new(
            "keep which topic is read",
            "INSERT INTO topics_read (reader, topic, topic_id) VALUES ($1, $2, $3) \
             ON CONFLICT (reader, topic) DO UPDATE SET topic_id = excluded.topic_id",
        );
        let keep = keep.bind(consumer_group).bind(topic).bind(topic_id);
        transaction.inner.change(keep).await?;
        transaction.commit("begin a topic").await?;
        Ok(known.is_some())
    }

    /// Returns how far each producer's records were applied.
    pub async fn checkpoints(&self, consumer_group: &str) -> Result<Vec<Checkpoint>, StoreError> {
        let statement = Statement::new(
            "read what was applied",
            "SELECT log_partition, producer, instance, sequence FROM applied WHERE reader = $1",
        );
        let rows = self.database.rows(statement.bind(consumer_group)).await?;
        rows.iter()
            .map(|row| {
                Ok(Checkpoint {
                    partition: row.u32("log_partition")?,
                    producer: row.get("producer")?,
                    instance: row.uuid("instance")?,
                    sequence: row.unsigned("sequence")?,
                })
            })
            .collect()
    }

    /// Returns where a consumer group goes on, per partition it has read.
    pub async fn offsets(
        &self,
        consumer_group: &str,
        topic: &str,
    ) -> Result<BTreeMap<u32, u64>, StoreError> {
        let statement = Statement::new(
            "read stored offsets",
            "SELECT log_partition, next_offset FROM offsets WHERE reader = $1 AND topic = $2",
        );
        let rows = self.database.rows(statement.bind(consumer_group).bind(topic)).await?;
        rows.iter()
            .map(|row| Ok((row.u32("log_partition")?, row.unsigned("next_offset")?)))
            .collect()
    }
}

/// Moves an offset if it is where it is believed to be. The row stays locked until the transaction ends, so of two
/// writers that believe the same, one waits here for the other, and then finds the offset moved.
async fn move_offset(
    transaction: &mut DatabaseTransaction,
    progress: &Progress,
    step: &OffsetStep,
) -> Result<(), StoreError> {
    const ATTEMPT: &str = "move an offset";
    let sql = match step.from {
        Some(_) => {
            "UPDATE offsets SET next_offset = $4 \
             WHERE reader = $1 AND topic = $2 AND log_partition = $3 AND next_offset = $5"
        }
        None => {
            "INSERT INTO offsets (reader, topic, log_partition, next_offset) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (reader, topic, log_partition) DO NOTHING"
        }
    };
    let mut statement = Statement::new(ATTEMPT, sql)
        .bind(progress.consumer_group.as_str())
        .bind(progress.topic.as_str())
        .bind(step.partition)
        .bind(step.to);
    if let Some(from) = step.from {
        statement = statement.bind(from);
    }
    if transaction.change(statement).await? == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced { topic: progress.topic.clone(), partition: step.partition })
    }
}

async fn set_checkpoint(
    transaction: &mut DatabaseTransaction,
    progress: &Progress,
    checkpoint: &Checkpoint,
) -> Result<(), StoreError> {
    let statement = Statement::new(
        "keep a checkpoint",
        "INSERT INTO applied (reader, log_partition, producer, instance, sequence) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (reader, log_partition, producer, instance) DO UPDATE SET sequence = excluded.sequence",
    )
    .bind(progress.consumer_group.as_str())
    .bind(checkpoint.partition)
    .bind(checkpoint.producer.as_str())
    .bind(checkpoint.instance.to_string())
    .bind(checkpoint.sequence);
    transaction.change(statement).await.map(drop)
}
