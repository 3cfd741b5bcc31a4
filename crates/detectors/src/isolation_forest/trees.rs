//! A forest as plain lists: for interchange with other programs.

/// A forest as plain lists, without the layout that scoring uses.
///
/// The score of a record is `2^(-mean path length / c(n_samples))`; the path length at a leaf is its depth plus
/// `c(samples of the leaf)`, with [`average_path_length`](super::average_path_length) as `c`.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainForest {
    /// The features of a record.
    pub n_features: usize,
    /// The records each tree was grown on; scikit-learn's `max_samples_`.
    pub n_samples: usize,
    /// Minus the threshold; scikit-learn's `offset_`.
    pub offset: f64,
    /// The trees, 1 to 65,535.
    pub trees: Vec<PlainTree>,
}

/// One tree: node 0 is the root, and children come after their parents.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainTree {
    /// The nodes.
    pub nodes: Vec<PlainNode>,
}

/// One node of a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlainNode {
    /// The training samples that came to this node, at least 1; those of a cut are those of its children.
    pub n_samples: u32,
    /// How the node is cut; none for a leaf.
    pub cut: Option<PlainCut>,
}

/// A cut: a record whose value is at most the threshold goes left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlainCut {
    /// The feature that is compared, counted from 0.
    pub feature: usize,
    /// Not NaN. [`PlainCut::threshold_of`] narrows a 64-bit one.
    pub threshold: f32,
    /// The node of the left side.
    pub left: usize,
    /// The node of the right side.
    pub right: usize,
    /// Whether a record without this feature goes left.
    pub missing_goes_left: bool,
}

impl PlainCut {
    /// The 32-bit threshold that parts 32-bit values as a 64-bit one does: the greatest that is not above it.
    pub fn threshold_of(wide: f64) -> f32 {
        super::build::round_down(wide)
    }
}

/// Why plain lists are no forest, or a forest has no plain lists.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum PlainForestError {
    /// A forest needs trees.
    #[error("{0} trees; 1 to 65,535 expected")]
    NTrees(usize),
    /// A record needs features.
    #[error("{0} features; 1 to 65,535 expected")]
    NFeatures(usize),
    /// A tree needs samples.
    #[error("{0} samples to a tree; 1 to 2^31 expected")]
    NSamples(usize),
    /// The offset is no threshold.
    #[error("offset is {0}; a finite number expected")]
    Offset(f64),
    /// There are more nodes than can be numbered.
    #[error("more than 2^32 nodes")]
    TooManyNodes,
    /// A tree has no nodes.
    #[error("tree {tree_idx} has no nodes")]
    NoNodes {
        /// The tree, counted from 0.
        tree_idx: usize,
    },
    /// A child is not after its parent, as in a cycle, or not there.
    #[error(
        "node {node_idx} of tree {tree_idx} has child {child}; a node after it, of {n_nodes}, expected"
    )]
    Child {
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
        /// The child it names.
        child: usize,
        /// The nodes of the tree.
        n_nodes: usize,
    },
    /// A node belongs to no cut, or to several.
    #[error("node {node_idx} of tree {tree_idx} is the child of {n_parents} nodes; 1 expected")]
    Parents {
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
        /// How often it is named as a child.
        n_parents: usize,
    },
    /// A cut compares a feature that records do not have.
    #[error("node {node_idx} of tree {tree_idx} cuts feature {feature} of {n_features}")]
    Feature {
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
        /// The feature, counted from 0.
        feature: usize,
        /// The features of a record.
        n_features: usize,
    },
    /// A threshold is not a number.
    #[error("node {node_idx} of tree {tree_idx} has threshold NaN; a number expected")]
    Threshold {
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
    },
    /// A node has no samples, or other than its children together, or a root more than a tree has.
    #[error("node {node_idx} of tree {tree_idx} has {got} samples; {expected} expected")]
    Samples {
        /// The tree, counted from 0.
        tree_idx: usize,
        /// The node, counted from 0.
        node_idx: usize,
        /// The samples it says it has.
        got: u32,
        /// The samples it should have: the sum of its children, the most, or 1 if it has none.
        expected: u64,
    },
    /// The cuts of an extended forest compare several features at once.
    #[error("an extended forest of level {level} has no plain cuts; level 0 expected")]
    Extended {
        /// Its extension level.
        level: usize,
    },
}
