//! Calls of the client that block, and its numbers.

use std::time::Duration;

use rdkafka::error::KafkaError;

use super::causes::explain;
use crate::error::LogError;

/// How long a question to the cluster may take.
pub(super) const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs a call that blocks where it does not hold up the async threads: on a thread of its own,
/// because a runtime that ends would wait for one of its own, and a commit while Kafka is unavailable does
/// not come back before Kafka does.
pub(super) async fn blocking<T: Send + 'static>(
    attempt: String,
    call: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
) -> Result<T, LogError> {
    let (sender, result) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("kafka-call".to_owned());
    // The caller may have given up; then the result is not needed.
    if let Err(error) = thread.spawn(move || drop(sender.send(call()))) {
        return Err(LogError::failed(attempt, error));
    }
    match result.await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(LogError::failed(attempt, explain(error, None))),
        Err(gone) => Err(LogError::failed(attempt, gone)),
    }
}

/// librdkafka counts partitions in `i32`, and none has a number beyond that.
pub(super) fn signed(partition: u32) -> i32 {
    i32::try_from(partition).unwrap_or(i32::MAX)
}

/// Offsets of records are never negative.
pub(super) fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
