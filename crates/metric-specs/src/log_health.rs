//! Whether the log answers: reading and writing wait for it without end and without a word.

use std::time::Duration;

use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_stream::Log;
use tokio_util::sync::CancellationToken;

/// How often the log is asked whether it is there, and how long it may take to answer.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// Keeps the health of the log until `ending`.
pub(crate) async fn watch(log: Log, health: Component, ending: CancellationToken) {
    let watch = async {
        loop {
            match log.reachable(ANSWERS_WITHIN).await {
                Ok(()) => health.ok(),
                // Specs can be changed and alerts be looked at all the same.
                Err(error) => health.degraded(chain(&error)),
            }
            tokio::time::sleep(ASKED_EVERY).await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = ending.cancelled() => {}
    }
}
