//! From the topic of scores to the engine.

use std::collections::HashSet;
use std::sync::Arc;

use shadowline_error::chain;
use shadowline_evaluation::MetricKind;
use shadowline_service::clock;
use shadowline_service::health::Component;
use shadowline_stream::{
    DeadLetters, Handler, HandlerError, Log, Received, SpanContext, StartAt, TopicPartition,
};
use shadowline_wire::{Score, Subject};
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
    /// Partition and offset of what the dead letters have of a batch that is handled again.
    pub(crate) dead_lettered: HashSet<(u32, u64)>,
}

impl Handler for Ingest {
    /// Begins where the store says: its offsets are as old as its effects, those of the log need not be.
    async fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, StartAt)>, HandlerError> {
        let stored = self.engine.assigned().await.map_err(HandlerError::retry)?;
        let mut from = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let start = match stored.get(&partition.partition) {
                // Not where the group has committed: without effects here, nothing was applied.
                None => StartAt::Earliest,
                Some(next) => self.start_at(partition, *next).await?,
            };
            from.push((partition.clone(), start));
        }
        Ok(from)
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
            // Reading must start again where the database says.
            Err(error @ ApplyError::StoreRegressed(_)) => Err(HandlerError::fatal(error)),
            Err(error @ (ApplyError::Store(_) | ApplyError::Stopped)) => {
                Err(HandlerError::retry(error))
            }
        }
    }
}

impl Ingest {
    /// Keeps to what the log has. A log that was recreated has less than the store knows of.
    async fn start_at(
        &self,
        partition: &TopicPartition,
        next: u64,
    ) -> Result<StartAt, HandlerError> {
        let there = self
            .log
            .watermarks(&self.topic, partition.partition)
            .await
            .map_err(HandlerError::retry)?;
        if next < there.low {
            warn!(%partition, next, low = there.low, "scores were dropped by the log before they were applied");
            return Ok(StartAt::Offset(there.low));
        }
        if next > there.high {
            warn!(%partition, next, high = there.high, "the log has fewer scores than were applied; was it recreated?");
            return Ok(StartAt::Earliest);
        }
        Ok(StartAt::Offset(next))
    }

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
