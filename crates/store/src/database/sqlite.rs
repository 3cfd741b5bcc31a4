//! SQLite: one file, one writer.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    Sqlite, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};

use super::row::Row;
use super::statement::Statement;
use crate::error::StoreError;
use crate::options::StoreOptions;

#[derive(Debug, Clone)]
pub(crate) struct SqliteDatabase {
    path: String,
    /// One connection, because SQLite has one writer: waiting here is fair, waiting there is not.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteDatabase {
    pub(super) fn new(path: &Path, options: &StoreOptions) -> Self {
        let connect = SqliteConnectOptions::new()
            .filename(path)
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
            .connect_lazy_with(connect.clone());
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers.get())
            .acquire_timeout(Duration::from_secs(10))
            .connect_lazy_with(connect.create_if_missing(false).pragma("query_only", "ON"));
        Self { path: path.display().to_string(), writer, readers }
    }

    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        // Says why, if the file cannot be used.
        let opened = self.writer.acquire().await;
        drop(opened.map_err(|source| StoreError::Open { store: self.path.clone(), source })?);
        sqlx::migrate!("migrations/sqlite")
            .run(&self.writer)
            .await
            .map_err(|source| StoreError::migrate(self.path.clone(), source))
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let attempt = statement.attempt;
        let (sql, arguments) = statement.into_sqlite()?;
        let rows = sqlx::query_with::<Sqlite, _>(sql, arguments).fetch_all(&self.readers).await;
        Ok(rows.map_err(StoreError::query(attempt))?.into_iter().map(Row::Sqlite).collect())
    }

    pub(super) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let mut connection =
            self.writer.acquire().await.map_err(StoreError::query(statement.attempt))?;
        change(&mut connection, statement).await
    }

    pub(super) async fn begin(&self) -> Result<sqlx::Transaction<'static, Sqlite>, StoreError> {
        // Takes the write lock at once: a transaction that begins by reading could not get it later.
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(StoreError::query("begin a transaction"))
    }
}

pub(super) async fn change(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<u64, StoreError> {
    let attempt = statement.attempt;
    let (sql, arguments) = statement.into_sqlite()?;
    let done = sqlx::query_with::<Sqlite, _>(sql, arguments).execute(connection).await;
    Ok(done.map_err(StoreError::query(attempt))?.rows_affected())
}

pub(super) async fn row(
    connection: &mut SqliteConnection,
    statement: Statement,
) -> Result<Row, StoreError> {
    let attempt = statement.attempt;
    let (sql, arguments) = statement.into_sqlite()?;
    let row = sqlx::query_with::<Sqlite, _>(sql, arguments).fetch_one(connection).await;
    row.map(Row::Sqlite).map_err(StoreError::query(attempt))
}
