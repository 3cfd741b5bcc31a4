use std::num::NonZeroUsize;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use super::Metric;
use crate::{FitError, error::validate_contamination};

/// What the distances to the nearest neighbours are made into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The distance to the k-th neighbour.
    Largest,
    /// The mean of the k distances.
    Mean,
    /// The median of the k distances.
    Median,
}

/// Parameters not yet checked; [`KnnOutlier::params`](crate::KnnOutlier::params) starts from pyod's defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnParams {
    p: f64,
    pub(super) checked: KnnValidParams,
}

/// Checked parameters, which can fit.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnValidParams {
    pub(super) n_neighbors: usize,
    pub(super) method: Method,
    pub(super) metric: Metric,
    pub(super) contamination: f64,
    pub(super) n_clusters: Option<usize>,
    pub(super) trim: f64,
    pub(super) random_state: u64,
    pub(super) n_threads: Option<NonZeroUsize>,
}

impl Default for KnnParams {
    fn default() -> Self {
        let checked = KnnValidParams {
            n_neighbors: 5,
            method: Method::Largest,
            metric: Metric::Euclidean,
            contamination: 0.1,
            n_clusters: None,
            trim: 0.0,
            random_state: 0,
            n_threads: None,
        };
        Self { p: 2.0, checked }
    }
}

impl KnnParams {
    /// Whether another seed gives another detector.
    pub(crate) fn is_random(&self) -> bool {
        self.checked.n_clusters.is_some() || 0.0 < self.checked.trim
    }

    /// The same with another seed.
    pub(crate) fn more_random_state(self, more: u64) -> Self {
        let random_state = self.checked.random_state.wrapping_add(more);
        self.random_state(random_state)
    }

    /// Sets the number of neighbours; 5 unless set.
    pub fn n_neighbors(mut self, n_neighbors: usize) -> Self {
        self.checked.n_neighbors = n_neighbors;
        self
    }

    /// Sets what the distances are made into; [`Method::Largest`] unless set.
    pub fn method(mut self, method: Method) -> Self {
        self.checked.method = method;
        self
    }

    /// Sets the power of the distance, at least 1 or infinity; 2 unless set.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        // A power that is none is kept for the check to refuse.
        if let Ok(metric) = Metric::of_power(p) {
            self.checked.metric = metric;
        }
        self
    }

    /// Sets how far apart two records are, by name; the same as [`KnnParams::p`] with the metric's power.
    pub fn metric(self, metric: Metric) -> Self {
        self.p(metric.power())
    }

    /// Sets the share of the training scores that the threshold lets through as anomalies; 0.1 unless set.
    pub fn contamination(mut self, contamination: f64) -> Self {
        self.checked.contamination = contamination;
        self
    }

    /// Summarises the reference data by this many clusters; it is kept whole unless set.
    ///
    /// Scores are then distances to the centroids that k-means finds, of which `n_neighbors` are looked for. A
    /// reference record is none of the centroids, so its training score leaves nothing out. K-means is the
    /// Euclidean one with any power of the distance.
    pub fn clusters(mut self, n_clusters: usize) -> Self {
        self.checked.n_clusters = Some(n_clusters);
        self
    }

    /// Leaves the most anomalous share of the reference data out of the neighbours; 0 unless set.
    ///
    /// An isolation forest with its default parameters says which records those are: anomalies among the reference
    /// data would else be near to others of their kind. All reference records, also those left out, have a
    /// training score, and the threshold follows from all: `contamination` stays the share of the reference data
    /// that lies above it.
    pub fn trim(mut self, share: f64) -> Self {
        self.checked.trim = share;
        self
    }

    /// Sets the seed of [`KnnParams::clusters`] and [`KnnParams::trim`]; 0 unless set. Nothing else is random.
    pub fn random_state(mut self, random_state: u64) -> Self {
        self.checked.random_state = random_state;
        self
    }

    /// Sets the number of threads that fit, and that score a batch of 1,024 records or more; all processors unless
    /// set. No result depends on it.
    pub fn n_threads(mut self, n_threads: NonZeroUsize) -> Self {
        self.checked.n_threads = Some(n_threads);
        self
    }
}

impl ParamGuard for KnnParams {
    type Checked = KnnValidParams;
    type Error = FitError;

    fn check_ref(&self) -> Result<&KnnValidParams, FitError> {
        let KnnValidParams { n_neighbors, contamination, n_clusters, trim, .. } = self.checked;
        if n_neighbors == 0 {
            return Err(FitError::NNeighbors { k: n_neighbors, n_records: 0 });
        }
        if let Some(n_clusters) = n_clusters
            && n_clusters < n_neighbors
        {
            return Err(FitError::NNeighborsOfClusters { k: n_neighbors, n_clusters });
        }
        validate_contamination(contamination)?;
        // Asked as "is it usable": NaN would answer "is it too small" with no.
        let usable = (0.0..1.0).contains(&trim);
        if !usable {
            return Err(FitError::Trim(trim));
        }
        Metric::of_power(self.p)?;
        Ok(&self.checked)
    }

    fn check(self) -> Result<KnnValidParams, FitError> {
        self.check_ref()?;
        Ok(self.checked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(params: KnnParams, expected: &str) {
        assert_eq!(params.check().unwrap_err().to_string(), expected);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let params = KnnParams::default;
        check_refused(
            params().n_neighbors(0),
            "n_neighbors is 0 of 0 records; at least 1 and fewer than the records expected",
        );
        for p in [0.0, 0.999, -2.0, f64::NAN, f64::NEG_INFINITY] {
            check_refused(
                params().p(p),
                &format!("p is {p}; a number of at least 1, or infinity, expected"),
            );
        }
        for share in [0.0, 0.6, f64::NAN] {
            assert!(matches!(
                params().contamination(share).check(),
                Err(FitError::Contamination(_))
            ));
        }
    }

    #[test]
    fn shares_and_clusters_out_of_range_are_refused() {
        for share in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            check_refused(
                KnnParams::default().trim(share),
                &format!("trim is {share}; a share of at least 0 and below 1 expected"),
            );
        }
        check_refused(
            KnnParams::default().clusters(4),
            "n_neighbors is 5 of 4 clusters; at least 1 and at most the clusters expected",
        );
    }

    #[test]
    fn a_metric_is_its_power() {
        let power = |metric| KnnParams::default().metric(metric).p;
        for (metric, p) in [
            (Metric::Manhattan, 1.0),
            (Metric::Euclidean, 2.0),
            (Metric::Chebyshev, f64::INFINITY),
            (Metric::Minkowski(3.5), 3.5),
        ] {
            assert_eq!(power(metric).to_bits(), f64::to_bits(p));
        }
        check_refused(
            KnnParams::default().metric(Metric::Minkowski(0.5)),
            "p is 0.5; a number of at least 1, or infinity, expected",
        );
        // Minkowski's p = 2 is Euclid's distance, and scores as it.
        let euclid = KnnParams::default().metric(Metric::Minkowski(2.0)).check().unwrap();
        assert_eq!(euclid.metric, Metric::Euclidean);
    }

    #[test]
    fn a_power_names_its_metric() {
        let metric = |p| KnnParams::default().p(p).check().unwrap().metric;
        assert_eq!(
            [1.0, 2.0, 5.0, f64::INFINITY].map(metric),
            [Metric::Manhattan, Metric::Euclidean, Metric::Minkowski(5.0), Metric::Chebyshev]
        );
    }
}
