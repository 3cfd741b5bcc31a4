//! Predictions of target models: by named fields, and by the Open Inference Protocol.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, KnownFormat, ObjectBuilder, OneOfBuilder, Ref,
    SchemaFormat, SchemaType, Type,
};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::Value;

/// Fields by their names, with what is said of the request besides.
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

/// A request of KServe's first protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"instances": [{"age": 39, "workclass": "State-gov"}]}))]
pub struct InstancesRequest {
    /// One per record: an object of fields, a list of their values in the contract's order, or the value of an only field.
    #[schema(min_items = 1)]
    pub instances: Vec<serde_json::Value>,
    /// `serving_default`, or left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_name: Option<String>,
    /// The caller's own id of the inference; left out, it gets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_id: Option<String>,
    /// Whatever the caller wants to find it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Each form of a request for a prediction, for the document.
#[derive(Debug, Clone, Copy)]
pub struct PredictBody;

impl PartialSchema for PredictBody {
    fn schema() -> RefOr<Schema> {
        let types = [Type::Boolean, Type::Number, Type::String, Type::Array, Type::Null];
        let value = ObjectBuilder::new().schema_type(SchemaType::from_iter(types)).build();
        let fields = ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some("The fields of one record or of several by themselves"))
            .additional_properties(Some(AdditionalProperties::from(RefOr::T(Schema::Object(
                value,
            )))));
        // Not one of them: a model may have a field that is called `instances`.
        AnyOfBuilder::new()
            .item(Ref::from_schema_name("PredictRequest"))
            .item(Ref::from_schema_name("InstancesRequest"))
            .item(fields)
            .into()
    }
}

impl ToSchema for PredictBody {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((PredictRequest::name().into(), PredictRequest::schema()));
        schemas.push((InstancesRequest::name().into(), InstancesRequest::schema()));
    }
}

/// Each form of an answer with a prediction, for the document.
#[derive(Debug, Clone, Copy)]
pub struct PredictAnswers;

impl PartialSchema for PredictAnswers {
    fn schema() -> RefOr<Schema> {
        OneOfBuilder::new()
            .item(Ref::from_schema_name("PredictAnswer"))
            .item(Ref::from_schema_name("Predictions"))
            .into()
    }
}

impl ToSchema for PredictAnswers {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((PredictAnswer::name().into(), PredictAnswer::schema()));
        schemas.push((Predictions::name().into(), Predictions::schema()));
    }
}

/// The answer to `instances`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Predictions {
    /// One per instance: the value of the model's only output, else an object of them.
    pub predictions: Vec<serde_json::Value>,
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
    /// `BOOL`, `INT8` to `INT64`, `UINT8` to `UINT64`, `FP16`, `BF16`, `FP32`, `FP64` or `BYTES`.
    pub datatype: String,
    /// The first dimension counts the records.
    #[schema(value_type = Vec<i64>)]
    pub shape: Vec<usize>,
    /// `binary_data_size`: the bytes that the tensor has behind the JSON, in the place of `data`. `content_type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
    /// Nested or flat.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub data: Option<Vec<Value>>,
}

/// An output that is wanted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferOutput {
    pub name: String,
    /// `binary_data`: whether it is wanted behind the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
}

/// A request of the Open Inference Protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InferRequest {
    pub inputs: Vec<InferTensor>,
    /// The caller's own id of the inference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `binary_data_output`: whether all outputs are wanted behind the JSON. The caller's own, texts, numbers and truth
    /// values, become the inference's tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
    /// Left out, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<InferOutput>>,
}

/// JSON with raw bytes behind it.
#[derive(Debug, Clone, Copy)]
pub struct RawBytes;

impl PartialSchema for RawBytes {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).into()
    }
}

impl ToSchema for RawBytes {}

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

/// A model as Triton configures models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelConfig {
    pub name: String,
    pub platform: String,
    pub backend: String,
    /// 0: the dimensions of inputs and outputs are the whole ones.
    pub max_batch_size: i32,
    pub input: Vec<ConfiguredTensor>,
    pub output: Vec<ConfiguredTensor>,
}

/// An input or output of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfiguredTensor {
    pub name: String,
    #[schema(example = "TYPE_INT64")]
    pub data_type: String,
    /// -1 is any number of records.
    pub dims: Vec<i64>,
}

/// How often and for how long models were asked, as Triton counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatisticsAnswer {
    pub model_stats: Vec<ModelStatistics>,
}

/// The counts of a model version since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelStatistics {
    pub name: String,
    pub version: String,
    /// In milliseconds since 1970; 0 before the first request.
    pub last_inference: u64,
    /// Records that were predicted.
    pub inference_count: u64,
    /// Requests that were answered.
    pub execution_count: u64,
    pub inference_stats: InferStatistics,
    /// Always empty.
    #[schema(value_type = Vec<Object>)]
    pub batch_stats: Vec<serde_json::Value>,
}

/// Where the time of requests went. Only the whole of it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InferStatistics {
    pub success: Duration,
    pub fail: Duration,
    pub queue: Duration,
    pub compute_input: Duration,
    pub compute_infer: Duration,
    pub compute_output: Duration,
    pub cache_hit: Duration,
    pub cache_miss: Duration,
}

/// A number of times, and nanoseconds in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Duration {
    pub count: u64,
    pub ns: u64,
}

/// What a model is loaded or unloaded with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RepositoryRequest {
    /// None is supported but `unload_dependents`, which changes nothing.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<BTreeMap<String, serde_json::Value>>,
}

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
