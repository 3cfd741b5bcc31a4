//! Generates the gRPC code from `proto/`, with a compiler of protobuf that is written in Rust.

use std::{env, error::Error, fs, path::PathBuf};

const SOURCES: [&str; 3] = [
    "inference/open_inference.proto",
    "shadowline/event/v1/event.proto",
    "shadowline/serving/v1/prediction.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let descriptors = protox::compile(SOURCES, [&root])?;
    fs::write(
        PathBuf::from(env::var("OUT_DIR")?).join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .btree_map(".")
        .bytes(".inference.ModelInferRequest.raw_input_contents")
        .bytes(".inference.ModelInferResponse.raw_output_contents")
        .bytes(".inference.InferTensorContents.bytes_contents")
        .bytes(".shadowline.event.v1.Origin.instance")
        .compile_fds(descriptors)?;
    Ok(())
}
