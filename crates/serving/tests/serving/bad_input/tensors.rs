//! What no request of the Open Inference Protocol may be.

use shadowline_wire::inference::ModelInferRequest;
use shadowline_wire::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use tonic::Code;

use crate::messages::{contents, good, good_raw, input};

pub(super) type Case = (&'static str, ModelInferRequest, Code, &'static [&'static str]);

fn changed(change: impl FnOnce(&mut ModelInferRequest)) -> ModelInferRequest {
    let mut request = good();
    change(&mut request);
    request
}

fn changed_raw(change: impl FnOnce(&mut ModelInferRequest)) -> ModelInferRequest {
    let mut request = good_raw();
    change(&mut request);
    request
}

fn with(idx: usize, it: InferInputTensor) -> ModelInferRequest {
    changed(|request| request.inputs[idx] = it)
}

pub(super) fn open_inference_cases() -> Vec<Case> {
    use Code::{InvalidArgument as Invalid, NotFound};
    vec![
        (
            "no model",
            changed(|it| it.model_name.clear()),
            Invalid,
            &["model name is empty", "census"],
        ),
        (
            "unknown model",
            changed(|it| it.model_name = "cencus".into()),
            NotFound,
            &["`cencus`", "expected one of census"],
        ),
        (
            "a name as long as a book",
            changed(|it| it.model_name = "x".repeat(20_000)),
            NotFound,
            &["xxx…", "census"],
        ),
        (
            "unknown version",
            changed(|it| it.model_version = "7".into()),
            NotFound,
            &["`census`", "`7`", "1, 2"],
        ),
        (
            "a version that is no number",
            changed(|it| it.model_version = "new".into()),
            NotFound,
            &["`new`", "1, 2"],
        ),
        ("version zero", changed(|it| it.model_version = "01".into()), NotFound, &["`01`", "1, 2"]),
        ("no inputs", changed(|it| it.inputs.clear()), Invalid, &["`age`", "missing", "int64"]),
        (
            "one input missing",
            changed(|it| {
                it.inputs.remove(2);
            }),
            Invalid,
            &["`hours`", "missing", "float64"],
        ),
        (
            "an input that is none",
            with(0, input("agee", "INT64", &[1], contents(|it| it.int64_contents = vec![1]))),
            Invalid,
            &["`agee`", "unknown", "age, workclass"],
        ),
        (
            "an input without a name",
            with(0, input("", "INT64", &[1], contents(|it| it.int64_contents = vec![1]))),
            Invalid,
            &["``", "unknown"],
        ),
        (
            "an input twice",
            changed(|it| {
                let again = it.inputs[0].clone();
                it.inputs.push(again);
            }),
            Invalid,
            &["`age`", "twice", "once"],
        ),
        (
            "another type",
            with(0, input("age", "FP64", &[1], contents(|it| it.fp64_contents = vec![39.0]))),
            Invalid,
            &["`age`", "int64", "float64"],
        ),
        (
            "text for a number",
            with(
                0,
                input("age", "BYTES", &[1], contents(|it| it.bytes_contents = vec!["39".into()])),
            ),
            Invalid,
            &["`age`", "expected type int64", "got string"],
        ),
        (
            "a number for text",
            with(1, input("workclass", "INT64", &[1], contents(|it| it.int64_contents = vec![1]))),
            Invalid,
            &["`workclass`", "string", "int64"],
        ),
        (
            "a type that is none",
            with(0, input("age", "INT65", &[1], None)),
            Invalid,
            &["`age`", "`INT65`", "INT64"],
        ),
        ("no type", with(0, input("age", "", &[1], None)), Invalid, &["`age`", "``", "INT64"]),
        (
            "half floats typed",
            with(2, input("hours", "FP16", &[1], None)),
            Invalid,
            &["`hours`", "FP16", "`raw_input_contents`"],
        ),
        (
            "elements in another place",
            with(0, input("age", "INT64", &[1], contents(|it| it.int_contents = vec![39]))),
            Invalid,
            &["`age`", "int64_contents", "int_contents"],
        ),
        (
            "elements in two places",
            with(
                0,
                input(
                    "age",
                    "INT64",
                    &[1],
                    contents(|it| {
                        it.int64_contents = vec![39];
                        it.fp64_contents = vec![1.0];
                    }),
                ),
            ),
            Invalid,
            &["`age`", "fp64_contents"],
        ),
        (
            "no elements",
            with(0, input("age", "INT64", &[1], None)),
            Invalid,
            &["`age`", "holds 1 elements", "0 came"],
        ),
        (
            "too few elements",
            with(3, input("pair", "FP32", &[1, 2], contents(|it| it.fp32_contents = vec![1.0]))),
            Invalid,
            &["`pair`", "holds 2 elements", "1 came"],
        ),
        (
            "too many elements",
            with(0, input("age", "INT64", &[1], contents(|it| it.int64_contents = vec![1, 2]))),
            Invalid,
            &["`age`", "holds 1 elements", "2 came"],
        ),
        (
            "a negative dimension",
            with(0, input("age", "INT64", &[-1], contents(|it| it.int64_contents = vec![1]))),
            Invalid,
            &["`age`", "[-1]", "0 or more"],
        ),
        (
            "more elements than memory",
            with(
                0,
                input("age", "INT64", &[i64::MAX, 8], contents(|it| it.int64_contents = vec![1])),
            ),
            Invalid,
            &["`age`", "9223372036854775807", "1 came"],
        ),
        (
            "huge dimensions that multiply to zero",
            with(0, input("age", "INT64", &[i64::MAX, i64::MAX, 0], None)),
            Invalid,
            &["`age`"],
        ),
        (
            "no records",
            with(0, input("age", "INT64", &[0], None)),
            Invalid,
            &["`age`", "expected shape [-1]", "at least one record", "got [0]"],
        ),
        (
            "a dimension too many",
            with(0, input("age", "INT64", &[1, 1, 1], contents(|it| it.int64_contents = vec![1]))),
            Invalid,
            &["`age`", "expected shape [-1]", "got [1, 1, 1]"],
        ),
        (
            "a dimension too few",
            with(3, input("pair", "FP32", &[3], contents(|it| it.fp32_contents = vec![1.0; 3]))),
            Invalid,
            &["`pair`", "[-1, 2]", "[3]"],
        ),
        (
            "another length",
            with(3, input("pair", "FP32", &[1, 3], contents(|it| it.fp32_contents = vec![1.0; 3]))),
            Invalid,
            &["`pair`", "[-1, 2]", "[1, 3]"],
        ),
        (
            "batches of two lengths",
            with(2, input("hours", "FP64", &[2], contents(|it| it.fp64_contents = vec![1.0, 2.0]))),
            Invalid,
            &["`hours`", "expected 1 records", "`age`", "got 2"],
        ),
        (
            "NaN",
            with(2, input("hours", "FP64", &[1], contents(|it| it.fp64_contents = vec![f64::NAN]))),
            Invalid,
            &["`hours`", "finite", "NaN", "element 0"],
        ),
        (
            "infinity",
            with(
                2,
                input("hours", "FP64", &[1], contents(|it| it.fp64_contents = vec![f64::INFINITY])),
            ),
            Invalid,
            &["`hours`", "finite", "inf"],
        ),
        (
            "minus infinity",
            with(
                3,
                input(
                    "pair",
                    "FP32",
                    &[1, 2],
                    contents(|it| it.fp32_contents = vec![0.0, f32::NEG_INFINITY]),
                ),
            ),
            Invalid,
            &["`pair`", "-inf", "element 1"],
        ),
        (
            "text that is no UTF-8",
            with(
                1,
                input(
                    "workclass",
                    "BYTES",
                    &[1],
                    contents(|it| it.bytes_contents = vec![vec![0xff, 0xfe].into()]),
                ),
            ),
            Invalid,
            &["`workclass`", "UTF-8", "element 0"],
        ),
        (
            "an output that is none",
            changed(|it| {
                it.outputs =
                    vec![InferRequestedOutputTensor { name: "inkome".into(), ..Default::default() }]
            }),
            Invalid,
            &["`inkome`", "income, probability"],
        ),
        (
            "an id that is too long",
            changed(|it| it.id = "x".repeat(257)),
            Invalid,
            &["id", "256 bytes", "257 bytes"],
        ),
        (
            "an id with a line break",
            changed(|it| it.id = "a\nb".into()),
            Invalid,
            &["id", "control character", "'\\n'"],
        ),
        (
            "raw entries too few",
            changed_raw(|it| {
                it.raw_input_contents.pop();
            }),
            Invalid,
            &["raw_input_contents", "expected 4", "got 3"],
        ),
        (
            "raw entries too many",
            changed_raw(|it| it.raw_input_contents.push(vec![].into())),
            Invalid,
            &["raw_input_contents", "expected 4", "got 5"],
        ),
        (
            "raw and typed at once",
            changed_raw(|it| it.inputs[0].contents = contents(|c| c.int64_contents = vec![1])),
            Invalid,
            &["`age`", "raw_input_contents", "both"],
        ),
        (
            "raw bytes too few",
            changed_raw(|it| it.raw_input_contents[0] = vec![1, 2, 3].into()),
            Invalid,
            &["`age`", "expected 8 raw bytes", "got 3"],
        ),
        (
            "raw bytes too many",
            changed_raw(|it| it.raw_input_contents[2] = vec![0; 16].into()),
            Invalid,
            &["`hours`", "expected 8", "got 16"],
        ),
        (
            "a raw text without its length",
            changed_raw(|it| it.raw_input_contents[1] = vec![1, 0].into()),
            Invalid,
            &["`workclass`", "length of 4 bytes", "got 2"],
        ),
        (
            "a raw text torn off",
            changed_raw(|it| it.raw_input_contents[1] = b"\x09\0\0\0Private".to_vec().into()),
            Invalid,
            &["`workclass`", "9 bytes of element 0", "got 11"],
        ),
        (
            "a raw text that claims the world",
            changed_raw(|it| it.raw_input_contents[1] = vec![0xff, 0xff, 0xff, 0xff, 1].into()),
            Invalid,
            &["`workclass`", "4294967295"],
        ),
        (
            "raw texts too many",
            changed_raw(|it| it.raw_input_contents[1] = b"\x01\0\0\0a\x01\0\0\0b".to_vec().into()),
            Invalid,
            &["`workclass`", "holds 1 elements", "2 came"],
        ),
        (
            "a raw shape beyond memory",
            changed_raw(|it| it.inputs[0].shape = vec![i64::MAX, i64::MAX]),
            Invalid,
            &["`age`", "more than there can be", "got 8"],
        ),
        (
            "raw NaN",
            changed_raw(|it| it.raw_input_contents[2] = f64::NAN.to_le_bytes().to_vec().into()),
            Invalid,
            &["`hours`", "NaN"],
        ),
    ]
}
