//! Growing the trees of an extended forest.

use super::{
    build::{Cut, Grower, Open, Range},
    planes::{Term, goes_right},
};

/// How often a plane is drawn that leaves all samples on one side, before a cut of one feature is made.
const N_DRAWS: usize = 16;

impl Grower<'_> {
    /// Draws a plane of random slope through a random point of the samples' box; none if all are equal.
    ///
    /// Source: Hariri, Kind, Brunner, *Extended Isolation Forest* (2019), algorithm 2. We differ in two points:
    /// only features that are not constant among the samples get a slope, and a plane with all samples on one
    /// side, which the paper takes, is drawn again; after 16 of them, one feature is cut.
    pub(super) fn draw_plane(&mut self, node: &mut Open, width: usize) -> Option<Cut> {
        let ranges = self.draw_features(node, width);
        let (first, range) = *ranges.first()?;
        for draw in 0..=N_DRAWS {
            let terms: Vec<Term> = if draw < N_DRAWS {
                ranges.iter().map(|(feature, range)| self.draw_term(*feature, *range)).collect()
            } else {
                let intercept = self.between(range.low, range.high);
                vec![Term { feature: first, normal: 1.0, intercept }]
            };
            for at in node.start..node.end {
                let value = |feature: usize| self.value(at, feature);
                // Only the side is kept: rounded to 32 bits, a small sum could change it.
                self.values[at] = f32::from(u8::from(goes_right(&terms, value)));
            }
            let middle = self.split(node, |side| side == 0.0);
            if node.start < middle && middle < node.end {
                if let Some(planes) = &mut self.tree.planes {
                    planes.push(&terms);
                }
                // The plane is what parts; the node only says that it is a cut.
                return Some(Cut { feature: 0, threshold: 0.0, missing_goes_left: false, middle });
            }
        }
        None
    }

    /// Draws up to `width` of the features that are not constant among the samples.
    fn draw_features(&mut self, node: &mut Open, width: usize) -> Vec<(u16, Range)> {
        let mut drawn = Vec::with_capacity(width);
        let mut end = self.features.len();
        while node.n_constant < end && drawn.len() < width {
            let place = node.n_constant + self.random.below(end - node.n_constant);
            let feature = self.features[place];
            let range = self.read(feature, node);
            if range.low < range.high {
                end -= 1;
                self.features.swap(place, end);
                drawn.push((feature, range));
            } else {
                self.features.swap(place, node.n_constant);
                node.n_constant += 1;
            }
        }
        drawn
    }

    #[expect(clippy::cast_possible_truncation, reason = "a slope of 32 bits is as random")]
    fn draw_term(&mut self, feature: u16, range: Range) -> Term {
        let normal = self.random.normal() as f32;
        Term { feature, normal, intercept: self.between(range.low, range.high) }
    }
}
