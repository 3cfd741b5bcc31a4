//! How a database is used.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

/// How a database is used.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The most connections for reading.
    pub readers: NonZeroU32,
    /// The most connections for writing on PostgreSQL; SQLite has one.
    pub writers: NonZeroU32,
    /// How long PostgreSQL may take for one statement, from a millisecond to a day.
    pub timeout: Duration,
    /// A file with the password for PostgreSQL, read again when the server refuses the one that was there.
    pub password_file: Option<PathBuf>,
}

impl Default for StoreOptions {
    fn default() -> Self {
        let few = NonZeroU32::MIN;
        Self {
            readers: few.saturating_add(3),
            writers: few.saturating_add(2),
            timeout: Duration::from_secs(30),
            password_file: None,
        }
    }
}
