//! Shallow trees as complete ones: every path has the same number of cuts, and a child's place follows from its
//! parent's, so that a walk is arithmetic without a branch.

use super::{
    LANES,
    nodes::{Node, Trees},
};

/// The deepest trees that are made complete: one of depth 10 takes 10 kB.
const MAX_DEPTH: u32 = 10;
/// The levels of a tree, from its root, that lie apart from the others.
pub(super) const N_TOP: u32 = 4;
/// In a feature: a record without it goes right.
pub(super) const MISSING_GOES_RIGHT: u32 = 1 << 31;

/// The first nodes of 16 trees side by side: thresholds and features apart, because vectors load all of them.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Top {
    pub(super) thresholds: [[f32; LANES]; 1 << N_TOP],
    pub(super) features: [[u32; LANES]; 1 << N_TOP],
}

/// A cut as a pair, because vectors gather it whole.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Cut {
    pub(super) threshold: f32,
    pub(super) feature: u32,
}

/// One node of 16 trees side by side.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Cuts(pub(super) [Cut; LANES]);

/// The leaves on both sides of a last cut, of 16 trees side by side: the left one's code in the low half, the
/// right one's in the high half.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Leaves(pub(super) [u32; LANES]);

/// Trees in groups of 16, each completed to the depth of the deepest tree, and to 5 levels at least.
///
/// The nodes of a tree are numbered from its root, 1, so that the children of node `n` are `2n` and `2n + 1`;
/// node 0 is not used. What comes below a leaf goes left always, and all leaves there have its path length.
#[derive(Debug, Clone)]
pub(super) struct Complete {
    depth: u32,
    tops: Vec<Top>,
    cuts: Vec<Cuts>,
    leaves: Vec<Leaves>,
    /// The different path lengths by code; the first is 0, of lanes without a tree.
    lengths: Vec<f64>,
}

/// 16 trees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    /// The cuts on a path.
    pub(super) depth: u32,
    pub(super) top: &'a Top,
    /// Of the nodes from number `2^N_TOP` to `2^depth - 1`.
    pub(super) cuts: &'a [Cuts],
    /// Of the nodes from number `2^(depth - 1)` to `2^depth - 1`.
    pub(super) leaves: &'a [Leaves],
    /// The path length of each code of a leaf.
    pub(super) lengths: &'a [f64],
}

impl Complete {
    /// Completes trees; none if they are too deep, or have too many path lengths for a code of 16 bits.
    pub(super) fn new(trees: &Trees, path_lengths: &[f64]) -> Option<Self> {
        let depth = trees.depths().into_iter().max()?.max(N_TOP + 1);
        if MAX_DEPTH < depth {
            return None;
        }
        let is_leaf = |it: &usize| trees.is_leaf(*it);
        let mut lengths: Vec<f64> =
            (0..path_lengths.len()).filter(is_leaf).map(|it| path_lengths[it]).collect();
        lengths.push(0.0);
        lengths.sort_by(f64::total_cmp);
        lengths.dedup();
        lengths.shrink_to_fit();
        if usize::from(u16::MAX) < lengths.len() {
            return None;
        }
        let n_groups = trees.n_trees().div_ceil(LANES);
        let always_left = Cut { threshold: f32::INFINITY, feature: 0 };
        let top = Top {
            thresholds: [[always_left.threshold; LANES]; 1 << N_TOP],
            features: [[always_left.feature; LANES]; 1 << N_TOP],
        };
        let mut complete = Self {
            depth,
            tops: vec![top; n_groups],
            cuts: vec![Cuts([always_left; LANES]); n_groups * ((1 << depth) - (1 << N_TOP))],
            leaves: vec![Leaves([0; LANES]); n_groups << (depth - 1)],
            lengths,
        };
        for (tree_idx, tree) in trees.ranges().enumerate() {
            complete.place(trees, path_lengths, tree_idx, tree.start);
        }
        Some(complete)
    }

