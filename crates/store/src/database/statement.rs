//! One SQL statement with its values, for either database.

use std::borrow::Cow;

use jiff::Timestamp;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::time::Micros;
use crate::error::StoreError;

/// A value of one of the types that columns have.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Number(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Time(Option<Micros>),
}

/// A statement with its values in the order of its placeholders, which are `$1`, `$2` and so on in both databases.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(super) attempt: &'static str,
    sql: Cow<'static, str>,
    values: Vec<Value>,
}

impl Statement {
    /// Starts a statement; `attempt` says in an error what was tried.
    pub(crate) const fn new(attempt: &'static str, sql: &'static str) -> Self {
        Self { attempt, sql: Cow::Borrowed(sql), values: Vec::new() }
    }

    /// Gives the next placeholder its value.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Appends SQL. It is a constant, so nothing of a request can be in it.
    pub(crate) fn push(&mut self, sql: &'static str) -> &mut Self {
        self.sql.to_mut().push_str(sql);
        self
    }

    /// Appends a placeholder and gives it its value.
    pub(crate) fn push_bind(&mut self, value: impl Into<Value>) -> &mut Self {
        self.values.push(value.into());
        let placeholder = format!("${}", self.values.len());
        self.sql.to_mut().push_str(&placeholder);
        self
    }

    pub(super) fn into_sqlite(self) -> Result<(SqlStr, SqliteArguments), StoreError> {
        let mut arguments = SqliteArguments::default();
        for value in self.values {
            let added = match value {
                Value::Number(it) => arguments.add(it),
                Value::Real(it) => arguments.add(it),
                Value::Text(it) => arguments.add(it),
                Value::Time(it) => arguments.add(it),
            };
            added.map_err(|it| encode(self.attempt, it))?;
        }
        Ok((AssertSqlSafe(self.sql).into_sql_str(), arguments))
    }

    pub(super) fn into_postgres(self) -> Result<(SqlStr, PgArguments), StoreError> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            let added = match value {
                Value::Number(it) => arguments.add(it),
                Value::Real(it) => arguments.add(it),
                Value::Text(it) => arguments.add(it),
                Value::Time(it) => arguments.add(it),
            };
            added.map_err(|it| encode(self.attempt, it))?;
        }
        Ok((AssertSqlSafe(self.sql).into_sql_str(), arguments))
    }
}

fn encode(attempt: &'static str, source: sqlx::error::BoxDynError) -> StoreError {
    StoreError::Query { attempt, source: sqlx::Error::Encode(source) }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Number(Some(number.into()))
    }
}

impl From<u64> for Value {
    /// A count or number that is never negative. Columns are signed; half of the range is enough for all of them.
    fn from(number: u64) -> Self {
        Self::Number(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(Some(number))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Time(Some(at.into()))
    }
}

impl From<Option<u32>> for Value {
    fn from(number: Option<u32>) -> Self {
        Self::Number(number.map(i64::from))
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        number.map_or(Self::Number(None), Self::from)
    }
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Self {
        Self::Real(number)
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Time(at.map(Into::into))
    }
}
