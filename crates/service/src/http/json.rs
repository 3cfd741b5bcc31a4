//! Bodies of JSON, read so that a refusal names the member and says what is wrong in the words of JSON.

use std::collections::HashSet;
use std::fmt;

use serde::de::{
    DeserializeOwned, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, de};

use super::error::ApiError;

/// Reads a JSON body.
///
/// # Errors
/// 400 that names the member which is not as it should be, or comes twice.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde itself takes the last of two members of a map, and passes over two that are unknown.
    refuse_repeated(body)?;
    let mut json = serde_json::Deserializer::from_slice(body);
    let read: T = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner())
    })?;
    json.end().map_err(|error| {
        ApiError::invalid(format!("the body: {error}; expected one JSON object"))
    })?;
    Ok(read)
}

fn refusal(path: &str, error: &serde_json::Error) -> ApiError {
    // Where the text ends too early, the path is not known: `?`.
    let named = !matches!(path, "." | "?");
    let field = if named { format!("`{path}`") } else { "the body".to_owned() };
    ApiError::invalid(format!("{field}: {}", in_words(&error.to_string())))
}

/// An error of serde's without the names of Rust's types.
fn in_words(error: &str) -> String {
    const WORDS: [(&str, &str); 12] = [
        ("a sequence", "a list"),
        ("a map", "an object"),
        ("a string", "a text"),
        ("a boolean", "true or false"),
        ("a tuple of", "a list of"),
        ("unit", "null"),
        ("option", "a value or null"),
        ("f64", "a number"),
        ("f32", "a number"),
        ("char", "a text of one character"),
        ("usize", "a whole number from 0"),
        ("isize", "a whole number"),
    ];
    const CAME: [(&str, &str); 4] = [
        ("invalid type: map", "invalid type: an object"),
        ("invalid type: sequence", "invalid type: a list"),
        ("invalid type: string", "invalid type: the text"),
        ("invalid type: boolean", "invalid type: the truth value"),
    ];
    let mut text = error.to_owned();
    for (came, said) in CAME {
        if let Some(rest) = text.strip_prefix(came) {
            text = format!("{said}{rest}");
        }
    }
    let Some((before, expected)) = text.split_once(", expected ") else { return text };
    let (what, place) = match expected.find(" at line ") {
        Some(at) => expected.split_at(at),
        None => (expected, ""),
    };
    let number = |it: &str| match (it.chars().next(), it.get(1..)) {
        (Some('u'), Some("8" | "16" | "32" | "64" | "128")) => Some("a whole number from 0"),
        (Some('i'), Some("8" | "16" | "32" | "64" | "128")) => Some("a whole number"),
        _ => None,
    };
    let said = WORDS.iter().find(|(it, _)| *it == what).map(|(_, said)| *said);
    let said = said.or_else(|| number(what));
    let said = said.unwrap_or_else(|| if what.starts_with("struct ") { "an object" } else { what });
    format!("{before}, expected {said}{place}")
}

/// Refuses a body in which an object has the same name twice; what is no JSON is for the reader to say.
fn refuse_repeated(body: &[u8]) -> Result<(), ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize::<_, Unique>(&mut json) {
        Err(error) if error.inner().is_data() => {
            let (path, error) = (error.path().to_string(), error.into_inner().to_string());
            let what = error.split(" at line ").next().unwrap_or_default().to_owned();
            let below = if path == "." { String::new() } else { format!(" of `{path}`") };
            Err(ApiError::invalid(format!("{what}{below} came twice; expected it once")))
        }
        _ => Ok(()),
    }
}

/// Any JSON whose objects have each name once.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
        while seq.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                map.next_value::<IgnoredAny>()?;
                let shown: String = name.chars().take(80).collect();
                return Err(A::Error::custom(format!("`{shown}`")));
            }
            map.next_value::<Unique>()?;
            names.insert(name);
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "what is refused is of interest, and not what is read")]
    struct Body {
        name: String,
        count: Option<u32>,
        share: Option<f64>,
        enabled: Option<bool>,
        labels: Option<BTreeMap<String, String>>,
        list: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "as above")]
    struct Inner {
        offset: i64,
    }

    #[test]
    fn a_refusal_names_the_member_in_the_words_of_json() {
        let check = |body: &str, expected: &str| {
            let said = read_json::<Body>(body.as_bytes()).unwrap_err().message;
            assert!(said.starts_with(expected), "{body}: {said}");
        };
        read_json::<Body>(br#"{"name": "a", "count": null, "labels": null, "list": []}"#).unwrap();
        check(r#"{"name": 1}"#, "`name`: invalid type: integer `1`, expected a text at line 1");
        check(
            r#"{"name": "a", "count": "x"}"#,
            "`count`: invalid type: the text \"x\", expected a whole number from 0 at",
        );
        check(
            r#"{"name": "a", "share": []}"#,
            "`share`: invalid type: a list, expected a number at",
        );
        check(
            r#"{"name": "a", "enabled": {}}"#,
            "`enabled`: invalid type: an object, expected true or false at",
        );
        check(
            r#"{"name": "a", "labels": 3}"#,
            "`labels`: invalid type: integer `3`, expected an object at",
        );
        check(
            r#"{"name": "a", "list": [3]}"#,
            "`list[0]`: invalid type: integer `3`, expected an object at",
        );
        check(
            r#"{"name": "a", "list": [{"offset": true}]}"#,
            "`list[0].offset`: invalid type: the truth value `true`, expected a whole number at",
        );
        check("[]", "the body: ");
        check("{", "the body: EOF");
    }

    #[test]
    fn a_name_that_comes_twice_is_refused_wherever_it_is() {
        let check = |body: &str, expected: &str| {
            let said = read_json::<Body>(body.as_bytes()).unwrap_err().message;
            assert_eq!(said, format!("{expected} came twice; expected it once"), "{body}");
        };
        check(r#"{"name": "a", "name": "b"}"#, "`name`");
        check(r#"{"name": "a", "labels": {"x": "1", "x": "2"}}"#, "`x` of `labels`");
        check(r#"{"name": "a", "list": [{"offset": 1, "offset": 1}]}"#, "`offset` of `list[0]`");
    }
}
