use std::collections::HashMap;

use serde::Serialize;
use shadowline_features::{Table, TableColumn, is_missing, percentile_of_sorted};

/// The categories of a column of text that a profile names; the others are counted together.
const MAX_CATEGORIES: usize = 50;

/// What can be said of a table, column by column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableProfile {
    /// Rows and columns.
    pub shape: (usize, usize),
    /// The columns, in order.
    pub columns: Vec<ColumnProfile>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Cells without a value: NaN, or text that is [missing](is_missing).
    pub missing: usize,
    /// Of a column of numbers with at least one value.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberProfile>,
    /// Of a column of text.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub texts: Option<TextProfile>,
}

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

/// Counts in bins of equal width between the least and the greatest value.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Histogram {
    /// The edges, one more than the bins. A bin holds its lower edge and not its upper one, but for the last bin,
    /// which holds both.
    pub edges: Vec<f64>,
    /// How many values each bin holds.
    pub counts: Vec<usize>,
}

/// Figures of a column of text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TextProfile {
    /// The different values, missing ones left out.
    pub n_categories: usize,
    /// The most frequent ones with their counts, at most 50, ordered by count and then by name.
    pub categories: Vec<(String, usize)>,
    /// The rows of all other categories together.
    pub n_others: usize,
}

impl TableProfile {
    /// Describes every column; `n_bins` is the number of bins of the histograms, at least one.
    pub fn of(table: &Table, n_bins: usize) -> Self {
        let columns =
            table.columns().iter().map(|(name, column)| column_profile(name, column, n_bins));
        Self { shape: (table.n_rows(), table.columns().len()), columns: columns.collect() }
    }
}

fn column_profile(name: &str, column: &TableColumn, n_bins: usize) -> ColumnProfile {
    let name = name.to_owned();
    if let TableColumn::Texts(texts) = column {
        let texts = TextProfile::of(texts);
        let missing = column.len() - texts.n_rows();
        return ColumnProfile { name, missing, numbers: None, texts: Some(texts) };
    }
    let values = numbers(column).unwrap_or_default();
    let numbers = NumberProfile::of(&values, n_bins);
    let missing = column.len() - numbers.as_ref().map_or(0, |it| it.describe.count);
    ColumnProfile { name, missing, numbers, texts: None }
}

/// A column of numbers as floats, NaN where one is missing; none for text.
#[expect(
    clippy::cast_precision_loss,
    reason = "integers beyond 2^53 are rounded to the nearest float"
)]
pub(crate) fn numbers(column: &TableColumn) -> Option<Vec<f64>> {
    match column {
        TableColumn::Integers(values) => Some(values.iter().map(|it| *it as f64).collect()),
        TableColumn::Numbers(values) => Some(values.clone()),
        TableColumn::Texts(_) => None,
    }
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

impl TextProfile {
    fn of(texts: &[String]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for text in texts.iter().filter(|it| !is_missing(it)) {
            *counts.entry(text).or_default() += 1;
        }
        let n_categories = counts.len();
        let mut categories: Vec<(String, usize)> =
            counts.into_iter().map(|(text, count)| (text.to_owned(), count)).collect();
        categories.sort_by(|(a, n_a), (b, n_b)| n_b.cmp(n_a).then_with(|| a.cmp(b)));
        let others = categories.split_off(categories.len().min(MAX_CATEGORIES));
        let n_others = others.iter().map(|(_, count)| count).sum();
        Self { n_categories, categories, n_others }
    }

    fn n_rows(&self) -> usize {
        self.categories.iter().map(|(_, count)| count).sum::<usize>() + self.n_others
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
    fn an_edge_belongs_to_the_bin_above_it() {
        let histogram = Histogram::of(&[0.0, 0.1, 0.2, 0.3, 0.7, 1.0], 0.0, 1.0, 10);
        // 0.3 and 0.7 are below their edges, 3 * 0.1 and 7 * 0.1, which are rounded up; numpy counts them so, too.
        assert_eq!(histogram.counts, [1, 1, 2, 0, 0, 0, 1, 0, 0, 1]);
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

    #[test]
    fn text_is_counted_by_category() {
        let texts = ["b", "a", "?", "b", "", "c", "a"].map(str::to_owned).to_vec();
        let table = Table::new(vec![("job".to_owned(), TableColumn::Texts(texts))]).unwrap();
        let profile = TableProfile::of(&table, 20);
        assert_eq!(profile.shape, (7, 1));
        let [column] = profile.columns.as_slice() else { panic!("one column") };
        assert_eq!(column.missing, 2);
        let texts = column.texts.as_ref().unwrap();
        let expected = [("a", 2), ("b", 2), ("c", 1)].map(|(it, n)| (it.to_owned(), n));
        assert_eq!((texts.n_categories, texts.n_others), (3, 0));
        assert_eq!(texts.categories, expected);
    }

    #[test]
    fn rare_categories_are_counted_together() {
        let mut texts: Vec<String> = (0..60).map(|it| format!("c{it:02}")).collect();
        texts.push("c59".to_owned());
        let profile = TextProfile::of(&texts);
        assert_eq!(
            (profile.n_categories, profile.categories.len(), profile.n_others),
            (60, 50, 10)
        );
        assert_eq!(profile.categories[0], ("c59".to_owned(), 2));
        assert_eq!(profile.n_rows(), 61);
    }
}
