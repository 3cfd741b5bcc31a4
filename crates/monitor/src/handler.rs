//! One batch of inferences: judge, write, wait for every acknowledgement.

use std::sync::Arc;

use jiff::Timestamp;
use shadowline_error::chain;
use shadowline_service::clock;
use shadowline_service::health::{Component, Status};
use shadowline_service::traces::{self, KeyValue};
use shadowline_stream::{
    Bytes, DeadLetters, Delivery, Envelope, Handler, HandlerError, OutRecord, ProduceError,
    Producer, Received, SpanContext, TopicPartition,
};
use shadowline_wire::{Origin, SCORE_TYPE, Score, Subject, Unscored};
use tracing::{debug, warn};

use crate::config::Explain;
use crate::metrics::MonitorMetrics;
use crate::scoring::{Judged, Readable, Verdict, judge};
use crate::watch::Watching;

/// What a monitor does with the records of its group.
#[derive(Debug)]
pub(crate) struct Scorer {
    pub(crate) watching: Arc<Watching>,
    pub(crate) explain: Explain,
    pub(crate) producer: Producer,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) scores: Arc<str>,
    /// What the scores' envelopes name as their source.
    pub(crate) source: String,
    pub(crate) metrics: MonitorMetrics,
    pub(crate) health: Component,
}

impl Handler for Scorer {
    async fn handle(&mut self, records: &[Received]) -> Result<(), HandlerError> {
        let result = self.score(records).await;
        match &result {
            Ok(()) => self.health.ok(),
            Err(error) => {
                self.health.degraded(format!("scores cannot be written: {}", cause(error)))
            }
        }
        result
    }

    fn shared_out(&mut self, _n_partitions: usize) {
        if let Status::Failing(_) = self.health.status() {
            self.health.ok();
        }
    }

    async fn revoked(&mut self, partitions: &[TopicPartition]) {
        debug!(n_partitions = partitions.len(), "partitions left");
    }
}

impl Scorer {
    async fn score(&self, records: &[Received]) -> Result<(), HandlerError> {
        let began = clock::now();
        let plan = self.watching.plan();
        let metrics = self.metrics.clone();
        let batch = records.to_vec();
        let explain = self.explain;
        // Off the async threads: a detector can take milliseconds for one record.
        let work = tokio::task::spawn_blocking(move || judge(&batch, &plan, explain, &metrics));
        let Judged { records: read, verdicts } = work.await.map_err(HandlerError::retry)?;

        let now = clock::now();
        let mut sent = Vec::with_capacity(verdicts.len());
        for Verdict { record_idx, monitor, is_newest, result } in verdicts {
            let Ok(readable) = &read[record_idx] else { continue };
            let score = to_score(readable, (monitor, is_newest), result, now);
            let record = &records[record_idx];
            let trace = trace_of(record);
            let step = traces::step("score", trace, began, || attributes(&score));
            let trace = step.or_else(|| trace.cloned());
            let (delivery, score) = self.enqueue(record, score, trace.clone()).await?;
            sent.push((delivery, score, trace));
        }
        for (record, readable) in records.iter().zip(&read) {
            if let Err(reason) = readable {
                let at = record.topic_partition();
                let trace = trace_of(record);
                let trace_id = trace.map(|it| tracing::field::display(it.trace_id()));
                let span_id = trace.map(|it| tracing::field::display(it.span_id()));
                let offset = record.offset;
                warn!(%at, offset, reason, trace_id, span_id, "record cannot be read; put aside");
                self.dead_letters.send(record, reason, now).await.map_err(to_handler_error)?;
            }
        }
        for (delivery, score, trace) in sent {
            delivery.await.map_err(to_handler_error)?;
            let delay_seconds = now.duration_since(score.received_at).as_secs_f64();
            let exemplar = traces::exemplar(trace.as_ref());
            if let Some(monitor) = score.metric.monitor() {
                self.metrics.written(&monitor, &score.result, delay_seconds, exemplar);
            }
        }
        Ok(())
    }

    async fn enqueue(
        &self,
        of: &Received,
        mut score: Score,
        trace: Option<SpanContext>,
    ) -> Result<(Delivery, Score), HandlerError> {
        match self.producer.enqueue(self.to_record(of, &score, trace.clone())).await {
            Ok(delivery) => Ok((delivery, score)),
            // A batch of very many records: the reason fits where their scores do not.
            Err(error @ ProduceError::TooLarge { .. }) => {
                score.result =
                    Err(Unscored { code: "score_too_large".into(), message: error.to_string() });
                let record = self.to_record(of, &score, trace);
                let delivery = self.producer.enqueue(record).await.map_err(to_handler_error)?;
                Ok((delivery, score))
            }
            Err(
                error @ (ProduceError::NoPartition { .. }
                | ProduceError::NoTopic { .. }
                | ProduceError::Halted { .. }
                | ProduceError::Failed { .. }
                | ProduceError::Closed { .. }
                | ProduceError::FlushTimeout { .. }),
            ) => Err(to_handler_error(error)),
        }
    }

    fn to_record(&self, of: &Received, score: &Score, trace: Option<SpanContext>) -> OutRecord {
        let key = score.subject_id();
        let id = format!("{key}/{}/{}", score.metric.name, score.metric.version);
        let mut envelope = Envelope::new(id, SCORE_TYPE, self.source.as_str(), score.scored_at);
        envelope.subject = Some(score.model.name.clone()).filter(|it| !it.is_empty());
        envelope.trace = trace;
        envelope.origin = Some(shadowline_stream::Origin {
            instance: score.origin.instance,
            sequence: score.origin.sequence,
        });
        OutRecord {
            topic: Arc::clone(&self.scores),
            partition: Some(of.partition),
            key: Some(Bytes::from(key.into_owned())),
            value: Some(Bytes::from(score.encode())),
            envelope,
        }
    }
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

fn to_score(
    readable: &Readable,
    (monitor, is_newest): (shadowline_wire::MonitorRef, bool),
    result: Result<shadowline_wire::ScoreValue, Unscored>,
    now: Timestamp,
) -> Score {
    let Readable { inference, origin } = readable;
    Score {
        subject: Subject::Inference(inference.id.clone()),
        model: inference.model.clone(),
        metric: monitor.into(),
        is_newest,
        result,
        origin: Origin { instance: origin.instance, sequence: origin.sequence },
        received_at: inference.received_at,
        scored_at: now,
    }
}

/// A scores topic with too few partitions is for somebody to mend; everything else may pass.
fn to_handler_error(error: ProduceError) -> HandlerError {
    match error {
        ProduceError::NoPartition { .. } => HandlerError::fatal(error),
        ProduceError::TooLarge { .. }
        | ProduceError::NoTopic { .. }
        | ProduceError::Halted { .. }
        | ProduceError::Failed { .. }
        | ProduceError::Closed { .. }
        | ProduceError::FlushTimeout { .. } => HandlerError::retry(error),
    }
}

fn cause(error: &HandlerError) -> String {
    match error {
        HandlerError::Retry(cause) | HandlerError::Fatal(cause) => chain(cause.as_ref()),
    }
}
