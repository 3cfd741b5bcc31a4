//! grpcurl, which knows no message before it asks: it lists, describes and calls by reflection.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use shadowline_testkit::go_tool;
use shadowline_testkit_stack::TestLog;
use tokio::process::Command;

use super::PATIENCE;
use crate::server::TestServer;

struct Grpcurl {
    program: PathBuf,
    address: String,
}

impl Grpcurl {
    async fn run(&self, flags: &[&str], rest: &[&str]) -> Output {
        let mut command = Command::new(&self.program);
        command.arg("-plaintext").args(flags).arg(&self.address).args(rest).kill_on_drop(true);
        tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap()
    }

    async fn said(&self, rest: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.run(&[], rest).await;
        assert!(status.success(), "{rest:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// Calls a method; a refusal is what was said instead of an answer.
    async fn call(&self, method: &str, body: &Value) -> Result<Value, String> {
        let Output { status, stdout, stderr } =
            self.run(&["-d", &body.to_string()], &[method]).await;
        match status.success() {
            true => Ok(serde_json::from_slice(&stdout).unwrap()),
            false => Err(String::from_utf8(stderr).unwrap()),
        }
    }
}

fn tensor(name: &str, datatype: &str, shape: Value, contents: Value) -> Value {
    json!({"name": name, "datatype": datatype, "shape": shape, "contents": contents})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_lists_describes_and_predicts() {
    let Some(program) = go_tool("grpcurl") else { return };
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let grpcurl = Grpcurl { program, address: server.grpc.to_string() };

    let listed = grpcurl.said(&["list"]).await;
    for service in [
        "inference.GRPCInferenceService",
        "shadowline.serving.v1.PredictionService",
        "grpc.health.v1.Health",
    ] {
        assert!(listed.lines().any(|it| it == service), "no {service} in {listed}");
        let methods = grpcurl.said(&["list", service]).await;
        assert!(methods.lines().all(|it| it.starts_with(service)), "{methods}");
        assert!(grpcurl.said(&["describe", service]).await.contains("service"), "{service}");
    }
    let described = grpcurl.said(&["describe", "inference.ModelInferRequest"]).await;
    assert!(described.contains("repeated bytes raw_input_contents = 7"), "{described}");

    // Text as base64, and whole numbers as texts or as numbers.
    const INFER: &str = "inference.GRPCInferenceService/ModelInfer";
    let mut request = json!({"model_name": "census", "id": "mine", "inputs": [
        tensor("age", "INT64", json!(["2"]), json!({"int64_contents": ["20", 60]})),
        tensor("workclass", "BYTES", json!([2]), json!({"bytes_contents": ["YQ==", "w6Q="]})),
        tensor("hours", "FP64", json!([2]), json!({"fp64_contents": [1, 2.5]})),
        tensor("pair", "FP32", json!([2, 2]), json!({"fp32_contents": [1, 2, 3, 4]})),
    ]});
    let answer = grpcurl.call(INFER, &request).await.unwrap();
    assert_eq!(answer["id"], "mine");
    let outputs = answer["outputs"].as_array().unwrap();
    let output = |name: &str| outputs.iter().find(|it| it["name"] == name).unwrap();
    assert_eq!(output("probability")["contents"], json!({"fp64Contents": [0.2, 0.6]}));
    assert_eq!(output("income")["contents"], json!({"bytesContents": ["PD01MEs=", "PjUwSw=="]}));

    const PREDICT: &str = "shadowline.serving.v1.PredictionService/Predict";
    let pair = json!({"list_value": {"values": [{"double_value": 1}, {"double_value": 2}]}});
    let named = json!({"model_name": "census", "inputs": {
        "age": {"int64_value": 39}, "workclass": {"string_value": "a"}, "hours": {"double_value": 40}, "pair": pair,
    }});
    let answer = grpcurl.call(PREDICT, &named).await.unwrap();
    assert_eq!(answer["outputs"]["probability"], json!({"doubleValue": 0.39}));

    let health = json!({"service": "inference.GRPCInferenceService"});
    let answer = grpcurl.call("grpc.health.v1.Health/Check", &health).await.unwrap();
    assert_eq!(answer, json!({"status": "SERVING"}));
    let refused = grpcurl.call("grpc.health.v1.Health/Check", &json!({"service": "x"})).await;
    assert!(refused.unwrap_err().contains("NotFound"));
    request["inputs"][0]["datatype"] = json!("INT32");
    let refused = grpcurl.call(INFER, &request).await.unwrap_err();
    assert!(refused.contains("InvalidArgument") && refused.contains("`age`"), "{refused}");
    server.stop().await;
}
