//! Types of settings that cannot hold what no program can work with.
//!
//! Counts are the standard library's `NonZeroU32` and its kin; here is what it has no type for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use figment::error::Actual;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// A time longer than zero, written as `5s` or `1h 30m`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NonZeroDuration(Duration);

impl NonZeroDuration {
    /// A time that must be longer than zero; `None` if it is not.
    pub const fn new(duration: Duration) -> Option<Self> {
        if duration.is_zero() { None } else { Some(Self(duration)) }
    }

    /// The time.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl fmt::Debug for NonZeroDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for NonZeroDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        humantime_serde::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for NonZeroDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = humantime_serde::deserialize(deserializer)?;
        Self::new(duration)
            .ok_or_else(|| D::Error::custom("found 0s, expected a time longer than zero"))
    }
}

/// For `deserialize_with`: a number that is not less than `MIN`.
///
/// # Errors
/// One that names the number and what is expected.
pub fn at_least<'de, const MIN: u64, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + TryInto<u64> + Copy,
    D: Deserializer<'de>,
{
    let number = T::deserialize(deserializer)?;
    match number.try_into() {
        Ok(found) if found < MIN => {
            Err(D::Error::custom(format!("found {found}, expected at least {MIN}")))
        }
        // What does not fit into 64 bits is not less than what does.
        Ok(_) | Err(_) => Ok(number),
    }
}

/// For `deserialize_with`: a path that is not empty, which would be wherever the program was started.
///
/// # Errors
/// One that says what is expected.
pub fn path<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: From<PathBuf>,
    D: Deserializer<'de>,
{
    let path = PathBuf::deserialize(deserializer)?;
    match path.as_os_str().is_empty() {
        true => Err(D::Error::custom("it is empty; expected a path")),
        false => Ok(T::from(path)),
    }
}

/// What came, for people: figment tells signed numbers from unsigned ones, which depends on where one was written.
pub(super) fn came(found: &Actual) -> String {
    if let Actual::Unsigned(number) = found {
        return format!("integer `{number}`");
    }
    if let Actual::Signed(number) = found {
        return format!("integer `{number}`");
    }
    found.to_string()
}

/// What kind of value came, without the value.
pub(super) fn kind_of(found: &Actual) -> String {
    match found {
        Actual::Str(_) | Actual::Char(_) => "a text".to_owned(),
        Actual::Bool(_) => "a truth value".to_owned(),
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number".to_owned(),
        Actual::Bytes(_)
        | Actual::Unit
        | Actual::Option
        | Actual::NewtypeStruct
        | Actual::Seq
        | Actual::Map
        | Actual::Enum
        | Actual::UnitVariant
        | Actual::NewtypeVariant
        | Actual::TupleVariant
        | Actual::StructVariant
        | Actual::Other(_) => "another value".to_owned(),
    }
}

/// What serde expects, for people: it says `a nonzero u32`.
pub(super) fn in_words(expected: &str) -> String {
    match expected.strip_prefix("a nonzero ") {
        Some(number) if number.starts_with('u') => "a whole number of at least 1".to_owned(),
        Some(_) | None => expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};

    use super::*;
    use crate::settings::Layers;

    #[derive(Debug, Serialize, Deserialize)]
    struct Config {
        max_batch: NonZeroUsize,
        readers: NonZeroU32,
        every: NonZeroDuration,
        #[serde(deserialize_with = "at_least::<1024, _, _>")]
        message_bytes: usize,
    }

    const DEFAULTS: &str = "max_batch = 1\nreaders = 1\nevery = '5s'\nmessage_bytes = 1024\n";

    #[test]
    fn what_cannot_work_is_refused_with_what_came_and_what_is_expected() {
        let refused = |key: &str, value: &str| {
            let layers = Layers::defaults(DEFAULTS).unwrap().set("flag", key, value);
            layers.extract::<Config>().unwrap_err().to_string()
        };
        for key in ["max_batch", "readers"] {
            assert_eq!(
                refused(key, "0"),
                format!(
                    "flag: key `{key}`: found integer `0`, expected a whole number of at least 1"
                )
            );
        }
        assert_eq!(
            refused("every", "0s"),
            "flag: key `every`: found 0s, expected a time longer than zero"
        );
        assert_eq!(
            refused("message_bytes", "7"),
            "flag: key `message_bytes`: found 7, expected at least 1024"
        );
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let config: Config = Layers::defaults(DEFAULTS).unwrap().extract().unwrap();
        assert_eq!(config.every.get(), Duration::from_secs(5));
        let shown = crate::settings::print(&config).unwrap();
        let again: Config = Layers::defaults(&shown).unwrap().extract().unwrap();
        assert_eq!(again.every, config.every);
    }
}
