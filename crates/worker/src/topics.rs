//! The topics before they are used.

use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_stream::{Log, TopicError};

use crate::{RETRY_AFTER, TopicSettings};

/// Creates and checks the topics, waiting for the log as long as that helps; the component says what is waited for.
///
/// Dropping the future ends the wait.
///
/// # Errors
/// A topic whose form is wrong, which waiting does not cure.
pub async fn prepare_topics(
    log: &Log,
    topics: &TopicSettings,
    health: &Component,
) -> Result<(), TopicError> {
    let specs = topics.specs();
    loop {
        match log.ensure_topics(&specs).await {
            Ok(()) => {
                health.ok();
                return Ok(());
            }
            Err(error) if error.is_permanent() => return Err(error),
            Err(error) => health.failing(chain(&error)),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}
