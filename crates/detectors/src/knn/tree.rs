//! An exact search tree for nearest neighbours.
//!
//! A kd-tree whose nodes know the tight box around their records. Training data has columns with few values
//! and columns with long tails, on which the box prunes far more than the plane of a cut does. The records of
//! a leaf are stored column by column, so that a leaf is searched by vector instructions.

use ndarray::ArrayView2;

use super::metric::Kernel;

/// The most records of a leaf.
const LEAF: usize = 32;
/// How deep cuts may be uneven; below, each halves its records, so that no data makes the tree a chain.
const UNEVEN_DEPTH: usize = 64;

#[derive(Debug, Clone)]
struct Node {
    /// The records of the node, as a range of places.
    start: u32,
    end: u32,
    /// The right child; the left one is the next node. 0 is a leaf, as the root is nobody's child.
    right: u32,
}

/// Records in an order in which those that are near each other are neighbours.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    n_features: usize,
    nodes: Vec<Node>,
    /// For each node and feature, the least and the greatest value.
    boxes: Vec<[f64; 2]>,
    /// Leaf by leaf, in a leaf column by column.
    values: Vec<f64>,
    /// For each place, which record is there.
    records: Vec<u32>,
}

/// The nearest records found so far, nearest first.
#[derive(Debug)]
pub(super) struct Nearest {
    k: usize,
    found: Vec<(f64, u32)>,
}

impl Nearest {
    pub(super) fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k + 1) }
    }

    /// Reduced distances and places, nearest first.
    pub(super) fn found(&self) -> &[(f64, u32)] {
        &self.found
    }

    /// The distance that a record must be below to be taken in.
    fn worst(&self) -> f64 {
        if self.found.len() < self.k { f64::INFINITY } else { self.found[self.k - 1].0 }
    }

    fn offer(&mut self, reduced: f64, place: u32) {
        let at = self.found.partition_point(|it| it.0 <= reduced);
        self.found.insert(at, (reduced, place));
        self.found.truncate(self.k);
    }
}

impl Tree {
    /// Builds a tree of at least one record of finite values.
    pub(super) fn new(records: ArrayView2<'_, f64>) -> Self {
        let (n_records, n_features) = records.dim();
        let mut order: Vec<u32> = (0..place(n_records)).collect();
        let mut tree = Self {
            n_features,
            nodes: Vec::new(),
            boxes: Vec::new(),
            values: Vec::with_capacity(n_records * n_features),
            records: Vec::new(),
        };
        tree.build(records, &mut order, 0, 0);
        tree.records = order;
        tree
    }

