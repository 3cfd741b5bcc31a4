//! Oblique cuts, as an extended forest makes them.

use super::nodes::Trees;

/// The cuts of an extended forest: a record goes left if `Σ normal · (value - intercept) <= 0` over the cut's
/// features.
///
/// The cut whose left child is node `child` of tree `t` is number `(child - 1 - t) / 2`, because pairs of
/// children are in the order of the cuts and a tree has one node more than its pairs. Every cut has `width`
/// terms; those it does not need have normal 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) features: Vec<u16>,
    pub(super) normals: Vec<f32>,
    pub(super) intercepts: Vec<f32>,
}

impl Planes {
    pub(super) fn new(width: usize) -> Self {
        Self { width, features: Vec::new(), normals: Vec::new(), intercepts: Vec::new() }
    }

    /// Adds a cut of at most `width` terms: feature, normal, intercept.
    pub(super) fn push(&mut self, terms: &[(u16, f32, f32)]) {
        for place in 0..self.width {
            let (feature, normal, intercept) = terms.get(place).copied().unwrap_or((0, 0.0, 0.0));
            self.features.push(feature);
            self.normals.push(normal);
            self.intercepts.push(intercept);
        }
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.features.append(&mut more.features);
        self.normals.append(&mut more.normals);
        self.intercepts.append(&mut more.intercepts);
    }

    /// The number of the cut with a left child.
    #[inline]
    pub(super) fn plane_idx(child: usize, tree_idx: usize) -> usize {
        (child - 1 - tree_idx) / 2
    }

    /// The terms of a cut for a record: each feature, and what it adds.
    #[inline]
    pub(super) fn terms<'a>(
        &'a self,
        plane_idx: usize,
        record: &'a [f32],
    ) -> impl Iterator<Item = (usize, f64)> + 'a {
        let range = plane_idx * self.width..(plane_idx + 1) * self.width;
        let coefficients = self.normals[range.clone()].iter().zip(&self.intercepts[range.clone()]);
        self.features[range].iter().zip(coefficients).map(|(feature, (normal, intercept))| {
            let feature = usize::from(*feature);
            (feature, term(*normal, *intercept, record[feature]))
        })
    }

    /// Whether a record goes to the right child of a cut.
    #[inline]
    pub(super) fn goes_right(&self, plane_idx: usize, record: &[f32]) -> bool {
        goes_right(self.terms(plane_idx, record).map(|(_, term)| term))
    }

    /// Shares a change among the features of a cut as their parts of its side are, or evenly if they have none.
    pub(super) fn share(&self, plane_idx: usize, record: &[f32], change: f64, changes: &mut [f64]) {
        let whole = self.terms(plane_idx, record).map(|(_, term)| term.abs()).sum::<f64>();
        let even = 1.0 / f64::from(u32::try_from(self.width).unwrap_or(u32::MAX));
        for (feature, term) in self.terms(plane_idx, record) {
            let part = if 0.0 < whole { term.abs() / whole } else { even };
            changes[feature] += change * part;
        }
    }

    /// Says what is wrong with planes that were read.
    pub(super) fn flaw(&self, n_features: usize, trees: &Trees) -> Option<String> {
        let n_terms = (trees.nodes.len() - trees.n_trees()) / 2 * self.width;
        if [self.features.len(), self.normals.len(), self.intercepts.len()] != [n_terms; 3] {
            return Some(format!("the oblique cuts have other than {n_terms} terms"));
        }
        let finite = self.normals.iter().chain(&self.intercepts).all(|it| it.is_finite());
        let within = self.features.iter().all(|it| usize::from(*it) < n_features);
        (!finite || !within).then(|| "a term of an oblique cut is out of range".to_owned())
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.features.capacity() * size_of::<u16>()
            + (self.normals.capacity() + self.intercepts.capacity()) * size_of::<f32>()
    }
}

/// What a feature adds to the side of a cut. Products of 32-bit floats and sums of some are far from the ends
/// of 64-bit floats.
#[inline]
pub(super) fn term(normal: f32, intercept: f32, value: f32) -> f64 {
    f64::from(normal) * (f64::from(value) - f64::from(intercept))
}

/// The side that the terms of a cut say.
pub(super) fn goes_right(terms: impl Iterator<Item = f64>) -> bool {
    0.0 < terms.sum::<f64>()
}
