//! What scoring walks.

use super::{LANES, complete::Complete, linked::Linked, nodes::Trees};

/// What scoring walks, made of a forest's trees.
#[derive(Debug, Clone)]
pub(super) enum Scorer {
    /// Complete trees, if they are shallow.
    Complete(Complete),
    /// From node to node.
    Linked(Linked),
    /// From node to node, by oblique cuts.
    Oblique,
}

impl Scorer {
    pub(super) fn new(trees: &Trees, path_lengths: &[f64]) -> Self {
        if trees.planes.is_some() {
            return Self::Oblique;
        }
        match Complete::new(trees, path_lengths) {
            Some(complete) => Self::Complete(complete),
            None => Self::Linked(Linked::new(trees)),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Complete(complete) => complete.size_bytes(),
            Self::Linked(linked) => linked.size_bytes(),
            Self::Oblique => 0,
        }
    }
}

/// Adds the lanes in pairs, halving them: the one order of addition that every layout keeps to.
#[inline]
pub(super) fn sum_of_lanes(mut lanes: [f64; LANES]) -> f64 {
    let mut n = LANES;
    while 1 < n {
        n /= 2;
        for lane in 0..n {
            lanes[lane] += lanes[lane + n];
        }
    }
    lanes[0]
}
