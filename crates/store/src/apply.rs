//! Everything that one batch of scores causes, in one transaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use shadowline_evaluation::{Condition, Evaluation, Outcome, SpecVersion};
use sqlx::{AssertSqlSafe, SqliteConnection};
use uuid::Uuid;

use crate::alerts::{AlertEvent, insert_events};
use crate::columns::{Columns, json, micros, signed};
use crate::{SpecNo, Store, StoreError};

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
    /// `Fenced` if another process applied records of a partition in between; else what the database said.
    pub async fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for step in &batch.offsets {
            move_offset(&mut transaction, batch, step).await?;
        }
        for mark in &batch.applied {
            set_applied(&mut transaction, batch, mark).await?;
        }
        insert_checks(&mut transaction, &batch.checks).await?;
        for state in &batch.states {
            set_state(&mut transaction, state).await?;
        }
        insert_events(&mut transaction, &batch.events).await?;
        transaction.commit().await.map_err(StoreError::query("commit a batch of scores"))
    }

    /// Returns how far each producer's records were applied.
    pub async fn applied(&self, reader: &str) -> Result<Vec<AppliedMark>, StoreError> {
        let rows = sqlx::query(
            "SELECT log_partition, producer, instance, sequence FROM applied WHERE reader = $1",
        )
        .bind(reader)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::query("read what was applied"))?;
        rows.iter()
            .map(|row| {
                let columns = Columns(row);
                Ok(AppliedMark {
                    partition: columns.u32("log_partition")?,
                    producer: columns.get("producer")?,
                    instance: columns.uuid("instance")?,
                    sequence: columns.unsigned("sequence")?,
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
        let rows = sqlx::query(
            "SELECT log_partition, next_offset FROM offsets WHERE reader = $1 AND topic = $2",
        )
        .bind(reader)
        .bind(topic)
        .fetch_all(&self.readers)
        .await
        .map_err(StoreError::query("read stored offsets"))?;
        rows.iter()
            .map(|row| {
                let columns = Columns(row);
                Ok((columns.u32("log_partition")?, columns.unsigned("next_offset")?))
            })
            .collect()
    }
}

async fn move_offset(
    connection: &mut SqliteConnection,
    batch: &Batch,
    step: &OffsetStep,
) -> Result<(), StoreError> {
    let query = match step.from {
        Some(from) => sqlx::query(
            "UPDATE offsets SET next_offset = $4 \
             WHERE reader = $1 AND topic = $2 AND log_partition = $3 AND next_offset = $5",
        )
        .bind(&batch.reader)
        .bind(&batch.topic)
        .bind(i64::from(step.partition))
        .bind(signed(step.to))
        .bind(signed(from)),
        None => sqlx::query(
            "INSERT INTO offsets (reader, topic, log_partition, next_offset) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (reader, topic, log_partition) DO NOTHING",
        )
        .bind(&batch.reader)
        .bind(&batch.topic)
        .bind(i64::from(step.partition))
        .bind(signed(step.to)),
    };
    let done = query.execute(connection).await.map_err(StoreError::query("move an offset"))?;
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::Fenced { topic: batch.topic.clone(), partition: step.partition })
    }
}

async fn set_applied(
    connection: &mut SqliteConnection,
    batch: &Batch,
    mark: &AppliedMark,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO applied (reader, log_partition, producer, instance, sequence) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (reader, log_partition, producer, instance) DO UPDATE SET sequence = excluded.sequence",
    )
    .bind(&batch.reader)
    .bind(i64::from(mark.partition))
    .bind(&mark.producer)
    .bind(mark.instance.to_string())
    .bind(signed(mark.sequence))
    .execute(connection)
    .await
    .map_err(StoreError::query("mark what was applied"))?;
    Ok(())
}

async fn set_state(connection: &mut SqliteConnection, state: &NewState) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO alert_states (spec_no, spec_version, incident, state, evaluation, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (spec_no) DO UPDATE SET spec_version = excluded.spec_version, \
         incident = excluded.incident, state = excluded.state, evaluation = excluded.evaluation, \
         updated_at = excluded.updated_at",
    )
    .bind(state.spec_no.0)
    .bind(i64::from(state.spec_version.0))
    .bind(signed(state.incident))
    .bind(state.evaluation.state().name())
    .bind(json("the state of an alert", &state.evaluation)?)
    .bind(micros(state.updated_at))
    .execute(connection)
    .await
    .map_err(StoreError::query("keep the state of an alert"))?;
    Ok(())
}

const CHECK_COLUMNS: [&str; 16] = [
    "spec_no",
    "spec_version",
    "inference_id",
    "model",
    "model_version",
    "monitor",
    "monitor_version",
    "value",
    "outcome",
    "reason",
    "operator",
    "threshold",
    "event_at",
    "log_partition",
    "origin_instance",
    "origin_sequence",
];

/// How many rows go into one statement: few different sizes, so that each statement is prepared once.
const CHUNKS: [usize; 4] = [256, 32, 4, 1];

async fn insert_checks(
    connection: &mut SqliteConnection,
    mut checks: &[NewCheck],
) -> Result<(), StoreError> {
    for size in CHUNKS {
        if checks.len() < size {
            continue;
        }
        let statement = insert_statement(size);
        while checks.len() >= size {
            let (chunk, rest) = checks.split_at(size);
            let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
            for check in chunk {
                query = query
                    .bind(check.spec_no.0)
                    .bind(i64::from(check.spec_version.0))
                    .bind(&check.inference_id)
                    .bind(&check.model.0)
                    .bind(&check.model.1)
                    .bind(&check.monitor.0)
                    .bind(&check.monitor.1)
                    .bind(check.value)
                    .bind(check.outcome.name())
                    .bind(check.reason.as_deref())
                    .bind(check.condition.operator().name())
                    .bind(check.condition.threshold())
                    .bind(micros(check.event_at))
                    .bind(i64::from(check.partition))
                    .bind(check.origin.0.to_string())
                    .bind(signed(check.origin.1));
            }
            query.execute(&mut *connection).await.map_err(StoreError::query("insert checks"))?;
            checks = rest;
        }
    }
    Ok(())
}

/// Made of constants only. The placeholders have no numbers here, because SQLite looks numbered ones up one after the
/// other, and a statement has thousands.
fn insert_statement(n_rows: usize) -> String {
    let row = format!("({})", ["?"; CHECK_COLUMNS.len()].join(", "));
    let rows = vec![row.as_str(); n_rows].join(", ");
    format!("INSERT INTO checks ({}) VALUES {rows}", CHECK_COLUMNS.join(", "))
}
