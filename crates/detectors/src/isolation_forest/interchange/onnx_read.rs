//! Reading a forest from ONNX.

use std::collections::HashMap;

use super::{
    super::{PlainCut, PlainForest, PlainNode, PlainTree, average_path_length},
    OnnxForestError,
    forms::{
        DECISION, LABEL, LEAF, LEAF_VALUE, LOOKUP, PATH_LENGTH, Part, SCORE_SAMPLES, WHOLE_FOREST,
        Walk,
    },
    graph::{FLOAT, Graph, Input, Node},
};

/// What skl2onnx may round an offset by, which lies between -1 and 0.
///
/// The offset is taken lower by as much, so that a record on the threshold, as many are where values repeat, stays
/// normal as it is in scikit-learn.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// Reads a forest from the bytes of a model.
pub(super) fn read(bytes: &[u8]) -> Result<PlainForest, OnnxForestError> {
    let graph = Graph::of_model(bytes)?;
    let input = records_of(&graph)?;
    let (label, decision, score_samples) = match *graph.outputs() {
        [label, decision] => (label, decision, None),
        [label, decision, score_samples] => (label, decision, Some(score_samples)),
        _ => return Err(OnnxForestError::Model { what: "other than 2 or 3 outputs" }),
    };
    let mut walk = Walk::new(&graph);
    same(walk.parts(&LABEL, label)?.get(Part::Decision), decision)?;
    let parts = walk.parts(&DECISION, decision)?;
    let mut offset = -graph.number(parts.get(Part::MinusOffset))?;
    if let Some(score_samples) = score_samples {
        same(score_samples, parts.get(Part::ScoreSamples))?;
    }
    let parts = walk.parts(&SCORE_SAMPLES, parts.get(Part::ScoreSamples))?;
    let divisor = graph.number(parts.get(Part::Divisor))?;
    let sum = parts.get(Part::Sum);
    let (trees, n_features) =
        if graph.nodes()[graph.node_of(sum)?].op_type == "TreeEnsembleRegressor" {
            whole_forest(&mut walk, sum, input)?
        } else {
            offset -= ROUNDING;
            one_by_one(&mut walk, sum, input)?
        };
    walk.finish()?;
    let most = trees.iter().filter_map(|it| it.nodes.first()).map(|it| it.n_samples).max();
    let n_samples = n_samples_of(divisor, trees.len(), most.unwrap_or(1))?;
    Ok(PlainForest { n_features, n_samples, offset, trees })
}

fn same(value: &str, expected: &str) -> Result<(), OnnxForestError> {
    if value == expected {
        return Ok(());
    }
    Err(OnnxForestError::Part { value: value.to_owned(), expected: expected.to_owned() })
}

/// Refuses trees that compare anything but the input.
fn from_input(graph: &Graph<'_>, value: &str, input: Input<'_>) -> Result<(), OnnxForestError> {
    match graph.node_of(value) {
        Ok(node_idx) => {
            let node = &graph.nodes()[node_idx];
            let (node, op_type) = (node.name.to_owned(), node.op_type.to_owned());
            Err(OnnxForestError::UnknownNode { node, op_type })
        }
        Err(_) => same(value, input.name),
    }
}

/// The one input of a forest, which is a table of 32-bit floats.
fn records_of<'a>(graph: &Graph<'a>) -> Result<Input<'a>, OnnxForestError> {
    match *graph.inputs() {
        [input] if input.elem_type == FLOAT && input.n_dims == 2 => Ok(input),
        _ => Err(OnnxForestError::Model {
            what: "other inputs than one table of 32-bit floats, (n_records, n_features)",
        }),
    }
}

