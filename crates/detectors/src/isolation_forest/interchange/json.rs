//! The JSON of a forest. `docs/forest-json.md` says the same for those who read no Rust.

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use super::super::{
    Contamination, IsolationForest, IsolationForestParams, MaxFeatures, PlainCut, PlainForest,
    PlainForestError, PlainNode, PlainTree,
};
use crate::FitError;

/// What `format` says.
const FORMAT: &str = "shadowline-isolation-forest";
/// What `version` says.
const VERSION: u32 = 1;

/// A forest as a JSON document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonForest {
    /// `shadowline-isolation-forest`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// The program that wrote the document, for people.
    pub made_by: String,
    /// The features of a record.
    pub n_features: usize,
    /// Their names, if they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_names: Option<Vec<String>>,
    /// The records each tree was grown on; scikit-learn's `max_samples_`.
    pub max_samples: usize,
    /// Minus the threshold; scikit-learn's `offset_`.
    pub offset: f64,
    /// How it was fitted, if that is known. No score depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<JsonParams>,
    /// The trees.
    pub trees: Vec<JsonTree>,
}

/// Parameters that do not follow from the trees.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonParams {
    /// What the offset follows from.
    pub contamination: JsonContamination,
    /// How many features each tree may cut.
    pub max_features: usize,
    /// Whether a tree may have drawn a record more than once.
    pub bootstrap: bool,
}

/// `"auto"`, or a share of the records.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JsonContamination {
    /// The share.
    Share(f64),
    /// The offset is -0.5.
    Auto(JsonAuto),
}

/// The word `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonAuto {
    /// The word.
    Auto,
}

/// One tree as lists with an entry for each node. Node 0 is the root, children come after their parents, and a
/// leaf has -1 as its children.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JsonTree {
    /// The node of the left side; -1 for a leaf.
    pub left: Vec<i64>,
    /// The node of the right side; -1 for a leaf.
    pub right: Vec<i64>,
    /// The feature that is compared, counted from 0; not read for a leaf.
    pub feature: Vec<i64>,
    /// A record whose value, as a 32-bit float, is at most this goes left; none: every value does. Not read for
    /// a leaf.
    pub threshold: Vec<Option<f64>>,
    /// Whether a record without the feature goes left; not read for a leaf.
    pub missing_goes_left: Vec<bool>,
    /// The training samples that came to each node.
    pub n_samples: Vec<u32>,
}

/// Why a text is no forest, or a forest no text.
#[derive(Debug, thiserror::Error)]
pub enum JsonForestError {
    /// The text is no JSON, or has other fields or types.
    #[error("the text is no JSON of a forest")]
    Json(#[from] serde_json::Error),
    /// The document is of another kind.
    #[error("format is `{0}`; `{FORMAT}` expected")]
    Format(String),
    /// The document is newer than this program.
    #[error("version is {0}; {VERSION} expected")]
    Version(u32),
    /// There are more or fewer names than features.
    #[error("{got} feature_names of {n_features} features")]
    FeatureNames {
        /// The names.
        got: usize,
        /// The features.
        n_features: usize,
    },
    /// The lists of a tree have different lengths.
    #[error("`{list}` of tree {tree_idx} has {got} entries; {expected}, as `left` has, expected")]
    Length {
        /// The list.
        list: &'static str,
        /// The tree, counted from 0.
        tree_idx: usize,
        /// Its entries.
        got: usize,
        /// The entries of `left`.
        expected: usize,
    },
    /// A node names a child or a feature below 0, but is no leaf.
    #[error(
        "node {node_idx} of tree {tree_idx} has `{list}` {got}; -1 as both children, or numbers from 0 expected"
    )]
    Negative {
        /// The list.
        list: &'static str,
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
        /// The number.
        got: i64,
    },
    /// The parameters are none of a forest.
    #[error("params of no forest")]
    Params(#[source] FitError),
    /// The trees are none of a forest, or an extended forest has none to write.
    #[error("the trees make no forest")]
    Forest(#[from] PlainForestError),
}

/// What is read first, so that a newer document is called newer, and not wrong.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
}

impl JsonForest {
    /// Reads the document; whether its trees make a forest is for `IsolationForest::try_from` to say.
    ///
    /// # Errors
    /// `Json`, `Format`, `Version` or `FeatureNames`.
    pub fn from_text(text: &str) -> Result<Self, JsonForestError> {
        let head: Head = serde_json::from_str(text)?;
        if head.format != FORMAT {
            return Err(JsonForestError::Format(head.format));
        }
        if head.version != VERSION {
            return Err(JsonForestError::Version(head.version));
        }
        let forest: Self = serde_json::from_str(text)?;
        forest.validate_names()?;
        Ok(forest)
    }

    /// Writes the document, a tree to a line.
    ///
    /// # Errors
    /// `FeatureNames`, or `Json` if it cannot be written.
    pub fn to_text(&self) -> Result<String, JsonForestError> {
        self.validate_names()?;
        let text = serde_json::to_string(self)?;
        Ok(text.replace("{\"left\":", "\n{\"left\":") + "\n")
    }

