//! What clients send and need back, said byte by byte: this runs without any of them.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use shadowline_testkit_stack::TestLog;
use shadowline_wire::Outcome;

use super::mirrors;
use crate::server::{TestServer, shadowed};

async fn started() -> (TestLog, tempfile::TempDir, TestServer) {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(log.log(), log.topics(), dir.path(), |_| {}, mirrors).await;
    (log, dir, server)
}

async fn send(
    server: &TestServer,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Response {
    let client = reqwest::Client::new();
    let request = headers
        .iter()
        .fold(client.post(server.url(path)), |it, (name, value)| it.header(*name, *value));
    request.body(body).send().await.unwrap()
}

async fn json_of(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

fn table() -> Value {
    json!({"inputs": [
        {"name": "age", "datatype": "INT64", "shape": [2], "data": [20, 60]},
        {"name": "hours", "datatype": "FP64", "shape": [2], "data": [1, 2.5]},
        {"name": "job", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
    ]})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const INFER: &str = "/v2/models/table/infer";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_may_be_compressed_and_an_answer_where_it_is_asked_for() {
    let (_log, _dir, server) = started().await;
    let plain = table().to_string().into_bytes();
    for (coding, body) in [
        ("gzip", gzip(&plain)),
        ("deflate", zlib(&plain)),
        ("GZIP", gzip(&plain)),
        ("identity", plain.clone()),
    ] {
        let answer = send(&server, INFER, &[("content-encoding", coding)], body.clone()).await;
        let (status, answer) = json_of(answer).await;
        assert_eq!(status, 200, "{coding}: {answer}");
        let path = "/v1/models/table:predict";
        let fields = json!({"age": 1, "hours": 2, "job": "a"}).to_string().into_bytes();
        let body = match coding {
            "deflate" => zlib(&fields),
            "identity" => fields,
            _ => gzip(&fields),
        };
        let answer = send(&server, path, &[("content-encoding", coding)], body).await;
        assert_eq!(json_of(answer).await.0, 200, "{coding}");
    }
    for coding in ["br", "zstd", "gzip, gzip", "nonsense"] {
        let answer = send(&server, INFER, &[("content-encoding", coding)], plain.clone()).await;
        let accepted = answer.headers()["accept-encoding"].to_str().unwrap().to_owned();
        let (status, answer) = json_of(answer).await;
        assert_eq!((status, accepted.as_str()), (415, "gzip, deflate"), "{coding}");
        assert!(answer["error"].as_str().unwrap().contains(coding), "{answer}");
    }
    // What is not in its coding, and what becomes too long.
    let (status, answer) =
        json_of(send(&server, INFER, &[("content-encoding", "gzip")], plain.clone()).await).await;
    assert_eq!(status, 400, "{answer}");
    let bomb = gzip(&vec![b' '; 64 << 20]);
    let (status, answer) =
        json_of(send(&server, INFER, &[("content-encoding", "gzip")], bomb).await).await;
    assert_eq!(status, 413, "{answer}");
    // Only the answer to inference, and only by what was asked for.
    for (accepted, expected) in [
        ("gzip", Some("gzip")),
        ("deflate", Some("deflate")),
        ("br", None),
        ("gzip, deflate, br", None),
    ] {
        let headers = [("accept-encoding", accepted)];
        let answer = send(&server, INFER, &headers, plain.clone()).await;
        let coding =
            answer.headers().get("content-encoding").map(|it| it.to_str().unwrap().to_owned());
        assert_eq!(coding.as_deref(), expected, "{accepted}");
        let bytes = answer.bytes().await.unwrap();
        let mut text = String::new();
        match expected {
            Some("gzip") => GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap(),
            Some(_) => ZlibDecoder::new(&*bytes).read_to_string(&mut text).unwrap(),
            None => (&*bytes).read_to_string(&mut text).unwrap(),
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["outputs"][0]["data"], json!([20, 60]));
        let (status, _) = json_of(send(&server, INFER, &headers, b"{}".to_vec()).await).await;
        assert_eq!(status, 400);
        let (status, _) =
            json_of(send(&server, "/v2/repository/index", &headers, Vec::new()).await).await;
        assert_eq!(status, 200);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn raw_bytes_go_in_and_out_beside_json() {
    let (_log, _dir, server) = started().await;
    let mut body = table();
    body["inputs"][0] = json!({"name": "age", "datatype": "INT64", "shape": [2], "parameters": {"binary_data_size": 16}});
    body["inputs"][2] = json!({"name": "job", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 10}});
    body["outputs"] = json!([
        {"name": "out_age"},
        {"name": "out_hours", "parameters": {"binary_data": false}},
        {"name": "out_job", "parameters": {"binary_data": true}},
    ]);
    body["parameters"] = json!({"binary_data_output": true});
    let raw =
        [20i64.to_le_bytes().as_slice(), &60i64.to_le_bytes(), b"\x01\0\0\0a\x01\0\0\0b"].concat();
    let json = body.to_string().into_bytes();
    let length = json.len().to_string();
    let headers = [("inference-header-content-length", length.as_str())];
    let answer = send(&server, INFER, &headers, [json.clone(), raw.clone()].concat()).await;
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    let split: usize =
        answer.headers()["inference-header-content-length"].to_str().unwrap().parse().unwrap();
    let bytes = answer.bytes().await.unwrap();
    let head: Value = serde_json::from_slice(&bytes[..split]).unwrap();
    let outputs = &head["outputs"];
    assert_eq!(outputs[0]["parameters"], json!({"binary_data_size": 16}));
    assert!(outputs[0].get("data").is_none());
    assert_eq!(outputs[1]["data"], json!([1.0, 2.5]));
    assert_eq!(outputs[2]["parameters"], json!({"binary_data_size": 10, "content_type": "str"}));
    assert_eq!(&bytes[split..], raw.as_slice());
    // What is no truth value is no answer to how outputs are wanted.
    for (request, output, word) in [
        (json!(1), json!(true), "`binary_data_output`"),
        (json!(true), json!("true"), "`binary_data`"),
    ] {
        let mut body = table();
        body["parameters"] = json!({"binary_data_output": request});
        body["outputs"] = json!([{"name": "out_age", "parameters": {"binary_data": output}}]);
        let answer = send(&server, INFER, &[], body.to_string().into_bytes()).await;
        let (status, answer) = json_of(answer).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{answer}");
    }
    // The header is needed, right, and leaves no bytes over.
    for (length, bytes, word) in [
        (None, [json.clone(), raw.clone()].concat(), "body"),
        (None, json.clone(), "Inference-Header-Content-Length"),
        (Some("7"), [json.clone(), raw.clone()].concat(), "body"),
        (Some("x"), [json.clone(), raw.clone()].concat(), "`x`"),
        (Some(length.as_str()), json.clone(), "`age`"),
        (Some(length.as_str()), [json.clone(), raw.clone(), vec![0]].concat(), "1 bytes are left"),
    ] {
        let headers: Vec<_> =
            length.iter().map(|it| ("inference-header-content-length", *it)).collect();
        let (status, answer) = json_of(send(&server, INFER, &headers, bytes).await).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{word}: {answer}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_are_predicted_and_a_method_that_is_not_taken_is_told_which_are() {
    let (_log, _dir, server) = started().await;
    let predict = "/v1/models/table:predict";
    let body = json!({"instances": [{"age": 1, "hours": 2, "job": "a"}, [3, 4.5, "b"]]});
    let answer = send(&server, predict, &[], body.to_string().into_bytes()).await;
    let (status, answer) = json_of(answer).await;
    let expected = json!({"predictions": [
        {"out_age": 1, "out_hours": 2.0, "out_job": "a"}, {"out_age": 3, "out_hours": 4.5, "out_job": "b"},
    ]});
    assert_eq!((status, answer), (200, expected));
    // Clients that encode a path's segments write the colon so.
    for path in ["/v1/models/table%3Apredict", "/v1/models/table/versions/1%3apredict"] {
        let body = json!({"instances": [[1, 2, "a"]]}).to_string().into_bytes();
        let (status, answer) = json_of(send(&server, path, &[], body).await).await;
        assert_eq!((status, &answer["predictions"][0]["out_age"]), (200, &json!(1)), "{path}");
    }
    let (status, body) = server.get("/").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &body["status"]), (200, &json!("alive")));

    let resource = "GET, HEAD, DELETE";
    for (method, path, expected) in [
        (Method::GET, predict, "POST"),
        (Method::GET, "/v1/models/table%3Apredict", "POST"),
        (Method::DELETE, "/v1/models/table/versions/1:predict", "POST"),
        (Method::POST, "/v1/models/table", resource),
        (Method::PUT, "/v1/models/table/versions/1", resource),
        (Method::PUT, "/v2/models/table/infer", "POST"),
        (Method::POST, "/v2/models/table", "GET,HEAD"),
    ] {
        let request = reqwest::Client::new().request(method.clone(), server.url(path));
        let answer = request.send().await.unwrap();
        let allowed = answer.headers()["allow"].to_str().unwrap().to_owned();
        assert_eq!(
            (answer.status().as_u16(), allowed.as_str()),
            (405, expected),
            "{method} {path}"
        );
    }
    let (status, answer) =
        json_of(send(&server, "/v1/models/table:explain", &[], Vec::new()).await).await;
    assert_eq!((status, &answer["error"]["code"]), (501, &json!("unimplemented")));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_none_is_counted_and_shadowed() {
    let (log, _dir, server) = started().await;
    for (path, body) in [
        (INFER, "{"),
        (INFER, r#"{"inputs": 5}"#),
        ("/v1/models/table:predict", "[1]"),
        ("/v1/models/table:predict", r#"{"inputs": {}, "inference_id": 3}"#),
    ] {
        let answer = send(&server, path, &[], body.into()).await;
        assert!(answer.headers().contains_key("shadowline-inference-id"), "{path} {body}");
        assert_eq!(answer.status().as_u16(), 400, "{path} {body}");
    }
    let counted = server.metric("shadowline_predict_undecodable_total").await;
    assert!((counted - 4.0).abs() < 0.5, "{counted}");
    let inferences = shadowed(log.log(), log.topics(), 4).await;
    for (_, it) in &inferences {
        assert_eq!((it.model.name.as_str(), it.model.version.as_str()), ("table", "1"));
        assert!(matches!(&it.outcome, Outcome::Failed(error) if error.code == "INVALID_ARGUMENT"));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_that_is_no_tag_is_dropped_counted_and_said() {
    let (log, _dir, server) = started().await;
    let mut body = table();
    body["parameters"] = json!({"team": "risk", "shard": 3, "list": [1], "long": "x".repeat(5000), "priority": 2, "none": null});
    let answer = send(&server, INFER, &[], body.to_string().into_bytes()).await;
    let said = answer.headers()["shadowline-dropped-tags"].to_str().unwrap().to_owned();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(said.contains("`list` (a list)") && said.contains("`long`"), "{said}");
    let body = json!({"inputs": {"age": 1, "hours": 2, "job": "a"}, "tags": {"a": 1, "b": {}}});
    let answer = send(&server, "/v1/models/table:predict", &[], body.to_string().into()).await;
    assert_eq!(answer.headers()["shadowline-dropped-tags"], "`b` (an object)");
    assert_eq!(answer.status().as_u16(), 200);
    let mut named = crate::server::request("mine", 39);
    named.tags.insert("k".into(), "v".repeat(5000));
    named.tags.extend((0..65).map(|it| (it.to_string(), String::new())));
    let answer = server.predictions().await.predict(named).await.unwrap();
    assert!(answer.metadata().contains_key("shadowline-dropped-tags"));
    let metric = "shadowline_predict_tags_dropped_total{model=\"table\"}";
    let counted = server.metric(metric).await;
    assert!((counted - 3.0).abs() < 0.5, "{counted}");
    let inferences = shadowed(log.log(), log.topics(), 3).await;
    // The topic has partitions, so they come in any order.
    let kept = |key: &str| {
        let found = inferences.iter().find(|(_, it)| it.tags.contains_key(key));
        found.expect("it has the tag").1.tags.clone()
    };
    let tags = |expected: &[(&str, &str)]| {
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(kept("team"), tags(&[("shard", "3"), ("team", "risk")]));
    assert_eq!(kept("a"), tags(&[("a", "1")]));
    assert_eq!(kept("0").len(), 64);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whole_numbers_beyond_2_to_the_63_are_whole_numbers() {
    let (_log, _dir, server) = started().await;
    let column = |name: &str, datatype: &str, value: &str| {
        format!(r#"{{"name":"{name}","datatype":"{datatype}","shape":[1],"data":[{value}]}}"#)
    };
    let body = |int64: &str, uint64: &str| {
        let columns = [
            column("bool", "BOOL", "true"),
            column("int8", "INT8", "1.0"),
            column("int16", "INT16", "1"),
            column("int32", "INT32", "1"),
            column("int64", "INT64", int64),
            column("uint8", "UINT8", "1"),
            column("uint16", "UINT16", "1"),
            column("uint32", "UINT32", "1"),
            column("uint64", "UINT64", uint64),
            column("float16", "FP16", "0.5"),
            column("float32", "FP32", "1"),
            column("float64", "FP64", "1"),
            column("string", "BYTES", "\"a\""),
        ];
        format!(r#"{{"inputs":[{}]}}"#, columns.join(",")).into_bytes()
    };
    let path = "/v2/models/mirror_json/infer";
    let (status, answer) = json_of(send(&server, path, &[], body("9.2e18", "1e19")).await).await;
    assert_eq!(status, 200, "{answer}");
    let outputs = answer["outputs"].as_array().unwrap();
    let data = |name: &str| outputs.iter().find(|it| it["name"] == name).unwrap()["data"].clone();
    assert_eq!(data("out_int64"), json!([9_200_000_000_000_000_000_i64]));
    assert_eq!(data("out_uint64"), json!([10_000_000_000_000_000_000_u64]));
    for (int64, uint64, field) in [
        ("9.3e18", "1", "`int64`"),
        ("9223372036854775808", "1", "`int64`"),
        ("1", "18446744073709551616", "`uint64`"),
        ("1", "-1", "`uint64`"),
        ("1.5", "1", "`int64`"),
    ] {
        let (status, answer) = json_of(send(&server, path, &[], body(int64, uint64)).await).await;
        assert_eq!(status, 400, "{int64} {uint64}");
        assert!(answer["error"].as_str().unwrap().contains(field), "{answer}");
    }
    server.stop().await;
}
