//! PostgreSQL: a server that may be unavailable for a while.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tokio::time::timeout;

use super::bulk::{self, Rows};
use super::row::Row;
use super::statement::Statement;
use crate::error::StoreError;
use crate::options::StoreOptions;
use crate::url::PostgresUrl;

/// How long a connection is waited for, also while the server refuses them because it is starting.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How much later than the server we give up on a statement: then it is the network that does not answer.
const NETWORK_GRACE: Duration = Duration::from_secs(5);
/// `invalid_password`
const INVALID_PASSWORD: &str = "28P01";

#[derive(Clone)]
pub(crate) struct PostgresDatabase(Arc<Shared>);

struct Shared {
    /// The address without the password.
    shown: String,
    connect: PgConnectOptions,
    password_file: Option<PathBuf>,
    options: StoreOptions,
    pools: RwLock<Pools>,
    /// The server could not be reached when it was last needed.
    unavailable: AtomicBool,
}

/// Writing has connections of its own, so that many readers do not hold it up.
#[derive(Clone)]
struct Pools {
    writers: PgPool,
    readers: PgPool,
}

/// An open transaction, and the database that it belongs to.
#[derive(Debug)]
pub(crate) struct PostgresTransaction {
    inner: sqlx::Transaction<'static, Postgres>,
    database: PostgresDatabase,
}

impl fmt::Debug for PostgresDatabase {
    /// Not the settings of connections: a password is in them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresDatabase").field(&self.0.shown).finish()
    }
}

impl PostgresDatabase {
    pub(super) fn new(url: &PostgresUrl, options: &StoreOptions) -> Result<Self, StoreError> {
        let password_file = options.password_file.clone();
        let connect = url.connect_options()?;
        let connect = with_password(connect, password_file.as_ref())?;
        let pools = RwLock::new(pools(&connect, options));
        let shown = url.to_string();
        let options = options.clone();
        let unavailable = AtomicBool::new(false);
        Ok(Self(Arc::new(Shared { shown, connect, password_file, options, pools, unavailable })))
    }

    /// Runs the migrations on a connection of their own, on which a statement may take as long as it takes. Two
    /// processes that do so at once wait for each other: sqlx takes an advisory lock.
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        // Says why, if there can be no connection.
        drop(self.connect().await?.close().await);
        let connect = with_password(self.0.connect.clone(), self.0.password_file.as_ref())?;
        let alone = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_lazy_with(connect);
        let migrated = sqlx::migrate!("migrations/postgres").run(&alone).await;
        alone.close().await;
        migrated.map_err(|source| StoreError::migrate(self.0.shown.clone(), source))
    }

    pub(super) async fn close(&self) {
        let Pools { writers, readers } = self.pools();
        readers.close().await;
        writers.close().await;
    }

    pub(super) async fn rows(&self, statement: Statement) -> Result<Vec<Row>, StoreError> {
        let attempt = statement.attempt;
        let (sql, arguments) = statement.into_postgres()?;
        self.expect_server().await?;
        let readers = self.pools().readers;
        let query = sqlx::query_with::<Postgres, _>(sql, arguments).fetch_all(&readers);
        Ok(self.within(attempt, query).await?.into_iter().map(Row::Postgres).collect())
    }

    pub(super) async fn change(&self, statement: Statement) -> Result<u64, StoreError> {
        let attempt = statement.attempt;
        let (sql, arguments) = statement.into_postgres()?;
        self.expect_server().await?;
        let writers = self.pools().writers;
        let query = sqlx::query_with::<Postgres, _>(sql, arguments).execute(&writers);
        Ok(self.within(attempt, query).await?.rows_affected())
    }

    pub(super) async fn begin(&self) -> Result<PostgresTransaction, StoreError> {
        self.expect_server().await?;
        let writers = self.pools().writers;
        let inner = self.within("begin a transaction", writers.begin()).await?;
        Ok(PostgresTransaction { inner, database: self.clone() })
    }

    /// Bounds the wait for an answer, and turns a failure into one that says what is the matter.
    async fn within<T>(
        &self,
        attempt: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, StoreError> {
        let limit = self.0.options.timeout + NETWORK_GRACE;
        match timeout(limit, work).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(sqlx::Error::PoolTimedOut)) => Err(self.why_no_connection(attempt).await),
            Ok(Err(error)) => Err(self.failed(attempt, error)),
            Err(_) => {
                // Connections that do not answer would be waited for by those who come next.
                self.renew();
                Err(StoreError::NoAnswer { attempt, after: limit })
            }
        }
    }

    /// Fails at once while the server is unavailable, where the pool would block the caller until its timeout.
    async fn expect_server(&self) -> Result<(), StoreError> {
        if self.0.unavailable.load(Ordering::Relaxed) {
            drop(self.connect().await?.close().await);
            self.0.unavailable.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The pool only says that it timed out; one attempt by ourselves says why.
    async fn why_no_connection(&self, attempt: &'static str) -> StoreError {
        match self.connect().await {
            Ok(connection) => {
                drop(connection.close().await);
                StoreError::Query { attempt, source: sqlx::Error::PoolTimedOut }
            }
            Err(error) => {
                self.0.unavailable.store(true, Ordering::Relaxed);
                error
            }
        }
    }

    async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connect = with_password(self.0.connect.clone(), self.0.password_file.as_ref())?;
        match timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&connect)).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(source)) => Err(StoreError::Open { store: self.0.shown.clone(), source }),
            Err(_) => {
                Err(StoreError::NoAnswer { attempt: "open the store", after: ACQUIRE_TIMEOUT })
            }
        }
    }

    fn failed(&self, attempt: &'static str, source: sqlx::Error) -> StoreError {
        let invalid_password = matches!(
            &source,
            sqlx::Error::Database(error) if error.code().as_deref() == Some(INVALID_PASSWORD)
        );
        if !invalid_password {
            return StoreError::Query { attempt, source };
        }
        // It may have been changed since, in the file too; the next attempt takes what is there now.
        match with_password(self.0.connect.clone(), self.0.password_file.as_ref()) {
            Ok(connect) => {
                let Pools { writers, readers } = self.pools();
                writers.set_connect_options(connect.clone());
                readers.set_connect_options(connect);
                StoreError::Open { store: self.0.shown.clone(), source }
            }
            Err(unreadable) => unreadable,
        }
    }

    fn pools(&self) -> Pools {
        self.0.pools.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew(&self) {
        let connect = with_password(self.0.connect.clone(), self.0.password_file.as_ref());
        let fresh = pools(connect.as_ref().unwrap_or(&self.0.connect), &self.0.options);
        *self.0.pools.write().unwrap_or_else(PoisonError::into_inner) = fresh;
    }
}

