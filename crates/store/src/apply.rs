//! Everything that one batch of scores causes, in one transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shadowline_evaluation::{Condition, Evaluation, Outcome, SpecVersion};
use uuid::Uuid;

use crate::alerts::{AlertEvent, insert_events};
use crate::database::{Statement, Transaction};
use crate::{SpecNo, Store, StoreError, json};

/// The effects of a batch. Either all of them are kept, or none.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Who reads; two readers of one log keep their own marks.
    pub reader: String,
    /// What is read.
    pub topic: String,
    /// Scores, judged.
    pub checks: Vec<NewCheck>,
    /// Where the judgements have brought the specs.
    pub states: Vec<NewState>,
    /// What became of alerts.
    pub events: Vec<AlertEvent>,
    /// The highest sequence of each producer in the batch.
    pub applied: Vec<AppliedMark>,
    /// Where reading goes on.
    pub offsets: Vec<OffsetStep>,
}

/// One score judged by one metric spec.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCheck {
    /// Which spec.
    pub spec_no: SpecNo,
    /// Which version of it.
    pub spec_version: SpecVersion,
    /// The condition of that version.
    pub condition: Condition,
    /// The judged request.
    pub inference_id: String,
    /// The model that answered it, and its version.
    pub model: (String, String),
    /// The monitor that scored it, and its version.
    pub monitor: (String, String),
    /// The score; present unless the outcome is unscored.
    pub value: Option<f64>,
    /// What the judgement was.
    pub outcome: Outcome,
    /// Why there is no score.
    pub reason: Option<String>,
    /// When the request arrived.
    pub event_at: Timestamp,
    /// Which partition the score was in.
    pub partition: u32,
    /// Which spool the request came through, and its place in it.
    pub origin: (Uuid, u64),
}

/// The state of a spec after a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct NewState {
    /// Which spec.
    pub spec_no: SpecNo,
    /// Which version of it.
    pub spec_version: SpecVersion,
    /// How many incidents the spec has had.
    pub incident: u64,
    /// The state itself.
    pub evaluation: Evaluation,
    /// When it was written.
    pub updated_at: Timestamp,
}

/// How far a producer's records were applied. Within a partition, its sequences only go up or repeat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppliedMark {
    /// Which partition.
    pub partition: u32,
    /// Who made the records: for scores, the monitor's name and version.
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
    /// What the reader believes is stored. Another value means that somebody else applied records.
    pub from: Option<u64>,
    /// The first offset that is not applied yet.
    pub to: u64,
}

impl Store {
    /// Keeps the effects of a batch, all or none.
    ///
    /// # Errors
    /// `Fenced` if another process applied records of a partition in between; else what the database said. After
    /// an error of the connection nobody knows whether the batch is kept: the stored offsets say it.
    pub async fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.database.begin().await?;
        for step in &batch.offsets {
            move_offset(&mut transaction, batch, step).await?;
        }
        for mark in &batch.applied {
            set_applied(&mut transaction, batch, mark).await?;
        }
        transaction.insert_checks(&batch.checks).await?;
        for state in &batch.states {
            set_state(&mut transaction, state).await?;
        }
        insert_events(&mut transaction, &batch.events).await?;
        transaction.commit("commit a batch of scores").await
    }

    /// Returns how far each producer's records were applied.
    pub async fn applied(&self, reader: &str) -> Result<Vec<AppliedMark>, StoreError> {
        let statement = Statement::new(
            "read what was applied",
            "SELECT log_partition, producer, instance, sequence FROM applied WHERE reader = $1",
        );
        let rows = self.database.rows(statement.bind(reader)).await?;
        rows.iter()
            .map(|row| {
                Ok(AppliedMark {
                    partition: row.u32("log_partition")?,
                    producer: row.get("producer")?,
                    instance: row.uuid("instance")?,
                    sequence: row.unsigned("sequence")?,
                })
            })
            .collect()
    }

    /// Returns where a reader goes on, per partition it has read.
    pub async fn offsets(
        &self,
        reader: &str,
        topic: &str,
    ) -> Result<BTreeMap<u32, u64>, StoreError> {
        let statement = Statement::new(
            "read stored offsets",
            "SELECT log_partition, next_offset FROM offsets WHERE reader = $1 AND topic = $2",
        );
        let rows = self.database.rows(statement.bind(reader).bind(topic)).await?;
        rows.iter()
            .map(|row| Ok((row.u32("log_partition")?, row.unsigned("next_offset")?)))
            .collect()
    }
}

/// Moves an offset if it is where it is believed to be. The row stays locked until the transaction ends, so of two
/// writers that believe the same, one waits here for the other, and then finds the offset moved.
async fn move_offset(
    transaction: &mut Transaction,
    batch: &Batch,
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
        .bind(batch.reader.as_str())
        .bind(batch.topic.as_str())
        .bind(step.partition)
        .bind(step.to);
    if let Some(from) = step.from {
        statement = statement.bind(from);
    }
    if transaction.change(statement).await? == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced { topic: batch.topic.clone(), partition: step.partition })
    }
}

async fn set_applied(
    transaction: &mut Transaction,
    batch: &Batch,
    mark: &AppliedMark,
) -> Result<(), StoreError> {
    let statement = Statement::new(
        "mark what was applied",
        "INSERT INTO applied (reader, log_partition, producer, instance, sequence) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (reader, log_partition, producer, instance) DO UPDATE SET sequence = excluded.sequence",
    )
    .bind(batch.reader.as_str())
    .bind(mark.partition)
    .bind(mark.producer.as_str())
    .bind(mark.instance.to_string())
    .bind(mark.sequence);
    transaction.change(statement).await.map(drop)
}

async fn set_state(transaction: &mut Transaction, state: &NewState) -> Result<(), StoreError> {
    let statement = Statement::new(
        "keep the state of an alert",
        "INSERT INTO alert_states (spec_no, spec_version, incident, state, evaluation, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (spec_no) DO UPDATE SET spec_version = excluded.spec_version, \
         incident = excluded.incident, state = excluded.state, evaluation = excluded.evaluation, \
         updated_at = excluded.updated_at",
    )
    .bind(state.spec_no.0)
    .bind(state.spec_version.0)
    .bind(state.incident)
    .bind(state.evaluation.state().name())
    .bind(json("the state of an alert", &state.evaluation)?)
    .bind(state.updated_at);
    transaction.change(statement).await.map(drop)
}
