//! Ranks, and whether two lists of scores put the same records first.

/// Spearman's rank correlation of two lists of scores of the same records: Pearson's of their ranks, equal scores sharing
/// the mean of theirs. 1 where both have the same order; none where one has all scores alike.
///
/// Source: Spearman, *The Proof and Measurement of Association between Two Things* (1904),
/// <https://doi.org/10.2307/1412159>; with midranks as `scipy.stats.spearmanr` answers.
///
/// # Shapes
/// Both are `(n_records,)`; the longer one's rest is left out.
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len().min(b.len());
    let (a, b) = (ranks(&a[..n]), ranks(&b[..n]));
    let mean = (n as f64 + 1.0) / 2.0;
    let (mut product, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(&b) {
        let (a, b) = (a - mean, b - mean);
        product += a * b;
        square_a += a * a;
        square_b += b * b;
    }
    let spread = (square_a * square_b).sqrt();
    (0.0 < spread).then(|| product / spread)
}

/// The rank of each value, from 1.
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        for idx in tied {
            ranks[*idx] = rank;
        }
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_correlation_is_scipys() {
        let check = |a: &[f64], b: &[f64], expected: Option<f64>| {
            let got = spearman(a, b);
            let close = match (got, expected) {
                (Some(got), Some(expected)) => (got - expected).abs() < 1e-12,
                (got, expected) => got == expected,
            };
            assert!(close, "{got:?}");
        };
        check(&[1.0, 2.0, 3.0], &[10.0, 20.0, 1e9], Some(1.0));
        check(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], Some(-1.0));
        // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
        check(&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0], Some(0.948_683_298_050_513_8));
        check(&[1.0, 1.0], &[1.0, 2.0], None);
        check(&[], &[], None);
    }
}
