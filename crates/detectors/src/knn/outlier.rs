use ndarray::{Array1, ArrayView1, ArrayView2, s};

use super::{
    KnnParams, KnnValidParams, Method,
    metric::{Kernel, WithKernel, with_kernel},
    tree::{Scratch, Tree},
};
use crate::{Detector, ScoreError, detector::score_rows, parallel};

/// A batch of fewer records is scored by the calling thread alone.
const PARALLEL: usize = 1_024;
/// The records that a thread scores at a time.
const CHUNK: usize = 128;

/// Reference records, and how far a record has to be from them to be an anomaly.
#[derive(Debug, Clone)]
pub struct KnnOutlier {
    pub(super) params: KnnValidParams,
    /// The neighbours there are: reference records, or centroids of them.
    pub(super) tree: Tree,
    pub(super) n_features: usize,
    pub(super) threshold: f64,
    pub(super) training_scores: Vec<f64>,
    /// The mean over the reference records of what each feature adds to a training score.
    pub(super) expected: Vec<f64>,
    /// Which reference records are neighbours, ascending, if some were left out.
    pub(super) kept: Option<Vec<u32>>,
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

    /// The number of records that are looked for neighbours: the reference records that were not trimmed, or the
    /// centroids.
    pub fn n_records(&self) -> usize {
        self.tree.len()
    }

    /// The score of each reference record, in their order; pyod's `decision_scores_`.
    ///
    /// A record's own score leaves itself out. With [`KnnParams::trim`] the records left out are scored against
    /// those kept; with [`KnnParams::clusters`] all are scored against the centroids, of which none is left out.
    pub fn training_scores(&self) -> &[f64] {
        &self.training_scores
    }

    pub(crate) fn set_threshold(&mut self, threshold: f64) {
        self.threshold = threshold;
    }

    /// The memory it takes, in bytes: the records, the search tree over them, the training scores.
    ///
    /// For reference data of tens of features it is at most 1.3 times the data; each record adds 12 bytes to its
    /// values, and the tree about 16 bytes per feature for every 16 to 32 records.
    pub fn n_bytes(&self) -> usize {
        let floats = self.training_scores.capacity() + self.expected.capacity();
        size_of::<Self>()
            + self.tree.n_bytes()
            + size_of::<f64>() * floats
            + size_of::<u32>() * self.kept.as_ref().map_or(0, Vec::capacity)
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

    /// Finds the neighbours of one record; answers its score.
    pub(super) fn find(
        &self,
        record: ArrayView1<'_, f64>,
        scratch: &mut Scratch,
    ) -> Result<f64, ScoreError> {
        let one = record.insert_axis(ndarray::Axis(0));
        let scores =
            with_kernel(self.params.metric, ScoreRecords { detector: self, records: one, scratch });
        scores.map(|it| it[0])
    }
}

impl KnnValidParams {
    /// The score that distances make, nearest first; there is at least one.
    pub(super) fn score_of(&self, found: &[(f64, u32)]) -> f64 {
        let distance =
            |idx: usize| found.get(idx).map_or(f64::INFINITY, |it| self.metric.finish(it.0));
        let k = self.n_neighbors;
        match self.method {
            Method::Largest => distance(k - 1),
            Method::Mean => mean(k, distance),
            Method::Median if k % 2 == 1 => distance(k / 2),
            Method::Median => f64::midpoint(distance(k / 2 - 1), distance(k / 2)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of neighbours is far below 2^53")]
fn mean(k: usize, distance: impl Fn(usize) -> f64) -> f64 {
    (0..k).map(distance).sum::<f64>() / k as f64
}

struct ScoreRecords<'a, 'b> {
    detector: &'a KnnOutlier,
    records: ArrayView2<'b, f64>,
    scratch: &'a mut Scratch,
}

impl WithKernel for ScoreRecords<'_, '_> {
    type Output = Result<Array1<f64>, ScoreError>;

    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let Self { detector: KnnOutlier { params, tree, n_features, .. }, records, scratch } = self;
        score_rows(records, *n_features, |record| {
            tree.search(kernel, record, None, scratch);
            params.score_of(scratch.nearest.found())
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

    /// Scores each record; a batch of 1,024 records or more is spread over threads, as
    /// [`KnnParams::n_threads`] says.
    fn score(&self, records: ArrayView2<'_, f64>) -> Result<Array1<f64>, ScoreError> {
        let score = |records: ArrayView2<'_, f64>| {
            let scratch = &mut Scratch::new(self.params.n_neighbors, self.n_features);
            with_kernel(self.params.metric, ScoreRecords { detector: self, records, scratch })
        };
        let n_records = records.nrows();
        if n_records < PARALLEL {
            return score(records);
        }
        let n_threads = parallel::n_threads(self.params.n_threads);
        let chunks = parallel::map(n_records.div_ceil(CHUNK), 1, n_threads, |chunk| {
            let start = chunk * CHUNK;
            let end = (start + CHUNK).min(n_records);
            score(records.slice(s![start..end, ..])).map_err(|error| shifted(error, start))
        });
        let mut scores = Vec::with_capacity(n_records);
        for chunk in chunks {
            scores.extend(chunk?);
        }
        Ok(scores.into())
    }
}

/// An error of a record in a chunk, as one of the batch.
fn shifted(error: ScoreError, start: usize) -> ScoreError {
    match error {
        ScoreError::NotFinite { record_idx, feature_idx, value } => {
            ScoreError::NotFinite { record_idx: record_idx + start, feature_idx, value }
        }
        ScoreError::TooFar { record_idx } => ScoreError::TooFar { record_idx: record_idx + start },
        ScoreError::FeatureCount { expected, got } => ScoreError::FeatureCount { expected, got },
    }
}
