//! Typed settings from layers: defaults, then a TOML file, then the environment, then flags.
//!
//! A program's settings file *is* its `Config`: what `--print-config` shows is what the file may hold.
//! A program that runs several services, such as `shadowline up`, has one table per service in its own
//! `Config`, and takes each service's defaults by [`Layers::defaults_in`]. In the environment two
//! underscores separate the levels: `SHADOWLINE__HTTP__LISTEN` is the key `http.listen`.

mod checked;
mod secret;
mod shown;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::de::DeserializeOwned;
use shadowline_error::BoxError;

pub use self::checked::{NonZeroDuration, at_least, path};
pub use self::secret::Secret;
pub use self::shown::{Written, print, to_toml};

/// The environment variables a program reads begin with this. Two underscores, because Kubernetes
/// injects `SHADOWLINE_SERVICE_HOST` and its like.
pub const ENV_PREFIX: &str = "SHADOWLINE__";

/// Why a program's settings were refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file that was named cannot be read.
    #[error("read settings file `{}`", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not TOML.
    #[error("parse settings file `{}`", path.display())]
    Parse { path: PathBuf, source: Box<figment::Error> },
    /// A key that no setting has.
    #[error("{origin}: unknown key `{key}`{hint}")]
    UnknownKey { origin: String, key: String, hint: String },
    /// A value that its setting cannot have.
    #[error("{origin}: key `{key}`: {message}")]
    Value { origin: String, key: String, message: String },
    /// Values that do not go together; the message names the keys.
    #[error("{message}")]
    Together { message: String },
    /// A setting without a default that was not given.
    #[error("missing key `{key}`: set it in the settings file or by {variable}")]
    Missing { key: String, variable: String },
    /// A flag that is not `KEY=VALUE`.
    #[error("flag `--set {text}`: expected KEY=VALUE, for example `http.listen=127.0.0.1:8010`")]
    Flag { text: String },
    /// The settings a program was built with are broken, or cannot be shown.
    #[error("built-in settings of {what}")]
    BuiltIn { what: String, source: BoxError },
}

/// The layers of one program's settings, the later over the earlier.
#[derive(Debug, Clone)]
pub struct Layers {
    figment: Figment,
}

impl Layers {
    /// Starts from the defaults a program is built with.
    ///
    /// # Errors
    /// [`SettingsError::BuiltIn`] if they are not TOML.
    pub fn defaults(toml: &str) -> Result<Self, SettingsError> {
        let figment = Figment::from(Serialized::defaults(built_in("the program", toml)?));
        Ok(Layers { figment })
    }

    /// Puts a part's defaults into the table `table`; keys that are there already stay.
    ///
    /// # Errors
    /// [`SettingsError::BuiltIn`] if they are not TOML.
    pub fn defaults_in(mut self, table: &str, toml: &str) -> Result<Self, SettingsError> {
        self.figment = self.figment.join(Serialized::default(table, built_in(table, toml)?));
        Ok(self)
    }

    /// Adds a settings file; one that was named must be there.
    ///
    /// # Errors
    /// `Read` if it cannot be read, `Parse` if it is not TOML.
    pub fn file(mut self, path: Option<&Path>) -> Result<Self, SettingsError> {
        let Some(path) = path else { return Ok(self) };
        // Read here, because figment passes over a missing file.
        std::fs::read_to_string(path)
            .map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let file = Toml::file_exact(path);
        file.data().map_err(|error| SettingsError::Parse {
            path: path.to_owned(),
            source: Box::new(error),
        })?;
        self.figment = self.figment.merge(file);
        Ok(self)
    }

    /// Adds variables of the environment, usually [`std::env::vars_os`]; those of others are passed over.
    pub fn environment<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<std::ffi::OsStr>,
        V: AsRef<std::ffi::OsStr>,
    {
        for (name, value) in variables {
            let name = name.as_ref().to_string_lossy();
            let Some(key) = name.strip_prefix(ENV_PREFIX) else { continue };
            let entry = Entry {
                origin: format!("environment variable `{name}`"),
                key: key.split("__").map(str::to_lowercase).collect(),
                value: scalar(&value.as_ref().to_string_lossy()),
            };
            self.figment = self.figment.merge(entry);
        }
        self
    }

    /// Adds flags of the form `http.listen=127.0.0.1:8010`.
    ///
    /// # Errors
    /// [`SettingsError::Flag`] for one without `=` or with an empty key.
    pub fn flags<'a>(
        mut self,
        flags: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self, SettingsError> {
        for flag in flags {
            let (key, value) = flag
                .split_once('=')
                .filter(|(key, _)| !key.split('.').any(str::is_empty))
                .ok_or_else(|| SettingsError::Flag { text: key_of(flag) })?;
            self = self.set(&format!("flag `--set {key}`"), key, value);
        }
        Ok(self)
    }

    /// Sets one key (levels separated by dots) as `origin`, which an error would name.
    pub fn set(mut self, origin: &str, key: &str, value: &str) -> Self {
        self.figment = self.figment.merge(Entry {
            origin: origin.to_owned(),
            key: key.split('.').map(str::to_owned).collect(),
            value: scalar(value),
        });
        self
    }

    /// Checks the layers and makes the settings of them.
    ///
    /// # Errors
    /// The first key that is unknown, missing or has a value it cannot have, with where it came from.
    pub fn extract<C: DeserializeOwned>(&self) -> Result<C, SettingsError> {
        self.figment.extract().map_err(|error| self.explain(&error))
    }

