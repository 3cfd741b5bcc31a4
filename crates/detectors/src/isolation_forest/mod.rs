//! Isolation forest: anomalies are the records that random cuts set apart after few cuts.
//!
//! Source: Liu, Ting, Zhou, *Isolation Forest* (2008), <https://doi.org/10.1109/ICDM.2008.17>. Parameters,
//! defaults and the rules of threshold and rounding are scikit-learn's; its random numbers are not.
//!
//! # Missing values
//! NaN is a missing value, and at each cut it travels one way, as in scikit-learn 1.9. A cut's threshold is drawn
//! from the range of the values that are there. If samples of the node miss the value, the toss of a coin says to
//! which side they go; if none does, a later record without it goes to the side with more samples, and to the
//! right of two equal ones. A feature that all samples of a node miss is constant there. If all values that are
//! there are equal, the cut can only set the missing ones apart: it is made if they are to go right, and else
//! another feature is drawn. Any forest scores records with missing values, whether its reference data had some
//! or not. Infinity is refused, where scikit-learn lets it pass. An extended forest refuses missing values,
//! because the side of an oblique cut is not known if one of its values is not.
//!
//! # Speed
//! Trees of up to ten cuts on a path, which is those of up to 1,024 samples, are laid out complete and walked 16
//! at a time, by AVX-512 where the processor has it; see [`Engine`]. Deeper ones are walked from node to node.
//! All ways give the same bits, because the path lengths are always added in the same order: those of tree `t` to
//! sum `t % 16`, and then the sums in halves.

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
mod plain;
mod planes;
mod predict;
mod random;
mod score;
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
