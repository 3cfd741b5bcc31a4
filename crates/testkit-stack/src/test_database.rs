//! A database of either kind that no other test has.

use tempfile::TempDir;

use crate::PostgresServer;

/// The address of an empty database for one test.
#[derive(Debug)]
pub struct TestDatabase {
    url: String,
    /// Removed with the test; PostgreSQL's belongs to its server.
    _dir: Option<TempDir>,
}

impl TestDatabase {
    /// A file of SQLite's, in a directory of its own that is there already.
    ///
    /// # Panics
    /// If there can be no directory.
    pub fn sqlite() -> Self {
        let dir = tempfile::tempdir().expect("make a temporary directory");
        let url = format!("sqlite://{}", dir.path().join("store.db").display());
        Self { url, _dir: Some(dir) }
    }

    /// A database on PostgreSQL; `None` if there is none, which has been said then.
    ///
    /// # Panics
    /// In CI (`CI=true`) if there is none.
    pub async fn postgres() -> Option<Self> {
        Some(Self { url: PostgresServer::shared_database().await?, _dir: None })
    }

    /// Returns its address, with the password if it has one.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns whether it is on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}
