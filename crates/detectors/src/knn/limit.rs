//! How far the search may trust its 32-bit distances.

use super::metric::Kernel;

/// Half the distance between 1 and the next 32-bit float: the most that rounding changes a number, as a share.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;
/// The largest number, without its sign, that the search computes with; beyond, powers would not fit.
pub(super) const MOST: f64 = 1e37;
/// Whole numbers up to here, and their differences, are exact in 32 bits.
pub(super) const MOST_WHOLE: f64 = (1 << 22) as f64;

/// Turns the exact distance that a record must be below into a 32-bit one that rules records out.
///
/// The search computes with values rounded to 32 bits. A record whose exact distance is below `worst` never has a
/// search distance above the limit, so what is above may be left out without another look. The reason: rounding
/// moves a feature's difference by at most `ROUNDING` times the values, which by the triangle inequality moves the
/// distance by at most the length of these shifts, `shift`; and each of the few operations per feature changes the
/// result by a factor of at most `1 + ROUNDING`, together `factor`.
///
/// Where the reference data and the query are whole numbers, as codes of categories are, a distance below 2^24 is
/// exact in 32 bits, and the limit is just below `worst`: records at equal distances are then ruled out too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    shift: f64,
    factor: f64,
    whole: bool,
    usable: bool,
}

/// How large the values of the reference data are, and what they are like.
#[derive(Debug, Clone)]
pub(super) struct Range {
    /// For each feature, the largest value without its sign.
    pub(super) largest: Vec<f32>,
    /// Whether all values are whole numbers that 32 bits hold with room.
    pub(super) whole: bool,
    /// Whether all values are at most [`MOST`].
    pub(super) usable: bool,
}

impl Limit {
    #[expect(clippy::cast_precision_loss, reason = "a number of features is small")]
    pub(super) fn new<K: Kernel>(range: &Range, query: &[f64]) -> Self {
        let usable = range.usable && query.iter().all(|it| it.abs() <= MOST);
        let whole = K::SAME && usable && range.whole && query.iter().all(|it| is_whole(*it));
        let n_operations = query.len() as f64 + 2.0 * f64::from(K::SEARCH_POWER) + 8.0;
        let factor = (1.0 + n_operations * ROUNDING * 1.01) * (1.0 + 1e-6);
        if whole || !usable {
            return Self { shift: 0.0, factor, whole, usable };
        }
        let shifts = query.iter().zip(&range.largest).map(|(value, largest)| {
            // What is below the 32-bit range loses less than its least number, twice.
            ROUNDING * (value.abs() + f64::from(*largest)) + 2.0 * f64::from(f32::MIN_POSITIVE)
        });
        let shift = match K::SEARCH_POWER {
            0 => shifts.fold(0.0, f64::max),
            1 => shifts.sum::<f64>(),
            // The length in the second power is at least that in any higher one.
            _ => shifts.map(|it| it * it).sum::<f64>().sqrt(),
        };
        // Rounding of these lines themselves, and of the exact distances, is far below.
        Self { shift: shift * (1.0 + 1e-6), factor, whole, usable }
    }

    /// The search distance above which no record is nearer than `worst`, an exact reduced distance.
    pub(super) fn of<K: Kernel>(&self, kernel: K, worst: f64) -> f32 {
        if worst <= 0.0 {
            // Nothing is nearer than an equal record.
            return -1.0;
        }
        if !self.usable || !worst.is_finite() {
            return f32::INFINITY;
        }
        if self.whole && worst <= f64::from(1 << 24) {
            #[expect(clippy::cast_possible_truncation, reason = "a whole number up to 2^24")]
            let worst = worst as f32;
            return worst.next_down();
        }
        let near = K::reduce_near(kernel.root(worst) * (1.0 + 1e-9) + self.shift) * self.factor;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "rounded, then up; infinity is no limit"
        )]
        let limit = (near + f64::from(f32::MIN_POSITIVE)) as f32;
        limit.next_up()
    }
}

/// Whether a number is whole and small enough for exact differences in 32 bits.
pub(super) fn is_whole(value: f64) -> bool {
    value.abs() <= MOST_WHOLE && value.fract().abs() <= 0.0
}
