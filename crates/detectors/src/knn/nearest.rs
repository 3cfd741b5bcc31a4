/// The nearest records found so far, nearest first.
#[derive(Debug)]
pub(super) struct Nearest {
    k: usize,
    found: Vec<(f64, u32)>,
}

impl Nearest {
    pub(super) fn new(k: usize) -> Self {
        Self { k, found: Vec::with_capacity(k) }
    }

    /// Reduced distances and places, nearest first.
    pub(super) fn found(&self) -> &[(f64, u32)] {
        &self.found
    }

    pub(super) fn clear(&mut self) {
        self.found.clear();
    }

    /// How many records are looked for.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// Whether as many are found as are looked for.
    pub(super) fn is_full(&self) -> bool {
        self.k <= self.found.len()
    }

    /// The distance that a record must be below to be taken in.
    #[inline]
    pub(super) fn worst(&self) -> f64 {
        if self.is_full() { self.found[self.k - 1].0 } else { f64::INFINITY }
    }

    /// Takes a record in if it is near enough; tells whether [`Nearest::worst`] may have changed.
    #[inline]
    pub(super) fn offer(&mut self, reduced: f64, place: u32) -> bool {
        // Asked as "is it near": NaN, or a distance that overflows, is not.
        let near = reduced < self.worst();
        if near {
            // The worst makes room, and those above the new one move up.
            if !self.is_full() {
                self.found.push((reduced, place));
            }
            let mut at = self.found.len() - 1;
            while 0 < at && reduced < self.found[at - 1].0 {
                self.found[at] = self.found[at - 1];
                at -= 1;
            }
            self.found[at] = (reduced, place);
        }
        near
    }
}
