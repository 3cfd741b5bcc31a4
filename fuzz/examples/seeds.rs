//! Writes what the fuzzers start from: small artefacts of each kind and small forests in both exchange formats.

use std::{error::Error, fs, path::Path};

use linfa::{DatasetBase, traits::Fit};
use linfa::ParamGuard;
use ndarray::Array2;
use shadowline_detectors::{
    DetectorArtefact, DetectorParams, IsolationForest, KnnOutlier, TrainOptions,
};
use shadowline_features::{Scale, TableBuilder};

fn main() -> Result<(), Box<dyn Error>> {
    let mut rows = TableBuilder::new(["age", "job"])?;
    for row in 0..40 {
        rows.push_row([(20 + row % 17).to_string().as_str(), ["clerk", "cook", "?"][row % 3]])?;
    }
    let table = rows.finish();
    let forest = IsolationForest::params().n_estimators(3);
    for (name, params) in [
        ("forest", DetectorParams::IsolationForest(forest.clone())),
        ("knn", DetectorParams::Knn(KnnOutlier::params().n_neighbors(2))),
    ] {
        for (scaling, scale) in [("raw", Scale::None), ("robust", Scale::Robust)] {
            let artefact =
                DetectorArtefact::train(name, &params, &TrainOptions::scaled(scale), &table)?;
            write("artefact", &format!("{name}-{scaling}"), &artefact.to_bytes()?)?;
        }
    }
    let records = Array2::from_shape_fn((40, 2), |(row, column)| (row * (column + 3) % 11) as f64);
    let forest = forest.check()?.fit(&DatasetBase::from(records))?;
    write("forest_onnx", "small", &forest.to_onnx()?)?;
    write("forest_json", "small", forest.to_json()?.as_bytes())
}

fn write(target: &str, name: &str, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)?;
    Ok(())
}
