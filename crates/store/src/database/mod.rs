//! The two databases behind one surface: statements with values go in, rows come out.
//!
//! Everything in which SQLite and PostgreSQL differ is in this module and in the migrations. The statements themselves
//! are the same text for both.

mod bulk;
mod json;
mod postgres;
mod row;
mod sqlite;
mod statement;
mod time;

pub(crate) use self::bulk::{Column, Rows};
pub(crate) use self::json::to_json;
use self::postgres::{PostgresDatabase, PostgresTransaction};
pub(crate) use self::row::Row;
use self::sqlite::SqliteDatabase;
pub(crate) use self::statement::Statement;
pub(crate) use self::time::as_stored;
use crate::error::StoreError;
use crate::options::StoreOptions;
use crate::url::{Place, StoreUrl};

/// A database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
}

/// Changes that are kept all together, by [`commit`](Self::commit), or not at all.
#[derive(Debug)]
pub(crate) enum DatabaseTransaction {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(PostgresTransaction),
}

impl Database {
    /// Connects when it is first used.
    pub(crate) fn new(url: &StoreUrl, options: &StoreOptions) -> Result<Self, StoreError> {
        match url.place() {
            Place::Sqlite(path) => Ok(Self::Sqlite(SqliteDatabase::new(path, options))),
            Place::Postgres(url) => PostgresDatabase::new(url, options).map(Self::Postgres),
        }
    }

    /// Brings the tables to this version.
    pub(crate) async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(database) => database.migrate().await,
            Self::Postgres(database) => database.migrate().await,
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(database) => database.close().await,
            Self::Postgres(database) => database.close().await,
        }
    }

    pub(crate) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Sqlite(database) => database.rows(statement).await,
            Self::Postgres(database) => database.rows(statement).await,
        }
    }

    pub(crate) async fn first_row(&self, statement: Statement) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(statement).await?.into_iter().next())
    }

    /// Runs one statement that changes something, and returns how many rows it changed.
    pub(crate) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(database) => database.change(statement).await,
            Self::Postgres(database) => database.change(statement).await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        match self {
            Self::Sqlite(database) => database.begin().await.map(DatabaseTransaction::Sqlite),
            Self::Postgres(database) => database.begin().await.map(DatabaseTransaction::Postgres),
        }
    }
}

impl DatabaseTransaction {
    /// Runs a statement, and returns how many rows it changed.
    pub(crate) async fn change(&mut self, statement: Statement) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => sqlite::change(transaction, statement).await,
            Self::Postgres(transaction) => transaction.change(statement).await,
        }
    }

    /// Runs a statement that returns one row.
    pub(crate) async fn row(&mut self, statement: Statement) -> Result<Row, StoreError> {
        match self {
            Self::Sqlite(transaction) => sqlite::row(transaction, statement).await,
            Self::Postgres(transaction) => transaction.row(statement).await,
        }
    }

    /// Inserts many rows at once.
    pub(crate) async fn insert(&mut self, rows: &Rows<'_>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => bulk::into_sqlite(transaction, rows).await,
            Self::Postgres(transaction) => transaction.insert(rows).await,
        }
    }

    pub(crate) async fn commit(self, attempt: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                transaction.commit().await.map_err(StoreError::query(attempt))
            }
            Self::Postgres(transaction) => transaction.commit(attempt).await,
        }
    }

    pub(crate) async fn roll_back(self, attempt: &'static str) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                transaction.rollback().await.map_err(StoreError::query(attempt))
            }
            Self::Postgres(transaction) => transaction.roll_back(attempt).await,
        }
    }
}
