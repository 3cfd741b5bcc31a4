//! An exact search tree for nearest neighbours.
//!
//! A kd-tree whose nodes have eight children and know the tight box around each. Training data has columns with
//! few values and columns with long tails, on which a box prunes far more than the plane of a cut does, and eight
//! boxes are compared with a query by the same vector instructions as eight records of a leaf. The search
//! computes in 32 bits; a record that this cannot rule out is compared again by its exact values (`limit.rs`),
//! so answers are exact.

use super::{
    lanes::{self, WIDTH},
    limit::{Limit, Range},
    metric::Kernel,
    nearest::Nearest,
    values::{Values, near},
};

/// The records of a leaf, about.
pub(super) const LEAF: usize = 32;
/// The most records of a leaf, but for equal ones: a node of fewer would take more memory than it saves time.
pub(super) const MOST_IN_LEAF: usize = 2 * LEAF;
/// In a node's list, a child that is not there.
const NONE: u32 = u32::MAX;
/// Marks the number of a leaf.
const IS_LEAF: u32 = 1 << 31;

/// The children of a node, which are nodes or leaves.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) children: [u32; WIDTH],
}

impl Default for Node {
    fn default() -> Self {
        Self { children: [NONE; WIDTH] }
    }
}

impl Node {
    /// The number of a leaf, as children are listed.
    pub(super) fn leaf(leaf: usize) -> u32 {
        place(leaf) | IS_LEAF
    }
}

/// Records in an order in which those that are near each other are neighbours.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub(super) values: Values,
    pub(super) range: Range,
    pub(super) root: u32,
    pub(super) nodes: Vec<Node>,
    /// For each node and feature, the least value of each child, then the greatest.
    pub(super) boxes: Vec<[f32; WIDTH]>,
    /// For each place, which record is there.
    pub(super) records: Vec<u32>,
}

/// Room for one search after another.
#[derive(Debug)]
pub(super) struct Scratch {
    near: Vec<f32>,
    pub(super) nearest: Nearest,
}

impl Scratch {
    pub(super) fn new(n_neighbors: usize, n_features: usize) -> Self {
        Self { near: Vec::with_capacity(n_features), nearest: Nearest::new(n_neighbors) }
    }
}

impl Tree {
    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Which record is at a place.
    pub(super) fn record_at(&self, place: usize) -> usize {
        self.records[place] as usize
    }

    /// The bytes on the heap.
    pub(super) fn n_bytes(&self) -> usize {
        self.values.n_bytes()
            + size_of::<[f32; WIDTH]>() * self.boxes.capacity()
            + size_of::<f32>() * self.range.largest.capacity()
            + size_of::<Node>() * self.nodes.capacity()
            + size_of::<u32>() * self.records.capacity()
    }

    /// Finds the nearest records to one of `n_features` values, without the one at the place `skipped`.
    pub(super) fn search<K: Kernel>(
        &self,
        kernel: K,
        query: &[f64],
        skipped: Option<u32>,
        scratch: &mut Scratch,
    ) {
        let Scratch { near: rounded, nearest } = scratch;
        nearest.clear();
        rounded.clear();
        rounded.extend(query.iter().map(|it| near(*it)));
        let rules = Limit::new::<K>(&self.range, query);
        let limit = rules.of(kernel, f64::INFINITY);
        Search { tree: self, kernel, query, near: rounded, skipped, rules, limit, nearest }
            .visit(self.root);
    }
}

struct Search<'a, K> {
    tree: &'a Tree,
    kernel: K,
    query: &'a [f64],
    /// The query in 32 bits.
    near: &'a [f32],
    skipped: Option<u32>,
    rules: Limit,
    /// What is above it in 32 bits is no neighbour.
    limit: f32,
    nearest: &'a mut Nearest,
}

