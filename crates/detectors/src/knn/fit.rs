//! How a detector is made of reference data.

use linfa::{DatasetBase, ParamGuard, traits::Fit};
use ndarray::{Array2, ArrayBase, ArrayView2, Axis, Data, Ix2};
use shadowline_features::percentile;

use super::{
    KnnOutlier, KnnParams, KnnValidParams,
    clusters::centroids,
    explain::add_parts,
    metric::{Kernel, WithKernel, with_kernel},
    tree::{Scratch, Tree},
};
use crate::{Detector, FitError, IsolationForest, Observe, error::validate_reference, parallel};

/// The records that a thread scores at a time.
const CHUNK: usize = 128;

impl KnnValidParams {
    /// Fits as [`Fit::fit`], and tells `observe` how many reference records have their training score.
    ///
    /// # Errors
    /// [`FitError`] for reference data that is empty, not finite or too large, or has not more records than
    /// `n_neighbors`, or than the clusters.
    pub fn fit_observed<D: Data<Elem = f64>, T>(
        &self,
        reference: &DatasetBase<ArrayBase<D, Ix2>, T>,
        observe: Observe<'_>,
    ) -> Result<KnnOutlier, FitError> {
        let records = reference.records().view();
        validate_reference(&records, false)?;
        let kept = self.keeps_some().then(|| self.untrimmed(records)).transpose()?;
        let chosen = kept.as_ref().map(|kept| select(records, kept));
        let neighbours = chosen.as_ref().map_or(records, Array2::view);
        if self.n_clusters.is_none() {
            validate_neighbors(self, neighbours.nrows())?;
        }
        let (tree, kept) = match self.n_clusters {
            Some(n_clusters) => {
                let centroids = centroids(neighbours, n_clusters, self.random_state)?;
                // Centroids are nobody's records.
                (Tree::new(centroids.view()), None)
            }
            None => (Tree::new(neighbours), kept),
        };
        let reference = Reference { records, tree: &tree, kept: kept.as_deref(), params: self };
        let (training_scores, expected) =
            with_kernel(self.metric, ScoreReference { reference, observe })?;
        let threshold = percentile(&training_scores, 100.0 * (1.0 - self.contamination))
            .ok_or(FitError::NoRecords)?;
        Ok(KnnOutlier {
            params: self.clone(),
            n_features: records.ncols(),
            tree,
            threshold,
            training_scores,
            expected,
            kept,
        })
    }

    /// Whether the neighbours are some of the reference records, and not all or none.
    pub(super) fn keeps_some(&self) -> bool {
        0.0 < self.trim
    }

    /// The records that an isolation forest finds least anomalous, ascending.
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the records, which are at most 2^31"
    )]
    fn untrimmed(&self, records: ArrayView2<'_, f64>) -> Result<Vec<u32>, FitError> {
        let mut forest = IsolationForest::params().random_state(self.random_state);
        if let Some(n_threads) = self.n_threads {
            forest = forest.n_threads(n_threads);
        }
        let forest = forest.fit(&DatasetBase::from(records))?;
        let scores = forest.score(records).map_err(|_| FitError::NoRecords)?;
        let n_trimmed = (self.trim * records.nrows() as f64) as usize;
        let mut order: Vec<u32> = (0..records.nrows() as u32).collect();
        // Of equal scores the later record is left out, whatever the sort does.
        order.sort_unstable_by(|a, b| {
            scores[*a as usize].total_cmp(&scores[*b as usize]).then(a.cmp(b))
        });
        order.truncate(records.nrows() - n_trimmed);
        order.sort_unstable();
        Ok(order)
    }
}

impl KnnParams {
    /// Checks the parameters and fits; see [`KnnValidParams::fit_observed`].
    ///
    /// # Errors
    /// [`FitError`] for a parameter out of its range, and as [`KnnValidParams::fit_observed`].
    pub fn fit_observed<D: Data<Elem = f64>, T>(
        &self,
        reference: &DatasetBase<ArrayBase<D, Ix2>, T>,
        observe: Observe<'_>,
    ) -> Result<KnnOutlier, FitError> {
        self.check_ref()?.fit_observed(reference, observe)
    }
}

impl<D: Data<Elem = f64>, T> Fit<ArrayBase<D, Ix2>, T, FitError> for KnnValidParams {
    type Object = KnnOutlier;

