//! Fields into numbers, the same way for training data and for every later record.

mod error;
mod feature;
#[cfg(test)]
mod tests;

use ndarray::Array2;
use serde::{Deserialize, Serialize};

pub use self::error::{FeatureError, PreprocessingError};
pub use self::feature::{CategoryEncoding, Encoding, Feature, Missing, MissingNumber, Scale};
use self::feature::{find, fit_encoding, fit_missing, fit_scale};
use crate::{FieldSource, Table, Values};

/// Encodings and scaling of an ordered list of features, fixed at training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RawPreprocessing", into = "RawPreprocessing")]
pub struct Preprocessing {
    scale: Scale,
    features: Vec<Feature>,
    width: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RawPreprocessing {
    scale: Scale,
    features: Vec<Feature>,
}

impl From<Preprocessing> for RawPreprocessing {
    fn from(Preprocessing { scale, features, .. }: Preprocessing) -> Self {
        Self { scale, features }
    }
}

impl TryFrom<RawPreprocessing> for Preprocessing {
    type Error = PreprocessingError;

    fn try_from(
        RawPreprocessing { scale, features }: RawPreprocessing,
    ) -> Result<Self, PreprocessingError> {
        Self::new(scale, features)
    }
}

/// Records as features.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureRows {
    /// Shape `(n_records, n_features)`; every value is finite, or NaN where [`MissingNumber::Keep`] lets it be.
    pub values: Array2<f64>,
    /// How many values were a category, or missing, as training never saw them.
    pub n_unseen: usize,
    /// How many numbers were missing, and were kept or filled.
    pub n_missing: usize,
}

impl Preprocessing {
    /// Fixes encodings and scaling by training data; every column of the table becomes a feature.
    ///
    /// Numbers stay numbers, text is encoded as `categories` says. A constant column has the scale 1, so that
    /// it becomes 0 everywhere. Cells that are [missing](crate::is_missing) are one category, `?`, of a text column;
    /// a missing number is refused, see [`Preprocessing::fit_with_missing`].
    ///
    /// # Errors
    /// [`PreprocessingError::NoRecords`], [`PreprocessingError::NoFeatures`], a missing number as
    /// [`FeatureError::NotFinite`], or values so large that the constants of scaling overflow.
    pub fn fit(
        table: &Table,
        categories: CategoryEncoding,
        scale: Scale,
    ) -> Result<Self, PreprocessingError> {
        Self::fit_with_missing(table, categories, scale, Missing::Refuse)
    }

    /// As [`Preprocessing::fit`], with an answer to missing numbers. Scaling goes by the numbers that there are.
    ///
    /// # Errors
    /// As `fit`; [`PreprocessingError::NoMedian`] for a column of missing numbers only.
    pub fn fit_with_missing(
        table: &Table,
        categories: CategoryEncoding,
        scale: Scale,
        missing: Missing,
    ) -> Result<Self, PreprocessingError> {
        if table.n_rows() == 0 {
            return Err(PreprocessingError::NoRecords);
        }
        let mut features = Vec::with_capacity(table.columns().len());
        for (field, column) in table.columns() {
            let mut feature = Feature {
                field: field.clone(),
                encoding: fit_encoding(column, categories),
                center: 0.0,
                scale: 1.0,
                // Until it is known what becomes of them, missing numbers only have to be recognised.
                missing: if missing == Missing::Refuse {
                    MissingNumber::Refuse
                } else {
                    MissingNumber::Keep
                },
            };
            if !matches!(feature.encoding, Encoding::OneHot { .. }) {
                let mut present = Vec::with_capacity(table.n_rows());
                for record_idx in 0..table.n_rows() {
                    let single = feature.single(column.values(), record_idx)?;
                    if !single.is_missing {
                        present.push(single.value);
                    }
                }
                if matches!(feature.encoding, Encoding::Number) {
                    feature.missing = fit_missing(missing, field, present.clone())?;
                }
                (feature.center, feature.scale) = fit_scale(scale, present);
            }
            if !matches!(feature.encoding, Encoding::Number) {
                feature.missing = MissingNumber::Refuse;
            }
            features.push(feature);
        }
        Self::new(scale, features)
    }

