//! How a tree is made of records.

use ndarray::ArrayView2;

use super::{
    lanes::WIDTH,
    tree::{LEAF, MOST_IN_LEAF, Node, Tree, place},
    values::{Values, near, range},
};

/// How deep cuts may be uneven; below, each halves its records, so that no data makes the tree a chain.
const UNEVEN_DEPTH: usize = 64;

/// Some neighbouring places on the way to a tree.
struct Part {
    start: usize,
    end: usize,
    /// The cuts above it.
    depth: usize,
    /// For each feature, the least and the greatest value.
    bounds: Vec<[f64; 2]>,
}

struct Builder<'a> {
    records: ArrayView2<'a, f64>,
    order: Vec<u32>,
    nodes: Vec<Node>,
    boxes: Vec<[f32; WIDTH]>,
    leaves: Vec<u32>,
}

impl Tree {
    /// Builds a tree of at least one record of finite values.
    pub(super) fn new(records: ArrayView2<'_, f64>) -> Self {
        let n_records = records.nrows();
        let mut builder = Builder {
            records,
            order: (0..place(n_records)).collect(),
            nodes: Vec::new(),
            boxes: Vec::new(),
            leaves: Vec::new(),
        };
        let all = builder.part(0, n_records, 0);
        let root = builder.child(all);
        let Builder { order, mut nodes, mut boxes, mut leaves, .. } = builder;
        leaves.push(place(n_records));
        nodes.shrink_to_fit();
        boxes.shrink_to_fit();
        leaves.shrink_to_fit();
        let range = range(records);
        let values = Values::new(records, &order, leaves, &range);
        Self { values, range, root, nodes, boxes, records: order }
    }
}

impl Builder<'_> {
    fn part(&self, start: usize, end: usize, depth: usize) -> Part {
        let mut bounds = vec![[f64::INFINITY, f64::NEG_INFINITY]; self.records.ncols()];
        for record in &self.order[start..end] {
            for ([low, high], value) in bounds.iter_mut().zip(self.records.row(*record as usize)) {
                *low = low.min(*value);
                *high = high.max(*value);
            }
        }
        Part { start, end, depth, bounds }
    }

    /// Makes a leaf or a node of a part, and answers its number.
    fn child(&mut self, part: Part) -> u32 {
        if part.len() <= MOST_IN_LEAF || part.widest().is_none() {
            self.leaves.push(place(part.start));
            return Node::leaf(self.leaves.len() - 1);
        }
        // Sizes are chosen so that the nodes above the leaves have all their children.
        let mut most = LEAF;
        while most * WIDTH < part.len() {
            most *= WIDTH;
        }
        let mut parts = vec![part];
        while parts.len() < WIDTH {
            let splittable = |it: &Part| most < it.len() && it.widest().is_some();
            let largest = (0..parts.len())
                .filter(|idx| splittable(&parts[*idx]))
                .max_by_key(|idx| parts[*idx].len());
            let Some(idx) = largest else { break };
            let Some((left, right)) = self.split(&parts[idx]) else { break };
            parts[idx] = right;
            parts.insert(idx, left);
        }
        let node_idx = self.nodes.len();
        self.nodes.push(Node::default());
        self.push_boxes(&parts);
        for (slot, part) in parts.into_iter().enumerate() {
            self.nodes[node_idx].children[slot] = self.child(part);
        }
        place(node_idx)
    }

    /// For each feature, the least value of each child, then the greatest; a child that is not there is nowhere.
    fn push_boxes(&mut self, parts: &[Part]) {
        for feature in 0..self.records.ncols() {
            for (side, nowhere) in [(0, f32::INFINITY), (1, f32::NEG_INFINITY)] {
                self.boxes.push(std::array::from_fn(|slot| {
                    // Rounding to the next float keeps the order, so the rounded values are within.
                    parts.get(slot).map_or(nowhere, |it| near(it.bounds[feature][side]))
                }));
            }
        }
    }

    /// Cuts a part in two, neither of them empty; none if its records are equal.
    fn split(&mut self, part: &Part) -> Option<(Part, Part)> {
        let feature = part.widest()?;
        let order = &mut self.order[part.start..part.end];
        let middle = part.start + cut(self.records, order, feature, part.depth);
        Some((
            self.part(part.start, middle, part.depth + 1),
            self.part(middle, part.end, part.depth + 1),
        ))
    }
}

impl Part {
    fn len(&self) -> usize {
        self.end - self.start
    }

    /// The feature of the greatest extent; none if all records are equal.
    fn widest(&self) -> Option<usize> {
        // Halves, so that the extent of any finite values is finite.
        let extent = |feature: &usize| {
            let [low, high] = self.bounds[*feature];
            high / 2.0 - low / 2.0
        };
        let widest = (0..self.bounds.len()).max_by(|a, b| extent(a).total_cmp(&extent(b)))?;
        let [low, high] = self.bounds[widest];
        (low < high).then_some(widest)
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