    /// Keeps the records, scores each against all others and sets the threshold by these scores.
    ///
    /// # Errors
    /// As [`KnnValidParams::fit_observed`].
    fn fit(&self, reference: &DatasetBase<ArrayBase<D, Ix2>, T>) -> Result<KnnOutlier, FitError> {
        self.fit_observed(reference, &|_, _| {})
    }
}

/// Refuses a number of neighbours that there are not.
pub(super) fn validate_neighbors(
    params: &KnnValidParams,
    n_records: usize,
) -> Result<(), FitError> {
    // A record is not its own neighbour, but may be one with a centroid.
    if params.n_neighbors < n_records || params.n_clusters == Some(params.n_neighbors) {
        return Ok(());
    }
    Err(FitError::NNeighbors { k: params.n_neighbors, n_records })
}

fn select(records: ArrayView2<'_, f64>, kept: &[u32]) -> Array2<f64> {
    let kept: Vec<usize> = kept.iter().map(|it| *it as usize).collect();
    records.select(Axis(0), &kept)
}

struct Reference<'a> {
    records: ArrayView2<'a, f64>,
    tree: &'a Tree,
    kept: Option<&'a [u32]>,
    params: &'a KnnValidParams,
}

impl Reference<'_> {
    /// The reference records in an order in which they need the same parts of the tree, each with its place
    /// there, if it is there.
    fn in_order(&self) -> Vec<(u32, Option<u32>)> {
        let all = 0..super::tree::place(self.records.nrows());
        if self.params.n_clusters.is_some() {
            return all.map(|record| (record, None)).collect();
        }
        let mut order = Vec::with_capacity(self.records.nrows());
        for place in 0..self.tree.len() {
            let record = self.tree.record_at(place);
            let record = self.kept.map_or(super::tree::place(record), |kept| kept[record]);
            order.push((record, Some(super::tree::place(place))));
        }
        if let Some(kept) = self.kept {
            let mut kept = kept.iter().peekable();
            order.extend(
                all.filter(|record| kept.next_if_eq(&record).is_none())
                    .map(|record| (record, None)),
            );
        }
        order
    }
}

/// Scores each reference record against all others, and finds the mean of each feature's part.
struct ScoreReference<'a> {
    reference: Reference<'a>,
    observe: Observe<'a>,
}

impl WithKernel for ScoreReference<'_> {
    type Output = Result<(Vec<f64>, Vec<f64>), FitError>;

    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let Self { reference, observe } = self;
        let Reference { records, tree, params, .. } = reference;
        let (n_records, n_features) = records.dim();
        let order = reference.in_order();
        let n_chunks = n_records.div_ceil(CHUNK);
        let n_threads = parallel::n_threads(params.n_threads);
        // A chunk adds its parts up, and the chunks are added in order: the same bits for any number of threads.
        let work = |chunk: usize| {
            let chunk = &order[chunk * CHUNK..((chunk + 1) * CHUNK).min(n_records)];
            let mut scratch = Scratch::new(params.n_neighbors, n_features);
            let mut query = vec![0.0; n_features];
            let mut parts = vec![0.0; n_features];
            let mut scores = Vec::with_capacity(chunk.len());
            for (record, place) in chunk {
                for (to, from) in query.iter_mut().zip(records.row(*record as usize)) {
                    *to = *from;
                }
                tree.search(kernel, &query, *place, &mut scratch);
                scores.push(params.score_of(scratch.nearest.found()));
                let share = 1.0 / n_records as f64;
                add_parts(params, tree, &query, scratch.nearest.found(), share, &mut parts);
            }
            (scores, parts)
        };
        let chunks = parallel::map_observed(n_chunks, 1, n_threads, work, &|done, _| {
            observe((done * CHUNK).min(n_records), n_records);
        });
        let mut training_scores = vec![0.0; n_records];
        let mut expected = vec![0.0; n_features];
        let mut order = order.iter();
        for (scores, parts) in chunks {
            for (score, (record, _)) in scores.into_iter().zip(order.by_ref()) {
                training_scores[*record as usize] = score;
            }
            for (sum, part) in expected.iter_mut().zip(parts) {
                *sum += part;
            }
        }
        match training_scores.iter().position(|it| !it.is_finite()) {
            Some(record_idx) => Err(FitError::TooFar { record_idx }),
            None => Ok((training_scores, expected)),
        }
    }
}
