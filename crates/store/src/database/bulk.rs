//! Many checks at once, by the way that is fastest on each database.

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Postgres};

use super::time::Micros;
use crate::{NewCheck, StoreError};

pub(super) const ATTEMPT: &str = "insert checks";

/// The columns, and their types on PostgreSQL.
const COLUMNS: [(&str, &str); 16] = [
    ("spec_no", "bigint"),
    ("spec_version", "bigint"),
    ("inference_id", "text"),
    ("model", "text"),
    ("model_version", "text"),
    ("monitor", "text"),
    ("monitor_version", "text"),
    ("value", "double precision"),
    ("outcome", "text"),
    ("reason", "text"),
    ("operator", "text"),
    ("threshold", "double precision"),
    ("event_at", "timestamptz"),
    ("log_partition", "bigint"),
    ("origin_instance", "text"),
    ("origin_sequence", "bigint"),
];

/// How many rows go into one statement on SQLite: few different sizes, so that each statement is prepared once.
const SQLITE_CHUNKS: [usize; 4] = [256, 32, 4, 1];
/// How many rows go into one statement on PostgreSQL: enough that the way there and back does not count.
const POSTGRES_CHUNK: usize = 4096;

/// Inserts by lists of values, which SQLite takes as they are.
pub(super) async fn into_sqlite(
    connection: &mut SqliteConnection,
    mut checks: &[NewCheck],
) -> Result<(), StoreError> {
    for size in SQLITE_CHUNKS {
        if checks.len() < size {
            continue;
        }
        let statement = sqlite_statement(size);
        while checks.len() >= size {
            let (chunk, rest) = checks.split_at(size);
            let mut query = sqlx::query(AssertSqlSafe(statement.as_str()));
            for check in chunk {
                query = query
                    .bind(check.spec_no.0)
                    .bind(i64::from(check.spec_version.0))
                    .bind(&check.inference_id)
                    .bind(&check.model.0)
                    .bind(&check.model.1)
                    .bind(&check.monitor.0)
                    .bind(&check.monitor.1)
                    .bind(check.value)
                    .bind(check.outcome.name())
                    .bind(check.reason.as_deref())
                    .bind(check.condition.operator().name())
                    .bind(check.condition.threshold())
                    .bind(Micros::from(check.event_at))
                    .bind(i64::from(check.partition))
                    .bind(check.origin.0.to_string())
                    .bind(signed(check.origin.1));
            }
            query.execute(&mut *connection).await.map_err(StoreError::query(ATTEMPT))?;
            checks = rest;
        }
    }
    Ok(())
}

/// Made of constants only. The placeholders have no numbers here, because SQLite looks numbered ones up one after the
/// other, and a statement has thousands.
fn sqlite_statement(n_rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS.len()].join(", "));
    let rows = vec![row.as_str(); n_rows].join(", ");
    format!("INSERT INTO checks ({}) VALUES {rows}", names())
}

/// Inserts by one array for each column: one statement for any number of rows, prepared once.
pub(super) async fn into_postgres(
    connection: &mut PgConnection,
    checks: &[NewCheck],
) -> Result<(), sqlx::Error> {
    if checks.is_empty() {
        return Ok(());
    }
    let statement = postgres_statement();
    for chunk in checks.chunks(POSTGRES_CHUNK) {
        let numbers = |read: fn(&NewCheck) -> i64| chunk.iter().map(read).collect::<Vec<_>>();
        let texts = |read: fn(&NewCheck) -> &str| chunk.iter().map(read).collect::<Vec<_>>();
        let instances: Vec<_> = chunk.iter().map(|it| it.origin.0.to_string()).collect();
        let reasons: Vec<_> = chunk.iter().map(|it| it.reason.as_deref()).collect();
        let values: Vec<_> = chunk.iter().map(|it| it.value).collect();
        let thresholds: Vec<_> = chunk.iter().map(|it| it.condition.threshold()).collect();
        let times: Vec<_> = chunk.iter().map(|it| Micros::from(it.event_at)).collect();
        sqlx::query::<Postgres>(AssertSqlSafe(statement.as_str()))
            .bind(numbers(|it| it.spec_no.0))
            .bind(numbers(|it| it.spec_version.0.into()))
            .bind(texts(|it| &it.inference_id))
            .bind(texts(|it| &it.model.0))
            .bind(texts(|it| &it.model.1))
            .bind(texts(|it| &it.monitor.0))
            .bind(texts(|it| &it.monitor.1))
            .bind(values)
            .bind(texts(|it| it.outcome.name()))
            .bind(reasons)
            .bind(texts(|it| it.condition.operator().name()))
            .bind(thresholds)
            .bind(times)
            .bind(numbers(|it| it.partition.into()))
            .bind(instances)
            .bind(numbers(|it| signed(it.origin.1)))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn postgres_statement() -> String {
    let arrays: Vec<_> =
        COLUMNS.iter().zip(1..).map(|((_, kind), n)| format!("${n}::{kind}[]")).collect();
    format!("INSERT INTO checks ({}) SELECT * FROM UNNEST({})", names(), arrays.join(", "))
}

fn names() -> String {
    COLUMNS.map(|(name, _)| name).join(", ")
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
