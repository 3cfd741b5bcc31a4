//! The KNN-outlier monitor: scores shadowed inferences.
