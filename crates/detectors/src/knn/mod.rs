//! KNN outlier: anomalies are the records that lie far from their nearest neighbours.
//!
//! Source: Ramaswamy, Rastogi, Shim, *Efficient Algorithms for Mining Outliers from Large Data Sets* (2000),
//! <https://doi.org/10.1145/342009.335437>, and for the mean Angiulli, Pizzuti (2002),
//! <https://doi.org/10.1007/3-540-45681-3_2>. Parameters, defaults and the threshold are pyod's.

mod metric;
mod outlier;
mod params;
mod tree;

pub use metric::Metric;
pub use outlier::KnnOutlier;
pub(crate) use params::StoredKnnParams;
pub use params::{KnnParams, KnnValidParams, Method};
