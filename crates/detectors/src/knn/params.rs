use std::num::NonZeroUsize;

use linfa::ParamGuard;
use serde::{Deserialize, Serialize};

use super::Metric;
use crate::{FitError, error::check_contamination};

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
    checked: KnnValidParams,
}

/// Checked parameters, which can fit.
#[derive(Debug, Clone, PartialEq)]
pub struct KnnValidParams {
    pub(super) n_neighbors: usize,
    pub(super) method: Method,
    pub(super) metric: Metric,
    pub(super) contamination: f64,
    pub(super) n_threads: Option<NonZeroUsize>,
}

/// Parameters as an artefact's header has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKnnParams {
    n_neighbors: usize,
    method: Method,
    metric: Metric,
    contamination: f64,
}

impl Default for KnnParams {
    fn default() -> Self {
        let checked = KnnValidParams {
            n_neighbors: 5,
            method: Method::Largest,
            metric: Metric::Euclidean,
            contamination: 0.1,
            n_threads: None,
        };
        Self { p: 2.0, checked }
    }
}

impl KnnParams {
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

    /// Sets the share of the training scores that the threshold lets through as anomalies; 0.1 unless set.
    pub fn contamination(mut self, contamination: f64) -> Self {
        self.checked.contamination = contamination;
        self
    }

    /// Sets the number of threads that fit; all processors unless set. No result depends on it.
    pub fn n_threads(mut self, n_threads: NonZeroUsize) -> Self {
        self.checked.n_threads = Some(n_threads);
        self
    }
}

impl From<StoredKnnParams> for KnnParams {
    fn from(
        StoredKnnParams { n_neighbors, method, metric, contamination }: StoredKnnParams,
    ) -> Self {
        let p = match metric {
            Metric::Manhattan => 1.0,
            Metric::Euclidean => 2.0,
            Metric::Chebyshev => f64::INFINITY,
            Metric::Minkowski(p) => p,
        };
        Self::default().n_neighbors(n_neighbors).method(method).contamination(contamination).p(p)
    }
}

impl From<&KnnValidParams> for StoredKnnParams {
    fn from(
        KnnValidParams { n_neighbors, method, metric, contamination, .. }: &KnnValidParams,
    ) -> Self {
        Self {
            n_neighbors: *n_neighbors,
            method: *method,
            metric: *metric,
            contamination: *contamination,
        }
    }
}

impl ParamGuard for KnnParams {
    type Checked = KnnValidParams;
    type Error = FitError;

    fn check_ref(&self) -> Result<&KnnValidParams, FitError> {
        let KnnValidParams { n_neighbors, contamination, .. } = self.checked;
        if n_neighbors == 0 {
            return Err(FitError::NNeighbors { k: n_neighbors, n_records: 0 });
        }
        check_contamination(contamination)?;
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
    fn a_power_names_its_metric() {
        let metric = |p| KnnParams::default().p(p).check().unwrap().metric;
        assert_eq!(
            [1.0, 2.0, 5.0, f64::INFINITY].map(metric),
            [Metric::Manhattan, Metric::Euclidean, Metric::Minkowski(5.0), Metric::Chebyshev]
        );
    }
}
