//! Sets of ADBench, shuffled, parted and standardised.

#[path = "../../tests/support/npz.rs"]
mod npz;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ndarray::{Array2, Axis};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

/// Records, and for each whether it is an anomaly.
pub(crate) struct Labelled {
    pub(crate) name: String,
    pub(crate) records: Array2<f64>,
    pub(crate) anomalous: Vec<bool>,
}

/// Reads every `.npz` file of a folder, in the order of their names.
pub(crate) fn read_folder(folder: &Path) -> Result<Vec<Labelled>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "npz") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(!files.is_empty(), "{} has no .npz files", folder.display());
    files.iter().map(|it| read(it).with_context(|| format!("read {}", it.display()))).collect()
}

fn read(path: &Path) -> Result<Labelled> {
    let (records, anomalous) = npz::labelled(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Labelled { name, records: records.as_standard_layout().into_owned(), anomalous })
}

impl Labelled {
    /// The records of the given numbers.
    pub(crate) fn select(&self, idxs: &[usize]) -> (Array2<f64>, Vec<bool>) {
        (self.records.select(Axis(0), idxs), idxs.iter().map(|it| self.anomalous[*it]).collect())
    }
}

/// Standardises records by the mean and standard deviation of the training records; constant ones are left.
pub(crate) fn standardise(train: &mut Array2<f64>, test: &mut Array2<f64>) -> Result<()> {
    let mean = train.mean_axis(Axis(0)).context("no records")?;
    let std = train.std_axis(Axis(0), 0.0).mapv(|it| if 0.0 < it { it } else { 1.0 });
    for records in [train, test] {
        *records -= &mean;
        *records /= &std;
    }
    Ok(())
}

/// The numbers below `n` in an order that the seed sets.
pub(crate) fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    // By random keys; two equal ones in 2^64 are of no account.
    order.sort_by_cached_key(|_| random.next_u64());
    order
}
