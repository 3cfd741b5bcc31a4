//! The data sets of the benchmark: the census where it is at hand, else numbers of the same shape.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ndarray::{Array1, Array2, Axis};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};

/// Reference records, and records to score.
pub(crate) struct Data {
    pub(crate) name: &'static str,
    /// Where the numbers are from.
    pub(crate) origin: &'static str,
    pub(crate) n_neighbors: usize,
    pub(crate) p: f64,
    pub(crate) reference: Array2<f64>,
    pub(crate) queries: Array2<f64>,
}

const CENSUS: &str = "UCI Adult";
const SYNTHETIC: &str = "synthetic, of the census's shape";

/// The census with its 14 features by code and the label, as it is and standardised.
pub(crate) fn adult(standardised: bool) -> Result<Data> {
    let (mut reference, mut queries, origin) = match folder("adult") {
        Some(folder) => {
            let (reference, queries) =
                coded(&folder.join("adult.data"), &folder.join("adult.test"))?;
            (reference, queries, CENSUS)
        }
        None => (shaped(32_561, 15, 1), shaped(16_281, 15, 2), SYNTHETIC),
    };
    if standardised {
        let mean = reference.mean_axis(Axis(0)).context("no rows")?;
        let std = reference.std_axis(Axis(0), 0.0);
        for records in [&mut reference, &mut queries] {
            *records -= &mean;
            *records /= &std;
        }
    }
    let name = if standardised { "adult-standardised" } else { "adult-raw" };
    Ok(Data { name, origin, n_neighbors: 5, p: 2.0, reference, queries })
}

/// The 12-feature coding of the census, with the parameters of its known answer.
pub(crate) fn adult_12() -> Result<Data> {
    let (reference, queries, origin) = match folder("adult") {
        Some(folder) => (
            numbers(&folder.join("adult_train_enc12.csv"), 12)?,
            numbers(&folder.join("adult_test_enc12.csv"), 12)?,
            CENSUS,
        ),
        None => (shaped(32_561, 12, 3), shaped(16_281, 12, 4), SYNTHETIC),
    };
    Ok(Data { name: "adult-12-p5", origin, n_neighbors: 15, p: 5.0, reference, queries })
}

/// A million records in 20 Gaussian clusters of 10 dimensions.
pub(crate) fn clusters() -> Data {
    let mut random = Random::new(5);
    let centres = Array2::from_shape_simple_fn((20, 10), || 20.0 * random.uniform() - 10.0);
    let mut draw = |n_records| {
        let mut records = Array2::zeros((n_records, 10));
        for mut record in records.rows_mut() {
            let centre = centres.row(random.below(20));
            record.assign(&centre);
            record += &Array1::from_shape_simple_fn(10, || random.normal());
        }
        records
    };
    let (reference, queries) = (draw(1_000_000), draw(20_000));
    Data { name: "clusters-1m", origin: "Gaussian", n_neighbors: 5, p: 2.0, reference, queries }
}

fn folder(name: &str) -> Option<PathBuf> {
    let folder = PathBuf::from(std::env::var_os("SHADOWLINE_DATASETS")?).join(name);
    folder.is_dir().then_some(folder)
}

/// Rows of codes: numbers as they are, text by its place among the training file's sorted values.
fn coded(train: &Path, test: &Path) -> Result<(Array2<f64>, Array2<f64>)> {
    let read = |path: &Path| -> Result<Vec<Vec<String>>> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let lines = text.lines().filter(|it| !it.is_empty() && !it.starts_with('|'));
        Ok(lines
            .map(|it| it.trim_end_matches('.').split(", ").map(str::to_owned).collect())
            .collect())
    };
    let (train, test) = (read(train)?, read(test)?);
    ensure!(train.iter().chain(&test).all(|it| it.len() == 15), "a row has other than 15 columns");
    let mut columns = [Array2::zeros((train.len(), 15)), Array2::zeros((test.len(), 15))];
    for column in 0..15 {
        let mut values: Vec<&str> = train.iter().map(|it| it[column].as_str()).collect();
        values.sort_unstable();
        values.dedup();
        let is_number = values.iter().all(|it| it.parse::<f64>().is_ok());
        for (rows, coded) in [&train, &test].into_iter().zip(&mut columns) {
            for (row, to) in rows.iter().zip(coded.column_mut(column)) {
                *to = if is_number {
                    row[column].parse()?
                } else {
                    values.partition_point(|it| *it < row[column].as_str()) as f64
                };
            }
        }
    }
    let [train, test] = columns;
    Ok((train, test))
}

fn numbers(path: &Path, n_columns: usize) -> Result<Array2<f64>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut values = Vec::new();
    for line in text.lines().skip(1) {
        for cell in line.split(',').take(n_columns) {
            values.push(cell.parse::<f64>()?);
        }
    }
    Ok(Array2::from_shape_vec((values.len() / n_columns, n_columns), values)?)
}

/// Codes of few values, counts with a long tail and one wide column, as the census has them.
fn shaped(n_records: usize, n_features: usize, seed: u64) -> Array2<f64> {
    let mut random = Random::new(seed);
    let mut records = Array2::zeros((n_records, n_features));
    for mut record in records.rows_mut() {
        for (feature, value) in record.iter_mut().enumerate() {
            *value = match feature % 5 {
                0 => random.below(73) as f64,
                1 if random.below(12) == 0 => random.below(100_000) as f64,
                1 => 0.0,
                2 if feature == 2 => random.below(1_500_000) as f64,
                2 | 3 => random.below(8).min(random.below(8)) as f64,
                _ => random.below(16) as f64,
            };
        }
    }
    records
}

struct Random(Xoshiro256PlusPlus);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.0.next_u64() % n as u64) as usize
    }

    /// A normal number, near enough for a benchmark: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
