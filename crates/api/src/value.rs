//! A value of a field, as JSON has it.

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// One value or a list: everything that a prediction's field can be, which is JSON without objects.
///
/// A number that is not finite is written as null, since JSON has no word for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// No value, or a number that is not finite.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond those of [`Value::Int`].
    Uint(u64),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// Values, one for each record or element.
    List(Vec<Value>),
}

impl PartialSchema for Value {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
    }
}

impl ToSchema for Value {}

macro_rules! from {
    ($($type:ty: $value:ident => $made:expr;)+) => {
        $(impl From<$type> for Value {
            fn from($value: $type) -> Self {
                $made
            }
        })+
    };
}

from! {
    bool: it => Self::Bool(it);
    i64: it => Self::Int(it);
    u64: it => i64::try_from(it).map_or(Self::Uint(it), Self::Int);
    f64: it => Self::Float(it);
    String: it => Self::Text(it);
    Vec<Value>: it => Self::List(it);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_and_come_back() {
        for (value, text) in [
            (Value::Null, "null"),
            (Value::from(true), "true"),
            (Value::from(-3_i64), "-3"),
            (Value::from(3_u64), "3"),
            (Value::from(u64::MAX), "18446744073709551615"),
            (Value::from(1.0_f64), "1.0"),
            (Value::from("a".to_owned()), "\"a\""),
            (Value::from(vec![Value::Int(1), Value::List(vec![Value::Null])]), "[1,[null]]"),
        ] {
            assert_eq!(serde_json::to_string(&value).unwrap(), text);
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), value);
        }
        assert_eq!(serde_json::to_string(&Value::from(f64::NAN)).unwrap(), "null");
        assert!(serde_json::from_str::<Value>("{}").is_err());
    }
}
