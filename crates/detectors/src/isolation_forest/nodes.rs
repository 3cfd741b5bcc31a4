//! Trees as lists of nodes: what is grown, read and stored, and what other layouts are made from.

use super::{average_path_length, planes::Planes};

/// One node. The children of a cut are `child` and `child + 1`; a leaf is its own child and its threshold is
/// infinity, so that a walk that has arrived stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    pub(super) threshold: f32,
    pub(super) child: u32,
    pub(super) feature: u16,
    /// The side of a record without this feature.
    pub(super) missing_goes_left: bool,
}

impl Node {
    /// The leaf at an index.
    pub(super) fn leaf(node_idx: u32) -> Self {
        Self { threshold: f32::INFINITY, child: node_idx, feature: 0, missing_goes_left: true }
    }

    /// Whether a value goes to the right child.
    #[inline]
    pub(super) fn goes_right(self, value: f32) -> bool {
        self.threshold < value || (value.is_nan() && !self.missing_goes_left)
    }
}

/// One tree while it grows or is read; its children come after their parents, in the order of the cuts.
#[derive(Debug, Clone, Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) n_samples: Vec<u32>,
    pub(super) planes: Option<Planes>,
}

impl Tree {
    /// Adds a leaf of some samples; answers its index.
    pub(super) fn push(&mut self, n_samples: u32) -> usize {
        let node_idx = self.nodes.len();
        self.nodes.push(Node::leaf(index(node_idx)));
        self.n_samples.push(n_samples);
        node_idx
    }

    /// Makes a leaf a cut, with two new leaves; answers the left one, and the right one comes after it.
    pub(super) fn cut(
        &mut self,
        node_idx: usize,
        feature: u16,
        threshold: f32,
        missing_goes_left: bool,
        [n_left, n_right]: [u32; 2],
    ) -> usize {
        let left = self.push(n_left);
        self.push(n_right);
        self.nodes[node_idx] = Node { threshold, child: index(left), feature, missing_goes_left };
        left
    }
}

/// All trees of a forest, their nodes numbered through.
#[derive(Debug, Clone)]
pub(super) struct Trees {
    pub(super) nodes: Vec<Node>,
    /// The samples of each node, by which expectations along a path are weighted.
    pub(super) n_samples: Vec<u32>,
    /// Where each tree starts, and the end.
    pub(super) roots: Vec<u32>,
    /// The oblique cuts, if this is an extended forest.
    pub(super) planes: Option<Planes>,
}

impl Trees {
    /// Puts trees together; none if they have more nodes than can be numbered.
    pub(super) fn join(trees: Vec<Tree>) -> Option<Self> {
        let n_nodes = trees.iter().map(|it| it.nodes.len()).sum::<usize>();
        u32::try_from(n_nodes).ok()?;
        let mut nodes = Vec::with_capacity(n_nodes);
        let mut n_samples = Vec::with_capacity(n_nodes);
        let mut roots = Vec::with_capacity(trees.len() + 1);
        let mut planes: Option<Planes> = None;
        for tree in trees {
            let root = index(nodes.len());
            roots.push(root);
            nodes.extend(
                tree.nodes.into_iter().map(|node| Node { child: node.child + root, ..node }),
            );
            n_samples.extend(tree.n_samples);
            match (&mut planes, tree.planes) {
                (Some(all), Some(more)) => all.append(more),
                (none, first) => *none = first,
            }
        }
        roots.push(index(nodes.len()));
        Some(Self { nodes, n_samples, roots, planes })
    }

    #[inline]
    pub(super) fn n_trees(&self) -> usize {
        self.roots.len() - 1
    }

    /// The indices of the nodes of each tree.
    pub(super) fn ranges(&self) -> impl Iterator<Item = std::ops::Range<usize>> {
        self.roots.windows(2).map(|it| it[0] as usize..it[1] as usize)
    }

    #[inline]
    pub(super) fn is_leaf(&self, node_idx: usize) -> bool {
        self.nodes[node_idx].child as usize == node_idx
    }

    /// How many cuts lead to each node.
    pub(super) fn depths(&self) -> Vec<u32> {
        let mut depths = vec![0; self.nodes.len()];
        for (node_idx, node) in self.nodes.iter().enumerate() {
            let child = node.child as usize;
            if child != node_idx {
                depths[child] = depths[node_idx] + 1;
                depths[child + 1] = depths[node_idx] + 1;
            }
        }
        depths
    }

    /// The mean path length of the training samples in each node; at a leaf, the path length itself: the depth
    /// and what a path would go on for.
    pub(super) fn path_lengths(&self) -> Vec<f64> {
        let mut lengths: Vec<f64> = self
            .depths()
            .into_iter()
            .zip(&self.n_samples)
            .map(|(depth, n)| f64::from(depth) + average_path_length(*n as usize))
            .collect();
        // Children come after their parents.
        for node_idx in (0..self.nodes.len()).rev() {
            if !self.is_leaf(node_idx) {
                let child = self.nodes[node_idx].child as usize;
                let [left, right] = [child, child + 1].map(|it| f64::from(self.n_samples[it]));
                lengths[node_idx] =
                    (left * lengths[child] + right * lengths[child + 1]) / (left + right);
            }
        }
        lengths
    }

    /// Says what is wrong with trees that were read; with none, every walk ends at a leaf and is in bounds.
    pub(super) fn flaw(&self, n_features: usize, n_samples: usize) -> Option<String> {
        for tree in self.ranges() {
            if n_samples < self.n_samples[tree.start] as usize {
                return Some(format!(
                    "node {} is a root of more than {n_samples} samples",
                    tree.start
                ));
            }
            let mut n_cuts = 0;
            let mut has_parent = vec![false; tree.len()];
            for node_idx in tree.clone() {
                let Node { threshold, feature, .. } = self.nodes[node_idx];
                let child = self.nodes[node_idx].child as usize;
                let sound = if child == node_idx {
                    threshold.to_bits() == f32::INFINITY.to_bits()
                        && feature == 0
                        && 0 < self.n_samples[node_idx]
                } else {
                    n_cuts += 1;
                    // Children come after their parent, so that no walk is longer than the tree.
                    node_idx < child
                        && child + 1 < tree.end
                        && (child - tree.start) % 2 == 1
                        && !std::mem::replace(&mut has_parent[child - tree.start], true)
                        && !threshold.is_nan()
                        && usize::from(feature) < n_features
                        && self.n_samples[child].checked_add(self.n_samples[child + 1])
                            == Some(self.n_samples[node_idx])
                };
                if !sound {
                    return Some(format!("node {node_idx} is neither a leaf nor a cut"));
                }
            }
            // Pairs are distinct, so that with this every node but the root is in one.
            if tree.len() != 2 * n_cuts + 1 {
                return Some(format!("the tree at node {} has nodes without a parent", tree.start));
            }
        }
        // A tree has one node more than its pairs of children.
        let n_cuts = (self.nodes.len() - self.n_trees()) / 2;
        self.planes.as_ref().and_then(|it| it.flaw(n_features, n_cuts))
    }

    /// The memory it takes.
    pub(super) fn size_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + (self.n_samples.capacity() + self.roots.capacity()) * size_of::<u32>()
            + self.planes.as_ref().map_or(0, Planes::size_bytes)
    }
}

/// A node's number; what makes trees keeps it below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "stated above")]
#[inline]
pub(super) fn index(node_idx: usize) -> u32 {
    node_idx as u32
}
