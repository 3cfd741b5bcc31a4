//! `/prediction` and `/model_information` of a monitor, after scikit-learn's `IsolationForest`.
#![expect(
    missing_docs,
    reason = "a comment is a description in the committed OpenAPI documents, where names speak for themselves"
)]

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A feature vector, and whether its score is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"feature_vector": [0.1234, 0.1234], "score": true}))]
#[serde(deny_unknown_fields)]
pub struct PredictionRequest {
    /// The model's input features in their order, which GET model_information names: a number, a text for a feature
    /// of categories, or null for a missing value where the model was trained with missing ones.
    pub feature_vector: Vec<FeatureValue>,
    /// Whether the answer is to have `anomaly_score`; left out and null are as false.
    pub score: Option<bool>,
}

/// The value of one feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FeatureValue {
    /// Of a feature of numbers.
    Number(f64),
    /// Of a feature of categories.
    Text(String),
    /// A number that is not known.
    Missing,
}

impl PartialSchema for FeatureValue {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::Number, Type::String, Type::Null]);
        ObjectBuilder::new().schema_type(types).description(Some("The value of one feature")).into()
    }
}

impl ToSchema for FeatureValue {}

/// Whether a record is an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// 1 for an inlier and -1 for an outlier, as scikit-learn's `predict`.
    #[schema(example = 1)]
    pub is_inlier: i8,
    /// Only if it was asked for: scikit-learn's `score_samples`, from -1 up to 0; lower is more anomalous.
    // A reader can tell a null, `Some(None)`, from a member that is not there, `None`; a service never writes the null.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false, example = -0.5969)]
    pub anomaly_score: Option<Option<f64>>,
}

/// Reads a member that is there, if only as null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A model's parameters under scikit-learn's names, and what else is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Information {
    /// Whether a tree may draw a record more than once.
    #[schema(example = false)]
    pub bootstrap: bool,
    /// What the threshold followed from at training.
    pub contamination: Count,
    /// How many features each tree may cut, or which share of them.
    pub max_features: Count,
    /// How many records each tree is grown on, or which share of them.
    pub max_samples: Count,
    /// The number of trees.
    #[schema(example = 100)]
    pub n_estimators: usize,
    /// As scikit-learn has it where nobody set it: fitting here uses every processor, and no result depends on it.
    #[schema(value_type = Option<i64>)]
    pub n_jobs: Option<i64>,
    /// The seed.
    #[schema(example = 16)]
    pub random_state: u64,
    /// As scikit-learn has it where nobody set it.
    #[schema(example = 0)]
    pub verbose: u8,
    /// As scikit-learn has it where nobody set it.
    #[schema(example = false)]
    pub warm_start: bool,
    /// The model's name.
    #[schema(example = "spend")]
    pub model: String,
    /// The version that answers: the default one, the newest unless the model was rolled back.
    #[schema(example = 1)]
    pub version: u64,
    /// scikit-learn's `offset_`: an `anomaly_score` below it is an outlier's.
    pub offset: f64,
    /// The same as the threshold of the score that metric specs see, which is the opposite of `anomaly_score`.
    pub threshold: f64,
    /// What set the threshold: `contamination`, or the share of records that may alert.
    pub threshold_rule: String,
    /// The input features, in the order of `feature_vector`.
    pub features: Vec<InputFeature>,
    /// scikit-learn's `max_samples_`: the records each tree was grown on.
    pub n_samples: usize,
    /// The records that it was trained on.
    pub n_trained: usize,
    /// How many features more than one each cut compares; 0 for an ordinary forest.
    pub extension_level: usize,
    /// `sha256:` and the digest of the package.
    pub digest: String,
}

/// One place of `feature_vector`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputFeature {
    pub name: String,
    /// `number` or `category`.
    pub kind: String,
    /// Those that training saw; of a feature of categories.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

/// A word, a count or a share, as scikit-learn writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    Word(String),
    Number(usize),
    Share(f64),
}

