//! JSON as callers send it, read into values without losing a name that comes twice, and with the words that clients
//! write for numbers that are not finite.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use shadowline_api::numbers;
use shadowline_contract::Value;

use crate::models::clip;

/// A value, or what no value can be.
#[derive(Debug, Clone)]
pub(crate) enum Json {
    Value(Value),
    /// The members in their order, with those that have the same name.
    Object(Vec<(String, Json)>),
    /// A list with an object somewhere in it.
    List(Vec<Json>),
}

impl Json {
    /// Reads a whole body.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let error = match serde_json::from_slice(body) {
            Ok(json) => return Ok(json),
            Err(error) => error,
        };
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err("body: expected JSON, got nothing".to_owned());
        }
        // JSON has no word for them, but clients write them and servers read them. What is refused of them is refused
        // by the contract, which names the field.
        let read = with_numbers_named(body).and_then(|body| serde_json::from_slice(&body).ok());
        read.ok_or_else(|| format!("body: {error}"))
    }

    /// The value, or what is there instead.
    pub(crate) fn into_value(self) -> Result<Value, String> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Object(_) | Self::List(_) => Err(self.kind()),
        }
    }

    /// The items of a list.
    pub(crate) fn into_list(self) -> Result<Vec<Json>, String> {
        match self {
            Self::List(items) => Ok(items),
            Self::Value(Value::List(items)) => Ok(items.into_iter().map(Self::Value).collect()),
            other => Err(other.kind()),
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Value(Value::Null))
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Value(Value::Null) => "null".to_owned(),
            Self::Value(Value::Bool(it)) => format!("the truth value {it}"),
            Self::Value(Value::Int(it)) => format!("the number {it}"),
            Self::Value(Value::Uint(it)) => format!("the number {it}"),
            Self::Value(Value::Float(it)) => format!("the number {it}"),
            Self::Value(Value::String(it)) => format!("the text {:?}", clip(it)),
            Self::Value(Value::List(_) | Value::Tensor(_)) => "a list".to_owned(),
            Self::Object(_) => "an object".to_owned(),
            Self::List(_) => "a list of objects".to_owned(),
        }
    }
}

/// The members of an object, each of a name of its own; one that is null is as if left out.
#[derive(Debug)]
pub(crate) struct Members {
    /// How an error calls the object: empty for the body, else as in `inputs[0]`.
    path: String,
    members: Vec<(String, Json)>,
}

impl Members {
    /// Takes an object apart.
    ///
    /// # Errors
    /// If it is none, or a name comes twice in it or anywhere below.
    pub(crate) fn of(json: Json, path: impl Into<String>) -> Result<Self, String> {
        let this = Self::alone(json, path)?;
        this.refuse_repeated_below()?;
        Ok(this)
    }

    /// As [`Members::of`], without a look at what is below the members.
    pub(crate) fn alone(json: Json, path: impl Into<String>) -> Result<Self, String> {
        let path = path.into();
        let members = match json {
            Json::Object(members) => members,
            other => {
                let path = if path.is_empty() { "body".to_owned() } else { format!("`{path}`") };
                return Err(format!("{path}: expected an object, got {}", other.kind()));
            }
        };
        let this = Self { path, members };
        match repeated(&this.members) {
            Some(name) => Err(format!("{} came twice; expected it once", this.named(name))),
            None => Ok(this),
        }
    }

    /// Refuses names that come twice in objects below, also in those that are not read.
    pub(crate) fn refuse_repeated_below(&self) -> Result<(), String> {
        self.members.iter().try_for_each(|(name, it)| refuse_repeated(it, &|| self.below(name)))
    }

    /// A member's name for an error.
    pub(crate) fn named(&self, name: &str) -> String {
        let name = clip(name);
        if self.path.is_empty() { format!("`{name}`") } else { format!("`{}.{name}`", self.path) }
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        let idx = self.members.iter().position(|(it, _)| it == name)?;
        Some(self.members.swap_remove(idx).1).filter(|it| !it.is_null())
    }

