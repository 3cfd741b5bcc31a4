//! The records of a tree: each value in two halves, so that the search reads only one.

use ndarray::ArrayView2;

use super::{
    lanes::WIDTH,
    limit::{MOST, Range, is_whole},
};

/// Records by place, every value exact.
///
/// The first half of a value is the 32-bit float next to it; these lie leaf by leaf, in a leaf eight records at a
/// time, and these column by column, so that vector instructions take all eight at once. The second half is how many 64-bit floats the value is
/// away from that. Together they take the eight bytes of the value and give back each of its bits.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub(super) n_features: usize,
    near: Vec<f32>,
    rest: Rest,
    /// Where each leaf begins, and after the last one the number of records.
    leaves: Vec<u32>,
}

/// Row by row.
#[derive(Debug, Clone)]
enum Rest {
    /// The distance from the nearest 32-bit float, counted in 64-bit floats.
    Steps(Vec<i32>),
    /// The values themselves, where some is too large or too small for a 32-bit float.
    Whole(Vec<f64>),
}

impl Values {
    /// Takes the records of `order`, of which leaf `i` has `leaves[i]..leaves[i + 1]`.
    pub(super) fn new(
        records: ArrayView2<'_, f64>,
        order: &[u32],
        leaves: Vec<u32>,
        range: &Range,
    ) -> Self {
        let n_features = records.ncols();
        let by_place =
            || order.iter().flat_map(|it| records.row(*it as usize).into_iter().copied());
        let steps: Option<Vec<i32>> = {
            // Sized first: growing would leave room that is never used.
            let mut steps = Vec::with_capacity(records.len());
            by_place()
                .all(|value| steps_from_near(value).map(|it| steps.push(it)).is_some())
                .then_some(steps)
        };
        let rest = steps.map_or_else(
            || {
                let mut whole = Vec::with_capacity(records.len());
                whole.extend(by_place());
                Rest::Whole(whole)
            },
            Rest::Steps,
        );
        let mut near_values = Vec::with_capacity(records.len() + WIDTH);
        for leaf in leaves.windows(2) {
            for block in order[leaf[0] as usize..leaf[1] as usize].chunks(WIDTH) {
                for feature in 0..n_features {
                    near_values.extend(block.iter().map(|it| {
                        let value = records[[*it as usize, feature]];
                        if range.usable { near(value) } else { 0.0 }
                    }));
                }
            }
        }
        // So that eight values can be read from the last column of the last block.
        near_values.extend([0.0; WIDTH]);
        Self { n_features, near: near_values, rest, leaves }
    }

    /// The places of a leaf.
    #[inline]
    pub(super) fn places(&self, leaf: usize) -> std::ops::Range<usize> {
        self.leaves[leaf] as usize..self.leaves[leaf + 1] as usize
    }

    /// The leaf of a place.
    pub(super) fn leaf_of(&self, place: usize) -> usize {
        self.leaves.partition_point(|it| *it as usize <= place) - 1
    }

    /// The near halves of the records from `offset` in a leaf, which are a block, and how many these are.
    ///
    /// Column by column, and eight values beyond.
    #[inline(always)]
    pub(super) fn block(&self, places: &std::ops::Range<usize>, offset: usize) -> (&[f32], usize) {
        let n = WIDTH.min(places.len() - offset);
        let start = (places.start + offset) * self.n_features;
        (&self.near[start..start + n * self.n_features + WIDTH], n)
    }

    /// Calls `take` with each value of the record `offset` in a leaf, in the order of features.
    #[inline(always)]
    pub(super) fn for_each(
        &self,
        places: &std::ops::Range<usize>,
        offset: usize,
        mut take: impl FnMut(usize, f64),
    ) {
        let d = self.n_features;
        let at = (places.start + offset) * d;
        match &self.rest {
            Rest::Steps(steps) => {
                let (block, n) = self.block(places, offset - offset % WIDTH);
                let near = block[offset % WIDTH..].iter().step_by(n);
                for (feature, (near, steps)) in near.zip(&steps[at..at + d]).enumerate() {
                    take(feature, restored(*near, *steps));
                }
            }
            Rest::Whole(values) => {
                values[at..at + d]
                    .iter()
                    .enumerate()
                    .for_each(|(feature, value)| take(feature, *value));
            }
        }
    }

    /// Writes the record at a place, a value for each feature.
    pub(super) fn record(&self, place: usize, to: &mut [f64]) {
        let places = self.places(self.leaf_of(place));
        let offset = place - places.start;
        self.for_each(&places, offset, |feature, value| to[feature] = value);
    }

    /// The bytes on the heap.
    pub(super) fn n_bytes(&self) -> usize {
        let rest = match &self.rest {
            Rest::Steps(steps) => size_of::<i32>() * steps.capacity(),
            Rest::Whole(values) => size_of::<f64>() * values.capacity(),
        };
        size_of::<f32>() * self.near.capacity() + rest + size_of::<u32>() * self.leaves.capacity()
    }
}

/// What the values of records are like.
pub(super) fn range(records: ArrayView2<'_, f64>) -> Range {
    let mut largest = vec![0.0_f64; records.ncols()];
    let mut whole = true;
    for record in records.rows() {
        for (largest, value) in largest.iter_mut().zip(record) {
            *largest = largest.max(value.abs());
            whole &= is_whole(*value);
        }
    }
    let usable = largest.iter().all(|it| *it <= MOST);
    let largest = largest.into_iter().map(|it| near(it).next_up()).collect();
    Range { largest, whole, usable }
}

/// The 32-bit float next to a value.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "what it loses is kept beside it")]
pub(super) fn near(value: f64) -> f32 {
    value as f32
}

/// How many 64-bit floats a value is above the 32-bit float next to it; none if that is too many to count.
fn steps_from_near(value: f64) -> Option<i32> {
    let near = f64::from(near(value));
    // Floats of one sign are in the order of their bits. The two have one sign, as rounding keeps it.
    let steps = i32::try_from(value.to_bits().wrapping_sub(near.to_bits()).cast_signed()).ok()?;
    near.is_finite().then_some(steps)
}

/// The value whose two halves these are.
#[inline(always)]
fn restored(near: f32, steps: i32) -> f64 {
    f64::from_bits(f64::from(near).to_bits().wrapping_add_signed(i64::from(steps)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_give_back_every_bit() {
        let values = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            -0.3,
            std::f64::consts::PI,
            1e30,
            -1e30,
            1.0 + f64::EPSILON,
            f64::from(f32::MAX),
            f64::from(f32::MIN_POSITIVE),
            123_456_789.123_456_79,
            -1e-30,
            // The smallest number; half way between two 32-bit floats, and next to it.
            5e-324,
            1.0 + f64::from(f32::EPSILON) / 2.0,
            (1.0 + f64::from(f32::EPSILON) / 2.0).next_up(),
        ];
        for value in values {
            let steps = steps_from_near(value).unwrap();
            assert_eq!(restored(near(value), steps).to_bits(), value.to_bits(), "{value}");
        }
        for value in [1e-40, f64::MIN_POSITIVE, 1e39, -f64::MAX] {
            // Far too large or small for a 32-bit float; 1e-40 is there, but with few of its bits.
            assert_eq!(steps_from_near(value), None, "{value}");
        }
    }
}
