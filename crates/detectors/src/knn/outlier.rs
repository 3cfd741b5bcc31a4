use linfa::{DatasetBase, ParamGuard, traits::Fit};
use ndarray::{Array1, Array2, ArrayBase, ArrayView2, Data, Ix2};
use shadowline_features::{
    artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData},
    percentile,
};

use super::{
    KnnParams, KnnValidParams, Method,
    metric::{Kernel, WithKernel, with_kernel},
    params::StoredKnnParams,
    tree::{Nearest, Tree},
};
use crate::{
    Detector, FitError, ScoreError, detector::score_rows, error::check_reference, parallel,
};

/// Reference records, and how far a record has to be from them to be an anomaly.
#[derive(Debug, Clone)]
pub struct KnnOutlier {
    params: KnnValidParams,
    tree: Tree,
    n_features: usize,
    threshold: f64,
    training_scores: Vec<f64>,
}

impl KnnOutlier {
    /// Starts from pyod's defaults: the Euclidean distance to the 5th neighbour, contamination 0.1.
    pub fn params() -> KnnParams {
        KnnParams::default()
    }

    /// The parameters it was fitted with.
    pub fn fitted_with(&self) -> &KnnValidParams {
        &self.params
    }

    /// The number of reference records.
    pub fn n_records(&self) -> usize {
        self.tree.len()
    }

    /// The score of each reference record against all others, in their order; pyod's `decision_scores_`.
    pub fn training_scores(&self) -> &[f64] {
        &self.training_scores
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = threshold;
    }

    /// 1 for an anomaly and 0 for any other record, as pyod's `predict`.
    ///
    /// # Shapes
    /// `records` is `(n_records, n_features)`; the result is `(n_records,)`.
    ///
    /// # Errors
    /// As [`Detector::score`].
    pub fn predict(&self, records: ArrayView2<'_, f64>) -> Result<Array1<i8>, ScoreError> {
        self.score(records).map(|it| it.mapv(|score| i8::from(self.threshold < score)))
    }

    /// The reference records, in their order.
    fn records(&self) -> Vec<f64> {
        let by_place = self.tree.rows();
        let mut records = vec![0.0; by_place.len()];
        for (place, row) in by_place.chunks_exact(self.n_features).enumerate() {
            let at = self.tree.record_at(place) * self.n_features;
            records[at..at + self.n_features].copy_from_slice(row);
        }
        records
    }

    /// Adds the sections that [`KnnOutlier::read`] takes.
    pub(crate) fn write(&self, writer: ArtefactWriter) -> ArtefactWriter {
        writer
            .section("records", SectionData::F64(self.records()))
            .section("record_scores", SectionData::F64(self.training_scores.clone()))
    }

    /// Reads a detector; whatever the sections hold, one that comes back can score without a panic.
    pub(crate) fn read(
        reader: &mut ArtefactReader,
        params: StoredKnnParams,
        n_features: usize,
        threshold: f64,
    ) -> Result<Self, ArtefactError> {
        let inconsistent = |what: String| ArtefactError::Inconsistent(what);
        let params =
            KnnParams::from(params).check().map_err(|error| inconsistent(error.to_string()))?;
        let records = reader.take_f64("records")?;
        let training_scores = reader.take_f64("record_scores")?;
        let n_records = training_scores.len();
        let got = records.len();
        let records = Array2::from_shape_vec((n_records, n_features), records).map_err(|_| {
            inconsistent(format!("{got} values for {n_records} records of {n_features} features"))
        })?;
        check_reference(&records, false).map_err(|error| inconsistent(error.to_string()))?;
        check_neighbors(&params, n_records).map_err(|error| inconsistent(error.to_string()))?;
        let finite = threshold.is_finite() && training_scores.iter().all(|it| it.is_finite());
        if !finite {
            return Err(inconsistent("a score or the threshold is not finite".to_owned()));
        }
        Ok(Self { params, tree: Tree::new(records.view()), n_features, threshold, training_scores })
    }
}

