//! A body's feature vector: read, and said what is wrong with it.
//!
//! The vector holds the detector's input fields in their order: a number for a field of numbers, a text for a field
//! of categories, and `null` for a missing value where the detector was trained with missing ones. Texts are not read
//! as numbers, nor numbers as texts.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Value, json};
use shadowline_api::numbers::{self, NotFinite};
use shadowline_api::prediction::{Place, Problem};
use shadowline_detectors::DetectorArtefact;
use shadowline_features::{
    Encoding, Feature, FeatureError, FeatureRows, MissingNumber, Values, is_missing,
};

use super::problem;

/// A body that is right by itself; whether it fits the detector is another matter.
// `api::prediction::PredictionRequest` without a copy of its texts. A test holds both together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    feature_vector: Vec<Element<'a>>,
    #[serde(default)]
    score: Option<bool>,
}

/// One value of a vector.
#[derive(Debug)]
enum Element<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Missing,
}

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyElement;
        impl<'de> Visitor<'de> for AnyElement {
            type Value = Element<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, a text or null")
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Element::Number(number))
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "integers beyond 2^53 are rounded to the nearest float"
            )]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Element::Number(number as f64))
            }
            #[expect(
                clippy::cast_precision_loss,
                reason = "integers beyond 2^53 are rounded to the nearest float"
            )]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Element::Number(number as f64))
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Element::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Element::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Element::Missing)
            }
        }
        deserializer.deserialize_any(AnyElement)
    }
}

/// What is asked of a detector.
#[derive(Debug, PartialEq)]
pub(super) struct Asked {
    /// Shape `(1, n_features)`.
    pub(super) features: FeatureRows,
    /// Whether the answer is to have the score.
    pub(super) wants_score: bool,
}

/// Reads a body for a detector.
///
/// # Errors
/// Everything that is wrong with it; at least one problem.
pub(super) fn read(body: &[u8], detector: &DetectorArtefact) -> Result<Asked, Vec<Problem>> {
    // The straight way first: what is wrong with a body is only looked for once something is.
    match serde_json::from_slice::<Body<'_>>(body) {
        Ok(Body { feature_vector, score }) => match encode(&feature_vector, detector) {
            Some(Ok(features)) => Ok(Asked { features, wants_score: score == Some(true) }),
            Some(Err(error)) => Err(problems(body, detector, &feature_error(&error))),
            None => Err(problems(body, detector, "the vector does not fit the model")),
        },
        Err(error) => match numbers::replace(body, named) {
            None => Err(problems(body, detector, &error.to_string())),
            Some(body) => read_named(&body, detector),
        },
    }
}

/// What a number that is not finite is read as: a text that no caller's text is mistaken for.
fn named(number: NotFinite) -> String {
    format!("\"\\u0000{}\"", number.word())
}

/// The word of such a text.
fn word_of(text: &str) -> Option<&str> {
    text.strip_prefix('\0')
}

/// Reads a body with numbers that are not finite: NaN is a missing number, and the others are refused by their places.
fn read_named(body: &[u8], detector: &DetectorArtefact) -> Result<Asked, Vec<Problem>> {
    const REFUSED: &str = "a number is not finite";
    let read = serde_json::from_slice::<Body<'_>>(body);
    let Ok(Body { mut feature_vector, score }) = read else {
        return Err(problems(body, detector, REFUSED));
    };
    for it in &mut feature_vector {
        if matches!(it, Element::Text(text) if word_of(text) == Some(NotFinite::Nan.word())) {
            *it = Element::Missing;
        }
    }
    let is_named = |it: &Element<'_>| matches!(it, Element::Text(text) if word_of(text).is_some());
    if feature_vector.iter().any(is_named) {
        return Err(problems(body, detector, REFUSED));
    }
    match encode(&feature_vector, detector) {
        Some(Ok(features)) => Ok(Asked { features, wants_score: score == Some(true) }),
        Some(Err(error)) => Err(problems(body, detector, &feature_error(&error))),
        None => Err(problems(body, detector, REFUSED)),
    }
}

