//! Bytes that are no message, and no HTTP.

use bytes::{Buf, BufMut};
use prost::Message;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::inference::ModelInferRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Status};

use super::{LIMIT, assert_status};
use crate::messages::good;
use crate::server::{PATIENCE, TestServer};

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
    assert_status("over the limit", &status, Code::ResourceExhausted, &["65536", "1312"]);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_a_stream_that_are_no_message_end_it_and_are_counted() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = LIMIT;
    })
    .await;
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    let path = "/inference.GRPCInferenceService/ModelStreamInfer";
    let too_large = ModelInferRequest { id: "x".repeat(2 * LIMIT), ..good() };
    let cases: [(Vec<u8>, Code, &[&str]); 3] = [
        (vec![0xff; 3], Code::InvalidArgument, &["decode"]),
        (vec![0x0a, 5, b'x'], Code::InvalidArgument, &["decode"]),
        (too_large.encode_to_vec(), Code::ResourceExhausted, &["65536", "1312"]),
    ];
    for (n_before, (bytes, code, words)) in cases.into_iter().enumerate() {
        let messages = tokio_stream::iter([good().encode_to_vec(), bytes, good().encode_to_vec()]);
        grpc.ready().await.unwrap();
        let request = tonic::Request::new(messages);
        let answers = grpc.streaming(request, path.parse().unwrap(), Bytes).await.unwrap();
        let mut answers = answers.into_inner();
        assert!(!answers.message().await.unwrap().unwrap().is_empty());
        let status = answers.message().await.unwrap_err();
        assert_status("in a stream", &status, code, words);
        let counted = server.metric("shadowline_predict_undecodable_total").await;
        assert!((counted - n_before as f64 - 1.0).abs() < 0.5, "{counted} after {n_before}");
    }
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
