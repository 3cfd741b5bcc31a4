//! Oblique cuts, as an extended forest makes them.

/// The cuts of an extended forest: a record goes left if `Σ normal · (value - intercept) <= 0` over the cut's
/// features.
///
/// The cut whose left child is node `child` of tree `t` is number `(child - 1 - t) / 2`, because pairs of
/// children are in the order of the cuts and a tree has one node more than its pairs. Every cut has `width`
/// terms; those it does not need have normal 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) terms: Vec<Term>,
}

/// What one feature adds to the side of a cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Term {
    pub(super) feature: u16,
    pub(super) normal: f32,
    pub(super) intercept: f32,
}

impl Term {
    /// What it adds for a value. A product of 32-bit floats is far from the ends of 64-bit floats.
    #[inline]
    pub(super) fn of(self, value: f32) -> f64 {
        f64::from(self.normal) * (f64::from(value) - f64::from(self.intercept))
    }
}

impl Planes {
    pub(super) fn new(width: usize) -> Self {
        Self { width, terms: Vec::new() }
    }

    /// Adds a cut of at most `width` terms.
    pub(super) fn push(&mut self, terms: &[Term]) {
        self.terms.extend_from_slice(terms);
        let nothing = Term { feature: 0, normal: 0.0, intercept: 0.0 };
        self.terms.extend(std::iter::repeat_n(nothing, self.width - terms.len()));
    }

    pub(super) fn append(&mut self, mut more: Self) {
        self.terms.append(&mut more.terms);
    }

    /// The number of the cut with a left child.
    #[inline]
    pub(super) fn plane_idx(child: usize, tree_idx: usize) -> usize {
        (child - 1 - tree_idx) / 2
    }

    #[inline]
    fn terms(&self, plane_idx: usize) -> &[Term] {
        &self.terms[plane_idx * self.width..(plane_idx + 1) * self.width]
    }

    /// Whether a record goes to the right child of a cut.
    #[inline]
    pub(super) fn goes_right(&self, plane_idx: usize, record: &[f32]) -> bool {
        goes_right(self.terms(plane_idx), |feature| record[feature])
    }

    /// Shares a change among the features of a cut as their parts of its side are, or evenly if they have none.
    pub(super) fn share(&self, plane_idx: usize, record: &[f32], change: f64, changes: &mut [f64]) {
        let terms = self.terms(plane_idx);
        let part = |term: &Term| term.of(record[usize::from(term.feature)]).abs();
        let whole = terms.iter().map(part).sum::<f64>();
        let even = 1.0 / f64::from(u32::try_from(self.width).unwrap_or(u32::MAX));
        for term in terms {
            let share = if 0.0 < whole { part(term) / whole } else { even };
            changes[usize::from(term.feature)] += change * share;
        }
    }

    /// Says what is wrong with planes that were read, of trees of so many cuts.
    pub(super) fn flaw(&self, n_features: usize, n_cuts: usize) -> Option<String> {
        let n_terms = n_cuts * self.width;
        if self.terms.len() != n_terms {
            return Some(format!("the oblique cuts have other than {n_terms} terms"));
        }
        let sound = |it: &Term| {
            it.normal.is_finite()
                && it.intercept.is_finite()
                && usize::from(it.feature) < n_features
        };
        (!self.terms.iter().all(sound))
            .then(|| "a term of an oblique cut is out of range".to_owned())
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.terms.capacity() * size_of::<Term>()
    }
}

/// The side that the terms of a cut say. Terms are added to four sums in turn, so that none waits for the one
/// before; terms of 0 after the others change nothing.
#[inline]
pub(super) fn goes_right(terms: &[Term], value: impl Fn(usize) -> f32) -> bool {
    let mut sums = [0.0; 4];
    let (fours, rest) = terms.as_chunks::<4>();
    let of = |term: &Term| term.of(value(usize::from(term.feature)));
    // By hand and not by iterators, whose calls the compiler does not always see through here.
    for [first, second, third, fourth] in fours {
        sums[0] += of(first);
        sums[1] += of(second);
        sums[2] += of(third);
        sums[3] += of(fourth);
    }
    let mut lane = 0;
    while lane < rest.len() {
        sums[lane] += of(&rest[lane]);
        lane += 1;
    }
    0.0 < (sums[0] + sums[1]) + (sums[2] + sums[3])
}
