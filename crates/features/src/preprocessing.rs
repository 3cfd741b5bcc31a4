use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::{FieldSource, Table, TableColumn, Values, is_missing, percentile_of_sorted};

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
    fn categories(&self) -> Option<&[String]> {
        match self {
            Self::Number => None,
            Self::Code { categories } | Self::OneHot { categories } => Some(categories),
        }
    }

    fn width(&self) -> usize {
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
}

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
    /// Shape `(n_records, n_features)`; every value is finite.
    pub values: Array2<f64>,
    /// How many values were a category, or missing, as training never saw them.
    pub n_unseen: usize,
}

/// Why preprocessing cannot be fitted, or is not a sound one.
#[derive(Debug, thiserror::Error)]
pub enum PreprocessingError {
    /// There are no training rows.
    #[error("no training rows")]
    NoRecords,
    /// There are no features.
    #[error("no features: at least one column is needed")]
    NoFeatures,
    /// Two features read one field.
    #[error("field `{0}` is named by two features")]
    Duplicate(String),
    /// The list of categories is empty, unsorted or has repetitions.
    #[error("categories of field `{0}` are not a sorted list of distinct values")]
    Categories(String),
    /// Centre and scale are not usable numbers.
    #[error(
        "field `{field}` has centre {center} and scale {scale}; a finite centre and a finite scale above 0 are expected"
    )]
    Constants {
        /// The field.
        field: String,
        /// Its centre.
        center: f64,
        /// Its scale.
        scale: f64,
    },
    /// A training value cannot be a feature.
    #[error("training data cannot be encoded")]
    Feature(#[from] FeatureError),
}

/// Why a record cannot be turned into features.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// The record has no such field.
    #[error("field `{field}` is missing")]
    NoField {
        /// The field.
        field: String,
    },
    /// The field has values of a type that training did not see there.
    #[error("field `{field}` is {got}; {expected} expected")]
    WrongType {
        /// The field.
        field: String,
        /// `a number` or `text`.
        expected: &'static str,
        /// The type that came.
        got: &'static str,
    },
    /// The value is NaN or infinite.
    #[error("field `{field}` of record {record_idx} is {value}; a finite number expected")]
    NotFinite {
        /// The field.
        field: String,
        /// The record, counted from 0.
        record_idx: usize,
        /// The value that came.
        value: f64,
    },
    /// The value is too far from the training values to be scaled.
    #[error("field `{field}` of record {record_idx} is {value}, which is too large to be scaled")]
    TooLarge {
        /// The field.
        field: String,
        /// The record, counted from 0.
        record_idx: usize,
        /// The value that came.
        value: f64,
    },
}

