//! Forests to plain lists and from them.

use linfa::ParamGuard;

use super::{
    IsolationForest, IsolationForestParams, MaxSamples, PlainCut, PlainForest, PlainForestError,
    PlainNode, PlainTree,
    nodes::{Tree, Trees},
};
use crate::FitError;

impl IsolationForest {
    /// The forest as plain lists; [`IsolationForest::from_plain`] makes an equal one of them.
    ///
    /// # Errors
    /// `Extended` for an extension level above 0.
    pub fn to_plain(&self) -> Result<PlainForest, PlainForestError> {
        if self.trees.planes.is_some() {
            return Err(PlainForestError::Extended { level: self.params.extension_level });
        }
        let trees = self.trees.ranges().map(|range| {
            let root = range.start;
            let node_of = |node_idx: usize| {
                let node = self.trees.nodes[node_idx];
                let left = node.child as usize - root;
                PlainNode {
                    n_samples: self.trees.n_samples[node_idx],
                    cut: (!self.trees.is_leaf(node_idx)).then_some(PlainCut {
                        feature: usize::from(node.feature),
                        threshold: node.threshold,
                        left,
                        right: left + 1,
                        missing_goes_left: node.missing_goes_left,
                    }),
                }
            };
            PlainTree { nodes: range.map(node_of).collect() }
        });
        Ok(PlainForest {
            n_features: self.n_features,
            n_samples: self.n_samples,
            offset: self.offset,
            trees: trees.collect(),
        })
    }

    /// Makes a forest of plain lists, of trees of any shape and depth.
    ///
    /// The samples of a cut must be those of its children together, because explanations weight by them. A root
    /// may have fewer samples than `n_samples`, as scikit-learn's have that draw a record more than once. Of the
    /// parameters, `n_estimators` and `max_samples` follow from the lists and all others are the defaults.
    ///
    /// # Errors
    /// [`PlainForestError`] says which node is none.
    pub fn from_plain(forest: PlainForest) -> Result<Self, PlainForestError> {
        let PlainForest { n_features, n_samples, offset, trees } = forest;
        if n_features == 0 || usize::from(u16::MAX) < n_features {
            return Err(PlainForestError::NFeatures(n_features));
        }
        if n_samples == 0 || (1 << 31) < n_samples {
            return Err(PlainForestError::NSamples(n_samples));
        }
        if !offset.is_finite() {
            return Err(PlainForestError::Offset(offset));
        }
        let params = IsolationForestParams::default()
            .n_estimators(trees.len())
            .max_samples(MaxSamples::Count(n_samples))
            .check()
            .map_err(|_: FitError| PlainForestError::NTrees(trees.len()))?;
        let mut numbered = Vec::with_capacity(trees.len());
        for (tree_idx, tree) in trees.iter().enumerate() {
            validate(tree_idx, tree, n_features, n_samples)?;
            numbered.push(number(tree));
        }
        let trees = Trees::join(numbered).ok_or(PlainForestError::TooManyNodes)?;
        Ok(Self::assemble(params, n_features, n_samples, offset, trees))
    }
}

/// Refuses a tree on which a walk could go astray.
fn validate(
    tree_idx: usize,
    tree: &PlainTree,
    n_features: usize,
    n_samples: usize,
) -> Result<(), PlainForestError> {
    let nodes = &tree.nodes;
    let n_nodes = nodes.len();
    let root = nodes.first().ok_or(PlainForestError::NoNodes { tree_idx })?;
    if n_samples < root.n_samples as usize {
        let got = root.n_samples;
        let expected = n_samples as u64;
        return Err(PlainForestError::Samples { tree_idx, node_idx: 0, got, expected });
    }
    let mut n_parents = vec![0_usize; n_nodes];
    for (node_idx, node) in nodes.iter().enumerate() {
        let mut expected = u64::from(node.n_samples.max(1));
        if let Some(cut) = node.cut {
            for child in [cut.left, cut.right] {
                if child <= node_idx || n_nodes <= child {
                    return Err(PlainForestError::Child { tree_idx, node_idx, child, n_nodes });
                }
                n_parents[child] += 1;
            }
            let feature = cut.feature;
            if n_features <= feature {
                return Err(PlainForestError::Feature { tree_idx, node_idx, feature, n_features });
            }
            if cut.threshold.is_nan() {
                return Err(PlainForestError::Threshold { tree_idx, node_idx });
            }
            expected = u64::from(nodes[cut.left].n_samples) + u64::from(nodes[cut.right].n_samples);
        }
        if u64::from(node.n_samples) != expected {
            let got = node.n_samples;
            return Err(PlainForestError::Samples { tree_idx, node_idx, got, expected });
        }
    }
    match n_parents.iter().enumerate().skip(1).find(|(_, it)| **it != 1) {
        Some((node_idx, &n_parents)) => {
            Err(PlainForestError::Parents { tree_idx, node_idx, n_parents })
        }
        None => Ok(()),
    }
}

