use serde::Serialize;
use shadowline_features::percentile_of_sorted;

use crate::Histogram;

/// Figures of a column of numbers; missing ones are left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NumberProfile {
    /// The nine figures of `describe()` but the count of missing ones.
    pub describe: Summary,
    /// Quartiles, fences and outliers.
    #[serde(rename = "box")]
    pub box_plot: BoxPlot,
    /// Counts in bins of equal width.
    pub histogram: Histogram,
}

/// Count, moments and quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// Values that are not missing.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Standard deviation with `n - 1`; none of one value.
    pub std: Option<f64>,
    /// The least.
    pub min: f64,
    /// The lower quartile, by linear interpolation.
    #[serde(rename = "25%")]
    pub q25: f64,
    /// The median.
    #[serde(rename = "50%")]
    pub q50: f64,
    /// The upper quartile.
    #[serde(rename = "75%")]
    pub q75: f64,
    /// The greatest.
    pub max: f64,
}

/// A box plot by Tukey's rule.
///
/// Source: Tukey, *Exploratory Data Analysis* (1977), section 2D: fences lie 1.5 interquartile ranges outside the
/// quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BoxPlot {
    /// The lower quartile.
    pub q1: f64,
    /// The median.
    pub median: f64,
    /// The upper quartile.
    pub q3: f64,
    /// `q1 - 1.5 (q3 - q1)`
    pub lower_fence: f64,
    /// `q3 + 1.5 (q3 - q1)`
    pub upper_fence: f64,
    /// Values outside the fences.
    pub n_outside: usize,
    /// Their share of all values.
    pub share_outside: f64,
}

impl NumberProfile {
    /// Describes values of which NaN is a missing one; none if all are missing.
    pub fn of(values: &[f64], n_bins: usize) -> Option<Self> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|it| !it.is_nan()).collect();
        sorted.sort_by(f64::total_cmp);
        let describe = Summary::of_sorted(&sorted)?;
        let box_plot = BoxPlot::of_sorted(&sorted)?;
        let histogram = Histogram::of(&sorted, describe.min, describe.max, n_bins);
        Some(Self { describe, box_plot, histogram })
    }
}

impl Summary {
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
    fn of_sorted(sorted: &[f64]) -> Option<Self> {
        let percentile = |percent| percentile_of_sorted(sorted, percent);
        let n = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / n;
        let squares: f64 = sorted.iter().map(|it| (it - mean) * (it - mean)).sum();
        Some(Self {
            count: sorted.len(),
            mean,
            std: (1 < sorted.len()).then(|| (squares / (n - 1.0)).sqrt()),
            min: *sorted.first()?,
            q25: percentile(25.0)?,
            q50: percentile(50.0)?,
            q75: percentile(75.0)?,
            max: *sorted.last()?,
        })
    }
}

impl BoxPlot {
    #[expect(clippy::cast_precision_loss, reason = "a count of rows is far below 2^53")]
    fn of_sorted(sorted: &[f64]) -> Option<Self> {
        let percentile = |percent| percentile_of_sorted(sorted, percent);
        let (q1, median, q3) = (percentile(25.0)?, percentile(50.0)?, percentile(75.0)?);
        let reach = 1.5 * (q3 - q1);
        let (lower_fence, upper_fence) = (q1 - reach, q3 + reach);
        let n_below = sorted.partition_point(|it| *it < lower_fence);
        let n_above = sorted.len() - sorted.partition_point(|it| *it <= upper_fence);
        let n_outside = n_below + n_above;
        let share_outside = n_outside as f64 / sorted.len() as f64;
        Some(Self { q1, median, q3, lower_fence, upper_fence, n_outside, share_outside })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    fn profile(values: &[f64], n_bins: usize) -> NumberProfile {
        NumberProfile::of(values, n_bins).unwrap()
    }

    #[test]
    fn figures_match_hand_calculation() {
        // Squares around the mean 4 add up to 34; quartiles lie at places 1, 2 and 3 of the five.
        let NumberProfile { describe, box_plot, histogram } =
            profile(&[8.0, 1.0, f64::NAN, 3.0, 6.0, 2.0], 2);
        assert_eq!(
            (describe.count, describe.mean, describe.std),
            (5, 4.0, Some((34.0_f64 / 4.0).sqrt()))
        );
        assert_eq!((describe.min, describe.max), (1.0, 8.0));
        assert_eq!([describe.q25, describe.q50, describe.q75], [2.0, 3.0, 6.0]);
        assert_eq!((box_plot.lower_fence, box_plot.upper_fence), (-4.0, 12.0));
        assert_eq!(box_plot.n_outside, 0);
        assert_eq!(histogram, Histogram { edges: vec![1.0, 4.5, 8.0], counts: vec![3, 2] });
    }

    #[test]
    fn what_lies_on_a_fence_is_not_outside() {
        // Quartiles 1 and 2: the fences are -0.5 and 3.5.
        let mut values = vec![1.0, 1.0, 1.5, 2.0, 2.0];
        values.extend([-0.5, 3.5]);
        let inside = profile(&values, 1).box_plot;
        assert_eq!((inside.q1, inside.q3), (1.0, 2.0));
        assert_eq!(inside.n_outside, 0);
        assert_eq!((inside.lower_fence, inside.upper_fence), (-0.5, 3.5));
    }

    #[test]
    fn constant_empty_and_single_values_have_stated_answers() {
        let constant = profile(&[2.0; 4], 2);
        assert_eq!(constant.describe.std, Some(0.0));
        assert_eq!(
            constant.histogram,
            Histogram { edges: vec![1.5, 2.0, 2.5], counts: vec![0, 4] }
        );
        assert_eq!(constant.box_plot.n_outside, 0);
        assert_eq!(profile(&[7.0], 3).describe.std, None);
        assert!(NumberProfile::of(&[], 3).is_none());
        assert!(NumberProfile::of(&[f64::NAN], 3).is_none());
        let outside = Histogram::of(&[-1.0, 0.5, 9.0, f64::NAN], 0.0, 1.0, 1);
        assert_eq!(outside.counts, [1]);
    }
}
