//! Settings as they are shown: as they were written, and without what is secret.

use figment::error::Actual;
use figment::value::{Dict, Value};
use humantime_serde::re::humantime::parse_duration;
use serde::Serialize;

use super::{Secret, SettingsError};

/// What a key has in its name whose value is not shown.
const SECRETS: [&str; 7] =
    ["password", "passwd", "secret", "token", "jaas", "key.pem", "credential"];
/// A table whose keys are a library's, which no type of ours knows. A misspelt one may be a secret.
const PASSED_ON: &str = "properties";
/// What is known to be none there, by its whole name or by its end.
const HARMLESS: [&str; 22] = [
    "api.version.request",
    "auto.offset.reset",
    "broker.address.family",
    "client.dns.lookup",
    "client.rack",
    "compression.codec",
    "compression.level",
    "compression.type",
    "debug",
    "enable.ssl.certificate.verification",
    "enable.sasl.oauthbearer.unsecure.jwt",
    "partition.assignment.strategy",
    "sasl.kerberos.service.name",
    "sasl.mechanism",
    "sasl.mechanisms",
    "sasl.oauthbearer.method",
    "sasl.username",
    "security.protocol",
    "socket.keepalive.enable",
    "socket.nagle.disable",
    "ssl.endpoint.identification.algorithm",
    "topic.metadata.refresh.sparse",
];
const HARMLESS_ENDS: [&str; 8] =
    [".ms", ".bytes", ".kbytes", ".messages", ".location", ".max", ".min", ".size"];

/// The values of settings as they were written.
#[derive(Debug, Clone)]
pub struct Written(Dict);

impl Written {
    pub(super) fn new(values: Dict) -> Self {
        Self(values)
    }

    /// Puts back the times that a type writes in another way: `30d`, which it calls 30days.
    pub fn put_back(&self, shown: &mut toml::Table) {
        put_back(&self.0, shown);
    }
}

fn put_back(written: &Dict, shown: &mut toml::Table) {
    for (key, value) in shown {
        match (value, written.get(key)) {
            (toml::Value::Table(shown), Some(Value::Dict(_, written))) => put_back(written, shown),
            (toml::Value::String(shown), Some(Value::String(_, written))) => {
                let same = parse_duration(shown).ok().zip(parse_duration(written).ok());
                if same.is_some_and(|(shown, written)| shown == written) {
                    written.clone_into(shown);
                }
            }
            _ => {}
        }
    }
}

/// Shows settings as the TOML file that would give them, with secrets masked.
///
/// # Errors
/// [`SettingsError::BuiltIn`] if the settings type cannot be written as TOML.
pub fn print<C: Serialize>(config: &C) -> Result<String, SettingsError> {
    let mut table = to_toml(config)?;
    table.iter_mut().for_each(|(key, value)| mask(key, value));
    toml::to_string_pretty(&table).map_err(not_toml)
}

/// Returns settings as the TOML table that would give them.
///
/// # Errors
/// [`SettingsError::BuiltIn`] if the settings type cannot be written as TOML.
pub fn to_toml<C: Serialize>(config: &C) -> Result<toml::Table, SettingsError> {
    toml::Table::try_from(config).map_err(not_toml)
}

fn not_toml(source: toml::ser::Error) -> SettingsError {
    let what = "the program, shown as TOML".into();
    SettingsError::BuiltIn { what, source: Box::new(source) }
}

/// Hides what is no [`Secret`] but may be one: settings that are passed on to a library, passwords in addresses.
fn mask(key: &str, value: &mut toml::Value) {
    match value {
        toml::Value::Table(table) if key == PASSED_ON => {
            for (name, value) in table {
                match value {
                    toml::Value::String(_) if is_harmless(name) => mask(name, value),
                    _ => *value = toml::Value::String(Secret::MASK.into()),
                }
            }
        }
        toml::Value::Table(table) => table.iter_mut().for_each(|(key, value)| mask(key, value)),
        toml::Value::Array(values) => values.iter_mut().for_each(|it| mask(key, it)),
        toml::Value::String(text) => {
            if is_secret(key) {
                *text = Secret::MASK.into();
            } else if let Some((scheme, user, rest)) = with_password(text) {
                *text = format!("{scheme}://{user}:{}@{rest}", Secret::MASK);
            }
        }
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_) => {}
    }
}

/// Whether a key names a secret. Where one is kept is none, as in `store_password_file`.
fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRETS.iter().any(|it| key.contains(it)) && !key.ends_with("_file")
}

fn is_harmless(property: &str) -> bool {
    !is_secret(property)
        && (HARMLESS.contains(&property) || HARMLESS_ENDS.iter().any(|it| property.ends_with(it)))
}

/// Whether a value that was refused may be a secret, by the key it stood under and by what it is.
pub(super) fn may_be_secret(key: &str, found: &Actual) -> bool {
    let passed_on = key.split('.').any(|it| it == PASSED_ON);
    let in_address = matches!(found, Actual::Str(text) if with_password(text).is_some());
    passed_on || in_address || is_secret(key)
}

/// The parts around the password of an address such as `https://user:password@host/path`.
fn with_password(text: &str) -> Option<(&str, &str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (userinfo, _) = authority.rsplit_once('@')?;
    let (user, _) = userinfo.split_once(':')?;
    Some((scheme, user, &rest[userinfo.len() + 1..]))
}