impl PostgresTransaction {
    pub(super) async fn change(&mut self, statement: Statement) -> Result<u64, StoreError> {
        let attempt = statement.attempt;
        let (sql, arguments) = statement.into_postgres()?;
        let query = sqlx::query_with::<Postgres, _>(sql, arguments).execute(&mut *self.inner);
        Ok(self.database.within(attempt, query).await?.rows_affected())
    }

    pub(super) async fn row(&mut self, statement: Statement) -> Result<Row, StoreError> {
        let attempt = statement.attempt;
        let (sql, arguments) = statement.into_postgres()?;
        let query = sqlx::query_with::<Postgres, _>(sql, arguments).fetch_one(&mut *self.inner);
        self.database.within(attempt, query).await.map(Row::Postgres)
    }

    pub(super) async fn insert(&mut self, rows: &Rows<'_>) -> Result<(), StoreError> {
        let work = bulk::into_postgres(&mut self.inner, rows);
        self.database.within(rows.attempt, work).await
    }

    pub(super) async fn commit(self, attempt: &'static str) -> Result<(), StoreError> {
        self.database.within(attempt, self.inner.commit()).await
    }

    pub(super) async fn roll_back(self, attempt: &'static str) -> Result<(), StoreError> {
        self.database.within(attempt, self.inner.rollback()).await
    }
}

fn pools(connect: &PgConnectOptions, options: &StoreOptions) -> Pools {
    let limit = format!("SET statement_timeout = {}", options.timeout.as_millis());
    let pool = |n_connections: u32| {
        let limit = limit.clone();
        PgPoolOptions::new()
            .max_connections(n_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| {
                let limit = AssertSqlSafe(limit.clone());
                Box::pin(async move { connection.execute(limit).await.map(drop) })
            })
            .connect_lazy_with(connect.clone())
    };
    Pools { writers: pool(options.writers.get()), readers: pool(options.readers.get()) }
}

fn with_password(
    connect: PgConnectOptions,
    file: Option<&PathBuf>,
) -> Result<PgConnectOptions, StoreError> {
    let Some(file) = file else { return Ok(connect) };
    let text = std::fs::read_to_string(file)
        .map_err(|source| StoreError::PasswordFile { path: file.display().to_string(), source })?;
    Ok(connect.password(text.trim_end_matches(['\n', '\r'])))
}
