//! What preprocessing refuses.

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
    /// A column of missing numbers has no median that could stand for them.
    #[error("field `{0}` has no number in any training row, so no median to put in their place")]
    NoMedian(String),
    /// What missing numbers become is no number.
    #[error("field `{field}` has {fill} for missing numbers; a finite number expected")]
    Fill {
        /// The field.
        field: String,
        /// What they would become.
        fill: f64,
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
