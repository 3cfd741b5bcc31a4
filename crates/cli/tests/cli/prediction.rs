//! `shadowline replay --prediction`, against the prediction service of a running `shadowline up`, and against one that
//! does not count.

use std::path::Path;

use crate::support::{Up, say};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Training and test data, and columns that are left out: the numbers of spending if they are at hand, else the wines.
fn data() -> (String, String, Vec<&'static str>) {
    let file = |name: &str| shadowline_testkit::data_sets().join("credit-spend").join(name);
    if file("train.csv").exists() && file("test.csv").exists() {
        let text = |name| file(name).display().to_string();
        return (text("train.csv"), text("test.csv"), vec![]);
    }
    eprintln!("skipped: needs credit-spend (SHADOWLINE_DATASETS); the wines stand in");
    ("dataset:wine".to_owned(), "dataset:wine".to_owned(), vec!["--drop", "quality"])
}

/// Trains a forest as the tutorial does, and starts everything with it installed; the prediction service's address.
async fn start(folder: &Path, train: &str, drop: &[&str]) -> (Up, String) {
    let package = folder.join("spend").display().to_string();
    let args = ["train", "isolation-forest", "--data", train, "--out", &package];
    let more = ["--contamination", "0.001", "--random-state", "16"];
    say(&[&args[..], &more, drop].concat()).await.ok();
    let up = Up::start(&folder.join("data")).await;
    let endpoints = up.endpoints();
    let document = format!("{package}/serving.yaml");
    say(&["apply", "-f", &document, "--endpoints", &endpoints]).await.ok();
    let addresses: Value =
        serde_json::from_str(&std::fs::read_to_string(&endpoints).unwrap()).unwrap();
    let url = addresses["monitor_iforest"]["http"].as_str().unwrap().to_owned();
    (up, url)
}

#[tokio::test]
async fn every_row_is_answered_and_counted_once_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test, drop) = data();
    let (up, url) = start(folder.path(), &train, &drop).await;
    let ask = async |more: &[&str]| {
        let args = ["replay", "--prediction", &url, "--data", &test, "--seed", "1", "--json"];
        say(&[&args[..], &drop, more].concat()).await.ok().json()
    };
    let report = ask(&[]).await;
    let summary = &report["summary"];
    let n_rows = report["rows"].as_u64().unwrap();
    if test.ends_with("test.csv") {
        assert_eq!(n_rows, 16_057);
    }
    assert_eq!((&summary["sent"], &summary["answered"]), (&json!(n_rows), &json!(n_rows)));
    let scored = summary["scored"].as_u64().unwrap();
    let share = scored as f64 / n_rows as f64;
    assert!((share - 0.25).abs() < 0.03, "{share}");
    // Anomalies are few: the threshold lets a thousandth of the training rows through.
    let outliers = summary["outliers"].as_u64().unwrap();
    assert!(outliers < n_rows / 200, "{summary}");
    assert_eq!(report["counts_equal"], true);
    let counted = |metric: &str| {
        let counts = report["counts"].as_array().unwrap();
        counts.iter().find(|it| it["metric"] == metric).unwrap()["service"].as_f64().unwrap() as u64
    };
    assert_eq!(counted("prediction_requests_total"), n_rows);
    assert_eq!(counted("predictions_scores_count"), scored);
    assert_eq!(counted("predictions_by_output_total{output=\"-1\"}"), outliers);
    assert_eq!(counted("model_information_requests_total"), 1);
    assert_eq!(report["model_information"]["contamination"], 0.001);

    // The seed decides which rows ask for a score, and not which are faster. By name it is the same model.
    let rows = ["--rows", "0..500"];
    let scored =
        async |more: &[&str]| ask(&[&rows[..], more].concat()).await["summary"]["scored"].clone();
    let first = scored(&["--concurrency", "1"]).await;
    assert_eq!(scored(&["--concurrency", "32", "--name", "spend"]).await, first);
    assert_eq!(scored(&["--score-share", "0"]).await, 0);
    assert_eq!(scored(&["--score-share", "1"]).await, 500);
    assert_eq!(up.interrupt().await.code(), Some(0));
}

#[tokio::test]
async fn rows_that_are_refused_and_models_that_are_not_there_fail_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let (train, test, drop) = data();
    let (up, url) = start(folder.path(), &train, &drop).await;
    let file = folder.path().join("three.csv");
    std::fs::write(&file, "a,b,c,d,e,f,g,h,i,j,k,l,m\n1,2,3,4,5,6,7,8,9,10,11,12,13\n").unwrap();
    let file = file.display().to_string();
    let said = say(&["replay", "--prediction", &url, "--data", &file, "--json"]).await;
    assert_eq!(said.status.code(), Some(1));
    let report = said.json();
    let errors = &report["summary"]["errors_by_code"]["422"];
    assert_eq!((&errors["count"], &report["counts_equal"]), (&json!(1), &json!(true)), "{report}");
    assert!(errors["example"].as_str().unwrap().contains("too_long"), "{errors}");
    assert!(said.stderr.contains("1 of 1 rows were not answered"), "{}", said.stderr);

    let args =
        ["replay", "--prediction", &url, "--data", &test, "--rows", "0..3", "--name", "nobody"];
    let said = say(&[&args[..], &drop].concat()).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("there is no model `nobody`"), "{}", said.stderr);
    up.kill().await;
}

/// A service that answers everything, and always counts five requests.
async fn miscounting(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut path, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if path.is_empty() {
                path = line.split(' ').nth(1).unwrap().to_owned();
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).await?;
        let body = match path.as_str() {
            "/prediction" => json!({"is_inlier": 1}).to_string(),
            "/model_information" => json!({"n_estimators": 100}).to_string(),
            _ => "prediction_requests_total 5\nprediction_errors_total 0\n\
                  predictions_output_count 5\npredictions_by_output_total{output=\"1\"} 5\n\
                  predictions_by_output_total{output=\"-1\"} 0\npredictions_scores_count 0\n\
                  model_information_requests_total 1\n"
                .to_owned(),
        };
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await?;
    }
}

#[tokio::test]
async fn counts_that_differ_are_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(miscounting(stream));
        }
    });
    let args = ["replay", "--prediction", &url, "--data", "dataset:wine", "--rows", "0..7"];
    let said = say(&[&args[..], &["--score-share", "0"]].concat()).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let words = "prediction_requests_total: sent 7, counted 0";
    assert!(said.stderr.contains(words), "{}", said.stderr);
    assert!(said.stdout.contains("DIFFERENT"), "{}", said.stdout);
    // Without the comparison it is a service as any other.
    say(&[&args[..], &["--score-share", "0", "--uncounted"]].concat()).await.ok();
    let said = say(&[&args[..], &["--score-share", "1"]].concat()).await;
    assert!(said.stdout.contains("no anomaly_score"), "{}", said.stdout);
}

#[tokio::test]
async fn flags_that_do_not_belong_together_are_refused() {
    for args in [
        &["replay", "--data", "x"][..],
        &["replay", "--data", "x", "--model", "m", "--prediction", "http://h:1"],
        &["replay", "--data", "x", "--model", "m", "--seed", "1"],
        &["replay", "--data", "x", "--prediction", "http://h:1", "--score-share", "1.5"],
        &["replay", "--data", "x", "--prediction", "http://h:1", "--concurrency", "0"],
    ] {
        let said = say(args).await;
        assert_eq!(said.status.code(), Some(64), "{args:?}: {said:?}");
    }
}
