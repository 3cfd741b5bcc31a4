//! The one step a prediction pays for being watched: an append to the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use shadowline_error::chain;
use shadowline_segment_log::{AppendError, Spool, SpoolError};
use shadowline_service::health::Component;
use tokio::time::Instant;
use tracing::error;

use crate::config::WhenFull;
use crate::metrics::{DropReason, ServingMetrics};

/// How often dropped shadows are logged, at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// How much of a spool that was full may be in use when it counts as having room.
const FULL_UNTIL_PERCENT: u64 = 80;

/// Why an inference could not be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShadowError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the spool is closed, as the server is stopping")]
    Closed,
}

impl ShadowError {
    fn reason(&self) -> DropReason {
        match self {
            Self::Closed => DropReason::Closed,
            Self::Spool(SpoolError::Full { .. }) => DropReason::SpoolFull,
            Self::Spool(SpoolError::Append(AppendError::DiskFull { .. })) => DropReason::DiskFull,
            Self::Spool(SpoolError::Append(AppendError::TooLarge { .. })) => DropReason::TooLarge,
            Self::Spool(
                SpoolError::Append(AppendError::File(_))
                | SpoolError::NotAppended { .. }
                | SpoolError::Checkpoint(_)
                | SpoolError::Read(_)
                | SpoolError::Drop(_),
            ) => DropReason::Io,
        }
    }
}

/// Appends inferences to the spool, and decides what happens when that is not possible.
#[derive(Debug)]
pub(crate) struct Shadow {
    /// None once the server has stopped.
    spool: RwLock<Option<Arc<Spool>>>,
    when_full: WhenFull,
    component: Component,
    /// Whether an append failed, and there has been no room since.
    is_failing: AtomicBool,
    /// Whether it failed because the spool was full.
    was_full: AtomicBool,
    drops: Mutex<Drops>,
    metrics: ServingMetrics,
}

#[derive(Debug, Default)]
struct Drops {
    logged: Option<Instant>,
    n_since: u64,
}

impl Shadow {
    pub(crate) fn new(
        spool: Arc<Spool>,
        when_full: WhenFull,
        component: Component,
        metrics: ServingMetrics,
    ) -> Self {
        component.ok();
        Self {
            spool: RwLock::new(Some(spool)),
            when_full,
            component,
            is_failing: AtomicBool::new(false),
            was_full: AtomicBool::new(false),
            drops: Mutex::default(),
            metrics,
        }
    }

    /// Appends a record. `model` is a label, so it must be one of the models that are there.
    ///
    /// # Errors
    /// Only where the setting is to refuse, and always once the server has stopped.
    pub(crate) fn append(&self, model: &str, record: &[u8]) -> Result<(), ShadowError> {
        let appended = match &*self.spool.read() {
            Some(spool) => spool.append(record).map_err(ShadowError::from),
            None => Err(ShadowError::Closed),
        };
        let error = match appended {
            Ok(_) => {
                self.metrics.appended();
                self.has_room();
                return Ok(());
            }
            Err(error) => error,
        };
        self.metrics.dropped(model, error.reason());
        self.note_drop(model, &error);
        match (self.when_full, &error) {
            (WhenFull::KeepServing, ShadowError::Spool(_)) => Ok(()),
            (WhenFull::Refuse, _) | (_, ShadowError::Closed) => Err(error),
        }
    }

