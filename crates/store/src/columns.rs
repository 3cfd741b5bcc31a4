//! Between the types of the program and the types of columns.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::StoreError;

pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A count or number that is never negative. Columns are signed; half of the range is enough for all of them.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Reads one row, naming the column that is not as it should be.
pub(crate) struct Columns<'r>(pub(crate) &'r SqliteRow);

impl<'r> Columns<'r> {
    pub(crate) fn get<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.0.try_get(column).map_err(|error| StoreError::unreadable(column, error))
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
        Timestamp::from_microsecond(self.get(column)?)
            .map_err(|error| StoreError::unreadable(column, error))
    }

    pub(crate) fn optional_time(
        &self,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.get(column)?;
        micros
            .map(Timestamp::from_microsecond)
            .transpose()
            .map_err(|error| StoreError::unreadable(column, error))
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

pub(crate) fn json<T: serde::Serialize>(
    what: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable(what, error))
}