    pub(crate) fn needed(&mut self, name: &str, expected: &str) -> Result<Json, String> {
        let missing = || format!("{} is missing; expected {expected}", self.named(name));
        let missing = missing();
        self.take(name).ok_or(missing)
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Value(Value::String(text))) => Ok(Some(text)),
            Some(other) => {
                Err(format!("{}: expected a text, got {}", self.named(name), other.kind()))
            }
        }
    }

    pub(crate) fn needed_text(&mut self, name: &str) -> Result<String, String> {
        let json = self.needed(name, "a text")?;
        match json {
            Json::Value(Value::String(text)) => Ok(text),
            other => Err(format!("{}: expected a text, got {}", self.named(name), other.kind())),
        }
    }

    pub(crate) fn truth(&mut self, name: &str) -> Result<Option<bool>, String> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::Value(Value::Bool(it))) => Ok(Some(it)),
            Some(other) => {
                let named = self.named(name);
                Err(format!("{named}: expected true or false, got {}", other.kind()))
            }
        }
    }

    /// The members of a member that is an object, without those that are null; none if it is left out.
    pub(crate) fn object(&mut self, name: &str) -> Result<Vec<(String, Json)>, String> {
        let Some(json) = self.take(name) else { return Ok(Vec::new()) };
        let mut members = Members::of(json, self.below(name))?.members;
        members.retain(|(_, it)| !it.is_null());
        Ok(members)
    }

    pub(crate) fn list(&mut self, name: &str) -> Result<Option<Vec<Json>>, String> {
        let Some(json) = self.take(name) else { return Ok(None) };
        let named = self.named(name);
        json.into_list().map(Some).map_err(|got| format!("{named}: expected a list, got {got}"))
    }

    /// The path of a member.
    pub(crate) fn below(&self, name: &str) -> String {
        let name = clip(name);
        if self.path.is_empty() { name } else { format!("{}.{name}", self.path) }
    }

    /// A member that was not taken.
    pub(crate) fn left(&self) -> Option<&str> {
        self.members.iter().find(|(_, it)| !it.is_null()).map(|(name, _)| name.as_str())
    }
}

/// The first name that comes twice.
pub(crate) fn repeated(members: &[(String, Json)]) -> Option<&str> {
    let mut names: Vec<&str> = members.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|it| it[0] == it[1]).map(|it| it[0])
}

/// Refuses a name that comes twice in an object at this path or below it.
fn refuse_repeated(json: &Json, path: &dyn Fn() -> String) -> Result<(), String> {
    match json {
        Json::Value(_) => Ok(()),
        Json::List(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(idx, it)| refuse_repeated(it, &|| format!("{}[{idx}]", path()))),
        Json::Object(members) => {
            if let Some(name) = repeated(members) {
                let (path, name) = (path(), clip(name));
                return Err(format!("`{path}.{name}` came twice; expected it once"));
            }
            members.iter().try_for_each(|(name, it)| {
                refuse_repeated(it, &|| format!("{}.{}", path(), clip(name)))
            })
        }
    }
}

/// The name of the one member of the object that stands for a number that JSON has no word for. Its value is the number
/// as a text.
const NUMBER: &str = "\0number";