    /// Puts a tree into its lane.
    fn place(&mut self, trees: &Trees, path_lengths: &[f64], tree_idx: usize, root: usize) {
        let (group_idx, lane) = (tree_idx / LANES, tree_idx % LANES);
        let n_top = 1_usize << N_TOP;
        let n_leaves = 1_usize << self.depth;
        let mut open = vec![(root, 1_usize, self.depth)];
        while let Some((node_idx, place, height)) = open.pop() {
            let Node { threshold, child, feature, missing_goes_left } = trees.nodes[node_idx];
            if trees.is_leaf(node_idx) {
                let length = path_lengths[node_idx];
                let code = self.lengths.partition_point(|it| *it < length);
                #[expect(clippy::cast_possible_truncation, reason = "`new` bounds the lengths")]
                let code = code as u32;
                let first = (place << height) - n_leaves;
                for leaf in first..first + (1 << height) {
                    let pair = &mut self.leaves[(group_idx * n_leaves + leaf) / 2].0[lane];
                    *pair |= if leaf % 2 == 0 { code } else { code << 16 };
                }
                continue;
            }
            let flag = if missing_goes_left { 0 } else { MISSING_GOES_RIGHT };
            let feature = u32::from(feature) | flag;
            if place < n_top {
                self.tops[group_idx].thresholds[place][lane] = threshold;
                self.tops[group_idx].features[place][lane] = feature;
            } else {
                let row = group_idx * (n_leaves - n_top) + place - n_top;
                self.cuts[row].0[lane] = Cut { threshold, feature };
            }
            let child = child as usize;
            open.push((child, 2 * place, height - 1));
            open.push((child + 1, 2 * place + 1, height - 1));
        }
    }

    pub(super) fn n_groups(&self) -> usize {
        self.tops.len()
    }

    /// The trees number `16 * group_idx` and up.
    #[inline]
    pub(super) fn group(&self, group_idx: usize) -> Group<'_> {
        let n_cuts = (1 << self.depth) - (1 << N_TOP);
        let n_leaves = 1 << (self.depth - 1);
        Group {
            depth: self.depth,
            top: &self.tops[group_idx],
            cuts: &self.cuts[group_idx * n_cuts..(group_idx + 1) * n_cuts],
            leaves: &self.leaves[group_idx * n_leaves..(group_idx + 1) * n_leaves],
            lengths: &self.lengths,
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.tops.capacity() * size_of::<Top>()
            + self.cuts.capacity() * size_of::<Cuts>()
            + self.leaves.capacity() * size_of::<Leaves>()
            + self.lengths.capacity() * size_of::<f64>()
    }

    /// Adds the path lengths of records to their lanes, without vector instructions.
    ///
    /// `block` holds one record after the other, each as long as `width`, a power of two; if a value may be
    /// missing, `MISSING`.
    pub(super) fn add_paths<const MISSING: bool>(
        &self,
        block: &[f32],
        width: usize,
        sums: &mut [[f64; LANES]],
    ) {
        for group_idx in 0..self.n_groups() {
            let group = self.group(group_idx);
            for (record, lanes) in block.chunks_exact(width).zip(&mut *sums) {
                group.walk::<MISSING>(record, lanes);
            }
        }
    }
}

impl Group<'_> {
    /// Adds the path length of a record in each tree to the tree's lane.
    #[inline]
    fn walk<const MISSING: bool>(self, record: &[f32], lanes: &mut [f64; LANES]) {
        let goes_right = |threshold: f32, feature: u32| {
            // The length is a power of two, and with the mask no check of bounds is left.
            let value = record[feature as usize & (record.len() - 1)];
            let missing = MISSING && value.is_nan() && feature & MISSING_GOES_RIGHT != 0;
            u32::from((threshold < value) | missing)
        };
        let mut at = [1_u32; LANES];
        for _ in 0..N_TOP {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = *at as usize & ((1 << N_TOP) - 1);
                let right =
                    goes_right(self.top.thresholds[node][lane], self.top.features[node][lane]);
                // These sums cannot overflow: a node's number is below `2^(MAX_DEPTH + 1)`.
                *at = at.wrapping_add(*at).wrapping_add(right);
            }
        }
        for _ in N_TOP..self.depth {
            for (lane, at) in at.iter_mut().enumerate() {
                let node = (*at as usize).wrapping_sub(1 << N_TOP);
                let Cut { threshold, feature } = self.cuts[node].0[lane];
                *at = at.wrapping_add(*at).wrapping_add(goes_right(threshold, feature));
            }
        }
        let first_leaf = 1_u32 << self.depth;
        for (lane, at) in at.iter().enumerate() {
            let leaf = at.wrapping_sub(first_leaf);
            let pair = self.leaves[(leaf / 2) as usize].0[lane];
            let code = (pair >> (16 * (leaf % 2))) & 0xffff;
            lanes[lane] += self.lengths[code as usize];
        }
    }
}
