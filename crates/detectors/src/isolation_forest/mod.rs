//! Isolation forest: anomalies are the records that random cuts set apart after few cuts.
//!
//! Source: Liu, Ting, Zhou, *Isolation Forest* (2008), <https://doi.org/10.1109/ICDM.2008.17>. Parameters,
//! defaults and the rules of threshold and rounding are scikit-learn's; its random numbers are not.

mod build;
mod complete;
mod engine;
mod explain;
mod forest;
pub mod interchange;
mod linked;
mod nodes;
mod oblique;
mod params;
mod planes;
mod random;
mod scorer;
#[cfg(target_arch = "x86_64")]
mod simd;
mod stored;
mod trees;

pub use engine::Engine;
pub use forest::IsolationForest;
pub use params::{
    Contamination, IsolationForestParams, IsolationForestValidParams, MaxFeatures, MaxSamples,
};
pub use trees::{PlainCut, PlainForest, PlainForestError, PlainNode, PlainTree};

/// Sums of path lengths that run side by side: tree `t` adds to sum `t % LANES`, in the order of the trees.
const LANES: usize = 16;

/// The mean number of cuts after which a search in a random binary tree of `n` records ends without a find:
/// what a path would go on for, were a node of `n` records not a leaf.
///
/// Source: Liu, Ting, Zhou (2008), equation 1, with scikit-learn's values for 1 and 2 records.
#[expect(clippy::cast_precision_loss, reason = "a count of records is far below 2^53")]
pub fn average_path_length(n: usize) -> f64 {
    const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = n as f64;
            2.0 * (libm::log(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use approx::assert_abs_diff_eq;

    use super::average_path_length;

    #[test]
    fn average_path_length_matches_hand_calculation() {
        // 2 (ln 255 + 0.5772156649) - 2 · 255 / 256.
        assert_abs_diff_eq!(average_path_length(256), 10.244_770_920_1, epsilon = 1e-9);
        assert_abs_diff_eq!(
            average_path_length(3),
            2.0 * (2f64.ln() + 0.577_215_664_9) - 4.0 / 3.0,
            epsilon = 1e-9
        );
        assert_eq!([0, 1, 2].map(average_path_length), [0.0, 0.0, 1.0]);
    }
}
