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
use crate::metrics::Meters;

/// How often dropped shadows are logged, at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Why a shadow could not be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShadowError {
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error("the spool is closed, as the server is stopping")]
    Closed,
}

impl ShadowError {
    /// Every word for the metric.
    pub(crate) const REASONS: [&str; 5] = ["closed", "spool_full", "disk_full", "too_large", "io"];

    /// A word for the metric.
    fn reason(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Spool(SpoolError::Full { .. }) => "spool_full",
            Self::Spool(SpoolError::Append(AppendError::DiskFull { .. })) => "disk_full",
            Self::Spool(SpoolError::Append(AppendError::TooLarge { .. })) => "too_large",
            Self::Spool(
                SpoolError::Append(AppendError::File(_))
                | SpoolError::NotAppended { .. }
                | SpoolError::Checkpoint(_)
                | SpoolError::Read(_)
                | SpoolError::Drop(_),
            ) => "io",
        }
    }
}

/// Writes inferences down, and answers for what happens when that is not possible.
#[derive(Debug)]
pub(crate) struct Shadow {
    /// None once the server has stopped.
    spool: RwLock<Option<Arc<Spool>>>,
    when_full: WhenFull,
    component: Component,
    /// Whether the last append failed.
    is_failing: AtomicBool,
    drops: Mutex<Drops>,
    meters: Meters,
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
        meters: Meters,
    ) -> Self {
        component.ok();
        Self {
            spool: RwLock::new(Some(spool)),
            when_full,
            component,
            is_failing: AtomicBool::new(false),
            drops: Mutex::default(),
            meters,
        }
    }

    /// Writes a record down. `model` is a label, so it must be one of the models that are there.
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
                self.meters.appended();
                self.has_room();
                return Ok(());
            }
            Err(error) => error,
        };
        self.meters.dropped(model, error.reason());
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
            error!(model, n_dropped, %error, "inferences are not written down");
        }
    }

    /// Says that there is room again, by whoever made it or found it.
    pub(crate) fn has_room(&self) {
        if self.is_failing.load(Ordering::Relaxed) && self.is_failing.swap(false, Ordering::Relaxed)
        {
            self.component.ok();
        }
    }

    /// Lets the spool go; nothing is written down any more.
    pub(crate) fn close(&self) {
        *self.spool.write() = None;
    }
}
