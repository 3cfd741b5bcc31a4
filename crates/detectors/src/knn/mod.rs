//! KNN outlier: anomalies are the records that lie far from their nearest neighbours.
//!
//! Source: Ramaswamy, Rastogi, Shim, *Efficient Algorithms for Mining Outliers from Large Data Sets* (2000),
//! <https://doi.org/10.1145/342009.335437>, and for the mean Angiulli, Pizzuti (2002),
//! <https://doi.org/10.1007/3-540-45681-3_2>. Parameters, defaults and the threshold are pyod's.
//!
//! Start at `outlier.rs`, the fitted detector; `fit.rs` makes one. `tree.rs` finds neighbours, with its parts
//! `build.rs`, `values.rs`, `limit.rs` and `nearest.rs`; `explain.rs` takes scores apart.

mod brute_force;
mod build;
mod clusters;
mod explain;
mod fit;
mod lanes;
mod limit;
mod metric;
mod nearest;
mod outlier;
mod params;
mod predict;
mod stored;
mod tree;
mod values;

pub use explain::Neighbor;
pub use metric::Metric;
pub use outlier::KnnOutlier;
pub use params::{KnnParams, KnnValidParams, Method};
pub(crate) use stored::StoredKnnParams;
