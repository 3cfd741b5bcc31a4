//! Sets of ADBench and what is measured on them: the area under the ROC curve.

use std::{fs::File, io::Read, path::Path};

use anyhow::{Context, Result, bail, ensure};
use ndarray::{Array2, ArrayView1, Axis};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use zip::ZipArchive;

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
    let mut archive = ZipArchive::new(File::open(path)?)?;
    let mut array = |name: &str| -> Result<Array2<f64>> {
        let mut bytes = Vec::new();
        archive.by_name(name)?.read_to_end(&mut bytes)?;
        parse(&bytes).with_context(|| format!("parse {name}"))
    };
    let (records, labels) = (array("X.npy")?, array("y.npy")?);
    ensure!(records.nrows() == labels.len(), "as many labels as records expected");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Labelled { name, records, anomalous: labels.iter().map(|it| 0.5 < *it).collect() })
}

/// Numbers of one of numpy's files: a line that describes them, then the numbers.
fn parse(bytes: &[u8]) -> Result<Array2<f64>> {
    ensure!(bytes.starts_with(b"\x93NUMPY\x01"), "not a file of numpy's format 1");
    let len = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(bytes.get(10..10 + len).context("cut short")?)?;
    let shape = header.split(['(', ')']).nth(1).context("no shape")?;
    let sizes: Vec<usize> = shape
        .split(',')
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let (n_rows, n_columns) = (sizes[0], sizes.get(1).copied().unwrap_or(1));
    let body = &bytes[10 + len..];
    let eight = |of: fn([u8; 8]) -> f64| -> Vec<f64> {
        body.as_chunks::<8>().0.iter().map(|it| of(*it)).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "labels are 0 or 1")]
    let values = if header.contains("<f8") {
        eight(f64::from_le_bytes)
    } else if header.contains("<i8") {
        eight(|it| i64::from_le_bytes(it) as f64)
    } else if header.contains("<i2") {
        body.as_chunks::<2>().0.iter().map(|it| f64::from(i16::from_le_bytes(*it))).collect()
    } else if header.contains("|u1") {
        body.iter().map(|it| f64::from(*it)).collect()
    } else {
        bail!("none of <f8, <i8, <i2 and |u1: {header}");
    };
    Ok(if header.contains("'fortran_order': True") {
        Array2::from_shape_vec((n_columns, n_rows), values)?
            .reversed_axes()
            .as_standard_layout()
            .to_owned()
    } else {
        Array2::from_shape_vec((n_rows, n_columns), values)?
    })
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

/// The area under the ROC curve: the share of pairs of an anomaly and another record in which the anomaly scores
/// higher; ties count half.
#[expect(clippy::cast_precision_loss, reason = "counts of records")]
pub(crate) fn roc_auc(scores: ArrayView1<'_, f64>, anomalous: &[bool]) -> f64 {
    let of = |which: bool| -> Vec<f64> {
        let scores = scores.iter().zip(anomalous).filter(|(_, it)| **it == which);
        scores.map(|(score, _)| *score).collect()
    };
    let mut normal = of(false);
    normal.sort_by(f64::total_cmp);
    let anomalies = of(true);
    let wins: usize = anomalies
        .iter()
        .map(|score| {
            normal.partition_point(|it| it < score) + normal.partition_point(|it| it <= score)
        })
        .sum();
    wins as f64 / (2 * normal.len() * anomalies.len()) as f64
}
