//! How fast a forest fits and scores: 100 trees of 256 samples on the census data, one core.
//!
//! `cargo bench -p shadowline-detectors --bench isolation_forest`. The data is `adult/adult.data` in the folder
//! that `SHADOWLINE_DATASETS` names, its categories as codes; without it, made-up data of the same shape. Every
//! figure is the median of some runs, and the ratio is of figures that were measured in turn.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::disallowed_types, reason = "a benchmark needs a clock")]

use std::{
    hint::black_box,
    num::NonZeroUsize,
    path::Path,
    time::{Duration, Instant},
};

use linfa::{DatasetBase, traits::Fit};
use ndarray::{Array2, ArrayView2, Axis, s};
use rand_xoshiro::{
    Xoshiro256PlusPlus,
    rand_core::{RngCore, SeedableRng},
};
use shadowline_detectors::{
    Detector, Explain, IsolationForest, IsolationForestParams, isolation_forest::Engine,
};

const N_RECORDS: usize = 32_561;
const N_FEATURES: usize = 15;
const N_RUNS: usize = 15;

fn main() {
    let (records, what) = records();
    println!("data: {what}, {:?}", records.dim());
    let reference = DatasetBase::from(records.view());
    let params = IsolationForest::params().n_threads(NonZeroUsize::MIN);
    let fit = |params: &IsolationForestParams| match params.fit(&reference) {
        Ok(forest) => forest,
        Err(error) => panic!("fit: {error}"),
    };
    let forest = fit(&params);
    println!(
        "forest: {} trees of {} samples, {} kB",
        forest.n_estimators(),
        forest.n_samples(),
        forest.size_bytes() / 1000
    );
    println!("fit: {:.2} ms", median(|| drop(black_box(fit(&params)))).as_secs_f64() * 1e3);
    let engines = [Engine::Portable, Engine::Avx512];
    let engines: Vec<Engine> = engines.into_iter().filter(|it| it.is_available()).collect();
    let mut first = None;
    for engine in engines {
        let one = per_record(&forest, engine, records.slice(s![..2_000, ..]), 1);
        let batch = per_record(&forest, engine, records.view(), N_RECORDS);
        let (one_at_first, batch_at_first) = *first.get_or_insert((one, batch));
        println!(
            "{engine:?}: one record {one:.3} µs ({:.1} times), batch {:.0} records/s ({:.1} times)",
            one_at_first / one,
            1e6 / batch,
            batch_at_first / batch
        );
    }
    let some: Vec<_> = records.axis_iter(Axis(0)).take(500).collect();
    let explained = median(|| {
        for record in &some {
            drop(black_box(forest.explain(*record)));
        }
    });
    println!("explain: {:.2} µs", explained.as_secs_f64() * 1e6 / 500.0);
    let public = median(|| {
        for record in &some {
            drop(black_box(forest.score(record.view().insert_axis(Axis(0)))));
        }
    });
    println!("Detector::score of one record: {:.3} µs", public.as_secs_f64() * 1e6 / 500.0);
    let extended = fit(&params.clone().extension_level(N_FEATURES - 1));
    let one = per_record(&extended, Engine::Portable, records.slice(s![..500, ..]), 1);
    println!("extended to all features: one record {one:.2} µs");
}

/// Microseconds per record, scored some at a time.
fn per_record(
    forest: &IsolationForest,
    engine: Engine,
    records: ArrayView2<'_, f64>,
    n_at_a_time: usize,
) -> f64 {
    let time = median(|| {
        for some in records.axis_chunks_iter(Axis(0), n_at_a_time) {
            drop(black_box(forest.score_with(engine, black_box(some))));
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "a count of records")]
    let n_records = records.nrows() as f64;
    time.as_secs_f64() * 1e6 / n_records
}

fn median(mut work: impl FnMut()) -> Duration {
    work();
    let mut times: Vec<Duration> = (0..N_RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[N_RUNS / 2]
}

/// The census data if it is at hand.
fn records() -> (Array2<f64>, &'static str) {
    let file = std::env::var_os("SHADOWLINE_DATASETS")
        .map(|it| Path::new(&it).join("adult").join("adult.data"))
        .and_then(|it| std::fs::read_to_string(it).ok());
    match file.as_deref().and_then(census) {
        Some(records) => (records, "census"),
        None => (made_up(), "made up, of the shape of the census"),
    }
}

/// Numbers as they are, and of text the place among the column's sorted values.
#[expect(clippy::cast_precision_loss, reason = "a count of categories")]
fn census(text: &str) -> Option<Array2<f64>> {
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split(',').map(str::trim).collect::<Vec<_>>())
        .filter(|row| row.len() == N_FEATURES)
        .collect();
    let mut records = Array2::zeros((rows.len(), N_FEATURES));
    for (column_idx, mut column) in records.columns_mut().into_iter().enumerate() {
        let texts = rows.iter().map(|row| row[column_idx]);
        let mut categories: Vec<&str> = texts.clone().collect();
        categories.sort_unstable();
        categories.dedup();
        for (place, text) in column.iter_mut().zip(texts) {
            *place = match text.parse() {
                Ok(number) => number,
                Err(_) => categories.binary_search(&text).ok()? as f64,
            };
        }
    }
    (records.nrows() == N_RECORDS).then_some(records)
}

/// Columns of few and of many different values.
#[expect(clippy::cast_precision_loss, reason = "a number below 2^20")]
fn made_up() -> Array2<f64> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
    Array2::from_shape_fn((N_RECORDS, N_FEATURES), |(_, column)| {
        let n_values = [16, 2, 1 << 20, 70, 9][column % 5];
        (random.next_u64() % n_values) as f64
    })
}
