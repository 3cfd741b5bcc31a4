//! Trained models as packages: installed, served, replaced, removed and found again.

use reqwest::multipart::{Form, Part};
use serde_json::json;
use shadowline_features::TableBuilder;
use shadowline_models::LogisticRegression;
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::TestLog;
use shadowline_wire::inference::{RepositoryModelLoadRequest, RepositoryModelUnloadRequest};

use crate::server::{PATIENCE, TestServer, shadowed};

/// A model that calls people of more than about 50 years, or with a doctorate, rich.
fn train(alpha: f64) -> LogisticRegression {
    let mut table = TableBuilder::new(["age", "education", "income"]).unwrap();
    for age in 20..80 {
        for education in ["School", "Doctorate"] {
            let rich = 50 < age || education == "Doctorate";
            let income = if rich { ">50K" } else { "<=50K" };
            table.push_row([age.to_string().as_str(), education, income]).unwrap();
        }
    }
    LogisticRegression::params().alpha(alpha).train("adults", &table.finish(), "income").unwrap()
}

const DOCUMENT: &str = "
kind: Model
name: adults
runtime: logistic-regression
artefact: model.slm
contract:
  inputs:
    age: int64
    education: {type: string, profile: categorical}
  outputs:
    income: {type: string, profile: categorical}
    probability: {type: float64, profile: numerical}
";

async fn install(server: &TestServer, document: &str, artefact: Vec<u8>) -> (u16, String) {
    let form = Form::new()
        .part("document", Part::text(document.to_owned()))
        .part("artefact", Part::bytes(artefact));
    let request = reqwest::Client::new().post(server.url("/v1/models")).multipart(form);
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn predict(server: &TestServer, path: &str) -> (u16, serde_json::Value) {
    let body = json!({"age": 70, "education": "Doctorate"}).to_string();
    let response = reqwest::Client::new().post(server.url(path)).body(body).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_is_served_from_its_installation_on() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let start = async || TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let server = start().await;
    const NEWEST: &str = "/v1/models/adults:predict";
    assert_eq!(predict(&server, NEWEST).await.0, 404);
    let artefact = train(1.0).to_bytes().unwrap();
    let (status, body) = install(&server, DOCUMENT, artefact.clone()).await;
    assert_eq!(status, 201, "{body}");
    let (status, answer) = predict(&server, NEWEST).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["model_version"], &answer["outputs"]["income"]),
        (&json!("1"), &json!(">50K"))
    );
    assert!(answer["outputs"]["probability"].as_f64().unwrap() > 0.5);

    // The same again is the same version; another is the next one, and the newest is the default.
    assert_eq!(install(&server, DOCUMENT, artefact.clone()).await.0, 200);
    assert_eq!(install(&server, DOCUMENT, train(0.1).to_bytes().unwrap()).await.0, 201);
    assert_eq!(predict(&server, NEWEST).await.1["model_version"], "2");
    let (_, old) = predict(&server, "/v1/models/adults/versions/1:predict").await;
    assert_eq!(old["outputs"], answer["outputs"]);

    // What cannot run is never installed.
    for (document, artefact, word) in [
        (DOCUMENT.to_owned(), b"nonsense".to_vec(), ""),
        (
            DOCUMENT.replace("logistic-regression", "isolation-forest"),
            artefact.clone(),
            "`isolation-forest` does not run here",
        ),
        (
            DOCUMENT.replace("    age: int64\n", ""),
            artefact.clone(),
            "field `age`, which is not among",
        ),
        (DOCUMENT.replace("    income:", "    wealth:"), artefact.clone(), "`wealth` (string)"),
        (
            DOCUMENT.replace("age: int64", "age: string"),
            artefact.clone(),
            "reads field `age` as a number, but by the contract it is string",
        ),
        (
            DOCUMENT.replace("age: int64", "age: {type: int64, shape: [2]}"),
            artefact.clone(),
            "int64 of shape [2]",
        ),
        (
            DOCUMENT.replace("education: {type: string", "education: {type: float32"),
            artefact.clone(),
            "reads field `education` as a category, but by the contract it is float32",
        ),
        (
            DOCUMENT
                .replace("probability: {type: float64", "probability: {type: float64, shape: [2]"),
            artefact.clone(),
            "one value for `probability`, but by the contract its shape is [2]",
        ),
        (
            DOCUMENT.replace("income: {type: string", "income: {type: string, shape: [1]"),
            artefact.clone(),
            "one value for `income`, but by the contract its shape is [1]",
        ),
    ] {
        let (status, body) = install(&server, &document, artefact).await;
        assert_eq!(status, 422, "{body}");
        assert!(body.contains(word), "no {word} in {body}");
    }

    // Removing goes back to the version before; unloading keeps the files.
    let delete = reqwest::Client::new().delete(server.url("/v1/models/adults/versions/2"));
    assert_eq!(delete.send().await.unwrap().status().as_u16(), 204);
    assert_eq!(predict(&server, NEWEST).await.1["model_version"], "1");
    let mut repository = server.open_inference().await;
    let model_name = "adults".to_owned();
    let unload =
        RepositoryModelUnloadRequest { model_name: model_name.clone(), ..Default::default() };
    let ready = async || {
        let shown = server.get("/v1/models/adults").await.1;
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()["ready"].clone()
    };
    assert_eq!(ready().await, json!(true));
    repository.repository_model_unload(unload).await.unwrap();
    assert_eq!(predict(&server, NEWEST).await.0, 404);
    // As clients of KServe's first protocol ask.
    assert_eq!(ready().await, json!(false));
    let load = RepositoryModelLoadRequest { model_name, ..Default::default() };
    repository.repository_model_load(load.clone()).await.unwrap();
    assert_eq!(predict(&server, NEWEST).await.0, 200);

    // A package that is copied into the directory is found by loading.
    let models = dir.path().join("models/adults");
    std::fs::rename(models.join("1"), dir.path().join("aside")).unwrap();
    server.stop().await;
    let server = start().await;
    assert_eq!(predict(&server, NEWEST).await.0, 404);
    std::fs::create_dir_all(&models).unwrap();
    std::fs::rename(dir.path().join("aside"), models.join("1")).unwrap();
    server.open_inference().await.repository_model_load(load).await.unwrap();
    assert_eq!(predict(&server, NEWEST).await.0, 200);
    server.stop().await;

    // A damaged one is told in the health, and the others go on.
    std::fs::write(models.join("1/model.slm"), b"damaged").unwrap();
    let server = start().await;
    wait_for("readiness to name the damaged package", PATIENCE, async || {
        let (status, body) = server.get("/readyz").await;
        status == 200 && body.contains("`adults` version 1 cannot be used")
    })
    .await;
    shadowed(log.log(), log.topics(), 8).await;
    server.stop().await;
}
