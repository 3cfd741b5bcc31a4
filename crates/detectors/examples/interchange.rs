//! Forests to and from other programs, on the command line.
//!
//! ```sh
//! cargo run --release --example interchange -p shadowline-detectors -- score forest.onnx records.csv
//! cargo run --release --example interchange -p shadowline-detectors -- convert forest.json forest.onnx
//! cargo run --release --example interchange -p shadowline-detectors -- fit records.csv 0.05 forest.json
//! ```
//!
//! `score` prints `score_samples,decision_function,predict` for each row of a CSV file of numbers with a header, in
//! which an empty cell is a missing value. `fit` takes the contamination, a share or `auto`. A forest is ONNX if its
//! file is called so, and JSON otherwise.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result, bail};
use linfa::{DatasetBase, traits::Fit};
use ndarray::Array2;
use shadowline_detectors::{IsolationForest, isolation_forest::Contamination};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["score", forest, records] => score(&read_forest(forest)?, &read_records(records)?),
        ["convert", from, to] => write_forest(&read_forest(from)?, to),
        ["fit", records, contamination, to] => {
            let contamination = match contamination {
                "auto" => Contamination::Auto,
                share => Contamination::Share(share.parse().context("contamination")?),
            };
            let params = IsolationForest::params().contamination(contamination);
            write_forest(&params.fit(&DatasetBase::from(read_records(records)?))?, to)
        }
        _ => bail!(
            "score FOREST RECORDS, convert FOREST FOREST or fit RECORDS CONTAMINATION FOREST expected"
        ),
    }
}

fn score(forest: &IsolationForest, records: &Array2<f64>) -> Result<()> {
    let decision = forest.decision_function(records.view())?;
    let sides = forest.predict(records.view())?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    writeln!(out, "score_samples,decision_function,predict")?;
    for (record_idx, score) in forest.score_samples(records.view())?.iter().enumerate() {
        writeln!(out, "{score},{},{}", decision[record_idx], sides[record_idx])?;
    }
    Ok(out.flush()?)
}

fn is_onnx(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|it| it == "onnx")
}

fn read_forest(path: &str) -> Result<IsolationForest> {
    let bytes = std::fs::read(path).with_context(|| format!("read {path}"))?;
    let forest = if is_onnx(path) {
        IsolationForest::from_onnx(&bytes).map_err(anyhow::Error::new)
    } else {
        IsolationForest::from_json(&String::from_utf8(bytes)?).map_err(anyhow::Error::new)
    };
    forest.with_context(|| format!("read {path}"))
}

fn write_forest(forest: &IsolationForest, path: &str) -> Result<()> {
    let bytes = if is_onnx(path) { forest.to_onnx()? } else { forest.to_json()?.into_bytes() };
    std::fs::write(path, bytes).with_context(|| format!("write {path}"))
}

fn read_records(path: &str) -> Result<Array2<f64>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("read {path}"))?;
    let n_columns = reader.headers()?.len();
    let mut values = Vec::new();
    for row in reader.records() {
        for cell in &row? {
            values.push(if cell.is_empty() { f64::NAN } else { cell.parse()? });
        }
    }
    Ok(Array2::from_shape_vec((values.len() / n_columns.max(1), n_columns), values)?)
}
