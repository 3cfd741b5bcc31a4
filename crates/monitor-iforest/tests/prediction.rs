//! The prediction service from outside: the real binary, a real HTTP client, no log.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "a test fails by panicking; scores are compared bit for bit"
)]

mod support;

use ndarray::{Array2, ArrayView2};
use serde_json::{Value, json};
use shadowline_detectors::TrainOptions;
use shadowline_detectors::isolation_forest::Contamination;
use shadowline_features::{Missing, Scale, Table, TableColumn};
use shadowline_testkit::{tool, wait_for};
use support::{PATIENCE, Packaged, Service, command, forest, package, settings, spending};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Two columns without any order in them, and one record far out.
fn plane() -> Table {
    let columns = [("mean", 7), ("sd", 11)].map(|(name, step)| {
        let values = (0..400).map(|it| f64::from(it * step % 101) / 50.0).chain([70.0]).collect();
        (name.to_owned(), TableColumn::Numbers(values))
    });
    Table::new(columns.to_vec()).unwrap()
}

fn plain(dir: &std::path::Path, name: &str) -> Packaged {
    package(dir, name, &plane(), Contamination::Share(0.001), &TrainOptions::default())
}

async fn one_model(dir: &std::path::Path) -> (Service, Packaged) {
    let packaged = plain(dir, "spend");
    (Service::ready(&settings(dir, &[&packaged.folder])).await, packaged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vector_is_judged_as_the_forest_itself_does() {
    let dir = tempfile::tempdir().unwrap();
    let (service, packaged) = one_model(dir.path()).await;
    let forest = forest(&packaged.artefact);
    for record in [[0.1234, 0.1234], [70.0, 70.0], [1.0, 1.0], [-1e300, 1e300]] {
        let records = ArrayView2::from_shape((1, 2), &record).unwrap();
        let is_inlier = forest.predict(records).unwrap()[0];
        let score = forest.score_samples(records).unwrap()[0];
        assert!((-1.0..0.0).contains(&score));
        // Absent, null and false are the same.
        for rest in ["", r#","score":null"#, r#","score":false"#] {
            let body = format!(r#"{{"feature_vector":{}{rest}}}"#, json!(record));
            let (status, answer) = service.post("/prediction", body).await;
            assert_eq!((status, answer), (200, json!({"is_inlier": is_inlier})));
        }
        for path in ["/prediction", "/models/spend/prediction"] {
            let body = json!({"feature_vector": record, "score": true}).to_string();
            let (status, answer) = service.post(path, body).await;
            assert_eq!(status, 200);
            assert_eq!(answer, json!({"is_inlier": is_inlier, "anomaly_score": score}));
        }
    }
    let outlier = service.post("/prediction", r#"{"feature_vector":[70,70]}"#).await.1;
    assert_eq!(outlier, json!({"is_inlier": -1}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_tells_its_parameters_under_scikit_learns_names() {
    let dir = tempfile::tempdir().unwrap();
    let (service, packaged) = one_model(dir.path()).await;
    let (status, answer) = service.get("/model_information").await;
    assert_eq!(status, 200);
    for (key, value) in [
        ("bootstrap", json!(false)),
        ("contamination", json!(0.001)),
        ("max_features", json!(1.0)),
        ("max_samples", json!("auto")),
        ("n_estimators", json!(100)),
        ("n_jobs", Value::Null),
        ("random_state", json!(16)),
        ("verbose", json!(0)),
        ("warm_start", json!(false)),
        ("model", json!("spend")),
        ("version", json!(1)),
        ("offset", json!(forest(&packaged.artefact).offset())),
        ("n_trained", json!(401)),
        ("n_samples", json!(256)),
    ] {
        assert_eq!(answer.get(key), Some(&value), "{key} in {answer}");
    }
    assert_eq!(answer["features"][1], json!({"name": "sd", "kind": "number"}));
    assert_eq!(service.get("/models/spend/model_information").await, (200, answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_one_is_refused_where_it_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = one_model(dir.path()).await;
    let check = async |body: &str, expected: &[(&str, Value)]| {
        let (status, answer) = service.post("/prediction", body.to_owned()).await;
        assert_eq!(status, 422, "{body}: {answer}");
        let detail = answer["detail"].as_array().unwrap();
        let found: Vec<(&str, Value)> =
            detail.iter().map(|it| (it["type"].as_str().unwrap(), it["loc"].clone())).collect();
        assert_eq!(found, expected, "{body}: {answer}");
        for problem in detail {
            assert!(problem["msg"].as_str().is_some_and(|it| !it.is_empty()), "{answer}");
            assert!(problem.get("input").is_some(), "{answer}");
        }
        answer
    };
    let vector = || json!(["body", "feature_vector"]);
    let at = |idx: usize| json!(["body", "feature_vector", idx]);
    let answer = check(r#"{"score":true}"#, &[("missing", vector())]).await;
    assert_eq!(answer["detail"][0]["msg"], "Field required");
    assert_eq!(answer["detail"][0]["input"], json!({"score": true}));
    let answer = check(r#"{"feature_vector":[0.1,"word"]}"#, &[("float_parsing", at(1))]).await;
    let msg = "Input should be a valid number, unable to parse string as a number";
    assert_eq!(
        (&answer["detail"][0]["msg"], &answer["detail"][0]["input"]),
        (&json!(msg), &json!("word"))
    );
    assert_eq!(answer["detail"][0]["ctx"]["feature"], "sd");
    check(r#"{"feature_vector":["0.1",true]}"#, &[("float_type", at(0)), ("float_type", at(1))])
        .await;
    check(r#"{"feature_vector":[null,[1]]}"#, &[("float_type", at(0)), ("float_type", at(1))])
        .await;
    check(r#"{"feature_vector":"0.1"}"#, &[("list_type", vector())]).await;
    for (list, code, got) in
        [("[0.1]", "too_short", 1), ("[]", "too_short", 0), ("[1,2,3]", "too_long", 3)]
    {
        let body = format!(r#"{{"feature_vector":{list}}}"#);
        let answer = check(&body, &[(code, vector())]).await;
        let msg = answer["detail"][0]["msg"].as_str().unwrap();
        assert!(msg.contains("2 items") && msg.contains(&format!("not {got}")), "{msg}");
        assert!(msg.ends_with("expected mean, sd"), "{msg}");
    }
    check(
        r#"{"feature_vector":[1,2],"scores":true}"#,
        &[("extra_forbidden", json!(["body", "scores"]))],
    )
    .await;
    check(r#"{"feature_vector":[1,2],"score":1}"#, &[("bool_type", json!(["body", "score"]))])
        .await;
    check(
        r#"{"feature_vector":[1,2],"score":"yes"}"#,
        &[("bool_parsing", json!(["body", "score"]))],
    )
    .await;
    for number in ["NaN", "Infinity", "-Infinity", "1e999"] {
        let body = format!(r#"{{"feature_vector":[1,{number}]}}"#);
        let answer = check(&body, &[("finite_number", at(1))]).await;
        assert_eq!(answer["detail"][0]["ctx"]["feature"], "sd");
    }
    check(r#"{"feature_vector":[1,2],"score":NaN}"#, &[("bool_type", json!(["body", "score"]))])
        .await;
    let answer = service.post("/prediction", r#"{"feature_vector":[1,2"#).await;
    assert_eq!((answer.0, answer.1["detail"][0]["type"].as_str()), (422, Some("json_invalid")));
    check("", &[("missing", json!(["body"]))]).await;
    check("[0.1,0.1]", &[("model_attributes_type", json!(["body"]))]).await;
    check(
        r#"{"feature_vector":[1,2],"feature_vector":[1,2]}"#,
        &[("value_error", json!(["body"]))],
    )
    .await;
    // Several things at once.
    check(
        r#"{"feature_vector":["x",2],"score":3,"colour":"red"}"#,
        &[
            ("float_parsing", at(0)),
            ("bool_type", json!(["body", "score"])),
            ("extra_forbidden", json!(["body", "colour"])),
        ],
    )
    .await;
    // What is long is not repeated.
    let long = json!({"feature_vector": vec![0.5; 5000]}).to_string();
    let (status, answer) = service.post("/prediction", long).await;
    assert!(status == 422 && answer.to_string().len() < 1000, "{answer}");
    let (status, answer) = service.post("/prediction", vec![b' '; 2 << 20]).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!("too_large")));
    let (status, answer) = service.get("/prediction").await;
    assert_eq!((status, &answer["error"]["code"]), (405, &json!("method_not_allowed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn categories_are_texts_and_missing_numbers_null_where_training_had_them() {
    let dir = tempfile::tempdir().unwrap();
    let ages = (0..60).map(|it| if it % 7 == 0 { f64::NAN } else { f64::from(20 + it % 40) });
    let jobs = (0..60).map(|it| ["clerk", "smith"][it % 2].to_owned()).collect();
    let table = Table::new(vec![
        ("age".to_owned(), TableColumn::Numbers(ages.collect())),
        ("job".to_owned(), TableColumn::Texts(jobs)),
    ])
    .unwrap();
    let options = TrainOptions {
        scale: Scale::Standard,
        missing: Missing::Median,
        ..TrainOptions::default()
    };
    let packaged = package(dir.path(), "people", &table, Contamination::Auto, &options);
    let service = Service::ready(&settings(dir.path(), &[&packaged.folder])).await;
    for row_idx in [0, 1, 2] {
        let row = table.rows(row_idx..row_idx + 1);
        let expected = -packaged.artefact.score(&row).unwrap().scores[0];
        let age = table.column("age").unwrap().values().number(row_idx).filter(|it| it.is_finite());
        let job = table.column("job").unwrap().values().text(row_idx).unwrap();
        let body = json!({"feature_vector": [age, job], "score": true}).to_string();
        let (status, answer) = service.post("/prediction", body).await;
        assert_eq!((status, answer["anomaly_score"].as_f64()), (200, Some(expected)), "{answer}");
    }
    // A bare NaN is as null, and an infinity is none.
    let of_null = service.post("/prediction", r#"{"feature_vector":[null,"smith"],"score":true}"#);
    let of_nan = service.post("/prediction", r#"{"feature_vector":[NaN,"smith"],"score":true}"#);
    assert_eq!(of_null.await, of_nan.await);
    let (status, answer) =
        service.post("/prediction", r#"{"feature_vector":[-Infinity,"NaN"]}"#).await;
    let problem = &answer["detail"][0];
    assert_eq!(
        (status, &problem["loc"][2], &problem["input"]),
        (422, &json!(0), &json!("-Infinity"))
    );
    // An unseen category has its code; a number is no category.
    assert_eq!(service.post("/prediction", r#"{"feature_vector":[30,"judge"]}"#).await.0, 200);
    let (status, answer) = service.post("/prediction", r#"{"feature_vector":[30,1]}"#).await;
    assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("string_type")));
    let (_, information) = service.get("/model_information").await;
    let job = json!({"name": "job", "kind": "category", "categories": ["clerk", "smith"]});
    assert_eq!(information["features"][1], job);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_category_is_null_only_where_training_had_it() {
    let dir = tempfile::tempdir().unwrap();
    let jobs = |of: [&str; 3]| (0..60).map(|it| of[it % 3].to_owned()).collect();
    let table = Table::new(vec![
        ("job".to_owned(), TableColumn::Texts(jobs(["clerk", "", "?"]))),
        ("town".to_owned(), TableColumn::Texts(jobs(["Rome", "Oslo", "Lima"]))),
    ])
    .unwrap();
    let options = TrainOptions::default();
    let packaged = package(dir.path(), "people", &table, Contamination::Auto, &options);
    let service = Service::ready(&settings(dir.path(), &[&packaged.folder])).await;
    let null = r#"{"feature_vector":[null,"Rome"],"score":true}"#;
    let (status, answer) = service.post("/prediction", null).await;
    assert_eq!(status, 200, "{answer}");
    let row = Table::new(vec![
        ("job".to_owned(), TableColumn::Texts(vec![String::new()])),
        ("town".to_owned(), TableColumn::Texts(vec!["Rome".to_owned()])),
    ]);
    let expected = -packaged.artefact.score(&row.unwrap()).unwrap().scores[0];
    assert_eq!(answer["anomaly_score"].as_f64(), Some(expected));
    let (status, answer) =
        service.post("/prediction", r#"{"feature_vector":["clerk",null]}"#).await;
    assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("string_type")), "{answer}");
    assert_eq!(answer["detail"][0]["loc"], json!(["body", "feature_vector", 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_models_are_asked_by_name_and_one_may_stand_for_all() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (plain(dir.path(), "first"), plain(dir.path(), "second"));
    let body = r#"{"feature_vector":[1,1]}"#;
    let both = settings(dir.path(), &[&first.folder, &second.folder]);
    let service = Service::ready(&both).await;
    for (path, answer) in [
        ("/prediction", service.post("/prediction", body).await),
        ("/model_information", service.get("/model_information").await),
    ] {
        assert_eq!(
            (answer.0, &answer.1["error"]["code"]),
            (409, &json!("several_models")),
            "{path}"
        );
        let message = answer.1["error"]["message"].as_str().unwrap();
        assert!(message.contains("first, second"), "{message}");
    }
    for name in ["first", "second"] {
        assert_eq!(service.post(&format!("/models/{name}/prediction"), body).await.0, 200);
        let (_, information) = service.get(&format!("/models/{name}/model_information")).await;
        assert_eq!(information["model"], name);
    }
    let (status, answer) = service.post("/models/third/prediction", body).await;
    assert_eq!(status, 404);
    assert!(answer["error"]["message"].as_str().unwrap().ends_with("there are: first, second"));
    assert_eq!(service.sample(r#"prediction_requests_total{model=""}"#).await, Some(2.0));
    drop(service);

    let mut named = both;
    named.push("prediction.model=second".to_owned());
    let service = Service::ready(&named).await;
    assert_eq!(service.get("/model_information").await.1["model"], "second");
    assert_eq!(service.post("/prediction", body).await.0, 200);
    assert_eq!(service.sample(r#"prediction_requests_total{model="second"}"#).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_model_it_is_not_ready_until_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(&settings(dir.path(), &[])).await;
    let (status, answer) = service.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(answer["message"].as_str().unwrap().contains("no model is there"), "{answer}");
    let (status, answer) = service.post("/prediction", r#"{"feature_vector":[1,1]}"#).await;
    assert_eq!((status, &answer["error"]["code"]), (503, &json!("no_model")));
    let packaged = plain(dir.path(), "late");
    assert_eq!(service.install(&packaged.folder).await, 201);
    wait_for("it is ready", PATIENCE, async || service.get("/readyz").await.0 == 200).await;
    assert_eq!(service.post("/prediction", r#"{"feature_vector":[1,1]}"#).await.0, 200);
    drop(service);
    // What was installed stays installed.
    let service = Service::ready(&settings(dir.path(), &[])).await;
    assert_eq!(service.get("/model_information").await.1["model"], "late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_no_package_stops_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let check = async |folder: &std::path::Path, words: &[&str]| {
        let output = command(&settings(dir.path(), &[folder])).output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        for word in words {
            assert!(log.contains(word), "no `{word}` in {log}");
        }
    };
    check(&dir.path().join("none"), &["install package", "none", "No such file"]).await;
    let packaged = plain(dir.path(), "spend");
    let file = packaged.folder.join("model.slm");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    check(&packaged.folder, &["install package", "package-spend", "cannot be used", "checksum"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_under_concurrency_and_start_at_zero() {
    let dir = tempfile::tempdir().unwrap();
    let (service, packaged) = one_model(dir.path()).await;
    for series in [
        r#"prediction_requests_total{model="spend"}"#,
        r#"model_information_requests_total{model="spend"}"#,
        r#"prediction_errors_total{model="spend",code="missing"}"#,
        r#"prediction_errors_total{model="spend",code="float_parsing"}"#,
        r#"predictions_by_output_total{model="spend",output="1"}"#,
        r#"predictions_by_output_total{model="spend",output="-1"}"#,
        r#"predictions_scores_magnitude_total{model="spend"}"#,
        r#"predictions_output_count{model="spend"}"#,
        r#"predictions_scores_count{model="spend"}"#,
        r#"predictions_scores_bucket{le="-0.95",model="spend"}"#,
        r#"prediction_latency_seconds_count{model="spend"}"#,
    ] {
        assert_eq!(service.sample(series).await, Some(0.0), "{series}");
    }
    let tasks = (0..8).map(|task| {
        let service = &service;
        async move {
            for idx in 0..50 {
                let vector = if idx == 0 { [70.0, 70.0] } else { [f64::from(idx) / 25.0, 1.0] };
                let body = json!({"feature_vector": vector, "score": idx % 4 == 0}).to_string();
                assert_eq!(service.post("/prediction", body).await.0, 200);
                if idx == task {
                    assert_eq!(service.post("/prediction", "{}").await.0, 422);
                    assert_eq!(service.get("/model_information").await.0, 200);
                }
            }
        }
    });
    futures_util::future::join_all(tasks).await;
    let mut scored = 0.0;
    for idx in (0..50).step_by(4) {
        let vector = if idx == 0 { [70.0, 70.0] } else { [f64::from(idx) / 25.0, 1.0] };
        let records = Array2::from_shape_vec((1, 2), vector.to_vec()).unwrap();
        scored += 8.0 * forest(&packaged.artefact).score_samples(records.view()).unwrap()[0];
    }
    for (series, expected) in [
        (r#"prediction_requests_total{model="spend"}"#, 408.0),
        (r#"model_information_requests_total{model="spend"}"#, 8.0),
        (r#"prediction_errors_total{model="spend",code="missing"}"#, 8.0),
        (r#"predictions_by_output_total{model="spend",output="1"}"#, 392.0),
        (r#"predictions_by_output_total{model="spend",output="-1"}"#, 8.0),
        (r#"predictions_output_count{model="spend"}"#, 400.0),
        (r#"predictions_output_sum{model="spend"}"#, 384.0),
        (r#"predictions_output_bucket{le="-1.0",model="spend"}"#, 8.0),
        (r#"predictions_output_bucket{le="1.0",model="spend"}"#, 400.0),
        (r#"predictions_scores_count{model="spend"}"#, 104.0),
        (r#"predictions_scores_bucket{le="0.0",model="spend"}"#, 104.0),
        (r#"predictions_scores_bucket{le="-1.0",model="spend"}"#, 0.0),
        (r#"prediction_latency_seconds_count{model="spend"}"#, 400.0),
    ] {
        assert_eq!(service.sample(series).await, Some(expected), "{series}");
    }
    let magnitude =
        service.sample(r#"predictions_scores_magnitude_total{model="spend"}"#).await.unwrap();
    let sum = service.sample(r#"predictions_scores_sum{model="spend"}"#).await.unwrap();
    approx::assert_abs_diff_eq!(magnitude, -scored, epsilon = 1e-9);
    approx::assert_abs_diff_eq!(sum, scored, epsilon = 1e-9);
    approx::assert_abs_diff_eq!(
        service.sample(r#"predictions_scores_bucket{le="-0.5",model="spend"}"#).await.unwrap(),
        {
            let below = (0..50).step_by(4).filter(|idx| {
                let vector = if *idx == 0 { [70.0, 70.0] } else { [f64::from(*idx) / 25.0, 1.0] };
                let records = Array2::from_shape_vec((1, 2), vector.to_vec()).unwrap();
                forest(&packaged.artefact).score_samples(records.view()).unwrap()[0] <= -0.5
            });
            8.0 * below.count() as f64
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_at_both_paths_and_openmetrics_has_no_sum_that_falls() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = one_model(dir.path()).await;
    service.post("/prediction", r#"{"feature_vector":[1,1],"score":true}"#).await;
    for path in ["/metrics", "/metrics/"] {
        let (status, content_type, text) = service.text(path, "*/*").await;
        assert_eq!(
            (status, content_type.as_str()),
            (200, "text/plain; version=0.0.4; charset=utf-8")
        );
        for part in [
            "predictions_output_sum{",
            "predictions_scores_sum{",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
            "process_open_fds ",
            "process_start_time_seconds ",
        ] {
            assert!(text.lines().any(|it| it.starts_with(part)), "no {part} in {text}");
        }
        let (_, content_type, text) = service.text(path, OPENMETRICS).await;
        assert!(content_type.starts_with(OPENMETRICS));
        for name in ["predictions_output", "predictions_scores"] {
            assert!(!text.contains(&format!("{name}_sum")), "{text}");
            assert!(text.contains(&format!("{name}_count{{model=\"spend\"}} 1\n")), "{text}");
        }
        assert!(text.contains("prediction_latency_seconds_sum{model=\"spend\"} "), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_to_say_of_the_metrics() {
    let Some(promtool) = tool(&["promtool"]) else { return };
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = one_model(dir.path()).await;
    service.post("/prediction", r#"{"feature_vector":[1,1],"score":true}"#).await;
    let (_, _, text) = service.text("/metrics", "text/plain").await;
    let mut promtool = std::process::Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut promtool.stdin.take().unwrap(), text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_describes_itself_and_every_path_of_the_document_answers() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = one_model(dir.path()).await;
    let (status, openapi) = service.get("/openapi.json").await;
    assert_eq!(status, 200);
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in [
        "/prediction",
        "/model_information",
        "/models/{name}/prediction",
        "/models/{name}/model_information",
        "/v1/models",
        "/v1/watching",
    ] {
        assert!(openapi["paths"].get(path).is_some(), "no {path} in {openapi}");
    }
    let request = &openapi["components"]["schemas"]["PredictionRequest"];
    assert_eq!(request["required"], json!(["feature_vector"]));
    assert_eq!(request["additionalProperties"], false);
    // The example of the page is a request that works.
    let (status, answer) = service.post("/prediction", request["example"].to_string()).await;
    assert_eq!(status, 200, "{answer}");
    let (status, content_type, page) = service.text("/docs", "text/html").await;
    assert_eq!((status, content_type.as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.contains("openapi.json"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_numbers_of_spending_are_judged_as_in_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let table = spending();
    let packaged =
        package(dir.path(), "spend", &table, Contamination::Share(0.001), &TrainOptions::default());
    let service = Service::ready(&settings(dir.path(), &[&packaged.folder])).await;
    let rows = table.rows(0..1000.min(table.n_rows()));
    let expected = packaged.artefact.score(&rows).unwrap().scores;
    let offset = forest(&packaged.artefact).offset();
    for (row_idx, expected) in expected.iter().enumerate() {
        let vector: Vec<f64> =
            rows.columns().iter().map(|(_, it)| it.values().number(row_idx).unwrap()).collect();
        let body = json!({"feature_vector": vector, "score": true}).to_string();
        let (_, answer) = service.post("/prediction", body).await;
        approx::assert_abs_diff_eq!(
            answer["anomaly_score"].as_f64().unwrap(),
            -expected,
            epsilon = 1e-12
        );
        let is_inlier = if -expected - offset < 0.0 { -1 } else { 1 };
        assert_eq!(answer["is_inlier"], is_inlier);
    }
}
