//! Arrays in numpy's files, as far as the ADBench sets have them: tables and lists of numbers.
//!
//! Source: <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>; an `npz` is a zip of `npy`.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array2, ShapeBuilder};

/// The records and labels of an ADBench set: `X`, and `y`, which is 1 for an anomaly.
pub(crate) fn labelled(path: &Path) -> Result<(Array2<f64>, Vec<bool>)> {
    let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
    let mut archive = zip::ZipArchive::new(file)?;
    let mut array = |name: &str| -> Result<Array2<f64>> {
        let mut bytes = Vec::new();
        archive.by_name(name)?.read_to_end(&mut bytes)?;
        npy(&bytes).with_context(|| format!("read {name} of {}", path.display()))
    };
    let (records, labels) = (array("X.npy")?, array("y.npy")?);
    ensure!(labels.len() == records.nrows(), "{} labels of {} rows", labels.len(), records.nrows());
    Ok((records, labels.iter().map(|it| 0.5 < *it).collect()))
}

/// An array of one dimension (as one column) or two.
fn npy(bytes: &[u8]) -> Result<Array2<f64>> {
    ensure!(bytes.starts_with(b"\x93NUMPY\x01"), "no npy file of version 1");
    let length = bytes.get(8..10).context("no length of the header")?;
    let start = 10 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    let header = std::str::from_utf8(bytes.get(10..start).context("no header")?)?;
    let field = |name: &str| {
        let (_, rest) = header.split_once(name).with_context(|| format!("no {name}"))?;
        anyhow::Ok(rest.trim_start_matches([' ', ':', '\'']))
    };
    let (shape, _) = field("'shape'")?
        .trim_start_matches('(')
        .split_once(')')
        .context("a shape without an end")?;
    let shape: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let (n_rows, n_columns) = match shape[..] {
        [n_rows] => (n_rows, 1),
        [n_rows, n_columns] => (n_rows, n_columns),
        _ => bail!("shape {shape:?}; one or two dimensions expected"),
    };
    let kind = field("'descr'")?.split('\'').next().unwrap_or_default();
    let values = numbers(kind, &bytes[start..])?;
    let is_fortran = field("'fortran_order'")?.starts_with("True");
    Ok(Array2::from_shape_vec((n_rows, n_columns).set_f(is_fortran), values)?)
}

#[expect(clippy::cast_precision_loss, reason = "the sets hold small whole numbers")]
fn numbers(kind: &str, data: &[u8]) -> Result<Vec<f64>> {
    Ok(match kind {
        "|u1" => data.iter().map(|it| f64::from(*it)).collect(),
        "<i2" => data.as_chunks().0.iter().map(|it| i16::from_le_bytes(*it).into()).collect(),
        "<i8" => data.as_chunks().0.iter().map(|it| i64::from_le_bytes(*it) as f64).collect(),
        "<f8" => data.as_chunks().0.iter().map(|it| f64::from_le_bytes(*it)).collect(),
        _ => bail!("numbers of kind `{kind}`; |u1, <i2, <i8 or <f8 expected"),
    })
}
