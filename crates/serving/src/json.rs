//! JSON as callers send it, read into values without losing a name that comes twice.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use shadowline_contract::Value;

/// A value, or an object where no value can be one.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Value(Value),
    /// The members in their order, with those that have the same name.
    Object(Vec<(String, Json)>),
    /// A list with an object somewhere in it.
    Objects,
}

impl Json {
    /// The value, or what is there instead.
    pub(crate) fn into_value(self) -> Result<Value, &'static str> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Object(_) => Err("an object"),
            Self::Objects => Err("a list of objects"),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Value(Value::Null))
    }

    fn visit_bool<E>(self, it: bool) -> Result<Json, E> {
        Ok(Json::Value(Value::Bool(it)))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Json, E> {
        Ok(Json::Value(Value::Int(it)))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Json, E> {
        Ok(Json::Value(i64::try_from(it).map_or(Value::Uint(it), Value::Int)))
    }

    fn visit_f64<E>(self, it: f64) -> Result<Json, E> {
        Ok(Json::Value(Value::Float(it)))
    }

    fn visit_str<E>(self, it: &str) -> Result<Json, E> {
        Ok(Json::Value(Value::String(it.to_owned())))
    }

    fn visit_string<E>(self, it: String) -> Result<Json, E> {
        Ok(Json::Value(Value::String(it)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        let mut has_objects = false;
        while let Some(item) = seq.next_element::<Json>()? {
            match item {
                Json::Value(value) => items.push(value),
                Json::Object(_) | Json::Objects => has_objects = true,
            }
        }
        Ok(if has_objects { Json::Objects } else { Json::Value(Value::List(items)) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, Json>()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_twice_stay_two() {
        let json: Json = serde_json::from_str(r#"{"a": 1, "a": [1.5, "x", null, true]}"#).unwrap();
        let Json::Object(members) = json else { panic!("{json:?}") };
        assert_eq!(members.len(), 2);
        let list = members[1].1.clone().into_value().unwrap();
        let expected =
            [Value::Float(1.5), Value::String("x".to_owned()), Value::Null, Value::Bool(true)];
        assert_eq!(list, Value::List(expected.to_vec()));
    }

    #[test]
    fn an_object_is_no_value() {
        let value = |text| serde_json::from_str::<Json>(text).unwrap().into_value();
        assert_eq!(value("{}"), Err("an object"));
        assert_eq!(value("[[{}]]"), Err("a list of objects"));
        assert_eq!(value("18446744073709551615"), Ok(Value::Uint(u64::MAX)));
        assert!(serde_json::from_str::<Json>("NaN").is_err());
    }
}
