use serde::Serialize;

/// How many times the distance of what is left without the outermost values an axis may go beyond them.
const ROOM: f64 = 2.0;
/// Of fewer values nobody can tell which one is wild.
const FEWEST: usize = 8;

/// Counts in bins of equal width between the least and the greatest value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// The edges, one more than the bins. A bin holds its lower edge and not its upper one, but for the last bin,
    /// which holds both.
    pub edges: Vec<f64>,
    /// How many values each bin holds.
    pub counts: Vec<usize>,
}

impl Histogram {
    /// Counts values in bins of equal width between two ends; values outside, and NaN, are left out.
    ///
    /// Ends that are equal are moved half a unit apart each, as numpy's `histogram` does, and edges are compared as
    /// they are rounded, so that the counts are equal to numpy's.
    #[expect(clippy::cast_precision_loss, reason = "a number of bins is small")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the bins, not negative, and cut at the last"
    )]
    pub fn of(values: &[f64], low: f64, high: f64, n_bins: usize) -> Self {
        let n_bins = n_bins.max(1);
        let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
        let width = (high - low) / n_bins as f64;
        let mut edges: Vec<f64> = (0..n_bins).map(|it| low + it as f64 * width).collect();
        edges.push(high);
        let mut counts = vec![0; n_bins];
        for value in values.iter().copied().filter(|it| (low..=high).contains(it)) {
            let mut bin = (((value - low) / (high - low) * n_bins as f64) as usize).min(n_bins - 1);
            // The division may round to the other side of an edge.
            if value < edges[bin] {
                bin -= 1;
            } else if edges[bin + 1] <= value && bin + 1 < n_bins {
                bin += 1;
            }
            counts[bin] += 1;
        }
        Self { edges, counts }
    }
}

/// The ends of an axis for some values: the least and the greatest, but not further from the others than twice their
/// distance, where the others are the values without a hundredth of them, and at least one, on either side. So one wild
/// value does not press all others into one bin. Of a normal distribution that is 11 standard deviations from the mean,
/// and 8 of 30 values. Values that are not finite are left out; none are no axis.
pub fn axis_ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let mut sorted: Vec<f64> = values.into_iter().filter(|it| it.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (least, greatest) = (*sorted.first()?, *sorted.last()?);
    if sorted.len() < FEWEST {
        return Some((least, greatest));
    }
    // Values themselves: between two of them there would be a part of the wild one.
    let n_outer = (sorted.len() / 100).max(1);
    let (low, high) = (sorted[n_outer], sorted[sorted.len() - 1 - n_outer]);
    let room = ROOM * (high - low);
    // Where nearly all are equal there is no distance to go by.
    let is_usable = 0.0 < room && room.is_finite();
    if !is_usable {
        return Some((least, greatest));
    }
    Some((least.max(low - room), greatest.min(high + room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wild_value_does_not_stretch_an_axis() {
        let usual = (0..=100).map(f64::from);
        assert_eq!(axis_ends(usual.clone()), Some((0.0, 100.0)));
        // Without one value on either side: 1 to 100.
        let (low, high) = axis_ends(usual.clone().chain([1e12, f64::NAN])).unwrap();
        assert!(low.abs() < 1e-9 && (250.0..350.0).contains(&high), "{low} {high}");
        for n in [8, 30, 91, 99, 100, 101, 199, 200] {
            let others = f64::from(n - 1);
            for wild in [1e12, -1e12] {
                let values = (0..n - 1).map(f64::from).chain([wild]);
                let (low, high) = axis_ends(values).unwrap();
                assert!(-4.0 * others < low && high < 4.0 * others, "{n}: {low} {high}");
                assert!(low <= 0.0 && others - 1.0 <= high, "{n}: {low} {high}");
            }
        }
        assert_eq!(axis_ends([1.0, 2.0, 3.0, 1e9]), Some((1.0, 1e9)));
        // A few further out are no wild values.
        assert_eq!(axis_ends(usual.chain([180.0])), Some((0.0, 180.0)));
        assert_eq!(axis_ends([3.0; 5]), Some((3.0, 3.0)));
        assert_eq!(axis_ends([f64::INFINITY]), None);
    }

    #[test]
    fn an_edge_belongs_to_the_bin_above_it() {
        let histogram = Histogram::of(&[0.0, 0.1, 0.2, 0.3, 0.7, 1.0], 0.0, 1.0, 10);
        // 0.3 and 0.7 are below their edges, 3 * 0.1 and 7 * 0.1, which are rounded up; numpy counts them so, too.
        assert_eq!(histogram.counts, [1, 1, 2, 0, 0, 0, 1, 0, 0, 1]);
    }
}