/// The vector as features; nothing if it is of another length.
fn encode(
    vector: &[Element<'_>],
    detector: &DetectorArtefact,
) -> Option<Result<FeatureRows, FeatureError>> {
    let preprocessing = detector.preprocessing();
    if vector.len() != preprocessing.features().len() {
        return None;
    }
    let numbers: Vec<f64> = vector
        .iter()
        .map(|it| match it {
            Element::Number(number) => *number,
            Element::Text(_) | Element::Missing => f64::NAN,
        })
        .collect();
    let features = preprocessing.features();
    let is_text = |(element, feature): (&Element<'_>, &Feature)| match element {
        Element::Text(_) => true,
        Element::Missing => has_missing_category(feature),
        Element::Number(_) => false,
    };
    // Most vectors have none, and an empty one takes no memory.
    let has_texts = vector.iter().zip(features).any(is_text);
    let texts: Vec<String> = match has_texts {
        true => vector.iter().map(Element::to_text).collect(),
        false => Vec::new(),
    };
    let fields: Vec<Values<'_>> = vector
        .iter()
        .zip(features)
        .enumerate()
        .map(|(idx, it)| match is_text(it) {
            true => Values::Texts(&texts[idx..=idx]),
            false => Values::Numbers(&numbers[idx..=idx]),
        })
        .collect();
    Some(preprocessing.transform_listed(&fields))
}

impl Element<'_> {
    fn to_text(&self) -> String {
        match self {
            Element::Text(text) => text.clone().into_owned(),
            Element::Number(_) | Element::Missing => String::new(),
        }
    }
}

/// Everything that is wrong with a body; `otherwise` is said if nothing is found.
fn problems(body: &[u8], detector: &DetectorArtefact, otherwise: &str) -> Vec<Problem> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return vec![problem::at(problem::MISSING, [], "Field required", &Value::Null)];
    }
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return vec![invalid_json(body, &error)],
    };
    let Value::Object(members) = &value else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        return vec![problem::at(problem::NOT_AN_OBJECT, [], msg, &value)];
    };
    let mut found = Vec::new();
    match members.get("feature_vector") {
        None => {
            let path = [Place::from("feature_vector")];
            found.push(problem::at(problem::MISSING, path, "Field required", &value));
        }
        Some(Value::Array(vector)) => {
            let features = detector.preprocessing().features();
            if vector.len() == features.len() {
                let elements = vector.iter().zip(features).enumerate();
                found.extend(elements.filter_map(|(idx, (it, feature))| element(idx, it, feature)));
            } else {
                found.push(wrong_length(vector, features));
            }
        }
        Some(other) => {
            let path = [Place::from("feature_vector")];
            found.push(problem::at(
                problem::LIST_TYPE,
                path,
                "Input should be a valid list",
                other,
            ));
        }
    }
    match members.get("score") {
        None | Some(Value::Null | Value::Bool(_)) => {}
        Some(Value::String(text)) if word_of(text).is_some() => {
            let word = Value::String(word_of(text).unwrap_or_default().to_owned());
            let msg = "Input should be a valid boolean";
            found.push(problem::at(problem::BOOL_TYPE, [Place::from("score")], msg, &word));
        }
        Some(text @ Value::String(_)) => {
            let msg = "Input should be a valid boolean, unable to interpret input: expected true or false without quotes";
            found.push(problem::at(problem::BOOL_PARSING, [Place::from("score")], msg, text));
        }
        Some(other) => {
            let msg = "Input should be a valid boolean";
            found.push(problem::at(problem::BOOL_TYPE, [Place::from("score")], msg, other));
        }
    }
    for (name, member) in members {
        if !matches!(name.as_str(), "feature_vector" | "score") {
            let msg = "Extra inputs are not permitted: expected `feature_vector` and, optionally, `score`";
            found.push(problem::at(
                problem::EXTRA_FORBIDDEN,
                [Place::from(name.as_str())],
                msg,
                member,
            ));
        }
    }
    if found.is_empty() {
        found.push(problem::at(
            problem::VALUE_ERROR,
            [],
            format!("Value error, {otherwise}"),
            &value,
        ));
    }
    found
}

/// Whether training had records that lack this category.
fn has_missing_category(feature: &Feature) -> bool {
    match &feature.encoding {
        Encoding::Number => false,
        Encoding::Code { categories } | Encoding::OneHot { categories } => {
            categories.iter().any(|it| is_missing(it))
        }
    }
}

