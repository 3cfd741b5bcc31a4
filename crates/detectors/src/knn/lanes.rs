//! The two loops that take a query's time, each a function of its own: so the compiler keeps their sums in vector
//! registers.

use super::metric::Kernel;

/// The records, or boxes, that are compared with a query at once.
pub(super) const WIDTH: usize = 8;

/// The distances to the up to eight records of a block, which lie column by column; all infinite if half of the
/// features put all above `limit`. Lanes beyond the block's records hold anything.
#[inline(never)]
pub(super) fn distances<K: Kernel>(
    block: &[f32],
    n_records: usize,
    query: &[f32],
    limit: f32,
) -> [f32; WIDTH] {
    let (first, second) = query.split_at(query.len() / 2);
    let mut sums = [0.0; WIDTH];
    let mut rest = block;
    for (half, query) in [first, second].into_iter().enumerate() {
        if half == 1 && sums.iter().all(|it| limit < *it) {
            return [f32::INFINITY; WIDTH];
        }
        for value in query {
            let Some(values) = rest.first_chunk::<WIDTH>() else { return sums };
            for lane in 0..WIDTH {
                sums[lane] = K::add_near(sums[lane], values[lane] - value);
            }
            rest = rest.get(n_records..).unwrap_or_default();
        }
    }
    sums
}

/// The distances to the boxes of a node's children, which none of their records is nearer than: each feature adds
/// no more than it does for a record within, and the same operations in the same order keep that.
#[inline(never)]
pub(super) fn bounds<K: Kernel>(boxes: &[[f32; WIDTH]], query: &[f32]) -> [f32; WIDTH] {
    let (boxes, _) = boxes.as_chunks::<2>();
    let mut sums = [0.0; WIDTH];
    for ([low, high], value) in boxes.iter().zip(query) {
        for slot in 0..WIDTH {
            // At most one of the two is above 0; inside the box neither is.
            let gap = larger(larger(low[slot] - value, value - high[slot]), 0.0);
            sums[slot] = K::add_near(sums[slot], gap);
        }
    }
    sums
}

/// The larger of two numbers; one instruction, unlike [`f32::max`], which has an opinion about NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}