impl PartialSchema for Count {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Number]);
        let text = "A word, a count or a share, as scikit-learn writes it.";
        ObjectBuilder::new().schema_type(types).description(Some(text)).into()
    }
}

impl ToSchema for Count {}

/// The answer to a body with problems.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProblemsAnswer {
    /// At least one; of a great many, the first.
    pub detail: Vec<Problem>,
}

/// One thing that is wrong with a body.
// In the shape that FastAPI's services answer 422 with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable word.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "float_parsing")]
    pub code: Cow<'static, str>,
    /// Where: `body`, then the field, then the place in the list; of invalid JSON, `body` and the byte.
    #[schema(example = json!(["body", "feature_vector", 1]))]
    pub loc: Vec<Place>,
    /// What was expected.
    pub msg: String,
    /// What came; an input that is very long is only measured.
    // Any JSON at all: it is the caller's own, sent back.
    pub input: Value,
    /// More, where there is more to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub ctx: Option<Value>,
}

/// One step of the way to what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place {
    /// A member of an object.
    Member(String),
    /// A place in a list, or a byte of the body.
    Index(usize),
}

impl PartialSchema for Place {
    fn schema() -> RefOr<Schema> {
        let types = SchemaType::from_iter([Type::String, Type::Integer]);
        let text = "A member's name, or a place in a list";
        ObjectBuilder::new().schema_type(types).description(Some(text)).into()
    }
}

impl ToSchema for Place {}

impl From<&str> for Place {
    fn from(member: &str) -> Self {
        Self::Member(member.to_owned())
    }
}

impl From<usize> for Place {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json, to_value};

    use super::*;

    #[test]
    fn a_request_is_written_as_it_is_asked_for() {
        let text = FeatureValue::Text("x".to_owned());
        let feature_vector = vec![FeatureValue::Number(0.5), text, FeatureValue::Missing];
        let request = PredictionRequest { feature_vector, score: Some(false) };
        let written = to_value(&request).unwrap();
        assert_eq!(written, json!({"feature_vector": [0.5, "x", null], "score": false}));
        assert_eq!(serde_json::from_value::<PredictionRequest>(written).unwrap(), request);
    }

    #[test]
    fn a_count_is_a_word_a_number_or_a_share() {
        for (text, count) in [
            ("\"auto\"", Count::Word("auto".to_owned())),
            ("256", Count::Number(256)),
            ("1.0", Count::Share(1.0)),
            ("0.001", Count::Share(0.001)),
        ] {
            assert_eq!(from_str::<Count>(text).unwrap(), count);
            assert_eq!(serde_json::to_string(&count).unwrap(), text);
        }
    }

    #[test]
    fn a_prediction_has_a_score_only_if_there_is_one() {
        let alone = Prediction { is_inlier: -1, anomaly_score: None };
        assert_eq!(serde_json::to_string(&alone).unwrap(), r#"{"is_inlier":-1}"#);
        let newer = r#"{"is_inlier":-1,"explanation":{}}"#;
        assert_eq!(from_str::<Prediction>(newer).unwrap(), alone);
        assert!(from_str::<Prediction>(r#"{"anomaly_score":-0.5}"#).is_err());
        for (text, score) in [
            (r#"{"is_inlier":-1,"anomaly_score":-0.5}"#, Some(-0.5)),
            (r#"{"is_inlier":-1,"anomaly_score":null}"#, None),
        ] {
            let read: Prediction = from_str(text).unwrap();
            assert_eq!(read, Prediction { is_inlier: -1, anomaly_score: Some(score) });
            assert_eq!(serde_json::to_string(&read).unwrap(), text);
        }
        let schema = to_value(<Prediction as PartialSchema>::schema()).unwrap();
        assert_eq!(schema["required"], json!(["is_inlier"]));
        let mut score = schema["properties"]["anomaly_score"].clone();
        score.as_object_mut().unwrap().remove("description");
        assert_eq!(score, json!({"type": "number", "format": "double", "example": -0.5969}));
    }
}
