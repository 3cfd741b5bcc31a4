//! The REST endpoints.

use serde_json::{Value, json};
use shadowline_testkit_stack::TestLog;
use shadowline_wire::Outcome;
use shadowline_wire::inference::ModelInferRequest;

use crate::messages::good;
use crate::server::{TestServer, shadowed};

async fn post(
    server: &TestServer,
    path: &str,
    body: impl Into<String>,
) -> (u16, Option<String>, Value) {
    let request = reqwest::Client::new().post(server.url(path)).body(body.into());
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let id =
        response.headers().get("shadowline-inference-id").map(|it| it.to_str().unwrap().to_owned());
    (status, id, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

fn fields() -> Value {
    json!({"age": 39, "workclass": "Private", "hours": 40, "pair": [1, 2.5]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_rest_endpoints_answer_and_shadow() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let (status, id, answer) =
        post(&server, "/v1/models/census:predict", fields().to_string()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["outputs"], json!({"income": "<=50K", "probability": 0.39}));
    assert_eq!(answer["model_version"], "2");
    assert_eq!(answer["inference_id"].as_str(), id.as_deref());

    let body = json!({"inputs": fields(), "inference_id": "mine", "tags": {"team": "risk"}});
    let path = "/v1/models/census/versions/1:predict";
    let (status, id, answer) = post(&server, path, body.to_string()).await;
    assert_eq!((status, id.as_deref()), (200, Some("mine")), "{answer}");
    assert_eq!(answer["model_version"], "1");

    let body = json!({
        "id": "oip",
        "parameters": {"team": "fraud", "n": 1},
        "inputs": [
            {"name": "age", "datatype": "INT64", "shape": [2], "data": [20, 60]},
            {"name": "workclass", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]},
            {"name": "hours", "datatype": "FP64", "shape": [2], "data": [1, 2]},
            {"name": "pair", "datatype": "FP32", "shape": [2, 2], "data": [[1, 2], [3, 4]]},
        ],
        "outputs": [{"name": "probability"}],
    });
    let (status, _, answer) = post(&server, "/v2/models/census/infer", body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let expected =
        json!([{"name": "probability", "datatype": "FP64", "shape": [2], "data": [0.2, 0.6]}]);
    assert_eq!((&answer["outputs"], &answer["id"]), (&expected, &json!("oip")));

    let inferences = shadowed(log.log(), log.topics(), 3).await;
    let tags = |id: &str| {
        let found = inferences.iter().find(|(_, it)| it.id == id).unwrap();
        found.1.tags.get("team").cloned()
    };
    assert_eq!((tags("mine"), tags("oip")), (Some("risk".into()), Some("fraud".into())));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_describes_itself_over_http() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    for (path, status, word) in [
        ("/v2", 200, "shadowline-serving"),
        ("/v2/health/live", 200, "{\"live\":true}"),
        ("/v2/models/census", 200, "\"INT64\""),
        ("/v2/models/census/versions/1", 200, "\"versions\":[\"1\"]"),
        ("/v2/models/census/ready", 200, "true"),
        ("/v2/models/census/versions/3/ready", 404, "`3`"),
        ("/v2/models/nobody", 404, "`nobody`"),
        ("/v1/models", 200, "models"),
        ("/livez", 200, "alive"),
        (
            "/metrics",
            200,
            "shadowline_model_loaded{model=\"census\",version=\"1\",platform=\"shadowline_function\"} 1",
        ),
    ] {
        let (found, body) = server.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.contains(word), "{path}: no {word} in {body}");
    }
    let (_, _, index) = post(&server, "/v2/repository/index", "").await;
    assert_eq!(index[0], json!({"name": "census", "version": "1", "state": "READY", "reason": ""}));
    assert_eq!(post(&server, "/v2/repository/models/census/unload", "").await.0, 200);
    assert_eq!(server.get("/v2/models/census/ready").await.0, 503);
    assert_eq!(post(&server, "/v2/repository/models/census/load", "").await.0, 200);
    assert_eq!(server.get("/v2/models/census/ready").await.0, 200);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_json_gets_a_reason() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = 4096;
    })
    .await;
    const PREDICT: &str = "/v1/models/census:predict";
    const INFER: &str = "/v2/models/census/infer";
    let with = |name: &str, value: Value| {
        let mut body = fields();
        body[name] = value;
        body.to_string()
    };
    let infer = |age: Value| json!({"inputs": [age]}).to_string();
    let tensor = |datatype: &str, shape: Value, data: Value| json!({"name": "age", "datatype": datatype, "shape": shape, "data": data});
    let cases: Vec<(&str, String, u16, &[&str])> = vec![
        (PREDICT, "{".into(), 400, &["body", "line 1"]),
        (PREDICT, "[1]".into(), 400, &["object of fields"]),
        (PREDICT, r#"{"age": NaN}"#.into(), 400, &["`age`", "int64", "NaN"]),
        (
            PREDICT,
            with("hours", json!("x")).replace("\"x\"", "[1, -Infinity]"),
            400,
            &["`hours`", "-inf", "element 1"],
        ),
        (PREDICT, r#"{"age": nan}"#.into(), 400, &["body", "line 1 column"]),
        (PREDICT, with("age", json!([1, 1.5])), 400, &["`age`", "1.5", "element 1"]),
        (PREDICT, with("age", json!({})), 400, &["`age`", "an object"]),
        (PREDICT, with("age", json!("x")), 400, &["`age`", "int64", "\"x\""]),
        (PREDICT, with("age", Value::Null), 400, &["`age`", "null"]),
        (PREDICT, with("agee", json!(1)), 400, &["`agee`", "unknown"]),
        (PREDICT, fields().to_string().replace('}', ", \"age\": 1}"), 400, &["`age`", "twice"]),
        (PREDICT, json!({"inputs": fields(), "tag": 1}).to_string(), 400, &["`tag`", "`tags`"]),
        (PREDICT, json!({"inputs": fields(), "tags": [1]}).to_string(), 400, &["`tags`", "object"]),
        (
            PREDICT,
            json!({"instances": [{"age": 1}]}).to_string(),
            400,
            &["`instances[0]`", "missing"],
        ),
        (
            PREDICT,
            json!({"inputs": fields(), "inference_id": 5}).to_string(),
            400,
            &["inference_id"],
        ),
        (PREDICT, " ".repeat(5000), 413, &["4096", "5000"]),
        ("/v1/models/nobody:predict", fields().to_string(), 404, &["`nobody`", "census"]),
        ("/v1/models/census", fields().to_string(), 405, &[":predict"]),
        (INFER, "{}".into(), 400, &["inputs"]),
        (INFER, infer(json!({"name": "age"})), 400, &["shape"]),
        (
            INFER,
            infer(tensor("INT64", json!([1]), json!(["x"]))),
            400,
            &["`age`", "int64", "\"x\""],
        ),
        (
            INFER,
            infer(tensor("INT64", json!([2]), json!([1]))),
            400,
            &["`age`", "2 elements", "1 elements"],
        ),
        (INFER, infer(tensor("INT64", json!([-2]), json!([1]))), 400, &["`age`", "[-2]"]),
        (INFER, infer(tensor("INT99", json!([1]), json!([1]))), 400, &["`age`", "INT99"]),
        (INFER, infer(tensor("INT64", json!([1]), json!(1))), 400, &["`age`", "list"]),
        (INFER, infer(tensor("INT8", json!([1]), json!([300]))), 400, &["`age`", "int8", "300"]),
    ];
    for (path, body, status, words) in cases {
        let (found, _, answer) = post(&server, path, body.clone()).await;
        assert_eq!(found, status, "{body}: {answer}");
        let message = match path.starts_with("/v2") {
            // Clients of the protocol know an error that is a text, and no other.
            true => answer["error"].as_str().unwrap(),
            false => answer["error"]["message"].as_str().unwrap(),
        };
        assert!(!message.contains("struct") && !message.contains(" i64"), "{message}");
        for word in words {
            assert!(message.contains(word), "{body}: no {word:?} in {message:?}");
        }
        assert_eq!(post(&server, PREDICT, fields().to_string()).await.0, 200);
    }
    // What could be read is on the log as an error.
    let inferences = shadowed(log.log(), log.topics(), 30).await;
    let failed = inferences.iter().filter(|(_, it)| matches!(it.outcome, Outcome::Failed(_)));
    assert!(10 <= failed.count());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_any_letters_is_the_same_in_the_answer_and_in_the_record() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let ids = ["mine", "é", "注文 7", "a\"b%c"];
    for id in ids {
        let wrong = json!({"id": id, "inputs": []});
        for (path, body, pointer) in [
            ("/v2/models/census/infer", wrong, "/request_id"),
            (
                "/v1/models/census:predict",
                json!({"inputs": {"age": 1}, "inference_id": id}),
                "/error/request_id",
            ),
        ] {
            let request = reqwest::Client::new().post(server.url(path)).body(body.to_string());
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 400);
            for header in ["shadowline-inference-id", "x-request-id"] {
                assert_eq!(response.headers()[header].as_bytes(), id.as_bytes(), "{header}");
            }
            let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(answer.pointer(pointer), Some(&json!(id)), "{answer}");
        }
    }
    // Metadata of gRPC is ASCII, so there only such an id is in it.
    let mut infer = server.open_inference().await;
    for id in ids {
        let request = ModelInferRequest { id: id.to_owned(), ..good() };
        let answer = infer.model_infer(request.clone()).await.unwrap();
        let wrong = ModelInferRequest { inputs: Vec::new(), ..request };
        let refused = infer.model_infer(wrong).await.unwrap_err();
        for metadata in [answer.metadata(), refused.metadata()] {
            let found = metadata.get("shadowline-inference-id").map(|it| it.to_str().unwrap());
            assert_eq!(found, id.is_ascii().then_some(id));
        }
        assert_eq!(answer.into_inner().id, id);
    }
    let inferences = shadowed(log.log(), log.topics(), ids.len()).await;
    assert!(inferences.iter().all(|(_, it)| ids.contains(&it.id.as_str())));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_of_the_openapi_document_is_there() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let (status, openapi) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    let openapi: Value = serde_json::from_str(&openapi).unwrap();
    assert!(openapi["paths"].get("/v2/models/{name}/infer").is_some(), "{openapi}");
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let path = path.replace("{name}", "nobody").replace("{version}", "1");
            let request = reqwest::Client::new().request(method.clone(), server.url(&path));
            let response = request.body("{}").send().await.unwrap();
            let status = response.status().as_u16();
            let answer = response.text().await.unwrap();
            assert!(status != 405 && !answer.contains("nothing at"), "{method} {path}: {answer}");
        }
    }
    let (status, page) = server.get("/docs").await;
    assert!(status == 200 && page.contains("openapi.json"));
    server.stop().await;
}
