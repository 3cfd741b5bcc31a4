//! Random numbers for tests, the same on every run.

use ndarray::Array2;
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

/// Even numbers between `low` and `high`.
pub(crate) fn uniform(shape: (usize, usize), low: f64, high: f64, seed: u64) -> Array2<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    Array2::from_shape_simple_fn(shape, || {
        low + (high - low) * (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    })
}

/// Numbers around 0 with standard deviation 1, as the sum of twelve even ones.
pub(crate) fn normal(shape: (usize, usize), seed: u64) -> Array2<f64> {
    (0..12)
        .fold(Array2::zeros(shape), |sum, part| sum + uniform(shape, -0.5, 0.5, seed * 100 + part))
}
