//! What a value is compared with.

use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// The word for [`Threshold::FromPackage`] in documents.
const FROM_PACKAGE: &str = "from_package";

/// What a value is compared with: the dashed line of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Always this number.
    Fixed(f64),
    /// The threshold in the package of the detector version that scored, which comes with each of its scores.
    FromPackage,
}

impl Threshold {
    /// Returns the number, where the spec has one.
    pub const fn number(self) -> Option<f64> {
        match self {
            Self::Fixed(number) => Some(number),
            Self::FromPackage => None,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => number.fmt(f),
            Self::FromPackage => f.write_str("the threshold of its package"),
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(number) => serializer.serialize_f64(*number),
            Self::FromPackage => serializer.serialize_str(FROM_PACKAGE),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberOrWord;
        impl Visitor<'_> for NumberOrWord {
            type Value = Threshold;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number or `{FROM_PACKAGE}`")
            }
            fn visit_f64<E>(self, value: f64) -> Result<Threshold, E> {
                Ok(Threshold::Fixed(value))
            }
            #[expect(clippy::cast_precision_loss, reason = "it is meant as a real number")]
            fn visit_i64<E>(self, value: i64) -> Result<Threshold, E> {
                Ok(Threshold::Fixed(value as f64))
            }
            #[expect(clippy::cast_precision_loss, reason = "it is meant as a real number")]
            fn visit_u64<E>(self, value: u64) -> Result<Threshold, E> {
                Ok(Threshold::Fixed(value as f64))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Threshold, E> {
                match value {
                    FROM_PACKAGE => Ok(Threshold::FromPackage),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(NumberOrWord)
    }
}
