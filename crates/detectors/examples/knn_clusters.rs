//! What clusters and trimming do to a KNN detector, on the sets of ADBench.
//!
//! `cargo run --release --example knn_clusters -p shadowline-detectors -- FOLDER` with a folder of ADBench's npz
//! files. The first table trains on 60 % of the records with their anomalies and tests on 40 %: ROC AUC with and
//! without trimming. The second trains on half of the normal records and tests on all others, as a monitor is used:
//! ROC AUC and microseconds per record for the whole reference data and for centroids. Both standardise; means of
//! three seeds.

#![expect(clippy::print_stdout, reason = "an example prints")]
#![expect(clippy::disallowed_methods, reason = "it reads the clock to compare speeds")]

mod knn_support;

use std::{num::NonZeroUsize, path::Path, time::Instant};

use anyhow::{Context, Result};
use knn_support::{Labelled, read_folder, shuffled, standardise};
use linfa::{DatasetBase, traits::Fit};
use ndarray::Array2;
use shadowline_detectors::{Detector, IsolationForest, KnnOutlier, KnnParams, roc_auc};

const SEEDS: [u64; 3] = [0, 1, 2];
const CLUSTERS: [usize; 2] = [32, 128];
const TRIMS: [f64; 4] = [0.0, 0.05, 0.1, 0.2];

struct Split {
    train: Array2<f64>,
    test: Array2<f64>,
    anomalous: Vec<bool>,
}

fn split(set: &Labelled, train: &[usize], test: &[usize]) -> Result<Split> {
    let (mut train, _) = set.select(train);
    let (mut test, anomalous) = set.select(test);
    standardise(&mut train, &mut test)?;
    Ok(Split { train, test, anomalous })
}

/// Half of the normal records, and all others.
fn novelty(set: &Labelled, seed: u64) -> Result<Split> {
    let (anomalies, normal): (Vec<usize>, Vec<usize>) =
        shuffled(set.anomalous.len(), seed).into_iter().partition(|it| set.anomalous[*it]);
    let (train, rest) = normal.split_at(normal.len() / 2);
    split(set, train, &[rest, &anomalies].concat())
}

/// 60 % of the records, anomalies among them, and the others.
fn contaminated(set: &Labelled, seed: u64) -> Result<Split> {
    let order = shuffled(set.anomalous.len(), seed);
    let (train, test) = order.split_at(order.len() * 6 / 10);
    split(set, train, test)
}

fn auc_of(split: &Split, detector: &dyn Detector) -> Result<f64> {
    Ok(roc_auc(&detector.score(split.test.view())?.to_vec(), &split.anomalous)?)
}

/// ROC AUC, and microseconds per record on one thread.
#[expect(clippy::cast_precision_loss, reason = "counts of records")]
fn measured(split: &Split, params: KnnParams) -> Result<[f64; 2]> {
    let params = params.n_threads(NonZeroUsize::MIN);
    let knn = params.fit(&DatasetBase::from(split.train.view()))?;
    let start = Instant::now();
    let auc = auc_of(split, &knn)?;
    Ok([auc, start.elapsed().as_secs_f64() * 1e6 / split.test.nrows() as f64])
}

#[expect(clippy::cast_precision_loss, reason = "counts of sets")]
fn clusters(sets: &[Labelled]) -> Result<()> {
    println!("\nROC AUC and µs per record: {:>20} {CLUSTERS:?} clusters", "all records");
    let mut sums = vec![[0.0; 2]; 1 + CLUSTERS.len()];
    let mut n_sets = 0.0;
    for set in sets {
        let mut means = vec![[0.0; 2]; 1 + CLUSTERS.len()];
        for seed in SEEDS {
            let split = novelty(set, seed)?;
            let params = [KnnOutlier::params()].into_iter().chain(
                CLUSTERS.map(|n| KnnOutlier::params().clusters(n.min(split.train.nrows() - 1))),
            );
            for (params, means) in params.zip(&mut means) {
                for (mean, value) in
                    means.iter_mut().zip(measured(&split, params.random_state(seed))?)
                {
                    *mean += value / SEEDS.len() as f64;
                }
            }
        }
        print_row(&set.name, means.iter().map(|[auc, us]| format!("{auc:.4} {us:7.2}")));
        for (sum, mean) in sums.iter_mut().flatten().zip(means.iter().flatten()) {
            *sum += mean;
        }
        n_sets += 1.0;
    }
    print_row(
        "mean",
        sums.iter().map(|[auc, us]| format!("{:.4} {:7.2}", auc / n_sets, us / n_sets)),
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of sets")]
fn trims(sets: &[Labelled]) -> Result<()> {
    println!("ROC AUC: {:>26} {TRIMS:?} trimmed", "isolation forest, KNN with");
    let mut sums = vec![0.0; 1 + TRIMS.len()];
    for set in sets {
        let mut means = vec![0.0; 1 + TRIMS.len()];
        for seed in SEEDS {
            let split = contaminated(set, seed)?;
            let reference = DatasetBase::from(split.train.view());
            let forest = IsolationForest::params().random_state(seed).fit(&reference)?;
            means[0] += auc_of(&split, &forest)? / SEEDS.len() as f64;
            for (trim, mean) in TRIMS.into_iter().zip(&mut means[1..]) {
                let knn = KnnOutlier::params().trim(trim).random_state(seed).fit(&reference)?;
                *mean += auc_of(&split, &knn)? / SEEDS.len() as f64;
            }
        }
        print_row(&set.name, means.iter().map(|it| format!("{it:.4}")));
        for (sum, mean) in sums.iter_mut().zip(means) {
            *sum += mean / sets.len() as f64;
        }
    }
    print_row("mean", sums.iter().map(|it| format!("{it:.4}")));
    Ok(())
}

fn print_row(name: &str, cells: impl Iterator<Item = String>) {
    println!("{name:<18} {}", cells.collect::<Vec<_>>().join("  "));
}

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("a folder of npz files expected")?;
    let sets = read_folder(Path::new(&folder))?;
    trims(&sets)?;
    clusters(&sets)
}
