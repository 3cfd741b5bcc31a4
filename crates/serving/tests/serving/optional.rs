//! Members that may be left out: in every body of the OpenAPI document, null says the same.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use shadowline_testkit::optional_members;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::inference::{ModelRepositoryParameter, RepositoryModelLoadRequest};
use uuid::Uuid;

use crate::server::TestServer;

/// Bodies of a path, which between them have every optional member that its schema has.
fn bodies(path: &str) -> Vec<Value> {
    let fields = json!({"age": 39, "workclass": "Private", "hours": 40, "pair": [1, 2.5]});
    let tags = json!({"team": "risk"});
    match path.rsplit(['/', ':']).next().unwrap() {
        "predict" => vec![
            json!({"inputs": fields, "inference_id": "mine", "tags": tags}),
            json!({"instances": [fields], "inference_id": "mine", "tags": tags, "signature_name": "serving_default"}),
            fields,
        ],
        "infer" => vec![json!({
            "id": "mine",
            "parameters": {"team": "risk", "binary_data_output": false},
            "inputs": [
                {"name": "age", "datatype": "INT64", "shape": [1], "data": [39], "parameters": {"content_type": "np"}},
                {"name": "workclass", "datatype": "BYTES", "shape": [1], "data": ["a"], "parameters": {}},
                {"name": "hours", "datatype": "FP64", "shape": [1], "data": [1]},
                {"name": "pair", "datatype": "FP32", "shape": [1, 2], "data": [[1, 2]]},
            ],
            "outputs": [{"name": "probability", "parameters": {"binary_data": false}}, {"name": "income"}],
        })],
        "index" => vec![json!({"ready": true})],
        "load" => vec![json!({"parameters": {}})],
        "unload" => vec![json!({"parameters": {"unload_dependents": true}})],
        "default_version" => vec![json!({"version": 1})],
        _ => panic!("no body is known for {path}; a new one belongs into this test"),
    }
}

/// Puts a word in the place of ids that the server makes.
fn without_ids(value: &mut Value) {
    match value {
        Value::String(text) if Uuid::parse_str(text).is_ok() => *text = "an id".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(without_ids),
        Value::Object(members) => members.values_mut().for_each(without_ids),
        _ => {}
    }
}

async fn ask(server: &TestServer, method: &str, path: &str, body: String) -> (u16, Value) {
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = reqwest::Client::new().request(method, server.url(path)).body(body);
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let mut answer = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
    without_ids(&mut answer);
    (status, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_may_be_left_out_may_be_null_in_every_body_of_the_document() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let document: Value = serde_json::from_str(&server.get("/openapi.json").await.1).unwrap();
    let (mut n_members, mut n_accepted) = (0, 0);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"];
            let schema = &body["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            let url = path.replace("{name}", "census").replace("{version}", "1");
            let mut pairs: Vec<(String, String, String)> =
                optional_members(&document, schema, &bodies(path))
                    .into_iter()
                    .map(|it| (it.pointer, it.as_null.to_string(), it.left_out.to_string()))
                    .collect();
            if body["required"] != json!(true) {
                pairs.push(("the body".to_owned(), "null".to_owned(), String::new()));
            }
            for (member, as_null, left_out) in pairs {
                let null = ask(&server, method, &url, as_null).await;
                let none = ask(&server, method, &url, left_out).await;
                assert_eq!(null, none, "{method} {path}: {member}");
                n_members += 1;
                n_accepted += usize::from(null.0 == 200);
                // What the last of them took out of service.
                if path.ends_with("/unload") {
                    let load = "/v2/repository/models/census/load";
                    assert_eq!(ask(&server, "post", load, String::new()).await.0, 200);
                }
            }
        }
    }
    // Only an input without `data` is refused, at both paths of infer.
    assert_eq!((n_members, n_members - n_accepted), (36, 8), "members, and those refused");
    server.stop().await;
}

/// The members of `parameters` have no names in the document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parameter_without_a_value_is_as_if_left_out() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let nulls =
        json!({"parameters": {"config": null, "content_type": null, "classification": null}});
    for verb in ["unload", "load"] {
        let path = format!("/v2/repository/models/census/{verb}");
        let answer = ask(&server, "post", &path, nulls.to_string()).await;
        assert_eq!(answer, (200, json!({})), "{verb}");
    }
    let mut infer = bodies("infer").remove(0);
    infer["parameters"] = nulls["parameters"].clone();
    infer["parameters"]["binary_data_output"] = Value::Null;
    infer["inputs"][0]["parameters"] =
        json!({"shared_memory_region": null, "binary_data_size": null});
    infer["outputs"][0]["parameters"] = json!({"classification": null, "binary_data": null});
    let (status, answer) = ask(&server, "post", "/v2/models/census/infer", infer.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    // A message says it by a parameter of which no kind is set.
    let none = ModelRepositoryParameter { parameter_choice: None };
    let load = RepositoryModelLoadRequest {
        model_name: "census".to_owned(),
        parameters: BTreeMap::from([("config".to_owned(), none)]),
        ..Default::default()
    };
    server.open_inference().await.repository_model_load(load).await.unwrap();
    server.stop().await;
}
