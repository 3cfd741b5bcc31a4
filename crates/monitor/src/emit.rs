//! Writing scores.

use std::sync::Arc;

use shadowline_stream::{
    Bytes, Delivery, Envelope, HandlerError, OutRecord, ProduceError, Producer, SpanContext,
};
use shadowline_wire::{SCORE_TYPE, Score, Unscored};

/// Writes scores to their topic.
#[derive(Debug)]
pub(crate) struct ScoreWriter {
    pub(crate) producer: Producer,
    pub(crate) topic: Arc<str>,
    /// What the scores' envelopes name as their source.
    pub(crate) source: String,
}

impl ScoreWriter {
    /// Writes a score to the partition that its inference came from; one too large for the log says that instead of
    /// its values. Returns what was written, and what resolves when the log has it.
    pub(crate) async fn enqueue(
        &self,
        partition: u32,
        mut score: Score,
        trace: Option<SpanContext>,
    ) -> Result<(Delivery, Score), HandlerError> {
        match self.producer.enqueue(self.to_record(partition, &score, trace.clone())).await {
            Ok(delivery) => Ok((delivery, score)),
            // A batch of very many records: the reason fits where their scores do not.
            Err(error @ ProduceError::TooLarge { .. }) => {
                score.result = Err(too_large(&error.to_string()));
                let record = self.to_record(partition, &score, trace);
                let delivery = self.producer.enqueue(record).await.map_err(to_handler_error)?;
                Ok((delivery, score))
            }
            Err(
                error @ (ProduceError::BatchTooLarge { .. }
                | ProduceError::NoPartition { .. }
                | ProduceError::NoTopic { .. }
                | ProduceError::Halted { .. }
                | ProduceError::Failed { .. }
                | ProduceError::Closed { .. }
                | ProduceError::FlushTimeout { .. }),
            ) => Err(to_handler_error(error)),
        }
    }

    fn to_record(&self, partition: u32, score: &Score, trace: Option<SpanContext>) -> OutRecord {
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
            topic: Arc::clone(&self.topic),
            partition: Some(partition),
            key: Some(Bytes::from(key.into_owned())),
            value: Some(Bytes::from(score.encode())),
            envelope,
        }
    }
}

/// What a score says that does not fit into the log.
pub(crate) fn too_large(reason: &str) -> Unscored {
    Unscored { code: "score_too_large".into(), message: reason.to_owned() }
}

/// A scores topic with too few partitions is for somebody to mend; everything else may pass.
pub(crate) fn to_handler_error(error: ProduceError) -> HandlerError {
    match error {
        ProduceError::NoPartition { .. } => HandlerError::fatal(error),
        ProduceError::TooLarge { .. }
        | ProduceError::BatchTooLarge { .. }
        | ProduceError::NoTopic { .. }
        | ProduceError::Halted { .. }
        | ProduceError::Failed { .. }
        | ProduceError::Closed { .. }
        | ProduceError::FlushTimeout { .. } => HandlerError::retry(error),
    }
}
