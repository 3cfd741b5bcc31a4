//! Forests to and from other programs: a documented JSON, and ONNX.
//!
//! Both carry the trees, the number of features, the samples of a tree and the offset: all that a score,
//! `decision_function` and `predict` follow from. The parameters a forest was fitted with are carried by the JSON
//! where they are known ([`JsonParams`]), and never by ONNX; an imported forest has the defaults in their place,
//! and names [`MaxSamples::Count`](super::MaxSamples::Count). A random state is never carried.
//!
//! # JSON
//! [`JsonForest`] is the document; `docs/forest-json.md` in this crate describes it for other programs, and
//! `tools/sklearn_forest.py` writes it from a fitted scikit-learn forest. It is exact: offset and thresholds come
//! back to the bit, and missing values go the way they went.
//!
//! # ONNX
//! Reading knows two forms, and refuses every other model by naming the node or the attribute that does not
//! belong to them:
//!
//! - what skl2onnx writes for an `IsolationForest` (1.16 and 1.20, which were tried, write the same graph, for operator sets
//!   2 and 3 of `ai.onnx.ml`, with or without its option `score_samples`): for each tree a `TreeEnsembleRegressor`
//!   that answers the leaf, and two `LabelEncoder`s that answer the leaf's samples and depth;
//! - what this crate writes: one `TreeEnsembleRegressor` whose leaves weigh as much as their path is long. Its
//!   `nodes_hitrates`, which no program computes with, are the samples of the nodes.
//!
//! ONNX keeps the offset and the sum of path lengths as 32-bit floats, so that scores and offset agree to about
//! 1e-7, and a record within that of the threshold may fall on its other side. **skl2onnx loses which way missing
//! values go** (it writes `nodes_missing_value_tracks_true` as 0 for every node): a forest that was fitted on
//! data with NaN must come as JSON. It also refuses forests with `max_features` below 1.
//!
//! A model written here has skl2onnx's outputs: `label` (1, or -1 for an anomaly), `scores` (the decision
//! function) and, as with its option, `score_samples`; the input is `X`, 32-bit floats.

mod forms;
mod graph;
mod json;
mod onnx_read;
mod onnx_write;
mod protobuf;

pub use json::{JsonAuto, JsonContamination, JsonForest, JsonForestError, JsonParams, JsonTree};

use super::{IsolationForest, PlainForestError};

/// Why bytes are no ONNX model of a forest, or a forest cannot be one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum OnnxForestError {
    /// The bytes are corrupt, cut off, or something else.
    #[error("byte {at} is not as ONNX has it: {what}")]
    Corrupt {
        /// The byte, counted from 0.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The model as a whole is none of a forest.
    #[error("the model has {what}; an isolation forest expected")]
    Model {
        /// What it has, or lacks.
        what: &'static str,
    },
    /// A value of the graph is not what a forest has there.
    #[error("value `{value}` is {what}")]
    Value {
        /// The value.
        value: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A value of the graph is used where a forest uses another.
    #[error("value `{value}` is used where an isolation forest uses `{expected}`")]
    Part {
        /// The value.
        value: String,
        /// The value that belongs there.
        expected: String,
    },
    /// A constant is another number than in the formula.
    #[error("constant `{value}` is {got}; {expected} expected")]
    Number {
        /// The constant.
        value: String,
        /// The number it is.
        got: f64,
        /// The number it should be.
        expected: f64,
    },
    /// A node computes something else than a forest does there.
    #[error(
        "node `{node}` is {op_type} of {n_inputs} inputs; {expected} of {expected_inputs} expected"
    )]
    Node {
        /// The node's name.
        node: String,
        /// What it computes.
        op_type: String,
        /// The number of its inputs.
        n_inputs: usize,
        /// What it should compute.
        expected: &'static str,
        /// The number of inputs it should have.
        expected_inputs: usize,
    },
    /// A node has no part in a forest.
    #[error("node `{node}` ({op_type}) has no part in an isolation forest")]
    UnknownNode {
        /// The node's name.
        node: String,
        /// What it computes.
        op_type: String,
    },
    /// An attribute is missing, or none of a forest.
    #[error("attribute `{attribute}` of node `{node}` ({op_type}): {expected} expected")]
    Attribute {
        /// The node's name.
        node: String,
        /// What it computes.
        op_type: String,
        /// The attribute.
        attribute: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The sum of path lengths at which a score is one half follows from no number of samples.
    #[error(
        "{n_trees} trees of at least {most} samples: their path lengths are divided by {divisor}, which is none of theirs"
    )]
    Divisor {
        /// The sum.
        divisor: f64,
        /// The trees.
        n_trees: usize,
        /// The most samples at a root.
        most: u32,
    },
    /// A forest has more samples than ONNX's 32-bit floats can tell.
    #[error(
        "a node of {n_samples} samples; at most 16,777,216 expected, to be written as a 32-bit float"
    )]
    Samples {
        /// The samples.
        n_samples: u32,
    },
    /// Trees of one sample score 0.5 by a rule that ONNX's arithmetic does not have.
    #[error("trees of one sample have no path length to divide by; at least 2 samples expected")]
    OneSample,
    /// The trees are none of a forest, or an extended forest has none to write.
    #[error("the trees make no forest")]
    Forest(#[from] PlainForestError),
}

impl IsolationForest {
    /// Reads a forest from an ONNX model as skl2onnx or [`to_onnx`](Self::to_onnx) writes it.
    ///
    /// Thresholds are exact; the offset is a 32-bit float's. Scores agree with scikit-learn's to 1e-6 for records
    /// without missing values; see [`interchange`](super::interchange) for what skl2onnx does not carry.
    ///
    /// # Errors
    /// [`OnnxForestError`] names the node, attribute or byte that belongs to no forest. Whatever the bytes, a
    /// forest that comes back scores without a panic.
    pub fn from_onnx(model: &[u8]) -> Result<Self, OnnxForestError> {
        Ok(Self::from_plain(onnx_read::read(model)?)?)
    }

    /// Writes the forest as an ONNX model, with the inputs and outputs that skl2onnx gives one.
    ///
    /// # Errors
    /// `Samples` above 2^24 samples at a node, `OneSample` for trees of one sample, `Forest` for an extended
    /// forest.
    pub fn to_onnx(&self) -> Result<Vec<u8>, OnnxForestError> {
        onnx_write::write(&self.to_plain()?)
    }

    /// Reads a forest from its JSON; [`JsonForest`] also has the names of its features.
    ///
    /// # Errors
    /// [`JsonForestError`] says where the document is not as documented. Whatever the text, a forest that comes
    /// back scores without a panic.
    pub fn from_json(text: &str) -> Result<Self, JsonForestError> {
        JsonForest::from_text(text)?.try_into()
    }

    /// Writes the forest as JSON, without names of features.
    ///
    /// # Errors
    /// `Forest` for an extended forest.
    pub fn to_json(&self) -> Result<String, JsonForestError> {
        JsonForest::of(self, None)?.to_text()
    }
}
