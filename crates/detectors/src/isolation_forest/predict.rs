//! The forest as linfa's pipelines and metrics see it.

use linfa::traits::PredictInplace;
use ndarray::{Array1, ArrayBase, Data, Ix2};

use super::IsolationForest;

/// The label of an anomaly, as scikit-learn's.
const ANOMALY: i8 = -1;

/// Labels of records: -1 for an anomaly and 1 for any other. The inherent [`IsolationForest::predict`] answers
/// with an error where this panics, or cannot say why a record has no score.
impl<D: Data<Elem = f64>> PredictInplace<ArrayBase<D, Ix2>, Array1<i8>> for IsolationForest {
    /// Labels records. One that cannot be scored, because a value is infinite, is an anomaly and never healthy;
    /// of an extended forest, also one with a missing value.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)` and `labels` is `(n_records,)`.
    ///
    /// # Panics
    /// If a shape is another, as linfa's models do.
    fn predict_inplace<'a>(&'a self, records: &'a ArrayBase<D, Ix2>, labels: &mut Array1<i8>) {
        assert_eq!(
            records.nrows(),
            labels.len(),
            "the number of records must be the number of labels"
        );
        assert_eq!(
            records.ncols(),
            self.n_features,
            "the features of the records must be those of the reference data"
        );
        match self.predict(records.view()) {
            Ok(predicted) => labels.assign(&predicted),
            Err(_) => {
                for (row_idx, label) in labels.iter_mut().enumerate() {
                    let record = records.slice(ndarray::s![row_idx..=row_idx, ..]);
                    *label = self.predict(record).map_or(ANOMALY, |it| it[0]);
                }
            }
        }
    }

    fn default_target(&self, records: &ArrayBase<D, Ix2>) -> Array1<i8> {
        Array1::from_elem(records.nrows(), ANOMALY)
    }
}
