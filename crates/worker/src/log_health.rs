//! Whether the log answers. Reading and writing block indefinitely while it does not, so nobody else would say it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_stream::Log;
use tokio::sync::Notify;

/// How often the log is asked whether it is there, and how long it may take to answer.
const ASKED_EVERY: Duration = Duration::from_secs(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What a service last failed at on a log that answers, if it has not succeeded since.
#[derive(Debug, Default)]
pub struct LastError {
    message: Mutex<Option<String>>,
    changed: Notify,
}

impl LastError {
    /// Sets the error, or with `None` that what failed has succeeded; says whether that is news.
    pub fn set(&self, message: Option<String>) -> bool {
        let mut held = self.message.lock();
        let is_news = *held != message;
        if is_news {
            *held = message;
            self.changed.notify_one();
        }
        is_news
    }

    fn message(&self) -> Option<String> {
        self.message.lock().clone()
    }
}

/// Keeps the health of the log until the future is dropped: degraded while it cannot be reached, `last_error` is
/// set, or it refuses what its clients ask. Never failing, because what needs no log goes on.
pub async fn watch_log(log: Log, health: Component, last_error: Arc<LastError>) {
    loop {
        match (log.reachable(ANSWERS_WITHIN).await, last_error.message()) {
            (Err(error), _) => {
                health.degraded(format!("the log cannot be reached: {}", chain(&error)));
            }
            (Ok(()), Some(message)) => health.degraded(message),
            (Ok(()), None) => match log.metrics().complaints().as_slice() {
                [] => health.ok(),
                complaints => health.degraded(complaints.join("; ")),
            },
        }
        tokio::select! {
            () = last_error.changed.notified() => {}
            () = tokio::time::sleep(ASKED_EVERY) => {}
        }
    }
}