    /// The document of a forest.
    ///
    /// # Errors
    /// `Forest` for an extended forest, `FeatureNames` for more or fewer names than features.
    pub fn of(
        forest: &IsolationForest,
        feature_names: Option<Vec<String>>,
    ) -> Result<Self, JsonForestError> {
        let plain = forest.to_plain()?;
        let params = forest.fitted_with();
        let contamination = match params.contamination {
            Contamination::Auto => JsonContamination::Auto(JsonAuto::Auto),
            Contamination::Share(share) => JsonContamination::Share(share),
        };
        let max_features = params.n_features(plain.n_features).map_err(JsonForestError::Params)?;
        let document = Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            made_by: concat!("shadowline ", env!("CARGO_PKG_VERSION")).to_owned(),
            n_features: plain.n_features,
            feature_names,
            max_samples: plain.n_samples,
            offset: plain.offset,
            params: Some(JsonParams { contamination, max_features, bootstrap: params.bootstrap }),
            trees: plain.trees.iter().map(JsonTree::of).collect(),
        };
        document.validate_names()?;
        Ok(document)
    }

    fn validate_names(&self) -> Result<(), JsonForestError> {
        match &self.feature_names {
            Some(names) if names.len() != self.n_features => {
                Err(JsonForestError::FeatureNames { got: names.len(), n_features: self.n_features })
            }
            _ => Ok(()),
        }
    }
}

impl JsonTree {
    fn of(tree: &PlainTree) -> Self {
        let n_nodes = tree.nodes.len();
        let mut lists = Self {
            left: vec![-1; n_nodes],
            right: vec![-1; n_nodes],
            feature: vec![-1; n_nodes],
            threshold: vec![Some(0.0); n_nodes],
            missing_goes_left: vec![false; n_nodes],
            n_samples: tree.nodes.iter().map(|it| it.n_samples).collect(),
        };
        for (node_idx, node) in tree.nodes.iter().enumerate() {
            let Some(cut) = node.cut else { continue };
            lists.left[node_idx] = signed(cut.left);
            lists.right[node_idx] = signed(cut.right);
            lists.feature[node_idx] = signed(cut.feature);
            lists.threshold[node_idx] = finite(cut.threshold);
            lists.missing_goes_left[node_idx] = cut.missing_goes_left;
        }
        lists
    }

    fn to_plain(&self, tree_idx: usize) -> Result<PlainTree, JsonForestError> {
        let expected = self.left.len();
        for (list, got) in [
            ("right", self.right.len()),
            ("feature", self.feature.len()),
            ("threshold", self.threshold.len()),
            ("missing_goes_left", self.missing_goes_left.len()),
            ("n_samples", self.n_samples.len()),
        ] {
            if got != expected {
                return Err(JsonForestError::Length { list, tree_idx, got, expected });
            }
        }
        let node = |node_idx: usize| -> Result<PlainNode, JsonForestError> {
            let n_samples = self.n_samples[node_idx];
            if [self.left[node_idx], self.right[node_idx]] == [-1; 2] {
                return Ok(PlainNode { n_samples, cut: None });
            }
            let number = |list, got: i64| {
                usize::try_from(got).map_err(|_| JsonForestError::Negative {
                    list,
                    tree_idx,
                    node_idx,
                    got,
                })
            };
            let threshold = self.threshold[node_idx].map_or(f32::INFINITY, PlainCut::threshold_of);
            let cut = PlainCut {
                feature: number("feature", self.feature[node_idx])?,
                threshold,
                left: number("left", self.left[node_idx])?,
                right: number("right", self.right[node_idx])?,
                missing_goes_left: self.missing_goes_left[node_idx],
            };
            Ok(PlainNode { n_samples, cut: Some(cut) })
        };
        Ok(PlainTree { nodes: (0..expected).map(node).collect::<Result<_, _>>()? })
    }
}

impl TryFrom<JsonForest> for IsolationForest {
    type Error = JsonForestError;

    fn try_from(document: JsonForest) -> Result<Self, JsonForestError> {
        let tree = |(tree_idx, tree): (usize, &JsonTree)| tree.to_plain(tree_idx);
        let trees = document.trees.iter().enumerate().map(tree).collect::<Result<_, _>>()?;
        let mut forest = Self::from_plain(PlainForest {
            n_features: document.n_features,
            n_samples: document.max_samples,
            offset: document.offset,
            trees,
        })?;
        if let Some(JsonParams { contamination, max_features, bootstrap }) = document.params {
            let contamination = match contamination {
                JsonContamination::Auto(JsonAuto::Auto) => Contamination::Auto,
                JsonContamination::Share(share) => Contamination::Share(share),
            };
            let params = IsolationForestParams::from(forest.params)
                .contamination(contamination)
                .max_features(MaxFeatures::Count(max_features))
                .bootstrap(bootstrap)
                .check()
                .map_err(JsonForestError::Params)?;
            params.n_features(document.n_features).map_err(JsonForestError::Params)?;
            forest.params = params;
        }
        Ok(forest)
    }
}

/// A number of a node or feature, of which there are fewer than 2^32.
#[expect(clippy::cast_possible_wrap, reason = "stated above")]
fn signed(number: usize) -> i64 {
    number as i64
}

/// A threshold as JSON can have it, which has no infinity.
fn finite(threshold: f32) -> Option<f64> {
    // Below all 32-bit floats, which is where minus infinity is.
    let wide = f64::from(threshold).max(-1e300);
    wide.is_finite().then_some(wide)
}
