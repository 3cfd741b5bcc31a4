//! The answer to a request of the Open Inference Protocol: JSON, and behind it the raw bytes of those outputs that were
//! asked for so.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use shadowline_api::inference::{InferAnswer, InferTensor};
use shadowline_contract::{Column, DataType};
use shadowline_wire::open_inference::{self, TEXT};

use super::body::BINARY_SIZE;
use super::tensors::flat;
use crate::predict::Answer;

/// An answer's body, before it is compressed.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) bytes: Bytes,
    pub(super) content_type: HeaderValue,
    /// The bytes of JSON, where raw ones follow.
    pub(super) json_length: Option<usize>,
}

pub(super) fn write(answer: &Answer, is_binary: impl Fn(&str) -> bool) -> Written {
    let Answer { id, model, outputs, .. } = answer;
    let mut raw = Vec::new();
    let mut has_raw = false;
    let tensors = outputs.columns().iter().map(|Column { name, tensor }| {
        let mut parameters = BTreeMap::new();
        if tensor.data_type() == DataType::String {
            parameters.insert(open_inference::CONTENT_TYPE.to_owned(), json!(TEXT));
        }
        let data = if is_binary(name) {
            let bytes = open_inference::encode_raw(tensor.data());
            parameters.insert(BINARY_SIZE.to_owned(), json!(bytes.len()));
            raw.extend_from_slice(&bytes);
            has_raw = true;
            None
        } else {
            Some(flat(tensor.data()))
        };
        InferTensor {
            name: name.clone(),
            datatype: tensor.data_type().open_inference().to_owned(),
            shape: tensor.shape().to_vec(),
            parameters: (!parameters.is_empty()).then_some(parameters),
            data,
        }
    });
    let outputs = tensors.collect();
    let answer = InferAnswer {
        model_name: model.name.clone(),
        model_version: model.version_text.clone(),
        id: id.clone(),
        outputs,
    };
    let mut bytes = serde_json::to_vec(&answer).unwrap_or_else(|_| Value::Null.to_string().into());
    let json_length = has_raw.then_some(bytes.len());
    bytes.extend_from_slice(&raw);
    let content_type = if has_raw { "application/octet-stream" } else { "application/json" };
    let content_type = HeaderValue::from_static(content_type);
    Written { bytes: bytes.into(), content_type, json_length }
}

impl Written {
    /// The headers that say what the body is.
    pub(super) fn headers(&self) -> Vec<(axum::http::HeaderName, HeaderValue)> {
        let mut headers = vec![(CONTENT_TYPE, self.content_type.clone())];
        if let Some(length) = self.json_length {
            let name = axum::http::HeaderName::from_static(super::body::JSON_LENGTH);
            headers.push((name, HeaderValue::from(length)));
        }
        headers
    }
}