    fn build(
        &mut self,
        records: ArrayView2<'_, f64>,
        order: &mut [u32],
        start: usize,
        depth: usize,
    ) {
        let node_idx = self.nodes.len();
        self.nodes.push(Node { start: place(start), end: place(start + order.len()), right: 0 });
        let mut bounds = vec![[f64::INFINITY, f64::NEG_INFINITY]; self.n_features];
        for record in order.iter() {
            for ([low, high], value) in bounds.iter_mut().zip(records.row(*record as usize)) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        let widest = (0..self.n_features)
            .max_by(|a, b| {
                (bounds[*a][1] - bounds[*a][0]).total_cmp(&(bounds[*b][1] - bounds[*b][0]))
            })
            .unwrap_or(0);
        let [low, high] = bounds[widest];
        self.boxes.extend(bounds);
        // A box without extent holds equal records, however many: one leaf is as good as any tree.
        if order.len() <= LEAF || high <= low {
            for feature in 0..self.n_features {
                self.values.extend(order.iter().map(|record| records[[*record as usize, feature]]));
            }
            return;
        }
        let middle = cut(records, order, widest, depth);
        let (left, right) = order.split_at_mut(middle);
        self.build(records, left, start, depth + 1);
        self.nodes[node_idx].right = place(self.nodes.len());
        self.build(records, right, start + middle, depth + 1);
    }

    /// The number of records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Which record is at a place.
    pub(super) fn record_at(&self, place: usize) -> usize {
        self.records[place] as usize
    }

    /// The values of every place, in the order of places: a row each.
    pub(super) fn rows(&self) -> Vec<f64> {
        let mut rows = vec![0.0; self.values.len()];
        for node in self.nodes.iter().filter(|it| it.right == 0) {
            let (start, end) = (node.start as usize, node.end as usize);
            for at in start..end {
                for feature in 0..self.n_features {
                    rows[at * self.n_features + feature] = self.values
                        [start * self.n_features + feature * (end - start) + (at - start)];
                }
            }
        }
        rows
    }

    /// Finds the nearest records to one of `n_features` values, without the one at the place `skipped`.
    pub(super) fn search<K: Kernel>(
        &self,
        kernel: K,
        query: &[f64],
        skipped: Option<u32>,
        nearest: &mut Nearest,
    ) {
        nearest.found.clear();
        self.visit(kernel, query, skipped, nearest, 0);
    }

    fn visit<K: Kernel>(
        &self,
        kernel: K,
        query: &[f64],
        skipped: Option<u32>,
        nearest: &mut Nearest,
        node_idx: usize,
    ) {
        let node = &self.nodes[node_idx];
        if node.right == 0 {
            self.visit_leaf(kernel, query, skipped, nearest, node);
            return;
        }
        let left = node_idx + 1;
        let right = node.right as usize;
        let left_bound = self.bound(kernel, query, left);
        let right_bound = self.bound(kernel, query, right);
        let (near, near_bound, far, far_bound) = if left_bound <= right_bound {
            (left, left_bound, right, right_bound)
        } else {
            (right, right_bound, left, left_bound)
        };
        if near_bound < nearest.worst() {
            self.visit(kernel, query, skipped, nearest, near);
        }
        if far_bound < nearest.worst() {
            self.visit(kernel, query, skipped, nearest, far);
        }
    }

    /// The reduced distance to a node's box, which none of its records is nearer than.
    fn bound<K: Kernel>(&self, kernel: K, query: &[f64], node_idx: usize) -> f64 {
        let bounds = &self.boxes[node_idx * self.n_features..(node_idx + 1) * self.n_features];
        query.iter().zip(bounds).fold(0.0, |reduced, (value, [low, high])| {
            // At most one of the two is above 0; inside the box neither is.
            kernel.add(reduced, (low - value).max(value - high).max(0.0))
        })
    }

    fn visit_leaf<K: Kernel>(
        &self,
        kernel: K,
        query: &[f64],
        skipped: Option<u32>,
        nearest: &mut Nearest,
        node: &Node,
    ) {
        let (start, end) = (node.start as usize, node.end as usize);
        let len = end - start;
        let values = &self.values[start * self.n_features..end * self.n_features];
        let mut distances = [0.0; LEAF];
        // A leaf of equal records may be longer than the buffer.
        for first in (0..len).step_by(LEAF) {
            let n = LEAF.min(len - first);
            let distances = &mut distances[..n];
            distances.fill(0.0);
            for (column, value) in values.chunks_exact(len).zip(query) {
                for (distance, other) in distances.iter_mut().zip(&column[first..first + n]) {
                    *distance = kernel.add(*distance, other - value);
                }
            }
            let mut worst = nearest.worst();
            for (offset, distance) in distances.iter().enumerate() {
                let at = place(start + first + offset);
                if *distance < worst && skipped != Some(at) {
                    nearest.offer(*distance, at);
                    worst = nearest.worst();
                }
            }
        }
    }
}

/// Orders records by the side of a cut through a feature that is not constant; answers how many lie on the
/// left, which is some and not all.
fn cut(records: ArrayView2<'_, f64>, order: &mut [u32], feature: usize, depth: usize) -> usize {
    let value = |record: &u32| records[[*record as usize, feature]];
    let middle = order.len() / 2;
    order.select_nth_unstable_by(middle, |a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
    if UNEVEN_DEPTH < depth {
        return middle;
    }
    // Equal values on both sides would make the boxes touch, so the cut moves to the nearer end of their run.
    let pivot = value(&order[middle]);
    let n_below = order.iter().filter(|it| value(it) < pivot).count();
    let n_up_to = order.iter().filter(|it| value(it) <= pivot).count();
    let lower_is_nearer = middle - n_below <= n_up_to - middle;
    let at_lower = n_below != 0 && (lower_is_nearer || n_up_to == order.len());
    // The selection has put what is below the pivot to its left; only equal values can be on the wrong side.
    if at_lower {
        part(&mut order[..middle], |it| value(it) < pivot);
        n_below
    } else {
        part(&mut order[middle..], |it| value(it) <= pivot);
        n_up_to
    }
}

/// Moves the records for which `first` holds to the front.
fn part(order: &mut [u32], first: impl Fn(&u32) -> bool) {
    let mut n_first = 0;
    for at in 0..order.len() {
        if first(&order[at]) {
            order.swap(at, n_first);
            n_first += 1;
        }
    }
}

/// A place or a node's number, which the check of reference data keeps below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "stated above")]
fn place(idx: usize) -> u32 {
    idx as u32
}
