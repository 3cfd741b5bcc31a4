//! Opening a database and bringing its tables to this version.

use crate::database::{Database, Statement};
use crate::error::StoreError;
use crate::options::StoreOptions;
use crate::url::StoreUrl;

/// A database, with the tables in it; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
}

impl Store {
    /// Makes a store that connects when it is first used. Its tables are there after [`prepare`](Self::prepare).
    ///
    /// # Errors
    /// If the file with the password cannot be read. Must be called inside a runtime.
    pub fn new(url: &StoreUrl, options: &StoreOptions) -> Result<Self, StoreError> {
        Ok(Self { database: Database::new(url, options)? })
    }

    /// Creates the file of the database if it is one and missing, and brings the tables to this version. Two processes
    /// that do so at once wait for each other.
    ///
    /// # Errors
    /// If the database cannot be used, or was written by a newer version; [`StoreError::is_permanent`] says whether
    /// waiting may help.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.database.migrate().await
    }

    /// Makes a store as it is by default, and prepares it.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub async fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        let store = Self::new(url, &StoreOptions::default())?;
        store.prepare().await?;
        Ok(store)
    }

    /// Closes every connection, after what they are doing.
    pub async fn close(&self) {
        self.database.close().await;
    }

    /// Asks the database for an answer.
    ///
    /// # Errors
    /// If there is none.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let statement = Statement::new("ask the store for an answer", "SELECT 1");
        self.database.rows(statement).await.map(drop)
    }

    /// Tries whether the database takes changes, and leaves none behind.
    ///
    /// # Errors
    /// If it does not: it is unavailable, read-only, or has no room.
    pub async fn probe(&self) -> Result<(), StoreError> {
        const ATTEMPT: &str = "write to the store";
        let mut transaction = self.database.begin().await?;
        let insert = Statement::new(
            ATTEMPT,
            "INSERT INTO offsets (reader, topic, log_partition, next_offset) VALUES ('', 'probe', 0, 0)",
        );
        transaction.change(insert).await?;
        transaction.roll_back(ATTEMPT).await
    }
}