impl<K: Kernel> Search<'_, K> {
    fn visit(&mut self, child: u32) {
        if child & IS_LEAF == 0 {
            self.visit_node(child as usize);
        } else {
            self.visit_leaf((child & !IS_LEAF) as usize);
        }
    }

    fn visit_node(&mut self, node_idx: usize) {
        let children = &self.tree.nodes[node_idx].children;
        let size = 2 * self.near.len();
        let boxes = &self.tree.boxes[node_idx * size..(node_idx + 1) * size];
        let bounds = lanes::bounds::<K>(boxes, self.near);
        // The children that may hold a neighbour, nearest first.
        let mut order = [(0.0_f32, NONE); WIDTH];
        let mut n = 0;
        for (bound, child) in bounds.into_iter().zip(*children) {
            if child == NONE || self.limit < bound {
                continue;
            }
            let mut at = n;
            while 0 < at && bound < order[at - 1].0 {
                order[at] = order[at - 1];
                at -= 1;
            }
            order[at] = (bound, child);
            n += 1;
        }
        for (bound, child) in &order[..n] {
            if self.limit < *bound {
                return;
            }
            self.visit(*child);
        }
    }

    fn visit_leaf(&mut self, leaf: usize) {
        let tree = self.tree;
        let places = tree.values.places(leaf);
        // A leaf is longer only if all of its records are equal: then no more of them than neighbours matter, and
        // one more, as the record itself may be left out.
        let n = if MOST_IN_LEAF < places.len() {
            places.len().min(self.nearest.k().saturating_add(1))
        } else {
            places.len()
        };
        let mut start = 0;
        while start < n && !self.nearest.is_full() {
            self.fill(&places, start, n);
            start += MOST_IN_LEAF;
        }
        for start in (start.min(n)..n).step_by(WIDTH) {
            let (block, n_records) = tree.values.block(&places, start);
            let distances = lanes::distances::<K>(block, n_records, self.near, self.limit);
            if distances.iter().any(|it| *it <= self.limit) {
                for (lane, distance) in distances.iter().enumerate().take(n_records) {
                    if *distance <= self.limit {
                        self.offer(&places, start + lane);
                    }
                }
            }
        }
    }

    /// Takes in the first neighbours, the nearest of their leaf first, so that the limit is low from the start.
    #[inline(never)]
    fn fill(&mut self, places: &std::ops::Range<usize>, start: usize, end: usize) {
        let mut distances = [f32::NAN; MOST_IN_LEAF];
        let n = MOST_IN_LEAF.min(end - start);
        for first in (0..n).step_by(WIDTH) {
            let (block, n_records) = self.tree.values.block(places, start + first);
            let few = lanes::distances::<K>(block, n_records, self.near, self.limit);
            distances[first..first + n_records].copy_from_slice(&few[..n_records]);
        }
        let distances = &mut distances[..n];
        while !self.nearest.is_full() {
            // NaN is what has been taken.
            let left = (0..n).filter(|it| !distances[*it].is_nan());
            let least = left.min_by(|a, b| distances[*a].total_cmp(&distances[*b]));
            let Some(least) = least else { return };
            self.offer(places, start + least);
            distances[least] = f32::NAN;
        }
        for (offset, distance) in distances.iter().enumerate() {
            if *distance <= self.limit {
                self.offer(places, start + offset);
            }
        }
    }

    fn offer(&mut self, places: &std::ops::Range<usize>, offset: usize) {
        let place = place(places.start + offset);
        if self.skipped == Some(place) {
            return;
        }
        let mut reduced = 0.0;
        self.tree.values.for_each(places, offset, |feature, value| {
            reduced = self.kernel.add(reduced, value - self.query[feature]);
        });
        if self.nearest.offer(reduced, place) && self.nearest.is_full() {
            self.limit = self.rules.of(self.kernel, self.nearest.worst());
        }
    }
}

/// A place or a node's number, which the check of reference data keeps below 2^31.
#[expect(clippy::cast_possible_truncation, reason = "stated above")]
pub(super) fn place(idx: usize) -> u32 {
    idx as u32
}