    fn note_drop(&self, model: &str, error: &ShadowError) {
        if matches!(error, ShadowError::Closed) {
            return;
        }
        // One record that is too large says nothing of the next.
        if matches!(error.reason(), DropReason::TooLarge) {
            self.component.degraded(chain(error));
            self.is_failing.store(true, Ordering::Relaxed);
        } else {
            let is_full = matches!(error.reason(), DropReason::SpoolFull);
            self.was_full.fetch_or(is_full, Ordering::Relaxed);
            if !self.is_failing.swap(true, Ordering::Relaxed) {
                let cause = chain(error);
                match self.when_full {
                    WhenFull::KeepServing => self
                        .component
                        .degraded(format!("{cause}; predictions are answered and not watched")),
                    WhenFull::Refuse => {
                        self.component.failing(format!("{cause}; predictions are refused"));
                    }
                }
            }
        }
        let mut drops = self.drops.lock();
        drops.n_since += 1;
        if drops.logged.is_none_or(|it| LOG_EVERY <= it.elapsed()) {
            let n_dropped = std::mem::take(&mut drops.n_since);
            drops.logged = Some(Instant::now());
            drop(drops);
            error!(model, n_dropped, error = chain(error), "inferences are not recorded");
        }
    }

    /// Reports that the spool has room again, called where it was made or found. One that was full has room when it
    /// is well under full, and not when one small record found a place.
    pub(crate) fn has_room(&self) {
        if !self.is_failing.load(Ordering::Relaxed)
            || (self.was_full.load(Ordering::Relaxed) && self.is_nearly_full())
        {
            return;
        }
        self.was_full.store(false, Ordering::Relaxed);
        if self.is_failing.swap(false, Ordering::Relaxed) {
            self.component.ok();
        }
    }

    fn is_nearly_full(&self) -> bool {
        let fill = self.spool.read().as_ref().map(|it| it.fill());
        fill.is_some_and(|it| it.max_bytes / 100 * FULL_UNTIL_PERCENT < it.used_bytes)
    }

    /// Releases the spool; nothing is recorded any more.
    pub(crate) fn close(&self) {
        *self.spool.write() = None;
    }
}

#[cfg(test)]
mod tests {
    use shadowline_segment_log::SpoolOptions;
    use shadowline_service::health::{Health, Status};
    use shadowline_service::metrics::Metrics;

    use super::*;

    const RECORD: [u8; 1000] = [7; 1000];

    /// A shadow on a spool of ten kilobytes, and what it says of itself.
    fn shadow(when_full: WhenFull) -> (tempfile::TempDir, Arc<Spool>, Shadow, Health) {
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions { max_bytes: 10_000, segment_bytes: 5_000 };
        let spool = Arc::new(Spool::open(dir.path().to_owned(), &options).unwrap());
        let health = Health::new("test");
        let metrics = ServingMetrics::register(&Metrics::new("test", "0.0.0"));
        let shadow = Shadow::new(Arc::clone(&spool), when_full, health.component("spool"), metrics);
        (dir, spool, shadow, health)
    }

    #[test]
    fn a_full_spool_that_refuses_is_not_ready_until_it_is_well_under_full() {
        let (_dir, spool, shadow, health) = shadow(WhenFull::Refuse);
        let mut last = 0;
        while shadow.append("m", &RECORD).is_ok() {
            last += 1;
            assert!(last < 20, "it is full some time");
        }
        let Status::Failing(reason) = health.report().components["spool"].clone() else {
            panic!("{:?}", health.report())
        };
        assert!(reason.starts_with("the spool is full: "), "{reason}");
        assert!(reason.ends_with("predictions are refused"), "{reason}");
        assert!(!health.report().is_ready());
        // A small one fits, and that is no room.
        shadow.append("m", b"small").unwrap();
        assert!(!health.report().is_ready());
        spool.acknowledge(1).unwrap();
        shadow.has_room();
        assert!(!health.report().is_ready(), "one of nine is gone");
        spool.acknowledge(last - 1).unwrap();
        shadow.has_room();
        assert_eq!(health.report().components["spool"], Status::Ok);
    }

    #[test]
    fn a_full_spool_that_keeps_serving_is_ready_and_says_what_is_lost() {
        let (_dir, _spool, shadow, health) = shadow(WhenFull::KeepServing);
        for _ in 0..20 {
            shadow.append("m", &RECORD).unwrap();
        }
        assert!(health.report().is_ready());
        assert!(health.report().message.ends_with("predictions are answered and not watched"));
    }
}
