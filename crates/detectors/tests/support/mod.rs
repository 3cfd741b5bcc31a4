//! Data that tests may have at hand, and numbers at random.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::Array2;
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use shadowline_features::{Table, TableBuilder};

/// The columns of `adult.data`, which has no header.
const COLUMNS: [&str; 15] = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
];

/// Rows of `adult.data` or `adult.test`.
pub(crate) fn census(path: &Path) -> Result<Table> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut rows = TableBuilder::new(COLUMNS)?;
    for line in text.lines().filter(|it| !it.is_empty() && !it.starts_with('|')) {
        rows.push_row(line.trim_end_matches('.').split(','))?;
    }
    Ok(rows.finish())
}

/// The first `n_columns` columns of a file of numbers with a header.
pub(crate) fn numbers(path: &Path, n_columns: usize) -> Result<Array2<f64>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("read {}", path.display()))?;
    let mut values = Vec::new();
    let mut n_rows = 0;
    for row in reader.records() {
        let row = row?;
        ensure!(
            n_columns <= row.len(),
            "row {n_rows} of {} has {} columns",
            path.display(),
            row.len()
        );
        for cell in row.iter().take(n_columns) {
            values.push(cell.parse()?);
        }
        n_rows += 1;
    }
    Ok(Array2::from_shape_vec((n_rows, n_columns), values)?)
}

/// Random numbers with a seed.
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A whole number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    /// An even number from 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number around 0 with standard deviation 1, as the sum of twelve even ones.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}

/// Numbers around 0 with standard deviation 1.
pub(crate) fn normal(shape: (usize, usize), seed: u64) -> Array2<f64> {
    let mut random = Random::new(seed);
    Array2::from_shape_simple_fn(shape, || random.normal())
}