    /// Puts features together that were fitted elsewhere.
    ///
    /// # Errors
    /// [`PreprocessingError`] if they are not sound.
    pub fn new(scale: Scale, features: Vec<Feature>) -> Result<Self, PreprocessingError> {
        if features.is_empty() {
            return Err(PreprocessingError::NoFeatures);
        }
        for (idx, feature) in features.iter().enumerate() {
            let Feature { field, encoding, center, scale, missing } = feature;
            if features[..idx].iter().any(|it| it.field == *field) {
                return Err(PreprocessingError::Duplicate(field.clone()));
            }
            let usable = center.is_finite() && scale.is_finite() && 0.0 < *scale;
            if !usable {
                return Err(PreprocessingError::Constants {
                    field: field.clone(),
                    center: *center,
                    scale: *scale,
                });
            }
            if let MissingNumber::Fill(fill) = missing
                && !fill.is_finite()
            {
                return Err(PreprocessingError::Fill { field: field.clone(), fill: *fill });
            }
            if let Some(categories) = encoding.categories() {
                let sound = !categories.is_empty() && categories.is_sorted_by(|a, b| a < b);
                if !sound {
                    return Err(PreprocessingError::Categories(field.clone()));
                }
            }
        }
        let width = features.iter().map(|it| it.encoding.width()).sum();
        Ok(Self { scale, features, width })
    }

    /// How values were scaled.
    pub fn scale(&self) -> Scale {
        self.scale
    }

    /// The features, in the order of their columns.
    pub fn features(&self) -> &[Feature] {
        &self.features
    }

    /// The number of columns that a record becomes.
    pub fn n_features(&self) -> usize {
        self.width
    }

    /// The columns' names: the field, or `field=category` of one-hot columns.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = Vec::with_capacity(self.width);
        for Feature { field, encoding, .. } in &self.features {
            match encoding {
                Encoding::Number | Encoding::Code { .. } => names.push(field.clone()),
                Encoding::OneHot { categories } => {
                    names.extend(categories.iter().map(|it| format!("{field}={it}")))
                }
            }
        }
        names
    }

    /// Each column's field, in the order of the columns: one-hot columns share theirs.
    pub fn fields_of_columns(&self) -> impl Iterator<Item = &str> {
        self.features
            .iter()
            .flat_map(|it| std::iter::repeat_n(it.field.as_str(), it.encoding.width()))
    }

    /// Turns records into features; one record alone becomes the same bits as among others.
    ///
    /// # Shapes
    /// The result's values are `(n_records, n_features)`.
    ///
    /// # Errors
    /// [`FeatureError`] for the first field that is missing, of another type, or not finite.
    pub fn transform(&self, source: &impl FieldSource) -> Result<FeatureRows, FeatureError> {
        self.transform_fields(source.n_records(), |_, field| source.values(field))
    }

    /// Turns one record into features whose fields come as a list, in the order of [`Preprocessing::features`]; the
    /// same bits as [`Preprocessing::transform`] makes of the record.
    ///
    /// # Shapes
    /// `fields` has one item per feature, each of one value; the result's values are `(1, n_features)`.
    ///
    /// # Errors
    /// As `transform`; a list that is too short has no field of the first feature beyond its end.
    pub fn transform_listed(&self, fields: &[Values<'_>]) -> Result<FeatureRows, FeatureError> {
        self.transform_fields(1, |feature_idx, _| fields.get(feature_idx).copied())
    }

    fn transform_fields<'a>(
        &self,
        n_records: usize,
        values_of: impl Fn(usize, &str) -> Option<Values<'a>>,
    ) -> Result<FeatureRows, FeatureError> {
        let mut values = Array2::zeros((n_records, self.width));
        let (mut n_unseen, mut n_missing) = (0, 0);
        let mut column_idx = 0;
        for (feature_idx, feature) in self.features.iter().enumerate() {
            let field = values_of(feature_idx, &feature.field)
                .ok_or_else(|| FeatureError::NoField { field: feature.field.clone() })?;
            for record_idx in 0..n_records {
                if let Encoding::OneHot { categories } = &feature.encoding {
                    match find(categories, feature.text(field, record_idx)?) {
                        Some(place) => values[[record_idx, column_idx + place]] = 1.0,
                        None => n_unseen += 1,
                    }
                    continue;
                }
                let single = feature.single(field, record_idx)?;
                let scaled = (single.value - feature.center) / feature.scale;
                // NaN comes out only where it went in.
                if scaled.is_infinite() {
                    return Err(FeatureError::TooLarge {
                        field: feature.field.clone(),
                        record_idx,
                        value: single.value,
                    });
                }
                values[[record_idx, column_idx]] = scaled;
                n_unseen += usize::from(single.is_unseen);
                n_missing += usize::from(single.is_missing);
            }
            column_idx += feature.encoding.width();
        }
        Ok(FeatureRows { values, n_unseen, n_missing })
    }
}
