//! Requests of the Open Inference Protocol that the contract of [`crate::server::signature`] allows.

use std::collections::BTreeMap;

use shadowline_wire::inference::model_infer_request::InferInputTensor;
use shadowline_wire::inference::{InferTensorContents, ModelInferRequest};

pub(crate) fn contents(fill: impl FnOnce(&mut InferTensorContents)) -> Option<InferTensorContents> {
    let mut contents = InferTensorContents::default();
    fill(&mut contents);
    Some(contents)
}

pub(crate) fn input(
    name: &str,
    datatype: &str,
    shape: &[i64],
    contents: Option<InferTensorContents>,
) -> InferInputTensor {
    let (name, datatype) = (name.to_owned(), datatype.to_owned());
    InferInputTensor {
        name,
        datatype,
        shape: shape.to_vec(),
        parameters: BTreeMap::new(),
        contents,
    }
}

pub(crate) fn good() -> ModelInferRequest {
    ModelInferRequest {
        model_name: "census".to_owned(),
        inputs: vec![
            input("age", "INT64", &[1], contents(|it| it.int64_contents = vec![39])),
            input(
                "workclass",
                "BYTES",
                &[1],
                contents(|it| it.bytes_contents = vec!["Private".into()]),
            ),
            input("hours", "FP64", &[1], contents(|it| it.fp64_contents = vec![40.0])),
            input("pair", "FP32", &[1, 2], contents(|it| it.fp32_contents = vec![1.0, 2.0])),
        ],
        ..ModelInferRequest::default()
    }
}

pub(crate) fn good_raw() -> ModelInferRequest {
    let mut request = good();
    for input in &mut request.inputs {
        input.contents = None;
    }
    let pair: Vec<u8> = [1f32, 2.0].iter().flat_map(|it| it.to_le_bytes()).collect();
    request.raw_input_contents = vec![
        39i64.to_le_bytes().to_vec().into(),
        b"\x07\0\0\0Private".to_vec().into(),
        40f64.to_le_bytes().to_vec().into(),
        pair.into(),
    ];
    request
}
