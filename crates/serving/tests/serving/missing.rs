//! Missing values: accepted on every endpoint where the contract says so, and refused where it does not.

use serde_json::json;
use shadowline_contract::Value;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::{Inference, Outcome, named_values};

use crate::messages::{good, good_raw};
use crate::server::{TestServer, request, shadowed};

/// Whether an inference was shadowed without its hours and with these work classes.
#[track_caller]
fn check_shadowed(inference: &Inference, classes: &str) {
    let tensor = |name: &str| {
        let found = inference.inputs.iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", inference.id)).tensor.data()
    };
    assert!(tensor("hours").as_f64(0).unwrap().is_nan(), "{}", inference.id);
    assert_eq!(tensor("workclass").as_str(0), Some(classes), "{}", inference.id);
    assert!(matches!(inference.outcome, Outcome::Outputs(_)), "{}", inference.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_accepted_and_shadowed_as_missing_on_every_endpoint() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    let mut predict = server.predictions().await;

    let mut typed = good();
    (typed.model_name, typed.id) = ("gaps".to_owned(), "typed".to_owned());
    typed.inputs[2].contents.as_mut().unwrap().fp64_contents = vec![f64::NAN];
    infer.model_infer(typed).await.unwrap();

    let mut raw = good_raw();
    (raw.model_name, raw.id) = ("gaps".to_owned(), "raw".to_owned());
    raw.raw_input_contents[2] = f64::NAN.to_le_bytes().to_vec().into();
    infer.model_infer(raw).await.unwrap();

    let mut named = request("named", 39);
    named.model_name = "gaps".to_owned();
    for name in ["hours", "workclass"] {
        named.inputs.insert(name.to_owned(), named_values::to_wire(Value::Null));
    }
    predict.predict(named).await.unwrap();

    let post = async |path: &str, body: serde_json::Value| {
        let request = reqwest::Client::new().post(server.url(path)).body(body.to_string());
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let fields = json!({"age": 39, "workclass": null, "hours": null, "pair": [1, 2.5]});
    let body = json!({"inputs": &fields, "inference_id": "rest"});
    let (status, answer) = post("/v1/models/gaps:predict", body).await;
    assert_eq!(status, 200, "{answer}");

    let tensors = json!([
        {"name": "age", "datatype": "INT64", "shape": [1], "data": [39]},
        {"name": "workclass", "datatype": "BYTES", "shape": [1], "data": [null]},
        {"name": "hours", "datatype": "FP64", "shape": [1], "data": [null]},
        {"name": "pair", "datatype": "FP32", "shape": [1, 2], "data": [1, 2.5]},
    ]);
    let body = json!({"id": "v2", "inputs": tensors});
    let (status, answer) = post("/v2/models/gaps/infer", body.clone()).await;
    assert_eq!(status, 200, "{answer}");

    let instance = json!({"instances": [fields, [39, null, null, [1, 2.5]]]});
    let (status, answer) = post("/v1/models/gaps:predict", instance).await;
    assert_eq!(status, 200, "{answer}");

    for (_, inference) in shadowed(log.log(), log.topics(), 6).await {
        // A tensor of gRPC has no form for a text that is not there.
        let is_grpc = matches!(inference.id.as_str(), "typed" | "raw");
        check_shadowed(&inference, if is_grpc { "Private" } else { "" });
    }

    // The same where the contract has no gaps: the field, the element and what would help.
    let mut without_class = body.clone();
    without_class["inputs"][2]["data"] = json!([40]);
    let (status, answer) = post("/v2/models/census/infer", without_class).await;
    assert_eq!(status, 400, "{answer}");
    for word in ["`workclass`", "null", "element 0", "`nullable`", "string"] {
        assert!(answer.contains(word), "no {word} in {answer}");
    }
    let mut without_hours = body;
    without_hours["inputs"][1]["data"] = json!(["Private"]);
    let (status, answer) = post("/v2/models/census/infer", without_hours).await;
    assert_eq!(status, 400, "{answer}");
    for word in ["`hours`", "NaN", "element 0", "`nullable`", "`train --missing`"] {
        assert!(answer.contains(word), "no {word} in {answer}");
    }
    server.stop().await;
}
