//! The detector as linfa's other models predict.

use linfa::traits::PredictInplace;
use ndarray::{Array1, ArrayBase, Data, Ix2};

use super::KnnOutlier;
use crate::Detector;

impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<usize>> for KnnOutlier {
    /// Labels each record as pyod does: 1 for an anomaly, 0 for any other.
    ///
    /// A record that has no score, because a feature is NaN or infinite or because it is too far for a distance
    /// in 64-bit floats, is an anomaly. [`KnnOutlier::predict`] answers these with an error instead.
    ///
    /// # Panics
    /// If the records have other features than the reference data, or `labels` another length than the records, as
    /// linfa's own models do.
    fn predict_inplace(&self, records: &ArrayBase<D, Ix2>, labels: &mut Array1<usize>) {
        assert_eq!(
            records.ncols(),
            self.n_features(),
            "the records must have the features of the reference data"
        );
        assert_eq!(
            records.nrows(),
            labels.len(),
            "the number of records must match the number of labels"
        );
        let label = |score: f64| usize::from(self.threshold() < score);
        match self.score(records.view()) {
            Ok(scores) => labels.zip_mut_with(&scores, |to, score| *to = label(*score)),
            // Some record has no score: one by one, the others still have theirs.
            Err(_) => {
                for (to, record) in labels.iter_mut().zip(records.rows()) {
                    let one = record.insert_axis(ndarray::Axis(0));
                    *to = self.score(one).map_or(1, |scores| label(scores[0]));
                }
            }
        }
    }

    fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array1<usize> {
        Array1::zeros(records.nrows())
    }
}
