//! Whatever a caller sends, it gets a status that says what was wrong, and the server lives on.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};
use shadowline_contract::Value;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::inference::model_infer_request::{
    InferInputTensor, InferRequestedOutputTensor,
};
use shadowline_wire::inference::{InferTensorContents, ModelInferRequest};
use shadowline_wire::serving::PredictRequest;
use shadowline_wire::{InferenceError, Outcome, named_values};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

use crate::server::{PATIENCE, TestServer, request, shadowed};

const LIMIT: usize = 64 * 1024;

fn contents(fill: impl FnOnce(&mut InferTensorContents)) -> Option<InferTensorContents> {
    let mut contents = InferTensorContents::default();
    fill(&mut contents);
    Some(contents)
}

fn input(
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

type Case = (&'static str, ModelInferRequest, Code, &'static [&'static str]);

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

fn open_inference_cases() -> Vec<Case> {
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
            &["`hours`", "`FP16`", "FP32"],
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
            &["`age`", "expected shape [-1]", "got [0]"],
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

fn predict_cases() -> Vec<(&'static str, PredictRequest, Code, &'static [&'static str])> {
    use Code::{InvalidArgument as Invalid, NotFound};
    let with = |name: &str, value: Value| {
        let mut it = request("", 39);
        it.inputs.insert(name.to_owned(), named_values::to_wire(value));
        it
    };
    let changed = |change: fn(&mut PredictRequest)| {
        let mut it = request("", 39);
        change(&mut it);
        it
    };
    let list = |values: &[f64]| Value::List(values.iter().map(|it| Value::Float(*it)).collect());
    let deep = (0..9).fold(Value::Int(1), |it, _| Value::List(vec![it]));
    vec![
        ("nothing for a field", with("age", Value::Null), Invalid, &["`age`", "int64", "null"]),
        (
            "text for a number",
            with("age", Value::String("39".into())),
            Invalid,
            &["`age`", "int64", "\"39\""],
        ),
        (
            "a fraction for a whole number",
            with("age", Value::Float(39.5)),
            Invalid,
            &["`age`", "int64", "39.5"],
        ),
        (
            "a whole number beyond the type",
            with("age", Value::Uint(u64::MAX)),
            Invalid,
            &["`age`", "int64", "18446744073709551615"],
        ),
        (
            "a truth value for a number",
            with("hours", Value::Bool(true)),
            Invalid,
            &["`hours`", "float64", "truth value"],
        ),
        (
            "NaN by name",
            with("hours", Value::Float(f64::NAN)),
            Invalid,
            &["`hours`", "finite", "NaN"],
        ),
        (
            "a float beyond the type",
            with("pair", list(&[1e300, 1.0])),
            Invalid,
            &["`pair`", "float32"],
        ),
        (
            "another length by name",
            with("pair", list(&[1.0, 2.0, 3.0])),
            Invalid,
            &["`pair`", "[-1, 2]", "[3]"],
        ),
        ("an empty list", with("age", Value::List(vec![])), Invalid, &["`age`", "[-1]", "[0]"]),
        (
            "ragged lists",
            with("pair", Value::List(vec![list(&[1.0]), list(&[1.0, 2.0])])),
            Invalid,
            &["`pair`", "different lengths"],
        ),
        ("lists too deep", with("pair", deep), Invalid, &["`pair`", "deep"]),
        ("an unknown field", with("agee", Value::Int(1)), Invalid, &["`agee`", "unknown", "age"]),
        (
            "a missing field",
            changed(|it| {
                it.inputs.remove("pair");
            }),
            Invalid,
            &["`pair`", "missing", "[-1, 2]"],
        ),
        ("no fields", changed(|it| it.inputs.clear()), Invalid, &["`age`", "missing"]),
        (
            "an unknown model by name",
            changed(|it| it.model_name = "nobody".into()),
            NotFound,
            &["`nobody`", "census"],
        ),
        (
            "an id with a zero",
            changed(|it| it.inference_id = "a\0".into()),
            Invalid,
            &["id", "control"],
        ),
        (
            "a tag that is too long",
            changed(|it| {
                it.tags.insert("k".into(), "v".repeat(5000));
            }),
            Invalid,
            &["tags", "4096", "5000 bytes"],
        ),
        (
            "too many tags",
            changed(|it| it.tags.extend((0..65).map(|it| (it.to_string(), String::new())))),
            Invalid,
            &["tags", "64", "65"],
        ),
    ]
}

fn assert_status(case: &str, status: &Status, code: Code, words: &[&str]) {
    assert_eq!(status.code(), code, "{case}: {status:?}");
    for word in words {
        assert!(status.message().contains(word), "{case}: no {word:?} in {:?}", status.message());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_gets_a_reason_and_is_shadowed() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = LIMIT;
    })
    .await;
    let mut infer = server.open_inference().await;
    let mut predict = server.predictions().await;
    let mut refused = BTreeMap::new();
    let mut refuse = |case: &'static str, status: Status, code, words: &'static [&str]| {
        assert_status(case, &status, code, words);
        let id = status.metadata().get(shadowline_serving::INFERENCE_ID);
        let id = id.unwrap_or_else(|| panic!("{case}: no inference id")).to_str().unwrap();
        refused.insert(id.to_owned(), status);
    };
    for (case, request, code, words) in open_inference_cases() {
        refuse(case, infer.model_infer(request).await.unwrap_err(), code, words);
        infer.model_infer(good()).await.unwrap();
    }
    for (case, request, code, words) in predict_cases() {
        refuse(case, predict.predict(request).await.unwrap_err(), code, words);
        infer.model_infer(good_raw()).await.unwrap();
    }
    assert!(60 <= refused.len(), "{} cases", refused.len());

    // All of them are on the log, with what their callers were told.
    let inferences = shadowed(log.log(), log.topics(), 2 * refused.len()).await;
    assert_eq!(inferences.len(), 2 * refused.len());
    let mut n_found = 0;
    for (_, inference) in &inferences {
        let Outcome::Failed(InferenceError { code, message }) = &inference.outcome else {
            continue;
        };
        let status = &refused[&inference.id];
        assert_eq!(message, status.message());
        let expected =
            if status.code() == Code::NotFound { "NOT_FOUND" } else { "INVALID_ARGUMENT" };
        assert_eq!(code, expected);
        n_found += 1;
    }
    assert_eq!(n_found, refused.len());
    server.stop().await;
}

/// Sends bytes as they are where a message should be.
#[derive(Debug, Clone, Default)]
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let bytes = buffer.chunk().to_vec();
        buffer.advance(bytes.len());
        Ok(Some(bytes))
    }
}

/// Bytes that look like chance and are the same in every run.
fn noise(seed: u64, n_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n_bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_are_refused() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = LIMIT;
    })
    .await;
    let mut infer = server.open_inference().await;
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    let paths = [
        "/inference.GRPCInferenceService/ModelInfer",
        "/shadowline.serving.v1.PredictionService/Predict",
    ];
    let mut n_undecodable = 0.0;
    for (seed, n_bytes) in [(1, 1), (2, 3), (3, 10), (4, 100), (5, 1000), (6, 60_000), (7, 17)] {
        for path in paths {
            grpc.ready().await.unwrap();
            let request = tonic::Request::new(noise(seed, n_bytes));
            let status = grpc.unary(request, path.parse().unwrap(), Bytes).await.unwrap_err();
            // By chance the bytes may be a message with fields nobody knows; then it is one without a model.
            assert_eq!(status.code(), Code::InvalidArgument, "{seed}: {status:?}");
            if status.message().contains("decode") {
                n_undecodable += 1.0;
            }
        }
    }
    assert!(0.0 < n_undecodable);
    // Over the limit: both the limit and what came.
    let too_large = ModelInferRequest { id: "x".repeat(2 * LIMIT), ..good() };
    let status = infer.model_infer(too_large).await.unwrap_err();
    assert_status("over the limit", &status, Code::OutOfRange, &["65536", "1312"]);
    n_undecodable += 1.0;
    let counted = server.metric("shadowline_predict_undecodable_total").await;
    assert!((counted - n_undecodable).abs() < 0.5, "{counted} of {n_undecodable}");
    // Lists as deep as they can be written.
    let deep = (0..200).fold(Vec::new(), |inner: Vec<u8>, _| {
        let mut list = vec![0x32];
        let mut value = vec![0x0a];
        prost_varint(inner.len(), &mut value);
        value.extend(inner);
        prost_varint(value.len(), &mut list);
        list.extend(value);
        list
    });
    let mut entry = vec![0x0a, 0x01, b'a', 0x12];
    prost_varint(deep.len(), &mut entry);
    entry.extend(deep);
    let mut message = vec![0x22];
    prost_varint(entry.len(), &mut message);
    message.extend(entry);
    grpc.ready().await.unwrap();
    let request = tonic::Request::new(message);
    let status = grpc.unary(request, paths[1].parse().unwrap(), Bytes).await.unwrap_err();
    assert_status("deep", &status, Code::InvalidArgument, &["recursion"]);
    infer.model_infer(good()).await.unwrap();
    server.stop().await;
}

fn prost_varint(mut n: usize, into: &mut Vec<u8>) {
    while 0x80 <= n {
        into.push(u8::try_from(n & 0x7f).unwrap() | 0x80);
        n >>= 7;
    }
    into.push(u8::try_from(n).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_http_are_refused() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for address in [server.grpc, server.http] {
        for seed in 0..8 {
            let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut bytes = if seed % 2 == 0 { preface.to_vec() } else { Vec::new() };
            bytes.extend(noise(seed, 4096));
            // The server may close before it has read everything.
            drop(connection.write_all(&bytes).await);
            drop(connection.shutdown().await);
            let mut answer = Vec::new();
            let read = connection.read_to_end(&mut answer);
            drop(tokio::time::timeout(PATIENCE, read).await.expect("the server closes it"));
            infer.model_infer(good()).await.unwrap();
        }
    }
    server.stop().await;
}
