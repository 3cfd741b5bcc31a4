//! Dropping what is kept for a time only.

use std::time::Duration;

use jiff::SignedDuration;
use shadowline_error::chain;
use shadowline_service::clock;
use shadowline_store::Store;
use tracing::warn;

use crate::metrics::MetricSpecsMetrics;

/// How often old rows are looked for.
const RETENTION_EVERY: Duration = Duration::from_secs(60);
/// How many are dropped at once: on SQLite the writer of checks waits for it.
const RETENTION_PORTION: u32 = 5_000;

/// What is kept for a time only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Old {
    Checks,
    AlertEvents,
}

/// Drops what is older than its retention, a few rows at a time.
pub(crate) async fn drop_old(
    old: Old,
    store: Store,
    retention: Duration,
    metrics: MetricSpecsMetrics,
) {
    let Ok(retention) = SignedDuration::try_from(retention) else { return };
    loop {
        // Else it is longer than there has been time.
        if let Ok(cutoff) = clock::now().checked_sub(retention) {
            let dropped = match old {
                Old::Checks => store.delete_checks_before(cutoff, RETENTION_PORTION).await,
                Old::AlertEvents => {
                    store.delete_alert_events_before(cutoff, RETENTION_PORTION).await
                }
            };
            match dropped {
                Ok(n_rows) => {
                    match old {
                        Old::Checks => metrics.checks_expired(n_rows),
                        Old::AlertEvents => metrics.alert_events_expired(n_rows),
                    }
                    if n_rows == u64::from(RETENTION_PORTION) {
                        // Those that wait for the writer have it first.
                        tokio::task::yield_now().await;
                        continue;
                    }
                }
                Err(error) => {
                    warn!(kind = ?old, error = chain(&error), "old rows were not dropped")
                }
            }
        }
        tokio::time::sleep(RETENTION_EVERY).await;
    }
}
