//! Writing a forest as ONNX.

use super::{
    super::{PlainCut, PlainForest, PlainNode, average_path_length},
    OnnxForestError,
    graph::{FLOAT, INT64},
    onnx_read::path_length,
    protobuf::Writer,
};

/// The version of ONNX's file format; the first with both operator sets below.
const IR_VERSION: i64 = 8;
/// ONNX's numbers of kinds of attributes.
const KIND_INTEGER: i64 = 2;
const KIND_TEXT: i64 = 3;
const KIND_FLOATS: i64 = 6;
const KIND_INTEGERS: i64 = 7;
const KIND_TEXTS: i64 = 8;

/// The most samples of a node that a 32-bit float tells exactly.
const MAX_SAMPLES: u32 = 1 << 24;

/// Writes a forest as the bytes of a model.
#[expect(clippy::cast_precision_loss, reason = "a count of trees is far below 2^53")]
#[expect(clippy::cast_possible_truncation, reason = "ONNX computes in 32 bits")]
pub(super) fn write(forest: &PlainForest) -> Result<Vec<u8>, OnnxForestError> {
    if forest.n_samples < 2 {
        return Err(OnnxForestError::OneSample);
    }
    let lists = Lists::of(forest)?;
    let longest = forest.trees.len() as f64 * average_path_length(forest.n_samples);
    let mut model = Writer::default();
    model.integer(1, IR_VERSION);
    model.text(2, "shadowline");
    model.text(3, env!("CARGO_PKG_VERSION"));
    model.message(7, |graph| {
        node(graph, "TreeEnsembleRegressor", &["X"], "path_length_sum", |it| lists.write(it));
        node(graph, "Div", &["path_length_sum", "longest"], "path_length", |_| {});
        node(graph, "Neg", &["path_length"], "exponent", |_| {});
        node(graph, "Pow", &["two", "exponent"], "anomaly_score", |_| {});
        node(graph, "Neg", &["anomaly_score"], "score_samples", |_| {});
        node(graph, "Add", &["score_samples", "minus_offset"], "scores", |_| {});
        node(graph, "Less", &["scores", "zero"], "is_anomaly", |_| {});
        let to_integer = |it: &mut Writer| integer_attribute(it, "to", INT64);
        node(graph, "Cast", &["is_anomaly"], "anomalies", to_integer);
        node(graph, "Mul", &["anomalies", "minus_two"], "minus_anomalies", |_| {});
        node(graph, "Add", &["minus_anomalies", "one"], "label", |_| {});
        graph.text(2, "isolation_forest");
        float_constant(graph, "longest", longest as f32);
        float_constant(graph, "two", 2.0);
        // Rounded to the side on which a record on the threshold stays normal.
        float_constant(graph, "minus_offset", -PlainCut::threshold_of(forest.offset));
        float_constant(graph, "zero", 0.0);
        integer_constant(graph, "minus_two", -2);
        integer_constant(graph, "one", 1);
        table(graph, 11, "X", FLOAT, forest.n_features);
        table(graph, 12, "label", INT64, 1);
        table(graph, 12, "scores", FLOAT, 1);
        table(graph, 12, "score_samples", FLOAT, 1);
    });
    for (domain, version) in [("", 15), ("ai.onnx.ml", 3)] {
        model.message(8, |set| {
            set.text(1, domain);
            set.integer(2, version);
        });
    }
    Ok(model.into_bytes())
}

/// The attributes of the node that holds all trees.
#[derive(Default)]
struct Lists {
    tree_ids: Vec<i64>,
    node_ids: Vec<i64>,
    features: Vec<i64>,
    thresholds: Vec<f32>,
    modes: Vec<&'static str>,
    true_ids: Vec<i64>,
    false_ids: Vec<i64>,
    missing_true: Vec<i64>,
    hit_rates: Vec<f32>,
    leaf_tree_ids: Vec<i64>,
    leaf_node_ids: Vec<i64>,
    leaf_weights: Vec<f32>,
}

impl Lists {
    fn of(forest: &PlainForest) -> Result<Self, OnnxForestError> {
        let mut lists = Self::default();
        for (tree_id, tree) in (0..).zip(&forest.trees) {
            let mut depths = vec![0; tree.nodes.len()];
            for (node_idx, node) in tree.nodes.iter().enumerate() {
                let depth = depths[node_idx];
                if let Some(cut) = node.cut {
                    depths[cut.left] = depth + 1;
                    depths[cut.right] = depth + 1;
                }
                lists.push(tree_id, node_idx, depth, node)?;
            }
        }
        Ok(lists)
    }