/// The body with each number that is none in JSON in a form that [`Json`] reads; nothing if there is none.
fn with_numbers_named(body: &[u8]) -> Option<Vec<u8>> {
    numbers::replace(body, |it| format!(r#"{{"\u0000number":"{}"}}"#, it.word()))
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
        while let Some(item) = seq.next_element::<Json>()? {
            match item {
                Json::Value(value) => items.push(value),
                other => {
                    let mut all: Vec<Json> = items.into_iter().map(Json::Value).collect();
                    all.push(other);
                    while let Some(item) = seq.next_element()? {
                        all.push(item);
                    }
                    return Ok(Json::List(all));
                }
            }
        }
        Ok(Json::Value(Value::List(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry::<String, Json>()? {
            members.push(member);
        }
        if let [(name, Json::Value(Value::String(text)))] = members.as_slice()
            && name == NUMBER
            && let Ok(number) = text.parse::<f64>()
        {
            return Ok(Json::Value(Value::Float(number)));
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_come_twice_stay_two() {
        let json = Json::read(br#"{"a": 1, "a": [1.5, "x", null, true]}"#).unwrap();
        let Json::Object(members) = json.clone() else { panic!("{json:?}") };
        assert_eq!(members.len(), 2);
        let list = members[1].1.clone().into_value().unwrap();
        let expected =
            [Value::Float(1.5), Value::String("x".to_owned()), Value::Null, Value::Bool(true)];
        assert_eq!(list, Value::List(expected.to_vec()));
        let error = Members::of(json, "").unwrap_err();
        assert_eq!(error, "`a` came twice; expected it once");
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_wherever_it_is() {
        let check = |text: &str, expected: &str| {
            let error = Members::of(Json::read(text.as_bytes()).unwrap(), "").unwrap_err();
            assert_eq!(error, format!("`{expected}` came twice; expected it once"), "{text}");
        };
        check(r#"{"x": {"a": 1, "a": 2}}"#, "x.a");
        check(r#"{"x": [0, {"y": [[{"a": 1, "a": 2}]]}]}"#, "x[1].y[0][0].a");
        check(r#"{"parameters": {"p": {"q": {"a": 1, "b": 2, "a": 2}}}}"#, "parameters.p.q.a");
        let json = Json::read(br#"{"x": {"a": 1, "a": 2}}"#).unwrap();
        Members::alone(json, "").unwrap();
    }

    #[test]
    fn an_object_is_no_value() {
        let value = |text: &str| Json::read(text.as_bytes()).unwrap().into_value();
        assert_eq!(value("{}").unwrap_err(), "an object");
        assert_eq!(value("[1, [{}]]").unwrap_err(), "a list of objects");
        assert_eq!(value("18446744073709551615"), Ok(Value::Uint(u64::MAX)));
    }

    #[test]
    fn numbers_that_json_has_no_word_for_are_numbers_outside_of_texts() {
        let read = |text: &str| Json::read(text.as_bytes()).unwrap().into_value().unwrap();
        let Value::List(items) = read(r#"[NaN, -Infinity, Infinity, 1e999, "NaN \" Infinity", 1]"#)
        else {
            panic!("no list")
        };
        assert!(matches!(items[0], Value::Float(it) if it.is_nan()));
        assert_eq!(items[1], Value::Float(f64::NEG_INFINITY));
        assert_eq!(items[2..4], [Value::Float(f64::INFINITY), Value::Float(f64::INFINITY)]);
        assert_eq!(items[4..], [Value::String("NaN \" Infinity".to_owned()), Value::Int(1)]);
        for text in ["nan", "[NaN", "[NaNa]", "", "[1,]", "Inf", "\"NaN"] {
            let error = Json::read(text.as_bytes()).unwrap_err();
            assert!(error.starts_with("body: "), "{text}: {error}");
        }
    }

    #[test]
    fn a_member_that_is_null_is_as_if_left_out() {
        let text =
            br#"{"id": null, "tags": null, "outputs": null, "parameters": {"a": null, "b": 1}}"#;
        let json = Json::read(text).unwrap();
        let mut members = Members::of(json, "").unwrap();
        let parameters = members.object("parameters").unwrap();
        assert_eq!(parameters.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(members.left(), None);
        assert_eq!(members.text("id"), Ok(None));
        assert!(members.object("tags").unwrap().is_empty());
        assert!(members.list("outputs").unwrap().is_none());
        let error = members.needed_text("name").unwrap_err();
        assert_eq!(error, "`name` is missing; expected a text");
    }
}
