//! How fast a forest fits and scores: 100 trees of 256 samples on the census data, one core.
//!
//! `cargo bench -p shadowline-detectors --bench isolation_forest`. The data is `adult/adult.data` in the folder
//! that `SHADOWLINE_DATASETS` names, its categories as codes; without it, made-up data of the same shape. Every
//! figure is the median of some runs, with the best of them behind it, because another program's turn lengthens
//! a run and nothing shortens one.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{hint::black_box, num::NonZeroUsize, path::Path, time::Instant};

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
const N_RUNS: usize = 31;

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
    let time = measure(1, || drop(black_box(fit(&params))));
    println!("fit: {:.2} ms, best {:.2}", time.median / 1e3, time.best / 1e3);
    let some = records.slice(s![..2_000, ..]);
    let engines = [Engine::Portable, Engine::Avx512];
    let mut first = None;
    for engine in engines.into_iter().filter(|it| it.is_available()) {
        let one = per_record(&forest, engine, some, 1);
        let batch = per_record(&forest, engine, records.view(), N_RECORDS);
        let (first_one, first_batch) = *first.get_or_insert((one, batch));
        println!(
            "{engine:?}, one record: {:.3} µs, best {:.3}; {:.1} times the first engine",
            one.median,
            one.best,
            first_one.best / one.best
        );
        println!(
            "{engine:?}, batch: {:.0} records/s, best {:.0}; {:.1} times the first engine",
            1e6 / batch.median,
            1e6 / batch.best,
            first_batch.best / batch.best
        );
    }
    let time = measure(some.nrows(), || {
        for record in some.axis_chunks_iter(Axis(0), 1) {
            drop(black_box(forest.score(black_box(record))));
        }
    });
    println!("Detector::score of one record: {:.3} µs, best {:.3}", time.median, time.best);
    let time = measure(some.nrows(), || {
        for record in some.rows() {
            drop(black_box(forest.explain(black_box(record))));
        }
    });
    println!("explanation of one record: {:.2} µs, best {:.2}", time.median, time.best);
    for level in [1, N_FEATURES - 1] {
        let extended = fit(&params.clone().extension_level(level));
        let time = per_record(&extended, Engine::Portable, some, 1);
        println!(
            "extended, level {level}, one record: {:.2} µs, best {:.2}",
            time.median, time.best
        );
    }
}

/// Scores all records, some at a time.
fn per_record(
    forest: &IsolationForest,
    engine: Engine,
    records: ArrayView2<'_, f64>,
    n_at_a_time: usize,
) -> Time {
    measure(records.nrows(), || {
        for some in records.axis_chunks_iter(Axis(0), n_at_a_time) {
            drop(black_box(forest.score_with(engine, black_box(some))));
        }
    })
}

/// Microseconds per item.
#[derive(Clone, Copy)]
struct Time {
    median: f64,
    best: f64,
}

#[expect(clippy::cast_precision_loss, reason = "a count of records")]
#[expect(clippy::disallowed_methods, reason = "a benchmark needs a clock")]
fn measure(n_items: usize, mut work: impl FnMut()) -> Time {
    work();
    let mut times: Vec<f64> = (0..N_RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64() * 1e6 / n_items as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    Time { median: times[N_RUNS / 2], best: times[0] }
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
