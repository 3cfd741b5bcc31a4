//! One row of either database, read column by column.

use jiff::Timestamp;
use sqlx::postgres::{PgRow, Postgres};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row as _, Sqlite, Type};

use super::time::Micros;
use crate::error::StoreError;

/// Names the column that is not as it should be.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column of either database can be read as.
pub(crate) trait Readable:
    for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl<T> Readable for T where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite> + for<'r> Decode<'r, Postgres> + Type<Postgres>
{
}

impl Row {
    pub(crate) fn get<T: Readable>(&self, column: &'static str) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(crate) fn unsigned(&self, column: &'static str) -> Result<u64, StoreError> {
        u64::try_from(self.get::<i64>(column)?)
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(crate) fn u32(&self, column: &'static str) -> Result<u32, StoreError> {
        u32::try_from(self.get::<i64>(column)?)
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(crate) fn time(&self, column: &'static str) -> Result<Timestamp, StoreError> {
        timestamp(column, self.get(column)?)
    }

    pub(crate) fn optional_time(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<Micros> = self.get(column)?;
        at.map(|it| timestamp(column, it)).transpose()
    }

    /// Reads a text that names one of a set.
    pub(crate) fn named<T>(
        &self,
        column: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        let name: String = self.get(column)?;
        read(&name).ok_or_else(|| {
            StoreError::unreadable(column, format!("`{name}` is none of the known names"))
        })
    }

    pub(crate) fn uuid(&self, column: &'static str) -> Result<uuid::Uuid, StoreError> {
        self.get::<String>(column)?.parse().map_err(|error| StoreError::unreadable(column, error))
    }

    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        column: &'static str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(&self.get::<String>(column)?)
            .map_err(|error| StoreError::unreadable(column, error))
    }
}

fn timestamp(column: &'static str, at: Micros) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(at.0).map_err(|error| StoreError::unreadable(column, error))
}
