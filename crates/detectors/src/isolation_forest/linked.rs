//! Walking trees from node to node: trees of any shape, and oblique cuts.

use super::{LANES, nodes::Trees, planes::Planes};

/// Trees walked side by side, so that one waits for memory while another computes.
const N_SIDE_BY_SIDE: usize = 8;

/// The most cuts on any path of each group of trees that are walked side by side.
#[derive(Debug, Clone)]
pub(super) struct Linked {
    depths: Vec<u32>,
}

impl Linked {
    pub(super) fn new(trees: &Trees) -> Self {
        let depths = trees.depths();
        let of_trees: Vec<u32> =
            trees.ranges().map(|tree| depths[tree].iter().copied().max().unwrap_or(0)).collect();
        let depths =
            of_trees.chunks(N_SIDE_BY_SIDE).map(|it| it.iter().copied().max().unwrap_or(0));
        Self { depths: depths.collect() }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.depths.capacity() * size_of::<u32>()
    }

    /// Adds the path length of each tree to the tree's lane.
    pub(super) fn add_paths(
        &self,
        trees: &Trees,
        path_lengths: &[f64],
        record: &[f32],
        lanes: &mut [f64; LANES],
    ) {
        let roots = &trees.roots[..trees.n_trees()];
        for (group_idx, group) in roots.chunks(N_SIDE_BY_SIDE).enumerate() {
            let mut at = [0_u32; N_SIDE_BY_SIDE];
            at[..group.len()].copy_from_slice(group);
            for _ in 0..self.depths[group_idx] {
                for node_idx in &mut at {
                    let node = trees.nodes[*node_idx as usize];
                    let goes_right = node.goes_right(record[usize::from(node.feature)]);
                    // A leaf is its own child, and a record without feature 0 goes left there as well.
                    *node_idx = node.child + u32::from(goes_right);
                }
            }
            for (place, node_idx) in at[..group.len()].iter().enumerate() {
                let tree_idx = group_idx * N_SIDE_BY_SIDE + place;
                lanes[tree_idx % LANES] += path_lengths[*node_idx as usize];
            }
        }
    }
}

/// Adds the path length of each tree of oblique cuts to the tree's lane.
pub(super) fn add_oblique_paths(
    trees: &Trees,
    planes: &Planes,
    path_lengths: &[f64],
    record: &[f32],
    lanes: &mut [f64; LANES],
) {
    let roots = &trees.roots[..trees.n_trees()];
    for (group_idx, group) in roots.chunks(N_SIDE_BY_SIDE).enumerate() {
        let mut at = [0_u32; N_SIDE_BY_SIDE];
        at[..group.len()].copy_from_slice(group);
        let first_tree = group_idx * N_SIDE_BY_SIDE;
        let mut moved = true;
        while moved {
            moved = false;
            for (place, node_idx) in at[..group.len()].iter_mut().enumerate() {
                let child = trees.nodes[*node_idx as usize].child;
                if child != *node_idx {
                    let plane_idx = Planes::plane_idx(child as usize, first_tree + place);
                    *node_idx = child + u32::from(planes.goes_right(plane_idx, record));
                    moved = true;
                }
            }
        }
        for (place, node_idx) in at[..group.len()].iter().enumerate() {
            lanes[(first_tree + place) % LANES] += path_lengths[*node_idx as usize];
        }
    }
}
