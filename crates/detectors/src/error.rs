use ndarray::{ArrayBase, Data, Ix2};

/// Why a detector cannot be fitted: a parameter out of its range, or reference data without an answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FitError {
    /// A forest needs trees.
    #[error("n_estimators is {0}; 1 to 65,535 trees expected")]
    NEstimators(usize),
    /// A tree needs records.
    #[error("max_samples is {0}; a count of at least 1, or a share above 0 and at most 1 expected")]
    MaxSamples(f64),
    /// A tree needs features, of those there are.
    #[error(
        "max_features is {got} of {n_features} features; a count within them, or a share above 0 and at most 1 expected"
    )]
    MaxFeatures {
        /// The parameter.
        got: f64,
        /// The features of the reference data; 0 if they are not known yet.
        n_features: usize,
    },
    /// The share of anomalies is none that a threshold can be set by.
    #[error("contamination is {0}; a share above 0 and at most 0.5 expected")]
    Contamination(f64),
    /// A distance needs neighbours, of those there are without the record itself.
    #[error(
        "n_neighbors is {k} of {n_records} records; at least 1 and fewer than the records expected"
    )]
    NNeighbors {
        /// The parameter.
        k: usize,
        /// The records of the reference data; 0 if they are not known yet.
        n_records: usize,
    },
    /// The power is none of a distance.
    #[error("p is {0}; a number of at least 1, or infinity, expected")]
    P(f64),
    /// The reference data is empty.
    #[error("no records")]
    NoRecords,
    /// The reference data has no features.
    #[error("no features")]
    NoFeatures,
    /// The reference data has more records or features than a detector can number.
    #[error(
        "{n_records} records of {n_features} features; at most 2^31 records of 65,535 features expected"
    )]
    TooLarge {
        /// The records.
        n_records: usize,
        /// The features.
        n_features: usize,
    },
    /// The reference data holds NaN or infinity.
    #[error("feature {feature_idx} of record {record_idx} is {value}; a finite number expected")]
    NotFinite {
        /// The record, counted from 0.
        record_idx: usize,
        /// The feature, counted from 0.
        feature_idx: usize,
        /// The value that came.
        value: f64,
    },
    /// Two records are so far apart that the distance overflows.
    #[error("record {record_idx} is too far from the others for a distance in 64-bit floats")]
    TooFar {
        /// The record, counted from 0.
        record_idx: usize,
    },
    /// The data set is none for linfa.
    #[error("linfa refuses the data set")]
    Linfa(#[from] linfa::Error),
    /// A cut cannot compare more features than a tree has.
    #[error(
        "extension_level is {got} with {n_features} features to a tree; at most one less than those expected"
    )]
    ExtensionLevel {
        /// The parameter.
        got: usize,
        /// The features that a tree may cut.
        n_features: usize,
    },
    /// Clusters need records, and more of them.
    #[error(
        "{n_clusters} clusters of {n_records} records; at least 1 and fewer than the records expected"
    )]
    Clusters {
        /// The parameter.
        n_clusters: usize,
        /// The records of the reference data.
        n_records: usize,
    },
    /// A distance needs centroids, of those there are.
    #[error(
        "n_neighbors is {k} of {n_clusters} clusters; at least 1 and at most the clusters expected"
    )]
    NNeighborsOfClusters {
        /// The parameter.
        k: usize,
        /// The clusters.
        n_clusters: usize,
    },
    /// The share to leave out is none.
    #[error("trim is {0}; a share of at least 0 and below 1 expected")]
    Trim(f64),
    /// K-means finds no clusters, because a distance between records overflows.
    #[error("k-means finds no clusters: a distance between records is beyond 64-bit floats")]
    KMeans,
}

/// Refuses reference data that no detector can be fitted on. NaN is a missing value where those may be.
pub(crate) fn validate_reference<D: Data<Elem = f64>>(
    records: &ArrayBase<D, Ix2>,
    may_be_missing: bool,
) -> Result<(), FitError> {
    let (n_records, n_features) = records.dim();
    if n_records == 0 {
        return Err(FitError::NoRecords);
    }
    if n_features == 0 {
        return Err(FitError::NoFeatures);
    }
    if (1 << 31) < n_records || usize::from(u16::MAX) < n_features {
        return Err(FitError::TooLarge { n_records, n_features });
    }
    let usable = |it: f64| it.is_finite() || (may_be_missing && it.is_nan());
    // With indices it takes three times as long, and they are asked for only if there is something to say.
    if records.iter().all(|it| usable(*it)) {
        return Ok(());
    }
    match records.indexed_iter().find(|(_, it)| !usable(**it)) {
        Some(((record_idx, feature_idx), &value)) => {
            Err(FitError::NotFinite { record_idx, feature_idx, value })
        }
        None => Ok(()),
    }
}

/// Refuses a contamination that is no share from which a threshold follows.
pub(crate) fn validate_contamination(share: f64) -> Result<(), FitError> {
    // Asked as "is it usable": NaN would answer "is it too small" with no.
    let usable = 0.0 < share && share <= 0.5;
    if usable { Ok(()) } else { Err(FitError::Contamination(share)) }
}