    #[expect(clippy::cast_precision_loss, reason = "at most MAX_SAMPLES")]
    #[expect(clippy::cast_possible_wrap, reason = "numbers of nodes and features are below 2^32")]
    fn push(
        &mut self,
        tree_id: i64,
        node_idx: usize,
        depth: usize,
        node: &PlainNode,
    ) -> Result<(), OnnxForestError> {
        if MAX_SAMPLES < node.n_samples {
            return Err(OnnxForestError::Samples { n_samples: node.n_samples });
        }
        self.tree_ids.push(tree_id);
        self.node_ids.push(node_idx as i64);
        self.hit_rates.push(node.n_samples as f32);
        let (mode, feature, threshold, left, right, missing_left) = match node.cut {
            Some(it) => {
                ("BRANCH_LEQ", it.feature, it.threshold, it.left, it.right, it.missing_goes_left)
            }
            None => ("LEAF", 0, 0.0, 0, 0, false),
        };
        self.modes.push(mode);
        self.features.push(feature as i64);
        self.thresholds.push(threshold);
        self.true_ids.push(left as i64);
        self.false_ids.push(right as i64);
        self.missing_true.push(i64::from(missing_left));
        if node.cut.is_none() {
            self.leaf_tree_ids.push(tree_id);
            self.leaf_node_ids.push(node_idx as i64);
            self.leaf_weights.push(path_length(depth, node.n_samples));
        }
        Ok(())
    }

    fn write(&self, node: &mut Writer) {
        integer_attribute(node, "n_targets", 1);
        integers_attribute(node, "nodes_treeids", &self.tree_ids);
        integers_attribute(node, "nodes_nodeids", &self.node_ids);
        integers_attribute(node, "nodes_featureids", &self.features);
        floats_attribute(node, "nodes_values", &self.thresholds);
        attribute(node, "nodes_modes", KIND_TEXTS, |it| {
            for mode in &self.modes {
                it.text(9, mode);
            }
        });
        integers_attribute(node, "nodes_truenodeids", &self.true_ids);
        integers_attribute(node, "nodes_falsenodeids", &self.false_ids);
        integers_attribute(node, "nodes_missing_value_tracks_true", &self.missing_true);
        floats_attribute(node, "nodes_hitrates", &self.hit_rates);
        integers_attribute(node, "target_treeids", &self.leaf_tree_ids);
        integers_attribute(node, "target_nodeids", &self.leaf_node_ids);
        integers_attribute(node, "target_ids", &vec![0; self.leaf_node_ids.len()]);
        floats_attribute(node, "target_weights", &self.leaf_weights);
        attribute(node, "post_transform", KIND_TEXT, |it| it.text(4, "NONE"));
    }
}

fn node(
    graph: &mut Writer,
    op_type: &str,
    inputs: &[&str],
    output: &str,
    attributes: impl FnOnce(&mut Writer),
) {
    graph.message(1, |node| {
        for input in inputs {
            node.text(1, input);
        }
        node.text(2, output);
        node.text(3, output);
        node.text(4, op_type);
        attributes(node);
        if op_type == "TreeEnsembleRegressor" {
            node.text(7, "ai.onnx.ml");
        }
    });
}

fn attribute(node: &mut Writer, name: &str, kind: i64, value: impl FnOnce(&mut Writer)) {
    node.message(5, |attribute| {
        attribute.text(1, name);
        value(attribute);
        attribute.integer(20, kind);
    });
}

fn integer_attribute(node: &mut Writer, name: &str, value: i64) {
    attribute(node, name, KIND_INTEGER, |it| it.integer(3, value));
}

fn integers_attribute(node: &mut Writer, name: &str, values: &[i64]) {
    attribute(node, name, KIND_INTEGERS, |it| {
        for value in values {
            it.integer(8, *value);
        }
    });
}

fn floats_attribute(node: &mut Writer, name: &str, values: &[f32]) {
    attribute(node, name, KIND_FLOATS, |it| {
        for value in values {
            it.float(7, *value);
        }
    });
}

fn constant(graph: &mut Writer, name: &str, elem_type: i64, raw: &[u8]) {
    graph.message(5, |tensor| {
        tensor.integer(1, 1);
        tensor.integer(2, elem_type);
        tensor.text(8, name);
        tensor.bytes(9, raw);
    });
}

fn float_constant(graph: &mut Writer, name: &str, value: f32) {
    constant(graph, name, FLOAT, &value.to_le_bytes());
}

fn integer_constant(graph: &mut Writer, name: &str, value: i64) {
    constant(graph, name, INT64, &value.to_le_bytes());
}

/// Declares an input or output of shape `(n_records, n_columns)`.
#[expect(clippy::cast_possible_wrap, reason = "a number of features is below 2^16")]
fn table(graph: &mut Writer, number: u64, name: &str, elem_type: i64, n_columns: usize) {
    graph.message(number, |value| {
        value.text(1, name);
        value.message(2, |of_type| {
            of_type.message(1, |tensor| {
                tensor.integer(1, elem_type);
                tensor.message(2, |shape| {
                    shape.message(1, |dimension| dimension.text(2, "n_records"));
                    shape.message(1, |dimension| dimension.integer(1, n_columns as i64));
                });
            });
        });
    });
}
