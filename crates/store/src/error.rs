//! What can go wrong with the database.

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is of no database that is known here.
    #[error("store address `{url}` is not usable: expected {expected}")]
    Url {
        /// The address, without a password.
        url: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The database cannot be opened.
    #[error("open store `{path}`")]
    Open {
        /// The file.
        path: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought to this version.
    #[error("migrate store `{path}`")]
    Migrate {
        /// The file.
        path: String,
        /// What the database said.
        source: sqlx::migrate::MigrateError,
    },
    /// The database refused or did not answer.
    #[error("{attempt}")]
    Query {
        /// What was tried.
        attempt: &'static str,
        /// What the database said.
        source: sqlx::Error,
    },
    /// Something stored is not what this version writes.
    #[error("{what} in the store is not readable: {detail}")]
    Unreadable {
        /// Which thing.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Another spec has the name.
    #[error("a metric spec named `{name}` exists already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Somebody else changed the spec in between.
    #[error("metric spec `{name}` is no longer at version {version}")]
    SpecMoved {
        /// The name.
        name: String,
        /// The version that was expected.
        version: u32,
    },
    /// Somebody else applied records of this partition in between.
    #[error("partition {partition} of `{topic}` was advanced by another reader")]
    Fenced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
}

impl StoreError {
    pub(crate) fn query(attempt: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Query { attempt, source }
    }

    pub(crate) fn unreadable(what: &'static str, detail: impl ToString) -> Self {
        Self::Unreadable { what, detail: detail.to_string() }
    }
}
