//! Nearest neighbours, ours beside the candidates for the index, in one run.
//!
//! `cargo bench -p shadowline-detectors --bench knn -- [--json] [DATA ...]` with `SHADOWLINE_DATASETS` set; a
//! word limits the run to the data sets whose name holds it. Times are medians of a round; of the rounds, which
//! take turns, the best. Every candidate's answers are compared with ours first.

#![expect(clippy::print_stdout, reason = "a benchmark prints")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::float_cmp, reason = "the power is one of two constants")]
#![expect(clippy::cast_precision_loss, reason = "counts and codes are small")]

mod knn_support;

use std::{hint::black_box, num::NonZeroUsize, time::Instant};

use anyhow::{Result, ensure};
use knn_support::{
    candidates::{CANDIDATES, Index},
    data::{self, Data},
};
use linfa::{DatasetBase, traits::Fit};
use ndarray::{Axis, s};
use shadowline_detectors::{
    Detector, DetectorArtefact, DetectorParams, KnnOutlier, KnnParams, TrainOptions,
};
use shadowline_features::{Table, TableColumn};

const ROUNDS: usize = 3;

struct Report {
    json: bool,
}

impl Report {
    fn line(&self, case: &str, data: &Data, engine: &str, unit: &str, median: f64, p99: f64) {
        let Data { name, origin, .. } = data;
        if self.json {
            println!(
                r#"{{"bench":"knn","case":"{case}","data":"{name}","origin":"{origin}","engine":"{engine}","unit":"{unit}","median":{median:.3},"p99":{p99:.3}}}"#
            );
        } else {
            println!("{case:<10} {name:<20} {engine:<12} {median:>12.2} {unit:<10} p99 {p99:.2}");
        }
    }
}

struct Ours<'a>(&'a KnnOutlier);

impl Index for Ours<'_> {
    fn distance(&self, query: &[f64]) -> f64 {
        let record = ndarray::ArrayView1::from(query).insert_axis(Axis(0));
        self.0.score(record).expect("the query fits")[0]
    }
}

fn params(data: &Data) -> KnnParams {
    KnnOutlier::params().n_neighbors(data.n_neighbors).p(data.p).contamination(0.05)
}

/// The median and the 99th percentile.
fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

/// The best of several calls, in seconds.
fn best<T>(n: usize, mut work: impl FnMut() -> T) -> f64 {
    let one = |_| {
        let start = Instant::now();
        black_box(work());
        start.elapsed().as_secs_f64()
    };
    (0..n).map(one).fold(f64::INFINITY, f64::min)
}

fn measure(report: &Report, data: &Data) -> Result<()> {
    let reference = DatasetBase::from(data.reference.view());
    let start = Instant::now();
    let knn = params(data).fit(&reference)?;
    let mut fit_ms = start.elapsed().as_secs_f64() * 1e3;
    let ours = Ours(&knn);
    let mut indexes: Vec<(&str, Box<dyn Index + '_>)> = vec![("ours", Box::new(ours))];
    for (name, build) in CANDIDATES {
        let start = Instant::now();
        if let Some(index) = build(data) {
            let build_ms = start.elapsed().as_secs_f64() * 1e3;
            report.line("build", data, name, "ms", build_ms, build_ms);
            indexes.push((name, index));
        }
    }
    let big = 500_000 < data.reference.nrows();
    // Rows from all over, so that no query finds its own neighbourhood in the cache.
    let n = if big { 100 } else { 1_000 };
    let step = data.queries.nrows() / n;
    let queries = data.queries.slice(s![..;step, ..]).slice(s![..n, ..]).to_owned();
    let queries: Vec<&[f64]> = queries.rows().into_iter().filter_map(|it| it.to_slice()).collect();
    for query in &queries {
        let expected = indexes[0].1.distance(query);
        for (name, index) in &indexes[1..] {
            let got = index.distance(query);
            let close = (got - expected).abs() <= 1e-9 * expected.max(1.0);
            ensure!(close, "{name} finds {got} where {expected} is right");
        }
    }
    let mut bests = vec![(f64::INFINITY, 0.0); indexes.len()];
    for _ in 0..ROUNDS {
        for ((_, index), best) in indexes.iter().zip(&mut bests) {
            let times = queries.iter().map(|query| {
                let start = Instant::now();
                black_box(index.distance(black_box(query)));
                start.elapsed().as_secs_f64() * 1e6
            });
            let (median, p99) = percentiles(times.collect());
            if median < best.0 {
                *best = (median, p99);
            }
        }
    }
    for ((name, _), (median, p99)) in indexes.iter().zip(bests) {
        report.line("one_query", data, name, "us", median, p99);
    }
    let seconds = best(3, || knn.score(data.queries.view()));
    let rate = data.queries.nrows() as f64 / seconds;
    report.line("batch", data, "ours", "rows_per_s", rate, rate);
    if !big {
        fit_ms = fit_ms.min(best(2, || params(data).fit(&reference)) * 1e3);
    }
    report.line("fit", data, "ours", "ms", fit_ms, fit_ms);
    let share = knn.n_bytes() as f64 / (8 * data.reference.len()) as f64;
    report.line("memory", data, "ours", "times_data", share, share);
    if !big {
        let load_ms = load(data)? * 1e3;
        report.line("load", data, "ours", "ms", load_ms, load_ms);
        let one = best(2, || params(data).n_threads(NonZeroUsize::MIN).fit(&reference)) * 1e3;
        report.line("fit", data, "ours-1-thread", "ms", one, one);
    }
    Ok(())
}

/// The seconds that reading the detector's artefact takes, with building its tree.
fn load(data: &Data) -> Result<f64> {
    let columns = data.reference.columns().into_iter().enumerate();
    let columns = columns.map(|(idx, it)| (format!("f{idx}"), TableColumn::Numbers(it.to_vec())));
    let table = Table::new(columns.collect())?;
    let kind = DetectorParams::Knn(params(data));
    let bytes =
        DetectorArtefact::train("knn", &kind, &TrainOptions::default(), &table)?.to_bytes()?;
    Ok(best(3, || DetectorArtefact::from_bytes(&bytes)))
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&String> = arguments.iter().filter(|it| !it.starts_with("--")).collect();
    let report = Report { json: arguments.iter().any(|it| it == "--json") };
    type Make = fn() -> Result<Data>;
    let sets: [(&str, Make); 4] = [
        ("adult-raw", || data::adult(false)),
        ("adult-standardised", || data::adult(true)),
        ("adult-12-p5", data::adult_12),
        ("clusters-1m", || Ok(data::clusters())),
    ];
    for (name, make) in sets {
        if words.is_empty() || words.iter().any(|it| name.contains(it.as_str())) {
            let data = make()?;
            if !report.json {
                println!("{name}: {}", data.origin);
            }
            measure(&report, &data)?;
        }
    }
    Ok(())
}
