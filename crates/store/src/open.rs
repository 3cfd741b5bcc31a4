//! Opening a database and bringing its tables to this version.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::StoreError;

/// Where the database is: `sqlite:///var/lib/shadowline/store.db`, or a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreUrl {
    path: PathBuf,
}

impl StoreUrl {
    /// A database file at this path.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = StoreError;

    fn try_from(url: String) -> Result<Self, StoreError> {
        let expected = "sqlite:///PATH or the path of a database file";
        match url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::sqlite(path)),
            None if !url.is_empty() => Ok(Self::sqlite(url)),
            Some(("postgres" | "postgresql", _)) => Err(StoreError::Url {
                url: "postgres://…".to_owned(),
                expected: "sqlite:///PATH: PostgreSQL is not yet supported",
            }),
            // Not the whole address: a password may be in it.
            Some((scheme, _)) => Err(StoreError::Url { url: format!("{scheme}://…"), expected }),
            None => Err(StoreError::Url { url, expected }),
        }
    }
}

impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sqlite://{}", self.path.display())
    }
}

/// An open database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// One connection, because SQLite has one writer: waiting here is fair, waiting there is not.
    pub(crate) writer: SqlitePool,
    pub(crate) readers: SqlitePool,
}

impl Store {
    /// Opens the database, creates it if it is missing, and migrates its tables.
    ///
    /// # Errors
    /// If the file cannot be used, or was written by a newer version.
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let path = url.path.display().to_string();
        let open_error = |source| StoreError::Open { path: path.clone(), source };
        let options = SqliteConnectOptions::new()
            .filename(&url.path)
            .create_if_missing(true)
            // A commit survives the end of the process. After a power loss the last ones may be missing as a whole:
            // then the offsets that are stored with the effects are as old as they, and the log has the rest.
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
            .pragma("journal_size_limit", "67108864");
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await
            .map_err(open_error)?;
        sqlx::migrate!("migrations/sqlite")
            .run(&writer)
            .await
            .map_err(|source| StoreError::Migrate { path: path.clone(), source })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await
            .map_err(open_error)?;
        Ok(Self { writer, readers })
    }

    /// Closes every connection, after what they are doing.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1")
            .execute(&self.readers)
            .await
            .map_err(StoreError::query("ask the store for an answer"))?;
        Ok(())
    }

    pub(crate) async fn begin(
        &self,
    ) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>, StoreError> {
        // Takes the write lock at once: a transaction that begins by reading could not get it later.
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(StoreError::query("begin a transaction"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_show_a_password() {
        let read = |url: &str| StoreUrl::try_from(url.to_owned()).map_err(|it| it.to_string());
        assert_eq!(read("sqlite:///var/store.db").unwrap().path(), Path::new("/var/store.db"));
        assert_eq!(read("data/store.db").unwrap().to_string(), "sqlite://data/store.db");
        let refused = read("postgres://me:hunter2@db/shadowline").unwrap_err();
        assert!(refused.contains("not yet supported") && !refused.contains("hunter2"), "{refused}");
        let refused = read("mysql://me:hunter2@db/shadowline").unwrap_err();
        assert!(
            refused.contains("mysql")
                && refused.contains("sqlite:///PATH")
                && !refused.contains("hunter2")
        );
        assert!(read("").is_err() && read("sqlite://").is_err());
    }
}
