//! One field, and the numbers it becomes.

use serde::{Deserialize, Serialize};

use super::error::{FeatureError, PreprocessingError};
use crate::{TableColumn, Values, is_missing, percentile_of_sorted};

/// How training values become the centre and the scale that are subtracted and divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Values stay as they are.
    #[default]
    None,
    /// Mean and population standard deviation.
    Standard,
    /// Minimum and range.
    MinMax,
    /// Median and interquartile range.
    Robust,
}

/// How text becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryEncoding {
    /// One number: the category's place in the sorted list of training categories, then scaled.
    #[default]
    Code,
    /// One number per training category: 1 for the record's own, 0 for the others; never scaled.
    OneHot,
}

/// What becomes of missing numbers, which are NaN. An infinite number is refused whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// A record that lacks a number is refused.
    #[default]
    Refuse,
    /// It stays NaN, for a detector that has a way for it.
    Keep,
    /// It becomes the median of the training values that there are.
    Median,
}

/// What one feature's missing number becomes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingNumber {
    /// The record is refused.
    #[default]
    Refuse,
    /// NaN.
    Keep,
    /// This value, before scaling.
    Fill(f64),
}

impl MissingNumber {
    fn is_refused(&self) -> bool {
        matches!(self, Self::Refuse)
    }
}

/// A value as one number before scaling, and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Single {
    pub(super) value: f64,
    /// A category, or a missing text, that training did not have.
    pub(super) is_unseen: bool,
    /// A number that is missing.
    pub(super) is_missing: bool,
}

/// What one field's value becomes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The number itself; truth values are 0 and 1.
    Number,
    /// A code of a category: its place among these, which are sorted. A category that training did not see has
    /// the code `len`; a missing value has the place of `?`, or -1 if training saw none missing.
    Code {
        /// The training categories.
        categories: Vec<String>,
    },
    /// One column per category; all 0 for a category, or a missing value, that training did not see.
    OneHot {
        /// The training categories.
        categories: Vec<String>,
    },
}

impl Encoding {
    pub(super) fn categories(&self) -> Option<&[String]> {
        match self {
            Self::Number => None,
            Self::Code { categories } | Self::OneHot { categories } => Some(categories),
        }
    }

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Number | Self::Code { .. } => 1,
            Self::OneHot { categories } => categories.len(),
        }
    }
}

/// One field, and how it becomes one or several numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The field it is read from.
    pub field: String,
    /// How its value becomes a number.
    pub encoding: Encoding,
    /// Subtracted from the number.
    pub center: f64,
    /// What the difference is divided by.
    pub scale: f64,
    /// What a missing number becomes; text has a category of its own for it.
    #[serde(default, skip_serializing_if = "MissingNumber::is_refused")]
    pub missing: MissingNumber,
}

impl Feature {
    /// Whether a record may lack it. A text always may: a missing one is a category, or one that was never seen.
    pub fn admits_missing(&self) -> bool {
        match self.encoding {
            Encoding::Number => self.missing != MissingNumber::Refuse,
            Encoding::Code { .. } | Encoding::OneHot { .. } => true,
        }
    }

    /// The value as one number before scaling.
    #[expect(clippy::cast_precision_loss, reason = "a count of categories is far below 2^53")]
    pub(super) fn single(
        &self,
        values: Values<'_>,
        record_idx: usize,
    ) -> Result<Single, FeatureError> {
        let Some(categories) = self.encoding.categories() else {
            return self.number(values, record_idx);
        };
        let text = self.text(values, record_idx)?;
        let place = find(categories, text);
        let value = match place {
            Some(place) => place as f64,
            None if is_missing(text) => -1.0,
            None => categories.len() as f64,
        };
        Ok(Single { value, is_unseen: place.is_none(), is_missing: false })
    }

    fn number(&self, values: Values<'_>, record_idx: usize) -> Result<Single, FeatureError> {
        let Some(value) = values.number(record_idx) else {
            return Err(self.wrong_type("a number", values));
        };
        let single = |value, is_missing| Ok(Single { value, is_unseen: false, is_missing });
        match self.missing {
            _ if value.is_finite() => single(value, false),
            MissingNumber::Keep if value.is_nan() => single(value, true),
            MissingNumber::Fill(fill) if value.is_nan() => single(fill, true),
            MissingNumber::Refuse | MissingNumber::Keep | MissingNumber::Fill(_) => {
                Err(FeatureError::NotFinite { field: self.field.clone(), record_idx, value })
            }
        }
    }

