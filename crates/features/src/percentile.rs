/// The percentile of values in any order; none if there are no values.
///
/// See [`percentile_of_sorted`] for the rule.
pub fn percentile(values: &[f64], percent: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile_of_sorted(&sorted, percent)
}

/// The percentile of ascending values, by linear interpolation between the two nearest; none if there are no
/// values or `percent` is not within 0 to 100.
///
/// Source: method 7 of Hyndman and Fan, *Sample Quantiles in Statistical Packages* (1996),
/// <https://doi.org/10.2307/2684934>, with the rounding of numpy's `percentile`, so that thresholds are equal
/// to those of scikit-learn and pyod to the last bit.
#[expect(clippy::cast_precision_loss, reason = "a count of values is far below 2^53")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a floor between 0 and the length"
)]
pub fn percentile_of_sorted(sorted: &[f64], percent: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    if !(0.0..=100.0).contains(&percent) {
        return None;
    }
    let place = (percent / 100.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let share = place - place.floor();
    let (low, high) = (sorted[below], sorted[above]);
    let difference = high - low;
    // From the nearer end, as numpy does: the other form rounds differently.
    Some(if share < 0.5 { low + difference * share } else { high - difference * (1.0 - share) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], percent: f64, expected: Option<f64>) {
        assert_eq!(percentile(values, percent), expected);
    }

    #[test]
    fn percentiles_match_hand_calculation() {
        check(&[3.0, 1.0, 2.0, 4.0], 50.0, Some(2.5));
        check(&[3.0, 1.0, 2.0, 4.0], 0.0, Some(1.0));
        check(&[3.0, 1.0, 2.0, 4.0], 100.0, Some(4.0));
        check(&[0.0, 10.0], 25.0, Some(2.5));
        check(&[7.0], 33.0, Some(7.0));
    }

    #[test]
    fn percentiles_without_an_answer_are_none() {
        check(&[], 50.0, None);
        check(&[1.0], -1.0, None);
        check(&[1.0], 100.5, None);
        check(&[1.0], f64::NAN, None);
    }
}
