//! Predictions of target models: by named fields, and by the Open Inference Protocol.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Value;

/// The fields of one record or of several; or an object of `inputs`, `inference_id` and `tags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"inputs": {"age": 39, "workclass": "State-gov"}, "tags": {"team": "risk"}}))]
pub struct PredictRequest {
    /// Each field's value: one, or a list with one per record.
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub inputs: BTreeMap<String, Value>,
    /// The caller's own id of the inference; left out, it gets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_id: Option<String>,
    /// Whatever the caller wants to find it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PredictAnswer {
    pub model_name: String,
    pub model_version: String,
    /// By which the inference is found in monitoring.
    pub inference_id: String,
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    pub outputs: BTreeMap<String, Value>,
}

/// A tensor of the Open Inference Protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"name": "age", "datatype": "INT64", "shape": [1], "data": [39]}))]
pub struct InferTensor {
    pub name: String,
    /// `BOOL`, `INT8` to `INT64`, `UINT8` to `UINT64`, `FP32`, `FP64` or `BYTES`.
    pub datatype: String,
    /// The first dimension counts the records.
    #[schema(value_type = Vec<i64>)]
    pub shape: Vec<usize>,
    /// Nested or flat.
    #[schema(value_type = Vec<serde_json::Value>)]
    pub data: Vec<Value>,
}

/// The name of an output that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InferOutput {
    pub name: String,
}

/// A request of the Open Inference Protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferRequest {
    pub inputs: Vec<InferTensor>,
    /// The caller's own id of the inference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Those that are texts become the inference's tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
    /// Left out, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<InferOutput>>,
}

/// An answer of the Open Inference Protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferAnswer {
    pub model_name: String,
    pub model_version: String,
    pub id: String,
    pub outputs: Vec<InferTensor>,
}

/// What this server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServerMetadata {
    pub name: String,
    pub version: String,
    pub extensions: Vec<String>,
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TensorMetadata {
    pub name: String,
    pub datatype: String,
    /// -1 is any number of records.
    pub shape: Vec<i64>,
}

/// What a model is, reads and answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelMetadata {
    pub name: String,
    pub versions: Vec<String>,
    pub platform: String,
    pub inputs: Vec<TensorMetadata>,
    pub outputs: Vec<TensorMetadata>,
    pub properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    pub live: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    pub ready: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelReady {
    pub name: String,
    pub ready: bool,
}

// What loading and unloading a model answer: `{}`. In no document, so it has no schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// Which models are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexRequest {
    /// Only those that answer.
    pub ready: Option<bool>,
}

/// A model of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexedModel {
    pub name: String,
    pub version: String,
    /// `READY` or `UNAVAILABLE`.
    pub state: String,
    /// Why it is unavailable.
    pub reason: String,
}
