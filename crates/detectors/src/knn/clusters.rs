//! Reference data summarised by the centroids of its clusters.

use linfa::{DatasetBase, traits::Fit};
use linfa_clustering::{KMeans, KMeansError, KMeansInit};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

use crate::FitError;

/// K-means improves little after this many rounds, and each costs records × clusters × features.
const MOST_ROUNDS: u64 = 25;

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
    let first = first_centroids(records, n_clusters, random_state)?;
    let fitted = KMeans::params(n_clusters)
        .init_method(KMeansInit::Precomputed(first))
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

/// Records drawn one after another, each by its squared distance from those drawn before.
///
/// Linfa has this too, but computes all distances again for every draw, and panics when their sum overflows.
///
/// Source: Arthur, Vassilvitskii, *k-means++: The Advantages of Careful Seeding* (2007), section 2.2,
/// <https://dl.acm.org/doi/10.5555/1283383.1283494>.
fn first_centroids(
    records: ArrayView2<'_, f64>,
    n_clusters: usize,
    random_state: u64,
) -> Result<Array2<f64>, FitError> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(random_state);
    let mut first = Array2::zeros((n_clusters, records.ncols()));
    // For the first draw every record is as far as any other.
    let mut weights = vec![1.0; records.nrows()];
    let mut squares = vec![f64::INFINITY; records.nrows()];
    for mut centroid in first.rows_mut() {
        let sum: f64 = weights.iter().sum();
        if !sum.is_finite() {
            return Err(FitError::KMeans);
        }
        let drawn = records.row(draw(&weights, sum * share(&mut random)));
        centroid.assign(&drawn);
        for (square, record) in squares.iter_mut().zip(records.rows()) {
            *square = square.min(squared_distance(record, drawn));
        }
        weights.clone_from(&squares);
    }
    Ok(first)
}

/// The place at which the running sum of weights passes `at`; the last one if rounding lets none.
fn draw(weights: &[f64], at: f64) -> usize {
    let mut sum = 0.0;
    let passes = |weight: &f64| {
        sum += weight;
        at < sum
    };
    weights.iter().position(passes).unwrap_or(weights.len() - 1)
}

fn squared_distance(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// A number from 0 up to 1, and never 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a 64-bit float has")]
fn share(random: &mut Xoshiro256PlusPlus) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