    pub(super) fn text<'a>(
        &self,
        values: Values<'a>,
        record_idx: usize,
    ) -> Result<&'a str, FeatureError> {
        values.text(record_idx).ok_or_else(|| self.wrong_type("text", values))
    }

    fn wrong_type(&self, expected: &'static str, values: Values<'_>) -> FeatureError {
        FeatureError::WrongType { field: self.field.clone(), expected, got: values.type_name() }
    }
}

/// The place of a category. A text that is none of them may be a way to write a missing value, which is `?`, or a truth
/// value in the spelling of another program.
pub(super) fn find(categories: &[String], text: &str) -> Option<usize> {
    let place = |text: &str| categories.binary_search_by(|it| it.as_str().cmp(text)).ok();
    let is_truth = || text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    place(text).or_else(|| {
        if is_missing(text) {
            place("?")
        } else if is_truth() {
            categories.iter().position(|it| it.eq_ignore_ascii_case(text))
        } else {
            None
        }
    })
}

pub(super) fn fit_encoding(column: &TableColumn, encoding: CategoryEncoding) -> Encoding {
    let TableColumn::Texts(texts) = column else { return Encoding::Number };
    let mut distinct: Vec<&str> =
        texts.iter().map(|it| if is_missing(it) { "?" } else { it.as_str() }).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let categories = distinct.into_iter().map(ToOwned::to_owned).collect();
    match encoding {
        CategoryEncoding::Code => Encoding::Code { categories },
        CategoryEncoding::OneHot => Encoding::OneHot { categories },
    }
}

/// Centre and scale of finite values; without any, they change nothing. A column that is constant but for rounding has
/// the scale 1: divided by a spread of a few last bits, any other value would be astronomical.
///
/// Source: scikit-learn's `_is_constant_feature` for the standard deviation, and its ten last bits for ranges, where ours
/// are of the values' own size and not of 1.
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
pub(super) fn fit_scale(scale: Scale, mut values: Vec<f64>) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 1.0);
    }
    let at = |sorted: &[f64], percent| percentile_of_sorted(sorted, percent).unwrap_or(f64::NAN);
    let largest = values.iter().fold(0.0, |largest: f64, it| largest.max(it.abs()));
    let rounding = 10.0 * f64::EPSILON * largest;
    let (center, spread, rounding) = match scale {
        Scale::None => return (0.0, 1.0),
        Scale::Standard => {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / n;
            let of_mean = n * mean * f64::EPSILON;
            let bound = n * f64::EPSILON * variance + of_mean * of_mean;
            // The rounding of the mean leaves a constant column a spread that is not its own.
            let constant = values.iter().all(|it| it.to_bits() == values[0].to_bits());
            if constant { (values[0], 0.0, 0.0) } else { (mean, variance.sqrt(), bound.sqrt()) }
        }
        Scale::MinMax => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high - low, rounding)
        }
        Scale::Robust => {
            values.sort_by(f64::total_cmp);
            (at(&values, 50.0), at(&values, 75.0) - at(&values, 25.0), rounding)
        }
    };
    // A spread that is not finite is for the caller to refuse.
    (center, if spread.is_finite() && spread <= rounding { 1.0 } else { spread })
}

/// What missing numbers of a column become, by its training values that there are.
pub(super) fn fit_missing(
    missing: Missing,
    field: &str,
    mut present: Vec<f64>,
) -> Result<MissingNumber, PreprocessingError> {
    Ok(match missing {
        Missing::Refuse => MissingNumber::Refuse,
        Missing::Keep => MissingNumber::Keep,
        Missing::Median => {
            present.sort_by(f64::total_cmp);
            let median = percentile_of_sorted(&present, 50.0);
            MissingNumber::Fill(
                median.ok_or_else(|| PreprocessingError::NoMedian(field.to_owned()))?,
            )
        }
    })
}
