//! One batch of inferences: judge, write, wait for every acknowledgement.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use shadowline_error::chain;
use shadowline_service::clock;
use shadowline_service::health::{Component, Status};
use shadowline_service::traces::{self, KeyValue};
use shadowline_stream::{
    DeadLetters, Handler, HandlerError, Lost, ProduceError, Received, SpanContext, TopicPartition,
};
use shadowline_wire::{MonitorRef, Origin, Score, Subject};
use shadowline_worker::{LOST_RECORDS, LostRecords, lost_score};
use tracing::{debug, warn};

use crate::emit::{ScoreWriter, to_handler_error, too_large};
use crate::judge::{Judged, Readable, Verdict, judge};
use crate::metrics::MonitorMetrics;
use crate::plan::Subscriptions;
use crate::scorers::Scorers;

/// What a monitor does with the records of its group.
#[derive(Debug)]
pub(crate) struct ScoreHandler<S: Scorers> {
    pub(crate) subscriptions: Arc<Subscriptions<S>>,
    pub(crate) writer: ScoreWriter,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) metrics: MonitorMetrics,
    pub(crate) health: Component,
    pub(crate) lost: LostRecords,
    /// Scores of the batch that the log found too large when they were sent, with its words; by record and monitor.
    pub(crate) too_large: BTreeMap<(TopicPartition, u64, MonitorRef), String>,
}

impl<S: Scorers> Handler for ScoreHandler<S> {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        let result = self.score(records).await;
        match &result {
            Ok(()) => self.health.ok(),
            Err(error) => {
                self.health.failing(format!("scores cannot be written: {}", cause(error)))
            }
        }
        result
    }

    async fn lost(&mut self, lost: &[Lost]) -> Result<(), HandlerError> {
        self.lost.note(lost);
        self.write_lost(lost).await
    }

    async fn tick(&mut self) -> Result<(), HandlerError> {
        self.lost.tick();
        Ok(())
    }

    fn rebalanced(&mut self, _n_partitions: usize) {
        if let Status::Failing(_) = self.health.status() {
            self.health.ok();
        }
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) {
        debug!(n_partitions = partitions.len(), "partitions left");
    }
}

impl<S: Scorers> ScoreHandler<S> {
    async fn score(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        let began = clock::now();
        let plan = self.subscriptions.plan();
        let scorers = Arc::clone(self.subscriptions.scorers());
        let metrics = self.metrics.clone();
        let batch = records.to_vec();
        // Off the async threads: a scorer can take milliseconds for one record.
        let work = tokio::task::spawn_blocking(move || judge(&batch, &plan, &*scorers, &metrics));
        let Judged { records: read, verdicts } = work.await.map_err(HandlerError::retry)?;

        let now = clock::now();
        let mut sent = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            let record_idx = verdict.record_idx;
            let Ok(readable) = &read[record_idx] else { continue };
            let mut score = to_score(readable, verdict, now);
            let record = &records[record_idx];
            let place = place_of(record, &score);
            if let Some(reason) = place.as_ref().and_then(|it| self.too_large.get(it)) {
                score.result = Err(too_large(reason));
            }
            let trace = trace_of(record);
            let step = traces::step("score", trace, began, || attributes(&score));
            let trace = step.or_else(|| trace.cloned());
            let (delivery, score) =
                self.writer.enqueue(record.partition, score, trace.clone()).await?;
            sent.push((delivery, score, trace, place));
        }
        for (record, readable) in records.iter().zip(&read) {
            if let Err(reason) = readable {
                let at = record.topic_partition();
                let trace = trace_of(record);
                let trace_id = trace.map(|it| tracing::field::display(it.trace_id()));
                let span_id = trace.map(|it| tracing::field::display(it.span_id()));
                let offset = record.offset;
                warn!(%at, offset, reason, trace_id, span_id, "record cannot be read; sent to the dead letters");
                self.dead_letters.send(record, reason, now).await.map_err(to_handler_error)?;
            }
        }
        for (delivery, score, trace, place) in sent {
            if let Err(error) = delivery.await {
                if let (ProduceError::TooLarge { .. }, Some(place)) = (&error, place) {
                    self.too_large.insert(place, error.to_string());
                }
                return Err(to_handler_error(error));
            }
            let delay_seconds = now.duration_since(score.received_at).as_secs_f64();
            let exemplar = traces::exemplar(trace.as_ref());
            if let Some(monitor) = score.metric.monitor() {
                self.metrics.written(&monitor, &score.result, delay_seconds, exemplar);
            }
        }
        self.too_large.clear();
        Ok(())
    }

    /// Writes an unscored score for everything that is watched: what was lost may have been of any of it.
    async fn write_lost(&self, lost: &[Lost]) -> Result<(), HandlerError> {
        let plan = self.subscriptions.plan();
        let now = clock::now();
        let mut sent = Vec::new();
        for lost in lost {
            for (model, target) in plan.watched_models() {
                let score = Score {
                    is_newest: target.is_newest,
                    threshold: target.threshold,
                    ..lost_score(lost, model, target.monitor.clone().into(), now)
                };
                sent.push(self.writer.enqueue(lost.partition.partition, score, None).await?);
            }
        }
        for (delivery, score) in sent {
            delivery.await.map_err(to_handler_error)?;
            if let Some(monitor) = score.metric.monitor() {
                self.metrics.unscored(&monitor, LOST_RECORDS);
            }
        }
        Ok(())
    }
}

/// Which score of which record; none for a score that is no monitor's.
fn place_of(record: &Received, score: &Score) -> Option<(TopicPartition, u64, MonitorRef)> {
    Some((record.topic_partition(), record.offset, score.metric.monitor()?))
}

/// The span of a record's processing, or what it came with.
fn trace_of(record: &Received) -> Option<&SpanContext> {
    record.envelope.as_ref().ok()?.trace.as_ref()
}

/// What the span of a score says.
fn attributes(score: &Score) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("shadowline.inference.id", score.subject_id().into_owned()),
        KeyValue::new("shadowline.monitor.name", score.metric.name.clone()),
        KeyValue::new("shadowline.monitor.version", score.metric.version.clone()),
    ];
    attributes.push(match &score.result {
        Ok(scored) => KeyValue::new("shadowline.score.value", scored.value),
        Err(unscored) => KeyValue::new("shadowline.score.unscored", unscored.code.clone()),
    });
    attributes
}

fn to_score(readable: &Readable, verdict: Verdict, now: Timestamp) -> Score {
    let Verdict { record_idx: _, monitor, is_newest, threshold, result } = verdict;
    let Readable { inference, origin } = readable;
    Score {
        subject: Subject::Inference(inference.id.clone()),
        model: inference.model.clone(),
        metric: monitor.into(),
        is_newest,
        threshold,
        result,
        origin: Origin { instance: origin.instance, sequence: origin.sequence },
        received_at: inference.received_at,
        scored_at: now,
    }
}

fn cause(error: &HandlerError) -> String {
    match error {
        HandlerError::Retry(cause) | HandlerError::Fatal(cause) => chain(cause.as_ref()),
    }
}