/// The trees and the number of features, where each tree has a node of its own: the form of skl2onnx.
fn one_by_one<'a>(
    walk: &mut Walk<'_, 'a>,
    sum: &'a str,
    input: Input<'a>,
) -> Result<(Vec<PlainTree>, usize), OnnxForestError> {
    let mut trees = Vec::new();
    let mut n_features = columns(input);
    for path_length in walk.summands(sum)? {
        let parts = walk.parts(&PATH_LENGTH, path_length)?;
        let (leaf, samples) = leaf_values(walk, parts.get(Part::Samples))?;
        let (same_leaf, path_nodes) = leaf_values(walk, parts.get(Part::PathNodes))?;
        same(same_leaf, leaf)?;
        let parts = walk.parts(&LEAF, leaf)?;
        from_input(walk.graph, parts.get(Part::Records), input)?;
        let columns = &walk.graph.constant(parts.get(Part::Columns))?.values;
        let n_features = *n_features.get_or_insert(columns.len());
        let node = &walk.graph.nodes()[walk.graph.node_of(leaf)?];
        let feature_of = |feature: usize| columns.get(feature).and_then(|it| position(*it));
        let mut listed = listed_trees(node, n_features, feature_of)?;
        let (Some(tree), true) = (listed.pop(), listed.is_empty()) else {
            return node.refuse("nodes_treeids", "one tree");
        };
        trees.push(tree.with_samples(node, |leaf| {
            let samples = samples.get(&leaf.weight.to_bits()).copied().and_then(count);
            // Path lengths count the nodes, of which there is one more than there are cuts.
            let nodes = path_nodes.get(&leaf.weight.to_bits()).copied().and_then(count);
            samples.filter(|_| nodes.map(|it| it as usize) == Some(leaf.depth + 1))
        })?);
    }
    let n_features = n_features.ok_or(OnnxForestError::Model { what: "no trees" })?;
    Ok((trees, n_features))
}

/// The trees and the number of features, where all trees share a node: the form that this crate writes.
///
/// The samples of each node are its hit rate, which no program computes with.
fn whole_forest<'a>(
    walk: &mut Walk<'_, 'a>,
    sum: &'a str,
    input: Input<'a>,
) -> Result<(Vec<PlainTree>, usize), OnnxForestError> {
    let parts = walk.parts(&WHOLE_FOREST, sum)?;
    from_input(walk.graph, parts.get(Part::Records), input)?;
    let n_features = columns(input)
        .ok_or(OnnxForestError::Model { what: "an input without a number of features" })?;
    let node = &walk.graph.nodes()[walk.graph.node_of(sum)?];
    let trees = listed_trees(node, n_features, Some)?
        .into_iter()
        .map(|tree| {
            tree.with_samples(node, |leaf| {
                let samples = count(leaf.hit_rate)?;
                let error = (leaf.weight - path_length(leaf.depth, samples)).abs();
                (error <= 1e-6 * leaf.weight.max(1.0)).then_some(samples)
            })
        })
        .collect::<Result<_, _>>()?;
    Ok((trees, n_features))
}

/// The length of a path that ends after some cuts, with some samples left.
#[expect(clippy::cast_precision_loss, reason = "a depth is far below 2^53")]
pub(super) fn path_length(depth: usize, n_samples: u32) -> f32 {
    narrow(depth as f64 + average_path_length(n_samples as usize))
}

#[expect(clippy::cast_possible_truncation, reason = "ONNX adds up path lengths in 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

fn columns(input: Input<'_>) -> Option<usize> {
    input.n_columns.and_then(|it| usize::try_from(it).ok()).filter(|it| 0 < *it)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the guard")]
fn position(value: f64) -> Option<usize> {
    (0.0..65_535.0).contains(&value).then_some(value as usize).filter(|it| same_number(*it, value))
}

#[expect(clippy::cast_precision_loss, clippy::float_cmp, reason = "a small whole number is exact")]
fn same_number(whole: usize, value: f64) -> bool {
    whole as f64 == value
}

/// A count of samples, if the float is one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn count(value: f32) -> Option<u32> {
    let whole = value.fract().to_bits() << 1 == 0 && (0.0..2_147_483_648.0).contains(&value);
    whole.then_some(value as u32)
}