/// What is wrong with one element for its feature, if anything is.
fn element(idx: usize, value: &Value, feature: &Feature) -> Option<Problem> {
    let is_category = !matches!(feature.encoding, Encoding::Number);
    let word = value.as_str().and_then(word_of);
    let (code, msg) = match value {
        Value::String(_) if word.is_some() && !is_category => {
            if word == Some(NotFinite::Nan.word()) && feature.missing != MissingNumber::Refuse {
                return None;
            }
            (problem::FINITE_NUMBER, "Input should be a finite number")
        }
        Value::String(_) if is_category && word.is_none() => return None,
        Value::Null if has_missing_category(feature) => return None,
        _ if is_category => (problem::STRING_TYPE, "Input should be a valid string"),
        Value::Number(_) => return None,
        Value::Null if feature.missing != MissingNumber::Refuse => return None,
        Value::String(text) if text.trim().parse::<f64>().is_err() => (
            problem::FLOAT_PARSING,
            "Input should be a valid number, unable to parse string as a number",
        ),
        Value::String(_) => {
            (problem::FLOAT_TYPE, "Input should be a valid number, and not a number in quotes")
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            (problem::FLOAT_TYPE, "Input should be a valid number")
        }
    };
    let path = [Place::from("feature_vector"), Place::from(idx)];
    let shown = word.map(|it| Value::String(it.to_owned()));
    let found = problem::at(code, path, msg, shown.as_ref().unwrap_or(value));
    Some(problem::with(found, json!({"feature": feature.field})))
}

fn wrong_length(vector: &[Value], features: &[Feature]) -> Problem {
    const MAX_NAMED: usize = 20;
    let (got, expected) = (vector.len(), features.len());
    let mut names: Vec<&str> =
        features.iter().take(MAX_NAMED).map(|it| it.field.as_str()).collect();
    if MAX_NAMED < expected {
        names.push("…");
    }
    let names = names.join(", ");
    let (code, bound) = if got < expected {
        (problem::TOO_SHORT, "at least")
    } else {
        (problem::TOO_LONG, "at most")
    };
    let plural = if expected == 1 { "item" } else { "items" };
    let msg = format!("List should have {bound} {expected} {plural}, not {got}: expected {names}");
    let input = Value::Array(vector.to_vec());
    let found = problem::at(code, [Place::from("feature_vector")], msg, &input);
    problem::with(found, json!({"expected_length": expected, "actual_length": got}))
}

/// JSON that cannot be read.
fn invalid_json(body: &[u8], error: &serde_json::Error) -> Problem {
    let offset = offset_of(body, error.line(), error.column());
    let path = [Place::from(offset)];
    let found = problem::at(problem::JSON_INVALID, path, "JSON decode error", &json!({}));
    problem::with(found, json!({"error": error.to_string()}))
}

/// The byte that serde's line and column, both from 1, are about.
fn offset_of(body: &[u8], line: usize, column: usize) -> usize {
    let line_start: usize =
        body.split_inclusive(|it| *it == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (line_start + column.saturating_sub(1)).min(body.len())
}

fn feature_error(error: &FeatureError) -> String {
    match error {
        FeatureError::TooLarge { field, value, .. } => {
            format!("feature `{field}` is {value}, which is too large to be scaled")
        }
        FeatureError::NoField { .. }
        | FeatureError::WrongType { .. }
        | FeatureError::NotFinite { .. } => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use shadowline_api::prediction::{FeatureValue, PredictionRequest};

    use super::*;

    #[test]
    fn a_body_is_read_as_the_documented_type_reads_it() {
        let mut n_read = 0;
        for text in [
            r#"{"feature_vector":[0.5,-3,18446744073709551615,"x","\u00e9\n",null],"score":true}"#,
            r#"{"feature_vector":[],"score":false}"#,
            r#"{"feature_vector":[1],"score":null}"#,
            r#"{"feature_vector":[1]}"#,
            r#"{"score":true}"#,
            r#"{"feature_vector":null}"#,
            r#"{"feature_vector":[true]}"#,
            r#"{"feature_vector":[[1]]}"#,
            r#"{"feature_vector":[1],"score":1}"#,
            r#"{"feature_vector":[1],"newer":1}"#,
        ] {
            let documented = serde_json::from_str::<PredictionRequest>(text);
            let read = serde_json::from_str::<Body<'_>>(text);
            assert_eq!(read.is_ok(), documented.is_ok(), "{text}");
            let (Ok(read), Ok(documented)) = (read, documented) else { continue };
            n_read += 1;
            assert_eq!(read.score, documented.score, "{text}");
            let values = read.feature_vector.into_iter().map(|it| match it {
                Element::Number(number) => FeatureValue::Number(number),
                Element::Text(text) => FeatureValue::Text(text.into_owned()),
                Element::Missing => FeatureValue::Missing,
            });
            assert_eq!(values.collect::<Vec<_>>(), documented.feature_vector, "{text}");
        }
        assert_eq!(n_read, 4);
    }
}
