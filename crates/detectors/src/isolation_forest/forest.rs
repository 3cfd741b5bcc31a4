use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array1, ArrayBase, ArrayView2, Data, Ix2};
use shadowline_features::percentile;

use super::{
    Contamination, IsolationForestParams, IsolationForestValidParams, LANES, average_path_length,
    build::grow,
    engine::Engine,
    nodes::Trees,
    scorer::{Scorer, sum_of_lanes},
};
use crate::{Detector, FitError, Observe, ScoreError, error::validate_reference};

/// A fitted isolation forest.
///
/// A score lies between 0 and 1; records like most of the reference data score below 0.5.
///
/// Source: Liu, Ting, Zhou (2008), equation 2: `2^(-E[h(x)] / c(n_samples))`. Inputs are compared in 32 bits,
/// as scikit-learn compares them; values beyond that range count as its ends.
#[derive(Debug, Clone)]
pub struct IsolationForest {
    pub(super) params: IsolationForestValidParams,
    pub(super) n_features: usize,
    pub(super) n_samples: usize,
    pub(super) offset: f64,
    pub(super) trees: Trees,
    /// The mean path length of the training samples in each node; at a leaf, the path length itself.
    pub(super) path_lengths: Vec<f64>,
    pub(super) scorer: Scorer,
    pub(super) engine: Engine,
    /// What a path of average length in each tree would add up to.
    pub(super) average_path: f64,
}

impl IsolationForest {
    /// Starts from scikit-learn's defaults: 100 trees of up to 256 records, threshold 0.5.
    pub fn params() -> IsolationForestParams {
        IsolationForestParams::default()
    }

    /// The parameters it was fitted with.
    pub fn fitted_with(&self) -> &IsolationForestValidParams {
        &self.params
    }

    /// The number of trees.
    pub fn n_estimators(&self) -> usize {
        self.trees.n_trees()
    }

    /// The records each tree was grown on; scikit-learn's `max_samples_`.
    pub fn n_samples(&self) -> usize {
        self.n_samples
    }

    /// The value below which `score_samples` is an anomaly's; scikit-learn's `offset_`, minus the threshold.
    pub fn offset(&self) -> f64 {
        self.offset
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.offset = -threshold;
    }

    /// The opposite of the score, as scikit-learn's `score_samples`: lower is more anomalous.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn score_samples(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        self.score(records).map(|it| -it)
    }

    /// `score_samples - offset`, as scikit-learn's `decision_function`: below 0 is an anomaly.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn decision_function(
        &self,
        records: ArrayView2<'_, f64>,
    ) -> Result<Array1<f64>, ScoreError> {
        self.score_samples(records).map(|it| it - self.offset)
    }

    /// -1 for an anomaly and 1 for any other record, as scikit-learn's `predict`.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn predict(&self, records: ArrayView2<'_, f64>) -> Result<Array1<i8>, ScoreError> {
        self.decision_function(records).map(|it| it.mapv(|value| if value < 0.0 { -1 } else { 1 }))
    }

    /// The memory it takes, in bytes: its trees as they were grown, and as scoring walks them.
    pub fn size_bytes(&self) -> usize {
        size_of::<Self>()
            + self.trees.size_bytes()
            + self.path_lengths.capacity() * size_of::<f64>()
            + self.scorer.size_bytes()
    }

    /// The score of a sum of path lengths over the trees.
    #[inline]
    pub(super) fn score_of_path(&self, sum: f64) -> f64 {
        // Trees of one record have no path to measure; scikit-learn calls every record 0.5 then.
        let share = if 0.0 < self.average_path { sum / self.average_path } else { 1.0 };
        libm::exp2(-share)
    }

    /// Makes a forest of trees without a flaw.
    pub(super) fn assemble(
        params: IsolationForestValidParams,
        n_features: usize,
        n_samples: usize,
        offset: f64,
        trees: Trees,
    ) -> Self {
        let path_lengths = trees.path_lengths();
        let scorer = Scorer::new(&trees, &path_lengths);
        // Added up as scores are, so that trees without a cut score 0.5 to the bit.
        let mut lanes = [0.0; LANES];
        for tree_idx in 0..trees.n_trees() {
            lanes[tree_idx % LANES] += average_path_length(n_samples);
        }
        let average_path = sum_of_lanes(lanes);
        let engine = Engine::fastest();
        Self {
            params,
            n_features,
            n_samples,
            offset,
            trees,
            path_lengths,
            scorer,
            engine,
            average_path,
        }
    }
}

