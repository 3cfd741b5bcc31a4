//! Opening the database.

use std::path::Path;
use std::time::Duration;

use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_store::{Store, StoreError};
use shadowline_worker::Backoff;

use crate::config::Config;
use crate::engine::{Engine, Wakers};
use crate::error::MetricSpecsError;
use crate::metrics::MetricSpecsMetrics;

/// The waits before a database that is unavailable is tried again.
const RETRY_AFTER: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(5));

/// Makes the directory of a database that is a file, and closes the file to other users.
pub(crate) fn make_directory(config: &Config) -> Result<(), MetricSpecsError> {
    let Some(path) = config.store.path() else { return Ok(()) };
    if let Some(dir) = path.parent() {
        shadowline_own_files::make(dir).map_err(|source| MetricSpecsError::Directory {
            dir: dir.display().to_string(),
            source,
        })?;
    }
    // It may be of an earlier version or of another program. Its folder may be for more than the database.
    for ending in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(ending);
        shadowline_own_files::file(Path::new(&file));
    }
    Ok(())
}

/// What an engine is opened with.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) store: &'a Store,
    pub(crate) config: &'a Config,
    pub(crate) wakers: &'a Wakers,
    pub(crate) metrics: &'a MetricSpecsMetrics,
    pub(crate) health: &'a Component,
}

impl Opening<'_> {
    /// Opens the database and reads what is in it, waiting for it as long as that helps.
    ///
    /// Dropping the future ends the wait.
    ///
    /// # Errors
    /// What waiting does not cure: a database that refuses us, or is of the wrong form.
    pub(crate) async fn open(&self) -> Result<Engine, StoreError> {
        let mut backoff = Backoff::new(RETRY_AFTER.0, RETRY_AFTER.1);
        loop {
            match self.try_open().await {
                Ok(engine) => return Ok(engine),
                Err(error) if error.is_permanent() => return Err(error),
                Err(error) => {
                    self.health.failing(format!("waiting for the database: {}", chain(&error)));
                }
            }
            backoff.wait().await;
        }
    }

    async fn try_open(&self) -> Result<Engine, StoreError> {
        self.store.prepare().await?;
        Engine::open(
            self.store.clone(),
            self.config.group.to_string(),
            self.config.topics.prefix.scores().to_string(),
            self.wakers.clone(),
            self.metrics.clone(),
            self.health.clone(),
        )
        .await
    }
}
