//! The one step a prediction pays for being watched: an append to the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use shadowline_segment_log::{AppendError, Spool, SpoolError};
use shadowline_service::health::Component;
use tokio::time::Instant;
use tracing::error;

use crate::config::WhenFull;
use crate::metrics::{DropReason, ServingMetrics};

/// How often dropped shadows are logged, at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

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
    /// Whether the last append failed.
    is_failing: AtomicBool,
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
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let effect = match self.when_full {
                WhenFull::KeepServing => "predictions are answered and not watched",
                WhenFull::Refuse => "predictions are refused",
            };
            self.component.degraded(format!("{error}; {effect}"));
        }
        let mut drops = self.drops.lock();
        drops.n_since += 1;
        if drops.logged.is_none_or(|it| LOG_EVERY <= it.elapsed()) {
            let n_dropped = std::mem::take(&mut drops.n_since);
            drops.logged = Some(Instant::now());
            drop(drops);
            error!(model, n_dropped, %error, "inferences are not recorded");
        }
    }

    /// Reports that the spool has room again, called by whoever made it or found it.
    pub(crate) fn has_room(&self) {
        if self.is_failing.load(Ordering::Relaxed) && self.is_failing.swap(false, Ordering::Relaxed)
        {
            self.component.ok();
        }
    }

    /// Releases the spool; nothing is recorded any more.
    pub(crate) fn close(&self) {
        *self.spool.write() = None;
    }
}