    /// Makes the settings of one table of the layers.
    ///
    /// # Errors
    /// As [`Layers::extract`]; keys are named with their table.
    pub fn extract_in<C: DeserializeOwned>(&self, table: &str) -> Result<C, SettingsError> {
        self.figment.extract_inner(table).map_err(|mut error| {
            // Figment puts the table behind the key that is wrong in it.
            if error.path.last().is_some_and(|it| it == table) {
                error.path.rotate_right(1);
            }
            self.explain(&error)
        })
    }

    /// Returns the values as they were written, of the whole or of one table.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn written(&self, table: Option<&str>) -> Result<Written, SettingsError> {
        let values: Dict = match table {
            Some(table) => self.extract_in(table)?,
            None => self.extract()?,
        };
        Ok(Written::new(values))
    }

    /// Returns the names of the tables and keys on the highest level, sorted.
    ///
    /// # Errors
    /// If a layer cannot be read.
    pub fn keys(&self) -> Result<Vec<String>, SettingsError> {
        let tables: Dict = self.extract()?;
        Ok(tables.into_keys().collect())
    }

    /// Says that a key on the highest level is none of those that are known.
    pub fn unknown(&self, key: &str, known: &[&str]) -> SettingsError {
        SettingsError::UnknownKey {
            origin: self.origin(key),
            key: key.to_owned(),
            hint: nearest(key, known),
        }
    }

    fn explain(&self, error: &figment::Error) -> SettingsError {
        let mut path = error.path.clone();
        match &error.kind {
            Kind::UnknownField(field, known) => {
                if path.last() != Some(field) {
                    path.push(field.clone());
                }
                let key = path.join(".");
                SettingsError::UnknownKey {
                    origin: self.origin(&key),
                    key,
                    hint: nearest(field, known),
                }
            }
            Kind::MissingField(field) => {
                path.push(field.to_string());
                let variable = format!("`{ENV_PREFIX}{}`", path.join("__").to_uppercase());
                SettingsError::Missing { key: path.join("."), variable }
            }
            Kind::UnknownVariant(found, known) => {
                let key = path.join(".");
                let message =
                    format!("`{found}` is not one of {}{}", list(known), nearest(found, known));
                SettingsError::Value { origin: self.origin(&key), key, message }
            }
            Kind::InvalidValue(found, expected) | Kind::InvalidType(found, expected) => {
                let key = path.join(".");
                let found = match shown::may_be_secret(&key, found) {
                    true => checked::kind_of(found),
                    false => checked::came(found),
                };
                let expected = checked::in_words(expected);
                let message = match error.kind {
                    Kind::InvalidType(..) => {
                        format!("invalid type: found {found}, expected {expected}")
                    }
                    _ => format!("found {found}, expected {expected}"),
                };
                SettingsError::Value { origin: self.origin(&key), key, message }
            }
            Kind::Message(message) if path.is_empty() => {
                SettingsError::Together { message: message.clone() }
            }
            Kind::Message(_)
            | Kind::InvalidLength(..)
            | Kind::DuplicateField(_)
            | Kind::ISizeOutOfRange(_)
            | Kind::USizeOutOfRange(_)
            | Kind::Unsupported(_)
            | Kind::UnsupportedKey(..) => {
                let key = path.join(".");
                SettingsError::Value {
                    origin: self.origin(&key),
                    key,
                    message: error.kind.to_string(),
                }
            }
        }
    }

    /// Where the value of a key came from, as an operator would look for it.
    fn origin(&self, key: &str) -> String {
        let Some(metadata) = self.figment.find_metadata(key) else { return "settings".into() };
        match metadata.source.as_ref() {
            Some(figment::Source::File(path)) => format!("settings file `{}`", path.display()),
            Some(figment::Source::Custom(origin)) => origin.clone(),
            _ => "built-in settings".into(),
        }
    }
}

/// Layers settings the usual way: defaults, file, this process's environment, flags.
///
/// # Errors
/// As [`Layers`] says.
pub fn layers(
    defaults: &str,
    file: Option<&Path>,
    flags: &[String],
) -> Result<Layers, SettingsError> {
    Layers::defaults(defaults)?.file(file)?.environment(std::env::vars_os()).flags(flags)
}

fn built_in(what: &str, toml: &str) -> Result<toml::Table, SettingsError> {
    toml.parse().map_err(|source: toml::de::Error| SettingsError::BuiltIn {
        what: what.to_owned(),
        source: Box::new(source),
    })
}

/// What of a flag without `=` is a key; what follows may be a password.
fn key_of(flag: &str) -> String {
    let is_of_key = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    match flag.find(|it| !is_of_key(it)) {
        Some(end) => format!("{}…", &flag[..end]),
        None => flag.to_owned(),
    }
}

/// A number, a truth value, an array or a table if the text is one in TOML's notation, else a string.
fn scalar(text: &str) -> Value {
    text.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}

fn list(known: &[&str]) -> String {
    known.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
}

fn nearest(found: &str, known: &[&str]) -> String {
    let close = known
        .iter()
        .map(|it| (strsim::normalized_damerau_levenshtein(found, it), it))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match close {
        Some((similarity, it)) if 0.5 <= similarity => format!("; did you mean `{it}`?"),
        Some(_) => format!("; known here: {}", list(known)),
        None => String::new(),
    }
}

/// One key with its value, as a layer of its own, so that an error can name exactly where it stood.
struct Entry {
    origin: String,
    key: Vec<String>,
    value: Value,
}

impl Provider for Entry {
    fn metadata(&self) -> Metadata {
        Metadata::from("one key", figment::Source::Custom(self.origin.clone()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested =
            self.key.iter().rev().fold(self.value.clone(), |inner, key| {
                Value::from(Dict::from([(key.clone(), inner)]))
            });
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}
