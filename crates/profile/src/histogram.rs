use serde::Serialize;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bin_above_it() {
        let histogram = Histogram::of(&[0.0, 0.1, 0.2, 0.3, 0.7, 1.0], 0.0, 1.0, 10);
        // 0.3 and 0.7 are below their edges, 3 * 0.1 and 7 * 0.1, which are rounded up; numpy counts them so, too.
        assert_eq!(histogram.counts, [1, 1, 2, 0, 0, 0, 1, 0, 0, 1]);
    }
}
