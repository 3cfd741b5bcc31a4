//! The sets of ADBench as arrays.

use std::path::Path;

use anyhow::{Context, Result};
use ndarray::{Array1, Array2};
use shadowline_datasets::npz;

/// The records and labels of a set: `X`, and `y`, which is 1 for an anomaly.
pub(crate) fn labelled(path: &Path) -> Result<(Array2<f64>, Vec<bool>)> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let table = npz::from_bytes(&bytes).with_context(|| format!("read {}", path.display()))?;
    let number = |name: &str| table.column(name)?.to_numbers().context("numbers");
    let n_features = table.columns().len() - 1;
    let mut records = Array2::zeros((table.n_rows(), n_features));
    for (mut column, name) in records.columns_mut().into_iter().zip(table.names()) {
        column.assign(&Array1::from(number(name)?));
    }
    Ok((records, number("y")?.iter().map(|it| 0.5 < *it).collect()))
}
