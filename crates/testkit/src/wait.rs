//! Waiting for a state.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Waits until a condition holds.
///
/// # Panics
/// If it does not within the timeout; `what` says what was waited for.
pub async fn wait_for(what: &str, timeout: Duration, mut condition: impl AsyncFnMut() -> bool) {
    wait_for_some(what, timeout, async || condition().await.then_some(())).await;
}

/// Waits until there is a value, and returns it.
///
/// # Panics
/// If there is none within the timeout; `what` says what was waited for.
pub async fn wait_for_some<T>(
    what: &str,
    timeout: Duration,
    mut value: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(value) = value().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {timeout:?} in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
