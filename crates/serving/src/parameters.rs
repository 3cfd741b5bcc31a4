//! The parameters that callers may add to a request, an input or an output: those of the protocol, which are applied or
//! refused and never passed over, and the caller's own, which become tags.

use std::collections::BTreeMap;

use shadowline_wire::inference::InferParameter;
use shadowline_wire::inference::infer_parameter::ParameterChoice;
use shadowline_wire::open_inference::{CONTENT_TYPE, TEXT};

use crate::error::PredictError;
use crate::models::clip;
use crate::predict::Tags;

/// A parameter's value, whatever it came in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Parameter {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Text(String),
    /// Something that is no single value, in words.
    Other(String),
}

/// Parameters by their names.
pub(crate) type Parameters = BTreeMap<String, Parameter>;

/// Reads the parameters of a message; one without a value is as if left out.
pub(crate) fn of_message(parameters: BTreeMap<String, InferParameter>) -> Parameters {
    let read = parameters.into_iter().filter_map(|(name, value)| {
        let value = match value.parameter_choice? {
            ParameterChoice::BoolParam(it) => Parameter::Bool(it),
            ParameterChoice::Int64Param(it) => Parameter::Int(it),
            ParameterChoice::Uint64Param(it) => Parameter::Uint(it),
            ParameterChoice::DoubleParam(it) => Parameter::Float(it),
            ParameterChoice::StringParam(it) => Parameter::Text(it),
        };
        Some((name, value))
    });
    read.collect()
}

/// Names that clients use for the protocol's own purposes. They say how a request is carried or scheduled, so they are
/// no tags.
fn is_of_protocol(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "binary_data_output",
        CONTENT_TYPE,
        "headers",
        "priority",
        "sequence_end",
        "sequence_id",
        "sequence_start",
        "timeout",
        "triton_enable_empty_final_response",
    ];
    NAMES.contains(&name) || name.starts_with("triton_")
}

/// The caller's own parameters as tags.
pub(crate) fn tags(parameters: Parameters) -> Tags {
    let own = parameters.into_iter().filter(|(name, _)| !is_of_protocol(name));
    Tags::of(own.map(|(name, value)| (name, value.into_text())))
}

impl Parameter {
    /// The value as a tag has it, or what it is instead.
    pub(crate) fn into_text(self) -> Result<String, String> {
        match self {
            Self::Bool(it) => Ok(it.to_string()),
            Self::Int(it) => Ok(it.to_string()),
            Self::Uint(it) => Ok(it.to_string()),
            Self::Float(it) => Ok(it.to_string()),
            Self::Text(it) => Ok(it),
            Self::Other(kind) => Err(kind),
        }
    }
}

impl Parameter {
    /// What it is, in words.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Bool(it) => format!("the truth value {it}"),
            Self::Int(it) => format!("the number {it}"),
            Self::Uint(it) => format!("the number {it}"),
            Self::Float(it) => format!("the number {it}"),
            Self::Text(it) => format!("the text {:?}", clip(it)),
            Self::Other(kind) => kind.clone(),
        }
    }

    /// The value, for a message.
    pub(crate) fn shown(&self) -> String {
        match self.clone().into_text() {
            Ok(text) => format!("`{}`", clip(&text)),
            Err(kind) => kind,
        }
    }
}

fn unsupported(message: String) -> Result<(), PredictError> {
    Err(PredictError::Unsupported(message))
}

/// Checks the parameters of a request as a whole.
///
/// # Errors
/// A content type that would have to be applied.
pub(crate) fn check_request(parameters: &Parameters) -> Result<(), PredictError> {
    check_content_type("the request", parameters)
}

/// Checks the parameters of an input.
///
/// # Errors
/// Shared memory, or a content type that would have to be applied.
pub(crate) fn check_input(name: &str, parameters: &Parameters) -> Result<(), PredictError> {
    let what = format!("field `{}`", clip(name));
    check_shared_memory(&what, parameters)?;
    check_content_type(&what, parameters)
}

/// Checks the parameters of an output that is asked for.
///
/// # Errors
/// Shared memory, classification, or a content type that would have to be applied.
pub(crate) fn check_output(name: &str, parameters: &Parameters) -> Result<(), PredictError> {
    let what = format!("output `{}`", clip(name));
    check_shared_memory(&what, parameters)?;
    if parameters.get("classification").is_some_and(|it| *it != Parameter::Int(0)) {
        return unsupported(format!(
            "{what}: the parameter `classification` is not supported; ask for the output itself"
        ));
    }
    check_content_type(&what, parameters)
}

fn check_shared_memory(what: &str, parameters: &Parameters) -> Result<(), PredictError> {
    match parameters.keys().find(|it| it.starts_with("shared_memory_")) {
        None => Ok(()),
        Some(name) => unsupported(format!(
            "{what}: the parameter `{name}` asks for shared memory, which is not supported; send the elements"
        )),
    }
}

/// The content types that change nothing about how elements are read here: arrays, tables and text.
const CONTENT_TYPES: [&str; 3] = ["np", "pd", TEXT];

fn check_content_type(what: &str, parameters: &Parameters) -> Result<(), PredictError> {
    match parameters.get(CONTENT_TYPE) {
        None => Ok(()),
        Some(Parameter::Text(it)) if CONTENT_TYPES.contains(&it.as_str()) || it.is_empty() => {
            Ok(())
        }
        Some(other) => {
            let got = other.shown();
            unsupported(format!(
                "{what}: the content type {got} is not supported; expected one of {}, or none",
                CONTENT_TYPES.join(", ")
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: Parameter) -> Parameters {
        Parameters::from([(name.to_owned(), value)])
    }

    #[test]
    fn what_is_the_protocols_own_is_no_tag() {
        let mut all = one("team", Parameter::Text("risk".to_owned()));
        for name in ["priority", "sequence_id", "binary_data_output", "triton_x", "content_type"] {
            all.insert(name.to_owned(), Parameter::Int(1));
        }
        all.insert("shard".to_owned(), Parameter::Uint(3));
        all.insert("list".to_owned(), Parameter::Other("a list".to_owned()));
        let tags = tags(all);
        let kept: Vec<_> = tags.kept().iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(kept, [("shard", "3"), ("team", "risk")]);
        assert_eq!(tags.dropped(), ["`list` (a list)"]);
    }

    #[test]
    fn what_is_not_done_is_refused_by_its_name() {
        let text = |it: &str| Parameter::Text(it.to_owned());
        for content_type in ["base64", "pd_json", "datetime", "application/octet-stream"] {
            let parameters = one("content_type", text(content_type));
            for checked in [
                check_request(&parameters),
                check_input("age", &parameters),
                check_output("age", &parameters),
            ] {
                assert!(checked.unwrap_err().to_string().contains(content_type));
            }
        }
        for content_type in ["np", "pd", "str"] {
            let parameters = one("content_type", text(content_type));
            check_request(&parameters).unwrap();
            check_input("age", &parameters).unwrap();
        }
        let region = one("shared_memory_region", text("a"));
        assert!(check_input("age", &region).unwrap_err().to_string().contains("`age`"));
        assert!(check_output("income", &region).unwrap_err().to_string().contains("`income`"));
        let classes = one("classification", Parameter::Int(2));
        assert!(
            check_output("income", &classes).unwrap_err().to_string().contains("classification")
        );
    }
}
