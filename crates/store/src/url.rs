//! Addresses of databases.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnectOptions;

use crate::error::StoreError;

const EXPECTED: &str = "sqlite:///PATH, the path of a database file, or postgres://USER[:PASSWORD]@HOST[:PORT]/DATABASE";
/// What may follow a `?` in the address of a PostgreSQL server.
const PARAMETERS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"];
const MASK: &str = "********";

/// Where the database is: `sqlite:///var/lib/shadowline/store.db`, a path, or
/// `postgres://user:password@host:5432/database?sslmode=verify-full&sslrootcert=/etc/ssl/db.pem`.
///
/// A password is never shown: not by `Display`, `Debug` or when it is written as a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// The checked address of a database on a PostgreSQL server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PostgresUrl {
    scheme: String,
    user: String,
    password: Option<String>,
    /// Host, port, database and parameters.
    rest: String,
}

impl StoreUrl {
    /// A database file at this path.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self(Place::Sqlite(path.into()))
    }

    /// Returns the file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::Sqlite(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// Returns whether a password is part of it.
    pub fn has_password(&self) -> bool {
        matches!(&self.0, Place::Postgres(url) if url.password.is_some())
    }

    pub(crate) const fn place(&self) -> &Place {
        &self.0
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = StoreError;

    fn try_from(url: String) -> Result<Self, StoreError> {
        let refused = |url: String| {
            Err(StoreError::Url { url, wrong: "is not usable".to_owned(), expected: EXPECTED })
        };
        match url.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::sqlite(path)),
            None if !url.is_empty() => Ok(Self::sqlite(url)),
            Some((scheme @ ("postgres" | "postgresql"), rest)) => {
                PostgresUrl::parse(scheme, rest).map(|it| Self(Place::Postgres(it)))
            }
            // Not the whole address: a password may be in it.
            Some((scheme, _)) => refused(format!("{scheme}://…")),
            None => refused(url),
        }
    }
}

impl From<StoreUrl> for String {
    fn from(url: StoreUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Place::Postgres(url) => url.fmt(f),
        }
    }
}

impl PostgresUrl {
    fn parse(scheme: &str, text: &str) -> Result<Self, StoreError> {
        // Nothing of the text is shown unless it is known to be no part of a password.
        let refused = |wrong: &str| StoreError::Url {
            url: format!("{scheme}://…"),
            wrong: wrong.to_owned(),
            expected: EXPECTED,
        };
        let authority_end = text.find(['/', '?', '#']).unwrap_or(text.len());
        let (authority, path) = text.split_at(authority_end);
        let Some((userinfo, host)) = authority.rsplit_once('@') else {
            return Err(refused(
                "names no user, or has a `/`, `?` or `#` in the password that is \
                                not written as %2F, %3F or %23",
            ));
        };
        let (user, password) = match userinfo.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (userinfo, None),
        };
        let (database, parameters) = path.split_once('?').unwrap_or((path, ""));
        if user.is_empty() {
            return Err(refused("names no user"));
        }
        if host.is_empty() || host.starts_with(':') {
            return Err(refused("names no host"));
        }
        if database.len() < 2 || database[1..].contains(['/', '#']) {
            return Err(refused("names no database"));
        }
        for parameter in parameters.split('&').filter(|it| !it.is_empty()) {
            let (name, _) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name == "password" {
                return Err(refused("has the password among its parameters"));
            }
            if !PARAMETERS.contains(&name) {
                let known = PARAMETERS.join(", ");
                return Err(refused(&format!("has the parameter `{name}`; known are {known}")));
            }
        }
        let url = Self {
            scheme: scheme.to_owned(),
            user: user.to_owned(),
            password,
            rest: format!("{host}{path}"),
        };
        url.connect_options()?;
        Ok(url)
    }

    /// What a connection is made with.
    pub(crate) fn connect_options(&self) -> Result<PgConnectOptions, StoreError> {
        let password = self.password.as_ref().map_or_else(String::new, |it| format!(":{it}"));
        let whole = format!("postgres://{}{password}@{}", self.user, self.rest);
        let options: PgConnectOptions = whole.parse().map_err(|error| StoreError::Url {
            url: self.to_string(),
            wrong: format!("cannot be read ({error})"),
            expected: EXPECTED,
        })?;
        if self.rest.contains("application_name=") {
            return Ok(options);
        }
        Ok(options.application_name("shadowline"))
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map_or_else(String::new, |_| format!(":{MASK}"));
        write!(f, "{}://{}{password}@{}", self.scheme, self.user, self.rest)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<StoreUrl, String> {
        StoreUrl::try_from(url.to_owned()).map_err(|it| it.to_string())
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(
            read("sqlite:///var/store.db").unwrap().path(),
            Some(Path::new("/var/store.db"))
        );
        assert_eq!(read("data/store.db").unwrap().to_string(), "sqlite://data/store.db");
        assert!(read("").is_err() && read("sqlite://").is_err());
        for (scheme, rest) in [
            ("postgres", "me@db/shadowline"),
            ("postgresql", "me@db:5433/shadowline?sslmode=verify-full&sslrootcert=/etc/db.pem"),
            ("postgres", "me@[::1]:5433/shadowline"),
        ] {
            let url = format!("{scheme}://{rest}");
            assert_eq!(read(&url).unwrap().to_string(), url);
            assert_eq!(read(&url).unwrap().path(), None);
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let url = read("postgres://me:hunter2%40@db/shadowline?sslmode=require").unwrap();
        assert!(url.has_password());
        let Place::Postgres(inner) = url.place() else { panic!("it is on a server") };
        assert_eq!(inner.password.as_deref(), Some("hunter2%40"));
        assert_eq!(url.to_string(), "postgres://me:********@db/shadowline?sslmode=require");
        let shown = format!("{url:?}{}", String::from(url.clone()));
        assert!(!shown.contains("hunter2"), "{shown}");
        for (wrong, why) in [
            ("mysql://me:hunter2@db/shadowline", "mysql"),
            ("postgres://hunter2/shadowline", "no user"),
            ("postgres://:hunter2@db/shadowline", "no user"),
            ("postgres://me:hunter2@/shadowline", "no host"),
            ("postgres://me:hunter2@db", "no database"),
            ("postgres://me:hunter2@db/", "no database"),
            ("postgres://me:hunter2/x@db/shadowline", "%2F"),
            ("postgres://me:hunter2@db:many/shadowline", "cannot be read"),
            ("postgres://me:hunter2@db/shadowline?sslmode=perhaps", "cannot be read"),
            ("postgres://me@db/shadowline?password=hunter2", "among its parameters"),
            ("postgres://me:hunter2@db/shadowline?sslmod=require", "`sslmod`; known are sslmode"),
        ] {
            let refused = read(wrong).unwrap_err();
            assert!(refused.contains(why), "{wrong}: {refused}");
            assert!(
                refused.contains("postgres://USER") && !refused.contains("hunter2"),
                "{refused}"
            );
        }
    }
}