fn check_neighbors(params: &KnnValidParams, n_records: usize) -> Result<(), FitError> {
    if params.n_neighbors < n_records {
        return Ok(());
    }
    Err(FitError::NNeighbors { k: params.n_neighbors, n_records })
}

impl KnnValidParams {
    /// The score that distances make, nearest first; there is at least one.
    #[expect(clippy::cast_precision_loss, reason = "a count of neighbours is far below 2^53")]
    fn score_of(&self, found: &[(f64, u32)]) -> f64 {
        let distance =
            |idx: usize| found.get(idx).map_or(f64::INFINITY, |it| self.metric.finish(it.0));
        let k = self.n_neighbors;
        match self.method {
            Method::Largest => distance(k - 1),
            Method::Mean => (0..k).map(distance).sum::<f64>() / k as f64,
            Method::Median if k % 2 == 1 => distance(k / 2),
            Method::Median => f64::midpoint(distance(k / 2 - 1), distance(k / 2)),
        }
    }
}

impl<D: Data<Elem = f64>, T> Fit<ArrayBase<D, Ix2>, T, FitError> for KnnValidParams {
    type Object = KnnOutlier;

    /// Keeps the records, scores each against all others and sets the threshold by these scores.
    ///
    /// # Errors
    /// [`FitError`] for reference data that is empty, not finite or too large, or has not more records than
    /// `n_neighbors`.
    fn fit(&self, reference: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<KnnOutlier, FitError> {
        let records = reference.records();
        check_reference(records, false)?;
        check_neighbors(self, records.nrows())?;
        let tree = Tree::new(records.view());
        let by_place = with_kernel(self.metric, ScoreReference { tree: &tree, params: self });
        let mut training_scores = vec![0.0; by_place.len()];
        for (place, score) in by_place.into_iter().enumerate() {
            let record_idx = tree.record_at(place);
            if !score.is_finite() {
                return Err(FitError::TooFar { record_idx });
            }
            training_scores[record_idx] = score;
        }
        let threshold = percentile(&training_scores, 100.0 * (1.0 - self.contamination))
            .ok_or(FitError::NoRecords)?;
        Ok(KnnOutlier {
            params: self.clone(),
            tree,
            n_features: records.ncols(),
            threshold,
            training_scores,
        })
    }
}

/// Scores each reference record against all others, in the order of places: neighbours in the tree need the
/// same parts of it.
struct ScoreReference<'a> {
    tree: &'a Tree,
    params: &'a KnnValidParams,
}

impl WithKernel for ScoreReference<'_> {
    type Output = Vec<f64>;

    fn run<K: Kernel>(self, kernel: K) -> Vec<f64> {
        let Self { tree, params } = self;
        let rows = tree.rows();
        let width = rows.len() / tree.len();
        let n_threads = parallel::n_threads(params.n_threads);
        parallel::map(tree.len(), 128, n_threads, |place| {
            let mut nearest = Nearest::new(params.n_neighbors);
            #[expect(
                clippy::cast_possible_truncation,
                reason = "check_reference bounds the records"
            )]
            let own = place as u32;
            tree.search(kernel, &rows[place * width..(place + 1) * width], Some(own), &mut nearest);
            params.score_of(nearest.found())
        })
    }
}

struct ScoreRecords<'a, 'b> {
    detector: &'a KnnOutlier,
    records: ArrayView2<'b, f64>,
}

impl WithKernel for ScoreRecords<'_, '_> {
    type Output = Result<Array1<f64>, ScoreError>;

    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let Self { detector: KnnOutlier { params, tree, n_features, .. }, records } = self;
        let mut nearest = Nearest::new(params.n_neighbors);
        score_rows(records, *n_features, |record| {
            tree.search(kernel, record, None, &mut nearest);
            params.score_of(nearest.found())
        })
    }
}

impl Detector for KnnOutlier {
    fn n_features(&self) -> usize {
        self.n_features
    }

    fn threshold(&self) -> f64 {
        self.threshold
    }

    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        with_kernel(self.params.metric, ScoreRecords { detector: self, records })
    }
}