impl Preprocessing {
    /// Fixes encodings and scaling by training data; every column of the table becomes a feature.
    ///
    /// Numbers stay numbers, text is encoded as `categories` says. A constant column has the scale 1, so that
    /// it becomes 0 everywhere. Cells that are [missing](is_missing) are one category, `?`, of a text column.
    ///
    /// # Errors
    /// [`PreprocessingError::NoRecords`], [`PreprocessingError::NoFeatures`], a missing number as
    /// [`FeatureError::NotFinite`], or values so large that the constants of scaling overflow.
    pub fn fit(
        table: &Table,
        categories: CategoryEncoding,
        scale: Scale,
    ) -> Result<Self, PreprocessingError> {
        if table.n_rows() == 0 {
            return Err(PreprocessingError::NoRecords);
        }
        let mut features = Vec::with_capacity(table.columns().len());
        for (field, column) in table.columns() {
            let encoding = fit_encoding(column, categories);
            let mut feature = Feature { field: field.clone(), encoding, center: 0.0, scale: 1.0 };
            if !matches!(feature.encoding, Encoding::OneHot { .. }) {
                let mut values = Vec::with_capacity(table.n_rows());
                for record_idx in 0..table.n_rows() {
                    values.push(feature.single(column.values(), record_idx)?.0);
                }
                (feature.center, feature.scale) = fit_scale(scale, values);
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
            let Feature { field, encoding, center, scale } = feature;
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

    /// Turns records into features; one record alone becomes the same bits as among others.
    ///
    /// # Shapes
    /// The result's values are `(n_records, n_features)`.
    ///
    /// # Errors
    /// [`FeatureError`] for the first field that is missing, of another type, or not finite.
    pub fn transform(&self, source: &impl FieldSource) -> Result<FeatureRows, FeatureError> {
        let n_records = source.n_records();
        let mut values = Array2::zeros((n_records, self.width));
        let mut n_unseen = 0;
        let mut column_idx = 0;
        for feature in &self.features {
            let field = source
                .values(&feature.field)
                .ok_or_else(|| FeatureError::NoField { field: feature.field.clone() })?;
            for record_idx in 0..n_records {
                let seen = if let Encoding::OneHot { categories } = &feature.encoding {
                    let place = find(categories, feature.text(field, record_idx)?);
                    if let Some(place) = place {
                        values[[record_idx, column_idx + place]] = 1.0;
                    }
                    place.is_some()
                } else {
                    let (value, seen) = feature.single(field, record_idx)?;
                    let scaled = (value - feature.center) / feature.scale;
                    if !scaled.is_finite() {
                        return Err(FeatureError::TooLarge {
                            field: feature.field.clone(),
                            record_idx,
                            value,
                        });
                    }
                    values[[record_idx, column_idx]] = scaled;
                    seen
                };
                n_unseen += usize::from(!seen);
            }
            column_idx += feature.encoding.width();
        }
        Ok(FeatureRows { values, n_unseen })
    }
}

impl Feature {
    /// The value as one number before scaling, and whether training had seen it.
    #[expect(clippy::cast_precision_loss, reason = "a count of categories is far below 2^53")]
    fn single(&self, values: Values<'_>, record_idx: usize) -> Result<(f64, bool), FeatureError> {
        let Some(categories) = self.encoding.categories() else {
            return Ok((self.number(values, record_idx)?, true));
        };
        let text = self.text(values, record_idx)?;
        Ok(match find(categories, text) {
            Some(place) => (place as f64, true),
            None if is_missing(text) => (-1.0, false),
            None => (categories.len() as f64, false),
        })
    }

    fn number(&self, values: Values<'_>, record_idx: usize) -> Result<f64, FeatureError> {
        let Some(value) = values.number(record_idx) else {
            return Err(self.wrong_type("a number", values));
        };
        if value.is_finite() {
            Ok(value)
        } else {
            Err(FeatureError::NotFinite { field: self.field.clone(), record_idx, value })
        }
    }

    fn text<'a>(&self, values: Values<'a>, record_idx: usize) -> Result<&'a str, FeatureError> {
        values.text(record_idx).ok_or_else(|| self.wrong_type("text", values))
    }

    fn wrong_type(&self, expected: &'static str, values: Values<'_>) -> FeatureError {
        FeatureError::WrongType { field: self.field.clone(), expected, got: values.type_name() }
    }
}

/// The place of a category; both ways of writing a missing value are `?`.
fn find(categories: &[String], text: &str) -> Option<usize> {
    let text = if is_missing(text) { "?" } else { text };
    categories.binary_search_by(|it| it.as_str().cmp(text)).ok()
}

fn fit_encoding(column: &TableColumn, encoding: CategoryEncoding) -> Encoding {
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

/// Centre and scale of at least one finite value.
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
fn fit_scale(scale: Scale, mut values: Vec<f64>) -> (f64, f64) {
    let at = |sorted: &[f64], percent| percentile_of_sorted(sorted, percent).unwrap_or(f64::NAN);
    let (center, spread) = match scale {
        Scale::None => return (0.0, 1.0),
        Scale::Standard => {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|it| (it - mean) * (it - mean)).sum::<f64>() / n;
            // The rounding of the mean leaves a constant column a spread that is not its own.
            let constant = values.iter().all(|it| it.to_bits() == values[0].to_bits());
            if constant { (values[0], 0.0) } else { (mean, variance.sqrt()) }
        }
        Scale::MinMax => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, high - low)
        }
        Scale::Robust => {
            values.sort_by(f64::total_cmp);
            (at(&values, 50.0), at(&values, 75.0) - at(&values, 25.0))
        }
    };
    (center, if spread == 0.0 { 1.0 } else { spread })
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use shadowline_contract::{Batch, Column, Tensor, TensorData};

    use super::*;
    use crate::InputsAndOutputs;

    fn table() -> Table {
        Table::new(vec![
            ("age".to_owned(), TableColumn::Integers(vec![20, 40, 20, 40])),
            (
                "job".to_owned(),
                TableColumn::Texts(["clerk", "?", "cook", ""].map(ToOwned::to_owned).to_vec()),
            ),
        ])
        .unwrap()
    }

    fn batch(age: TensorData, job: &[&str]) -> Batch {
        let job = TensorData::String(job.iter().map(ToString::to_string).collect());
        let columns = vec![
            Column { name: "job".to_owned(), tensor: Tensor::vector(job) },
            Column { name: "age".to_owned(), tensor: Tensor::vector(age) },
        ];
        Batch::new(columns[0].tensor.shape()[0], columns).unwrap()
    }

    #[track_caller]
    fn check_scale(scale: Scale, expected: [f64; 4]) {
        let preprocessing =
            Preprocessing::fit(&table().without(&["job"]).unwrap(), CategoryEncoding::Code, scale)
                .unwrap();
        let rows = preprocessing.transform(&table()).unwrap();
        assert_eq!(rows.values.column(0).to_vec(), expected, "{scale:?}");
    }

    #[test]
    fn scaling_matches_hand_calculation() {
        check_scale(Scale::None, [20.0, 40.0, 20.0, 40.0]);
        check_scale(Scale::Standard, [-1.0, 1.0, -1.0, 1.0]);
        check_scale(Scale::MinMax, [0.0, 1.0, 0.0, 1.0]);
        check_scale(Scale::Robust, [-0.5, 0.5, -0.5, 0.5]);
    }

    #[test]
    fn a_constant_column_becomes_zero() {
        let table = Table::new(vec![("a".to_owned(), TableColumn::Numbers(vec![0.1; 7]))]).unwrap();
        for scale in [Scale::Standard, Scale::MinMax, Scale::Robust] {
            let fitted = Preprocessing::fit(&table, CategoryEncoding::Code, scale).unwrap();
            assert_eq!(
                fitted.transform(&table).unwrap().values,
                Array2::<f64>::zeros((7, 1)),
                "{scale:?}"
            );
        }
    }

    #[test]
    fn categories_have_the_place_in_their_sorted_list() {
        let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::None).unwrap();
        let rows = fitted
            .transform(&batch(TensorData::Int8(vec![1, 2, 3, 4]), &["cook", "", "clerk", "pilot"]))
            .unwrap();
        assert_eq!(rows.values, array![[1.0, 2.0], [2.0, 0.0], [3.0, 1.0], [4.0, 3.0]]);
        assert_eq!(rows.n_unseen, 1);
    }

    #[test]
    fn a_missing_value_that_training_never_saw_is_unseen() {
        let table = Table::new(vec![(
            "job".to_owned(),
            TableColumn::Texts(vec!["a".to_owned(), "b".to_owned()]),
        )])
        .unwrap();
        let fitted = Preprocessing::fit(&table, CategoryEncoding::Code, Scale::None).unwrap();
        let rows = fitted.transform(&batch(TensorData::Bool(vec![true]), &["?"])).unwrap();
        assert_eq!(rows, FeatureRows { values: array![[-1.0]], n_unseen: 1 });
    }

    #[test]
    fn one_hot_columns_are_named_and_not_scaled() {
        let fitted =
            Preprocessing::fit(&table(), CategoryEncoding::OneHot, Scale::Standard).unwrap();
        assert_eq!(fitted.feature_names(), ["age", "job=?", "job=clerk", "job=cook"]);
        assert_eq!(fitted.n_features(), 4);
        let rows = fitted
            .transform(&batch(TensorData::Float32(vec![30.0, 40.0]), &["cook", "pilot"]))
            .unwrap();
        assert_eq!(rows.values, array![[0.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 0.0]]);
        assert_eq!(rows.n_unseen, 1);
    }

    #[test]
    fn one_record_alone_becomes_the_same_bits() {
        let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
        let batch = batch(TensorData::Float64(vec![0.1, 33.3, 1e9]), &["cook", "?", "pilot"]);
        let together = fitted.transform(&batch).unwrap().values;
        for record_idx in 0..3 {
            let alone = fitted.transform(&batch.record(record_idx)).unwrap().values;
            assert_eq!(alone.row(0), together.row(record_idx));
        }
    }

    #[test]
    fn outputs_win_over_inputs() {
        let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::None).unwrap();
        let inputs = batch(TensorData::Int64(vec![1]), &["cook"]);
        let tensor = Tensor::vector(TensorData::Float64(vec![9.0]));
        let outputs = Batch::new(1, vec![Column { name: "age".to_owned(), tensor }]).unwrap();
        let rows =
            fitted.transform(&InputsAndOutputs { inputs: &inputs, outputs: &outputs }).unwrap();
        assert_eq!(rows.values, array![[9.0, 2.0]]);
    }

    #[track_caller]
    fn check_refused(batch: &Batch, expected: &str) {
        let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
        assert_eq!(fitted.transform(batch).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_record_that_is_no_feature_vector_is_refused_by_name() {
        check_refused(&Batch::new(1, vec![]).unwrap(), "field `age` is missing");
        check_refused(
            &batch(TensorData::String(vec!["1".to_owned()]), &["cook"]),
            "field `age` is string; a number expected",
        );
        check_refused(
            &batch(TensorData::Float64(vec![1.0, f64::NAN]), &["cook", "cook"]),
            "field `age` of record 1 is NaN; a finite number expected",
        );
        check_refused(
            &batch(TensorData::Float32(vec![f32::NEG_INFINITY]), &["cook"]),
            "field `age` of record 0 is -inf; a finite number expected",
        );
        let tensor = Tensor::new(vec![1, 2], TensorData::Int8(vec![1, 2])).unwrap();
        let wide = Batch::new(1, vec![Column { name: "age".to_owned(), tensor }]).unwrap();
        check_refused(
            &wide,
            "field `age` is a tensor of several elements per record; a number expected",
        );
    }

    #[test]
    fn training_data_without_an_answer_is_refused() {
        let fit = |column| {
            let table = Table::new(vec![("a".to_owned(), column)]).unwrap();
            Preprocessing::fit(&table, CategoryEncoding::Code, Scale::Standard).unwrap_err()
        };
        assert!(matches!(fit(TableColumn::Integers(vec![])), PreprocessingError::NoRecords));
        assert!(matches!(
            fit(TableColumn::Numbers(vec![1.0, f64::NAN])),
            PreprocessingError::Feature(_)
        ));
        assert!(matches!(
            fit(TableColumn::Numbers(vec![1e308, -1e308])),
            PreprocessingError::Constants { .. }
        ));
        assert!(matches!(
            Preprocessing::new(Scale::None, vec![]),
            Err(PreprocessingError::NoFeatures)
        ));
    }

    #[test]
    fn a_stored_preprocessing_is_checked() {
        let fitted = Preprocessing::fit(&table(), CategoryEncoding::Code, Scale::Standard).unwrap();
        let text = serde_json::to_string(&fitted).unwrap();
        assert_eq!(serde_json::from_str::<Preprocessing>(&text).unwrap(), fitted);
        for (from, to) in [
            (r#""scale":10.0"#, r#""scale":0.0"#),
            (r#"["?","clerk","cook"]"#, r#"["cook","?"]"#),
            (r#"["?","clerk","cook"]"#, "[]"),
            (r#""job""#, r#""age""#),
        ] {
            let crafted = text.replace(from, to);
            assert_ne!(crafted, text);
            serde_json::from_str::<Preprocessing>(&crafted).unwrap_err();
        }
    }
}