/// Follows a value of the leaves: to the value that says which leaf it is, and the values by leaf.
fn leaf_values<'a>(
    walk: &mut Walk<'_, 'a>,
    value: &'a str,
) -> Result<(&'a str, HashMap<u32, f32>), OnnxForestError> {
    let parts = walk.parts(&LEAF_VALUE, value)?;
    let (lookup, shape) = (parts.get(Part::Lookup), parts.get(Part::Shape));
    if !matches!(walk.graph.constant(shape)?.values[..], [rows, columns] if rows < 0.0 && 0.0 < columns && columns < 2.0)
    {
        return Err(OnnxForestError::Value {
            value: shape.to_owned(),
            what: "another shape than (-1, 1)",
        });
    }
    let leaf = walk.parts(&LOOKUP, lookup)?.get(Part::Leaf);
    let node = &walk.graph.nodes()[walk.graph.node_of(lookup)?];
    let keys = node.integers("keys_int64s")?;
    let values = node.floats("values_floats")?;
    if keys.len() != values.len() {
        return node.refuse("values_floats", "as many values as keys_int64s has keys");
    }
    // Keys are compared with weights, which are 32-bit floats.
    #[expect(clippy::cast_precision_loss, reason = "the number of a node is below 2^24")]
    let keys = keys.into_iter().map(|it| (it as f32).to_bits());
    Ok((leaf, keys.zip(values).collect()))
}

/// A tree whose samples are not known yet.
struct ListedTree {
    /// As they will be, with the samples 0.
    nodes: Vec<PlainNode>,
    /// For each leaf, its node and what the model says of it.
    leaves: Vec<(usize, Leaf)>,
}

#[derive(Debug, Clone, Copy)]
struct Leaf {
    depth: usize,
    weight: f32,
    hit_rate: f32,
}

impl ListedTree {
    /// Gives each leaf its samples, and each cut those of its children.
    fn with_samples(
        mut self,
        node: &Node<'_>,
        samples_of: impl Fn(&Leaf) -> Option<u32>,
    ) -> Result<PlainTree, OnnxForestError> {
        for (node_idx, leaf) in &self.leaves {
            match samples_of(leaf) {
                Some(n_samples) => self.nodes[*node_idx].n_samples = n_samples,
                None => {
                    return node.refuse(
                        "target_weights",
                        "leaves whose path length follows from their depth and samples",
                    );
                }
            }
        }
        for node_idx in (0..self.nodes.len()).rev() {
            if let Some(PlainCut { left, right, .. }) = self.nodes[node_idx].cut {
                let (left, right) = (self.nodes[left].n_samples, self.nodes[right].n_samples);
                let Some(sum) = left.checked_add(right) else {
                    return node.refuse("target_weights", "fewer than 2^32 samples");
                };
                self.nodes[node_idx].n_samples = sum;
            }
        }
        Ok(PlainTree { nodes: self.nodes })
    }
}

/// The attributes of a `TreeEnsembleRegressor`, one entry for each node of its trees.
struct Lists<'n, 'a> {
    node: &'n Node<'a>,
    node_ids: Vec<i64>,
    modes: Vec<&'a str>,
    features: Vec<i64>,
    thresholds: Vec<f32>,
    true_ids: Vec<i64>,
    false_ids: Vec<i64>,
    missing_true: Vec<i64>,
    hit_rates: Vec<f32>,
    /// Where each node is in the lists, by tree and node.
    places: HashMap<(i64, i64), usize>,
    /// The weight of each leaf, by tree and node.
    weights: HashMap<(i64, i64), f32>,
}

