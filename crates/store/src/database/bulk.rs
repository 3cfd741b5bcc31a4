//! Many rows at once, by the way that is fastest on each database.

use std::ops::Range;

use jiff::Timestamp;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Postgres, Sqlite};

use super::time::Micros;
use crate::error::StoreError;

/// How many rows go into one statement on SQLite: few different sizes, so that each statement is prepared once.
const SQLITE_CHUNKS: [usize; 4] = [256, 32, 4, 1];
/// How many rows go into one statement on PostgreSQL: enough that the way there and back does not count.
const POSTGRES_CHUNK: usize = 4096;

/// Rows of one table, column by column.
#[derive(Debug)]
pub(crate) struct Rows<'a> {
    /// What an error says was tried.
    pub(crate) attempt: &'static str,
    pub(crate) table: &'static str,
    pub(crate) n_rows: usize,
    /// Each has `n_rows` values.
    pub(crate) columns: Vec<(&'static str, Column<'a>)>,
}

/// One column's values, row by row.
#[derive(Debug)]
pub(crate) enum Column<'a> {
    Numbers(Vec<i64>),
    Reals(Vec<Option<f64>>),
    Texts(Vec<Option<&'a str>>),
    Uuids(Vec<String>),
    Times(Vec<Option<Micros>>),
}

impl Column<'_> {
    pub(crate) fn times(times: impl Iterator<Item = Option<Timestamp>>) -> Self {
        Self::Times(times.map(|it| it.map(Into::into)).collect())
    }

    /// The type of an array of these on PostgreSQL.
    const fn array(&self) -> &'static str {
        match self {
            Self::Numbers(_) => "bigint[]",
            Self::Reals(_) => "double precision[]",
            Self::Texts(_) | Self::Uuids(_) => "text[]",
            Self::Times(_) => "timestamptz[]",
        }
    }

    fn bind_one<'q>(
        &'q self,
        query: Query<'q, Sqlite, SqliteArguments>,
        row_idx: usize,
    ) -> Query<'q, Sqlite, SqliteArguments> {
        match self {
            Self::Numbers(values) => query.bind(values[row_idx]),
            Self::Reals(values) => query.bind(values[row_idx]),
            Self::Texts(values) => query.bind(values[row_idx]),
            Self::Uuids(values) => query.bind(values[row_idx].as_str()),
            Self::Times(values) => query.bind(values[row_idx]),
        }
    }

    fn bind_array<'q>(
        &'q self,
        query: Query<'q, Postgres, PgArguments>,
        rows: Range<usize>,
    ) -> Query<'q, Postgres, PgArguments> {
        match self {
            Self::Numbers(values) => query.bind(&values[rows]),
            Self::Reals(values) => query.bind(&values[rows]),
            Self::Texts(values) => query.bind(&values[rows]),
            Self::Uuids(values) => query.bind(&values[rows]),
            Self::Times(values) => query.bind(&values[rows]),
        }
    }
}

impl Rows<'_> {
    fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    /// Made of constants only. The placeholders have no numbers here, because SQLite looks numbered ones up one after
    /// the other, and a statement has thousands.
    fn sqlite_statement(&self, n_rows: usize) -> String {
        let row = format!("({})", vec!["?"; self.columns.len()].join(", "));
        let rows = vec![row.as_str(); n_rows].join(", ");
        format!("INSERT INTO {} ({}) VALUES {rows}", self.table, self.names())
    }

    /// One array for each column: one statement for any number of rows, prepared once.
    fn postgres_statement(&self) -> String {
        let arrays: Vec<_> = self
            .columns
            .iter()
            .zip(1..)
            .map(|((_, column), n)| format!("${n}::{}", column.array()))
            .collect();
        let (table, names) = (self.table, self.names());
        format!("INSERT INTO {table} ({names}) SELECT * FROM UNNEST({})", arrays.join(", "))
    }
}

/// Inserts by lists of values, which SQLite takes as they are.
pub(super) async fn into_sqlite(
    connection: &mut SqliteConnection,
    rows: &Rows<'_>,
) -> Result<(), StoreError> {
    let mut next = 0;
    for size in SQLITE_CHUNKS {
        if rows.n_rows - next < size {
            continue;
        }
        let statement = rows.sqlite_statement(size);
        while rows.n_rows - next >= size {
            let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
            for row_idx in next..next + size {
                for (_, column) in &rows.columns {
                    query = column.bind_one(query, row_idx);
                }
            }
            query.execute(&mut *connection).await.map_err(StoreError::query(rows.attempt))?;
            next += size;
        }
    }
    Ok(())
}

/// Inserts by one array for each column.
pub(super) async fn into_postgres(
    connection: &mut PgConnection,
    rows: &Rows<'_>,
) -> Result<(), sqlx::Error> {
    let statement = rows.postgres_statement();
    for from in (0..rows.n_rows).step_by(POSTGRES_CHUNK) {
        let chunk = from..rows.n_rows.min(from + POSTGRES_CHUNK);
        let mut query = sqlx::query::<Postgres>(AssertSqlSafe(statement.as_str()));
        for (_, column) in &rows.columns {
            query = column.bind_array(query, chunk.clone());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}
