//! What can go wrong with the database.

use std::io::ErrorKind;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is of no database that is known here.
    #[error("store address `{url}` {wrong}; expected {expected}")]
    Url {
        /// The address, without a password.
        url: String,
        /// What is wrong with it.
        wrong: String,
        /// What would have been accepted.
        expected: &'static str,
    },
    /// The file with the password cannot be read.
    #[error("read the store's password from `{path}`")]
    PasswordFile {
        /// The file.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("open store `{store}`")]
    Open {
        /// The file, or the address without a password.
        store: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// The tables cannot be brought to this version.
    #[error("migrate store `{store}`")]
    Migrate {
        /// The file, or the address without a password.
        store: String,
        /// What the database said.
        source: MigrateError,
    },
    /// A newer version of the program was here: there is no way back but a backup.
    #[error(
        "store `{store}` was brought by a newer version of this program to a form that this one does not know (migration \
         {migration}); expected that version or a later one, or a backup from before"
    )]
    Newer {
        /// The file, or the address without a password.
        store: String,
        /// The first migration that is not known here.
        migration: i64,
    },
    /// There was no answer at all.
    #[error("{attempt}: no answer within {after:?}")]
    NoAnswer {
        /// What was tried.
        attempt: &'static str,
        /// How long was waited.
        after: Duration,
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
    /// Somebody else wrote the state of a spec's alert in between.
    #[error("the alert state of metric spec `{spec}` was written by another process")]
    StateMoved {
        /// The spec's name.
        spec: String,
    },
    /// Somebody else applied records of this partition in between.
    #[error("partition {partition} of `{topic}` was advanced by another process")]
    Fenced {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
    },
}

impl StoreError {
    /// Returns whether waiting does not help: the settings or the database must be changed by somebody. A server that
    /// is unavailable, is starting or has no room left may recover.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Url { .. }
            | Self::PasswordFile { .. }
            | Self::Newer { .. }
            | Self::Unreadable { .. } => true,
            Self::Open { source, .. } | Self::Query { source, .. } => lasts(source),
            Self::Migrate { source, .. } => match source {
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _) => {
                    lasts(source)
                }
                _ => true,
            },
            Self::NoAnswer { .. }
            | Self::NameTaken { .. }
            | Self::SpecMoved { .. }
            | Self::StateMoved { .. }
            | Self::Fenced { .. } => false,
        }
    }

    /// Returns whether another process was faster: what was believed to be stored is not, and the database is well.
    pub fn is_lost_race(&self) -> bool {
        matches!(self, Self::SpecMoved { .. } | Self::StateMoved { .. } | Self::Fenced { .. })
    }

    /// Why the tables of a store could not be brought to this version.
    pub(crate) fn migrate(store: String, source: MigrateError) -> Self {
        match source {
            MigrateError::VersionMissing(migration) => Self::Newer { store, migration },
            source => Self::Migrate { store, source },
        }
    }

    pub(crate) fn query(attempt: &'static str) -> impl Fn(sqlx::Error) -> Self {
        move |source| Self::Query { attempt, source }
    }

    pub(crate) fn unreadable(what: &'static str, detail: impl ToString) -> Self {
        Self::Unreadable { what, detail: detail.to_string() }
    }
}

/// What a server says of itself passes; what it says of our address, our rights or our statements does not.
fn lasts(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            // Classes of SQLSTATE: authorization, name of the database, data, constraints, not supported, syntax and
            // rights.
            Some(error) => {
                ["28", "3D", "22", "23", "0A", "42"].iter().any(|it| error.code().starts_with(it))
            }
            // Of SQLite: the file cannot be used.
            None => true,
        },
        sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) | sqlx::Error::Encode(_) => true,
        // Of a file that the address names, such as a certificate.
        sqlx::Error::Io(error) => {
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
        }
        _ => false,
    }
}