impl<'n, 'a> Lists<'n, 'a> {
    /// Reads the attributes; also the trees' numbers and the places of their first nodes.
    fn read(node: &'n Node<'a>) -> Result<(Self, Vec<(i64, usize)>), OnnxForestError> {
        if node.integer("n_targets")? != Some(1) {
            return node.refuse("n_targets", "1");
        }
        if !matches!(node.text("post_transform")?, None | Some("NONE")) {
            return node.refuse("post_transform", "NONE");
        }
        if !matches!(node.text("aggregate_function")?, None | Some("SUM")) {
            return node.refuse("aggregate_function", "SUM");
        }
        for absent in [
            "base_values",
            "base_values_as_tensor",
            "nodes_values_as_tensor",
            "nodes_hitrates_as_tensor",
            "target_weights_as_tensor",
        ] {
            if node.has(absent) {
                return node.refuse(absent, "no such attribute");
            }
        }
        let tree_ids = node.integers("nodes_treeids")?;
        let mut lists = Self {
            node,
            node_ids: node.integers("nodes_nodeids")?,
            modes: node.texts("nodes_modes")?,
            features: node.integers("nodes_featureids")?,
            thresholds: node.floats("nodes_values")?,
            true_ids: node.integers("nodes_truenodeids")?,
            false_ids: node.integers("nodes_falsenodeids")?,
            missing_true: node.integers("nodes_missing_value_tracks_true")?,
            hit_rates: node.floats("nodes_hitrates")?,
            places: HashMap::new(),
            weights: HashMap::new(),
        };
        let n_nodes = tree_ids.len();
        if lists.missing_true.is_empty() {
            lists.missing_true = vec![0; n_nodes];
        }
        if lists.hit_rates.is_empty() {
            lists.hit_rates = vec![1.0; n_nodes];
        }
        for (attribute, got) in [
            ("nodes_nodeids", lists.node_ids.len()),
            ("nodes_modes", lists.modes.len()),
            ("nodes_featureids", lists.features.len()),
            ("nodes_values", lists.thresholds.len()),
            ("nodes_truenodeids", lists.true_ids.len()),
            ("nodes_falsenodeids", lists.false_ids.len()),
            ("nodes_missing_value_tracks_true", lists.missing_true.len()),
            ("nodes_hitrates", lists.hit_rates.len()),
        ] {
            if got != n_nodes {
                return node.refuse(attribute, "as many entries as nodes_treeids has");
            }
        }
        let mut roots = Vec::new();
        let mut seen = HashMap::new();
        for (place, (tree_id, node_id)) in tree_ids.iter().zip(&lists.node_ids).enumerate() {
            if lists.places.insert((*tree_id, *node_id), place).is_some() {
                return node.refuse("nodes_nodeids", "each node of a tree once");
            }
            if seen.insert(*tree_id, ()).is_none() {
                roots.push((*tree_id, place));
            }
        }
        lists.read_weights()?;
        Ok((lists, roots))
    }

    fn read_weights(&mut self) -> Result<(), OnnxForestError> {
        let node = self.node;
        let tree_ids = node.integers("target_treeids")?;
        let node_ids = node.integers("target_nodeids")?;
        let ids = node.integers("target_ids")?;
        let weights = node.floats("target_weights")?;
        if node_ids.len() != tree_ids.len() {
            return node.refuse("target_nodeids", "as many entries as target_treeids has");
        }
        if weights.len() != tree_ids.len() {
            return node.refuse("target_weights", "as many entries as target_treeids has");
        }
        if ids.len() != tree_ids.len() || ids.iter().any(|it| *it != 0) {
            return node.refuse("target_ids", "as many zeros as target_treeids has entries");
        }
        for (key, weight) in tree_ids.into_iter().zip(node_ids).zip(weights) {
            if self.weights.insert(key, weight).is_some() {
                return node.refuse("target_nodeids", "each leaf of a tree once");
            }
        }
        Ok(())
    }

