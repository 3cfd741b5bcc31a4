//! Reference data summarised by the centroids of its clusters.

use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::{KMeans, KMeansError};
use ndarray::{Array2, ArrayView2};
// Of the release that linfa takes its random numbers from.
use rand_xoshiro_06::{Xoshiro256Plus, rand_core::SeedableRng};

use crate::FitError;

/// K-means improves little after this many rounds, and each costs records × clusters × features.
const MOST_ROUNDS: u64 = 50;

/// The centroids that linfa's k-means finds from one start; the same for the same seed.
///
/// A cluster that loses all its records keeps its centroid; where records have fewer distinct values than there
/// are clusters, some centroids are equal.
pub(super) fn centroids(
    records: ArrayView2<'_, f64>,
    n_clusters: usize,
    random_state: u64,
) -> Result<Array2<f64>, FitError> {
    let n_records = records.nrows();
    if n_clusters == 0 || n_records <= n_clusters {
        return Err(FitError::Clusters { n_clusters, n_records });
    }
    // Linfa draws the first centroids by weights that are squared distances, and panics if their sum overflows.
    let extents = records.columns().into_iter().map(|column| {
        let (low, high) = column.iter().fold((0.0_f64, 0.0_f64), |(low, high), it| (low.min(*it), high.max(*it)));
        (high - low).powi(2)
    });
    #[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
    let most = extents.sum::<f64>() * 4.0 * n_records as f64;
    if !most.is_finite() {
        return Err(FitError::KMeans);
    }
    let fitted = KMeans::params_with_rng(n_clusters, Xoshiro256Plus::seed_from_u64(random_state))
        .n_runs(1)
        .max_n_iterations(MOST_ROUNDS)
        .fit(&DatasetBase::from(records));
    let centroids = match fitted {
        Ok(fitted) => fitted.centroids().to_owned(),
        Err(KMeansError::LinfaError(error)) => return Err(error.into()),
        // The parameters are right; what remains are distances that overflow.
        Err(KMeansError::InertiaError | KMeansError::InvalidParams(_)) => {
            return Err(FitError::KMeans);
        }
    };
    if centroids.iter().all(|it| it.is_finite()) { Ok(centroids) } else { Err(FitError::KMeans) }
}
