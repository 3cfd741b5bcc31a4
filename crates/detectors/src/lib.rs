//! Isolation forest and KNN outlier: fit, score, threshold.