    /// Walks one tree from its root, so that children come after their parents.
    fn tree(
        &mut self,
        tree_id: i64,
        root: usize,
        n_features: usize,
        feature_of: &impl Fn(usize) -> Option<usize>,
    ) -> Result<ListedTree, OnnxForestError> {
        let node = self.node;
        let mut tree = ListedTree { nodes: vec![UNKNOWN], leaves: Vec::new() };
        // Each place is taken out when it is reached, so that a walk in circles finds nothing.
        self.places.remove(&(tree_id, self.node_ids[root]));
        let mut open = vec![(root, 0, 0)];
        while let Some((place, node_idx, depth)) = open.pop() {
            match self.modes[place] {
                "LEAF" => {
                    let key = (tree_id, self.node_ids[place]);
                    let Some(weight) = self.weights.remove(&key) else {
                        return node.refuse("target_nodeids", "each leaf of a tree");
                    };
                    let hit_rate = self.hit_rates[place];
                    tree.leaves.push((node_idx, Leaf { depth, weight, hit_rate }));
                }
                "BRANCH_LEQ" => {
                    let mut reach = |node_id| {
                        self.places.remove(&(tree_id, node_id)).map(|child| {
                            tree.nodes.push(UNKNOWN);
                            (child, tree.nodes.len() - 1)
                        })
                    };
                    let (Some(left), Some(right)) =
                        (reach(self.true_ids[place]), reach(self.false_ids[place]))
                    else {
                        return node.refuse(
                            "nodes_truenodeids",
                            "children that are there, each of one node (as in nodes_falsenodeids)",
                        );
                    };
                    let feature = usize::try_from(self.features[place]).ok().and_then(feature_of);
                    let Some(feature) = feature.filter(|it| *it < n_features) else {
                        return node.refuse("nodes_featureids", "features that the input has");
                    };
                    tree.nodes[node_idx].cut = Some(PlainCut {
                        feature,
                        threshold: self.thresholds[place],
                        left: left.1,
                        right: right.1,
                        missing_goes_left: self.missing_true[place] != 0,
                    });
                    open.push((right.0, right.1, depth + 1));
                    open.push((left.0, left.1, depth + 1));
                }
                _ => return node.refuse("nodes_modes", "BRANCH_LEQ and LEAF"),
            }
        }
        Ok(tree)
    }
}

const UNKNOWN: PlainNode = PlainNode { n_samples: 0, cut: None };

/// The trees of a `TreeEnsembleRegressor`; `feature_of` says which feature of a record it knows by a number.
fn listed_trees(
    node: &Node<'_>,
    n_features: usize,
    feature_of: impl Fn(usize) -> Option<usize>,
) -> Result<Vec<ListedTree>, OnnxForestError> {
    let (mut lists, roots) = Lists::read(node)?;
    let trees = roots
        .into_iter()
        .map(|(tree_id, root)| lists.tree(tree_id, root, n_features, &feature_of))
        .collect::<Result<_, _>>()?;
    if !lists.places.is_empty() {
        return node.refuse("nodes_nodeids", "nodes that the first node of their tree leads to");
    }
    if !lists.weights.is_empty() {
        return node.refuse("target_nodeids", "leaves");
    }
    Ok(trees)
}

/// The samples of a tree, from the sum of path lengths at which a score is one half.
///
/// Above some 100,000 samples a 32-bit float no longer tells their number exactly; the score is then the same
/// to 1e-7.
#[expect(clippy::cast_precision_loss, reason = "a count of trees is far below 2^53")]
fn n_samples_of(divisor: f64, n_trees: usize, most: u32) -> Result<usize, OnnxForestError> {
    let expected = divisor / n_trees as f64;
    let close = |n| (average_path_length(n) - expected).abs() <= 1e-6 * expected;
    // Most trees have all their samples at the root.
    let at_root = most as usize;
    if close(at_root) {
        return Ok(at_root);
    }
    // `average_path_length` grows with the number of samples.
    let (mut low, mut high) = (at_root, 1_usize << 31);
    while low < high {
        let middle = low.midpoint(high);
        if average_path_length(middle) < expected {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let error = |n: usize| (average_path_length(n) - expected).abs();
    [low, low.saturating_sub(1).max(at_root)]
        .into_iter()
        .min_by(|a, b| error(*a).total_cmp(&error(*b)))
        .filter(|it| close(*it))
        .ok_or(OnnxForestError::Divisor { divisor, n_trees, most })
}
