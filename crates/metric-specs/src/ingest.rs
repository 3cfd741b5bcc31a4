//! From the topic of scores to the engine.

use std::collections::HashSet;
use std::sync::Arc;

use shadowline_error::chain;
use shadowline_evaluation::MetricKind;
use shadowline_service::clock;
use shadowline_service::health::Component;
use shadowline_stream::{
    DeadLetters, Handler, HandlerError, Log, Lost, Received, SpanContext, StartAt, TopicPartition,
};
use shadowline_wire::{Score, Subject};
use shadowline_worker::LostRecords;
use tracing::warn;

use crate::engine::{ApplyError, Handle, PartitionedScore, Scores};
use crate::metrics::MetricSpecsMetrics;

/// The longest id or name that is kept; an index of a database takes no more than a few thousand bytes.
const MAX_TEXT_BYTES: usize = 1024;

/// Hands what is read to the engine, and what cannot be read to the dead letters.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(crate) engine: Handle,
    pub(crate) log: Log,
    pub(crate) topic: Arc<str>,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) metrics: MetricSpecsMetrics,
    pub(crate) health: Component,
    pub(crate) lost: LostRecords,
    /// Partition and offset of what the dead letters have of a batch that is handled again.
    pub(crate) dead_lettered: HashSet<(u32, u64)>,
}

impl Handler for Ingest {
    /// Begins where the store says: its offsets are as old as its effects, those of the log need not be.
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, StartAt)>, HandlerError> {
        let id = self.log.topic_id(&self.topic).await.map_err(HandlerError::retry)?;
        let stored = self.engine.assigned(id).await.map_err(HandlerError::retry)?;
        let start = |it: &TopicPartition| match stored.get(&it.partition) {
            // Not where the group has committed: without effects here, nothing was applied.
            None => (it.clone(), StartAt::Earliest),
            Some(next) => (it.clone(), StartAt::Offset(*next)),
        };
        Ok(partitions.iter().map(start).collect())
    }

    async fn lost(&mut self, lost: &[Lost]) -> Result<(), HandlerError> {
        self.lost.note(lost);
        let told = self.engine.lost(lost.to_vec()).await;
        told.map_err(to_handler_error)
    }

    async fn tick(&mut self) -> Result<(), HandlerError> {
        self.lost.tick();
        Ok(())
    }

    fn rebalanced(&mut self, _n_partitions: usize) {
        self.health.ok();
    }

    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        let mut batch = Scores::default();
        for record in records {
            batch.next_offsets.insert(record.partition, record.offset + 1);
            match read(record) {
                Ok(score) => {
                    let trace = trace_of(record).cloned();
                    batch.scores.push(PartitionedScore {
                        partition: record.partition,
                        score,
                        trace,
                    });
                }
                Err(reason) => {
                    if !self.dead_lettered.contains(&(record.partition, record.offset)) {
                        self.dead_letter(record, &reason).await?;
                        self.dead_lettered.insert((record.partition, record.offset));
                    }
                }
            }
        }
        match self.engine.apply(batch).await {
            Ok(()) => {
                self.dead_lettered.clear();
                Ok(())
            }
            Err(error) => Err(to_handler_error(error)),
        }
    }
}

impl Ingest {
    async fn dead_letter(&self, record: &Received, reason: &str) -> Result<(), HandlerError> {
        let (partition, offset) = (record.partition, record.offset);
        let trace = trace_of(record);
        let trace_id = trace.map(|it| tracing::field::display(it.trace_id()));
        let span_id = trace.map(|it| tracing::field::display(it.span_id()));
        warn!(topic = %record.topic, partition, offset, reason, trace_id, span_id, "record is not a score, it goes to the dead letters");
        self.metrics.unreadable();
        self.dead_letters.send(record, reason, clock::now()).await.map_err(HandlerError::retry)
    }
}

fn to_handler_error(error: ApplyError) -> HandlerError {
    match error {
        // Reading must start again where the database says.
        ApplyError::StoreRegressed(_) => HandlerError::fatal(error),
        ApplyError::Store(_) | ApplyError::Stopped => HandlerError::retry(error),
    }
}

/// The span of a record's processing, or what it came with.
fn trace_of(record: &Received) -> Option<&SpanContext> {
    record.envelope.as_ref().ok()?.trace.as_ref()
}

fn read(record: &Received) -> Result<Score, String> {
    let value = record.value.as_ref().ok_or("the record has no value; expected a Score")?;
    let mut score = Score::decode(value).map_err(|error| chain(&error))?;
    let (metric_name, metric_version) = match score.metric.kind {
        MetricKind::Monitor => ("monitor.name", "monitor.version"),
        MetricKind::Drift | MetricKind::Quality | MetricKind::Service | MetricKind::Performance => {
            ("metric.name", "metric.version")
        }
    };
    let (subject, subject_id) = match &score.subject {
        Subject::Inference(id) => ("inference_id", id.as_str()),
        Subject::Window(window) => ("subject.window.segment", window.segment().unwrap_or_default()),
    };
    let texts = [
        (subject, subject_id),
        ("model.name", &score.model.name),
        ("model.version", &score.model.version),
        (metric_name, &score.metric.name),
        (metric_version, &score.metric.version),
    ];
    for (field, text) in texts {
        // What no database can keep would be retried indefinitely.
        if MAX_TEXT_BYTES < text.len() || text.contains('\0') {
            let n_bytes = text.len();
            return Err(format!(
                "`{field}` of the Score has {n_bytes} bytes or a NUL character; expected at most {MAX_TEXT_BYTES} \
                 bytes without one"
            ));
        }
    }
    if let Err(unscored) = &mut score.result {
        for text in [&mut unscored.code, &mut unscored.message] {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    Ok(score)
}