impl IsolationForestValidParams {
    /// As [`Fit::fit`]; `observe` is called with how many trees are grown, and then how many training records are
    /// scored if contamination is a share, of how many of both.
    ///
    /// # Errors
    /// As [`Fit::fit`].
    pub fn fit_observed<D: Data<Elem = f64>, T>(
        &self,
        reference: &DatasetBase<ArrayBase<D, Ix2>, T>,
        observe: Observe<'_>,
    ) -> Result<IsolationForest, FitError> {
        let records = reference.records().view();
        validate_reference(&records, self.extension_level == 0)?;
        let n_scored = match self.contamination {
            Contamination::Auto => 0,
            Contamination::Share(_) => records.nrows(),
        };
        let n_items = self.n_estimators + n_scored;
        let trees = grow(self, records, &|done, _| observe(done, n_items))?;
        let n_trees = trees.len();
        let trees = Trees::join(trees).ok_or(FitError::NEstimators(n_trees))?;
        let n_samples = self.n_samples(records.nrows());
        let mut forest =
            IsolationForest::assemble(self.clone(), records.ncols(), n_samples, -0.5, trees);
        if let Contamination::Share(share) = self.contamination {
            let scores =
                forest.score_reference(records, &|done, _| observe(n_trees + done, n_items));
            let score_samples: Vec<f64> = scores.iter().map(|it| -it).collect();
            forest.offset = percentile(&score_samples, 100.0 * share).ok_or(FitError::NoRecords)?;
        }
        Ok(forest)
    }
}

impl<D: Data<Elem = f64>, T> Fit<ArrayBase<D, Ix2>, T, FitError> for IsolationForestValidParams {
    type Object = IsolationForest;

    /// Grows the trees, and sets the threshold by the training scores if contamination is a share.
    ///
    /// # Errors
    /// [`FitError`] for reference data that is empty, infinite or too large, or has fewer features than
    /// `max_features` and `extension_level` ask for; of an extended forest, also for missing values.
    fn fit(
        &self,
        reference: &DatasetBase<ArrayBase<D, Ix2>, T>,
    ) -> Result<IsolationForest, FitError> {
        self.fit_observed(reference, &|_, _| {})
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use approx::assert_abs_diff_eq;
    use linfa::ParamGuard;
    use ndarray::array;

    use super::{super::nodes::Tree, *};

    /// Eight samples: three below 1 on feature 0; of the others, one above 4 on feature 1.
    fn hand_built() -> IsolationForest {
        let mut tree = Tree::default();
        tree.push(8);
        let left = tree.cut(0, 0, 1.0, true, [3, 5]);
        tree.cut(left + 1, 1, 4.0, false, [4, 1]);
        let params = IsolationForest::params().n_estimators(1).check().unwrap();
        let trees = Trees::join(vec![tree]).unwrap();
        IsolationForest::assemble(params, 2, 8, -0.5, trees)
    }

    #[test]
    fn scores_match_hand_calculation() {
        let forest = hand_built();
        let nan = f64::NAN;
        let records =
            array![[1.0, 9.0], [1.1, 4.0], [1.1, 4.1], [nan, 4.0], [1.1, nan], [nan, nan]];
        let c = average_path_length;
        let (left, low, high) = ((1.0 + c(3)) / c(8), (2.0 + c(4)) / c(8), 2.0 / c(8));
        let expected = [left, low, high, left, high, left].map(|it| (-it).exp2());
        assert_abs_diff_eq!(
            forest.score(records.view()).unwrap(),
            Array1::from(expected.to_vec()),
            epsilon = 1e-15
        );
        assert_abs_diff_eq!(
            forest.decision_function(records.view()).unwrap(),
            Array1::from(expected.map(|it| 0.5 - it).to_vec()),
            epsilon = 1e-15
        );
        assert_eq!(forest.predict(records.view()).unwrap(), array![-1, 1, -1, -1, -1, -1]);
        assert_eq!(forest.threshold(), 0.5);
    }

    #[test]
    fn every_tree_parts_its_samples() {
        let records = ndarray::Array2::from_shape_fn((300, 3), |(row, column)| {
            ((row * (column + 7)) % 31) as f64
        });
        let forest =
            IsolationForest::params().n_estimators(20).fit(&DatasetBase::from(records)).unwrap();
        let trees = &forest.trees;
        for tree in trees.ranges() {
            let leaves = tree.filter(|it| trees.is_leaf(*it));
            assert_eq!(leaves.map(|it| trees.n_samples[it]).sum::<u32>(), 256);
        }
        assert!(trees.depths().into_iter().max().unwrap() <= 8);
        assert_eq!(trees.flaw(3, 256), None);
    }
}
