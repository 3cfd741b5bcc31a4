//! Whether the log answers. Reading and writing block indefinitely while it does not, so nothing else would say it.

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

/// Keeps the health of the log until the future is dropped: degraded while it cannot be reached, `last_error` is set, or
/// it refuses what its clients ask. Never failing, for a service whose work goes on without the log.
pub async fn watch_log(log: Log, health: Component, last_error: Arc<LastError>) {
    watch(log, last_error, |said| health.degraded(said), || health.ok()).await;
}

/// As [`watch_log`], for a service that does nothing without the log: it is not ready then, however it came to that.
pub async fn watch_needed_log(log: Log, health: Component) {
    watch(log, Arc::default(), |said| health.failing(said), || health.ok()).await;
}

async fn watch(log: Log, last_error: Arc<LastError>, bad: impl Fn(String), good: impl Fn()) {
    loop {
        match (log.reachable(ANSWERS_WITHIN).await, last_error.message()) {
            (Err(error), _) => bad(format!("the log cannot be reached: {}", chain(&error))),
            (Ok(()), Some(message)) => bad(message),
            (Ok(()), None) => match log.metrics().complaints().as_slice() {
                [] => good(),
                complaints => bad(complaints.join("; ")),
            },
        }
        tokio::select! {
            () = last_error.changed.notified() => {}
            () = tokio::time::sleep(ASKED_EVERY) => {}
        }
    }
}