/// Numbers the nodes of a checked tree as growing numbers them: in pairs, the left side first.
fn number(plain: &PlainTree) -> Tree {
    let mut tree = Tree::default();
    tree.push(plain.nodes[0].n_samples);
    let mut open = vec![(0, 0)];
    while let Some((plain_idx, node_idx)) = open.pop() {
        let plain_idx: usize = plain_idx;
        let Some(PlainCut { feature, threshold, left, right, missing_goes_left }) =
            plain.nodes[plain_idx].cut
        else {
            continue;
        };
        let counts = [left, right].map(|it| plain.nodes[it].n_samples);
        #[expect(clippy::cast_possible_truncation, reason = "check bounds the features")]
        let child = tree.cut(node_idx, feature as u16, threshold, missing_goes_left, counts);
        open.push((right, child + 1));
        open.push((left, child));
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(n_samples: u32) -> PlainNode {
        PlainNode { n_samples, cut: None }
    }

    fn cut(n_samples: u32, feature: usize, left: usize, right: usize) -> PlainNode {
        let cut = PlainCut { feature, threshold: 0.5, left, right, missing_goes_left: true };
        PlainNode { n_samples, cut: Some(cut) }
    }

    fn forest(nodes: Vec<PlainNode>) -> PlainForest {
        PlainForest { n_features: 2, n_samples: 8, offset: -0.5, trees: vec![PlainTree { nodes }] }
    }

    #[track_caller]
    fn check_refused(forest: PlainForest, expected: &str) {
        assert_eq!(IsolationForest::from_plain(forest).unwrap_err().to_string(), expected);
    }

    #[test]
    fn lists_that_are_no_forest_are_refused() {
        check_refused(forest(vec![]), "tree 0 has no nodes");
        check_refused(
            PlainForest { trees: vec![], ..forest(vec![]) },
            "0 trees; 1 to 65,535 expected",
        );
        check_refused(
            PlainForest { n_features: 0, ..forest(vec![leaf(1)]) },
            "0 features; 1 to 65,535 expected",
        );
        check_refused(
            PlainForest { n_samples: 0, ..forest(vec![leaf(1)]) },
            "0 samples to a tree; 1 to 2^31 expected",
        );
        check_refused(
            PlainForest { offset: f64::NAN, ..forest(vec![leaf(1)]) },
            "offset is NaN; a finite number expected",
        );
        for child in [0, 3] {
            check_refused(
                forest(vec![cut(2, 0, child, 1), leaf(1), leaf(1)]),
                &format!("node 0 of tree 0 has child {child}; a node after it, of 3, expected"),
            );
        }
        check_refused(
            forest(vec![cut(2, 0, 1, 1), leaf(1)]),
            "node 1 of tree 0 is the child of 2 nodes; 1 expected",
        );
        check_refused(
            forest(vec![cut(2, 0, 1, 2), leaf(1), leaf(1), leaf(1)]),
            "node 3 of tree 0 is the child of 0 nodes; 1 expected",
        );
        check_refused(
            forest(vec![cut(2, 2, 1, 2), leaf(1), leaf(1)]),
            "node 0 of tree 0 cuts feature 2 of 2",
        );
        let mut nan = forest(vec![cut(2, 0, 1, 2), leaf(1), leaf(1)]);
        nan.trees[0].nodes[0].cut.as_mut().unwrap().threshold = f32::NAN;
        check_refused(nan, "node 0 of tree 0 has threshold NaN; a number expected");
        check_refused(
            forest(vec![cut(3, 0, 1, 2), leaf(1), leaf(1)]),
            "node 0 of tree 0 has 3 samples; 2 expected",
        );
        check_refused(forest(vec![leaf(0)]), "node 0 of tree 0 has 0 samples; 1 expected");
        check_refused(forest(vec![leaf(9)]), "node 0 of tree 0 has 9 samples; 8 expected");
    }

    #[test]
    fn a_forest_of_any_numbering_comes_back_in_our_own() {
        let ours = forest(vec![cut(6, 0, 1, 2), cut(5, 1, 3, 4), leaf(1), leaf(2), leaf(3)]);
        let other = forest(vec![cut(6, 0, 2, 1), leaf(1), cut(5, 1, 4, 3), leaf(3), leaf(2)]);
        for plain in [ours.clone(), other] {
            assert_eq!(IsolationForest::from_plain(plain).unwrap().to_plain().unwrap(), ours);
        }
    }

    #[test]
    fn a_narrow_threshold_parts_narrow_values_as_the_wide_one() {
        for wide in [0.1, -0.1, 1e-50, -1e-50, 3.0, 1e300, -1e300, f64::from(f32::MAX)] {
            let narrow = PlainCut::threshold_of(wide);
            for value in [0.0, 3.0, 0.1, -0.1, f32::MAX, f32::MIN, f32::MIN_POSITIVE] {
                for value in [value.next_down(), value, value.next_up()] {
                    assert_eq!(value <= narrow, f64::from(value) <= wide, "{value} and {wide}");
                }
            }
        }
    }
}
