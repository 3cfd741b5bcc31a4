//! Versions of detectors as a user changes them, against a running `shadowline up`.

use std::path::Path;

use crate::support::{Said, Up, say};
use serde_json::Value;

/// Trains a KNN detector of the wines into a folder, and returns its threshold.
async fn train_knn(folder: &str, contamination: &str) -> f64 {
    let train =
        ["train", "knn", "--data", "dataset:wine", "--label", "quality", "--scale", "standard"];
    let more = ["--contamination", contamination, "--out", folder, "--json"];
    let report = say(&[&train[..], &more].concat()).await.ok().json();
    assert!(report["expected"]["low"].as_f64() < report["expected"]["high"].as_f64(), "{report}");
    assert!(report["self_check"]["distinct_scores"].as_u64() > Some(100), "{report}");
    report["threshold"].as_f64().unwrap()
}

async fn ask(up: &Up, args: &[&str]) -> Said {
    say(&[args, &["--endpoints", &up.endpoints()]].concat()).await
}

/// Sends some rows, waits until all that were sent so far are checked, and returns the newest check.
async fn newest_check(up: &Up, rows: &str, n_checks: usize) -> Value {
    ask(up, &["replay", "--model", "wine", "--data", "dataset:wine", "--rows", rows]).await.ok();
    let checks = async || {
        let checks = ask(up, &["checks", "--json", "--limit", "1000"]).await.ok().json();
        checks["checks"].as_array().unwrap().clone()
    };
    shadowline_testkit::wait_for("every check", crate::support::PATIENCE, async || {
        checks().await.len() == n_checks
    })
    .await;
    checks().await[0].clone()
}

#[tokio::test]
async fn each_version_brings_its_own_line_and_a_rollback_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (wine, knn) = (at("wine"), at("wine_knn"));
    let model = ["train", "logistic-regression", "--data", "dataset:wine", "--label", "quality"];
    let said = say(&[&model[..], &["--out", &wine]].concat()).await.ok();
    assert!(said.stdout.contains("would be right for"), "{said:?}");
    let first = train_knn(&knn, "0.05").await;
    let spec = std::fs::read_to_string(Path::new(&knn).join("spec.yaml")).unwrap();
    assert!(spec.contains("model: {name: \"wine\"}") && spec.contains("from_package"), "{spec}");

    let up = Up::start(&folder.path().join("data")).await;
    let applied = ask(&up, &["apply", "--json", "-f", &wine, &knn]).await.ok().json();
    let kinds: Vec<&str> = applied["applied"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["Model", "Model", "MetricSpec"]);
    let check = newest_check(&up, "0..40", 40).await;
    assert_eq!(
        (check["threshold"].as_f64(), &check["monitor"]["version"]),
        (Some(first), &"1".into())
    );

    let second = train_knn(&knn, "0.3").await;
    let apply = ["apply", "-f", &format!("{knn}/serving.yaml"), "--json"];
    let applied = ask(&up, &apply).await.ok().json();
    assert_eq!(applied["applied"][0]["version"], 2);
    let check = newest_check(&up, "40..80", 80).await;
    assert_eq!(
        (check["threshold"].as_f64(), &check["monitor"]["version"]),
        (Some(second), &"2".into())
    );
    let alerts = ask(&up, &["alerts", "--json"]).await.ok().json();
    let judged = &alerts["alerts"][0]["judged"];
    assert_eq!(judged["by"], "breach_share", "{alerts}");
    assert!(judged["line"].is_number() && judged["at"].is_string(), "{alerts}");
    assert_eq!(alerts["alerts"][0]["threshold"], "from_package");
    let table = ask(&up, &["alerts"]).await.ok().stdout;
    assert!(table.contains("breach_share 0.") && table.contains("> 0."), "{table}");

    let said = ask(&up, &["rollback", "wine_knn"]).await.ok();
    assert!(said.stdout.contains("default version 1, before 2"), "{said:?}");
    let check = newest_check(&up, "80..120", 120).await;
    assert_eq!(
        (check["threshold"].as_f64(), &check["monitor"]["version"]),
        (Some(first), &"1".into())
    );
    // What is applied again stays rolled back, and that is said.
    let again = ask(&up, &["apply", "-f", &format!("{knn}/serving.yaml")]).await.ok();
    assert!(again.stdout.contains("is rolled back"), "{again:?}");
    let refused = ask(&up, &["rollback", "wine"]).await;
    assert!(refused.stderr.contains("has no version before 1"), "{refused:?}");

    // A deleted version keeps its number.
    ask(&up, &["delete", "model", "wine_knn", "--version", "2"]).await.ok();
    let applied = ask(&up, &apply).await.ok().json();
    assert_eq!(applied["applied"][0]["version"], 3);
    let refused = ask(&up, &["delete", "model", "wine_knn"]).await;
    assert!(refused.stderr.contains("`wine_knn_outliers`"), "{refused:?}");
    assert!(refused.stderr.contains("--force"), "{refused:?}");
    ask(&up, &["delete", "model", "wine_knn", "--force"]).await.ok();
    // Until it is there again, nothing passes in silence: requests are unscored, and the monitor is not ready.
    let check = newest_check(&up, "120..160", 160).await;
    assert_eq!(check["outcome"], "unscored", "{check}");
    let reason = check["reason"].as_str().unwrap();
    let missing = "detector `wine_knn` is not installed in this replica of monitor-knn";
    assert_eq!(reason, format!("detector_missing: {missing}"));
    let status = ask(&up, &["status", "--json"]).await;
    assert_eq!(status.status.code(), Some(1), "{status:?}");
    assert!(status.stderr.contains("not ready: monitor-knn"), "{status:?}");
    let services = status.json()["services"].clone();
    let knn = services.as_array().unwrap().iter().find(|it| it["service"] == "monitor-knn");
    let message = knn.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("`wine_knn_outliers` is unscored") && message.contains(missing),
        "{message}"
    );
    let applied = ask(&up, &apply).await.ok().json();
    assert_eq!(applied["applied"][0]["version"], 4);
    let check = newest_check(&up, "160..200", 200).await;
    assert_eq!(check["monitor"]["version"], "4", "{check}");
    ask(&up, &["status", "--wait", "20"]).await.ok();

    // A spec that is pinned to a version that went watches nothing, and that is said.
    let pinned = folder.path().join("pinned.yaml");
    let document = spec.replace("\"wine_knn\"}", "\"wine_knn\", version: 2}");
    std::fs::write(&pinned, document.replace("wine_knn_outliers", "pinned")).unwrap();
    let said = ask(&up, &["apply", "-f", &pinned.display().to_string()]).await.ok();
    assert!(said.stderr.contains("`pinned` watches nothing now"), "{said:?}");
    assert!(said.stderr.contains("`wine_knn` has no version 2; it has 4"), "{said:?}");

    // What was above its line says why.
    let breaches = ask(&up, &["checks", "--outcome", "breach", "--json"]).await.ok().json();
    let breach = &breaches["checks"][0];
    let id = breach["inference_id"].as_str().unwrap();
    let shown = ask(&up, &["checks", "show", id, "--json"]).await.ok().json();
    let explanation = &shown["checks"][0]["explanation"];
    assert!(explanation["contributions"][0]["feature"].is_string(), "{shown}");
    assert_eq!(up.interrupt().await.code(), Some(0));
}

#[tokio::test]
async fn a_detector_that_tells_nothing_apart_is_refused_with_the_reason_on_its_page() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("same.csv");
    std::fs::write(&data, format!("a,b\n{}", "1,2\n".repeat(200))).unwrap();
    let (data, out) = (data.display().to_string(), folder.path().join("same"));
    let out_text = out.display().to_string();
    let said = say(&["train", "isolation-forest", "--data", &data, "--out", &out_text]).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(said.stderr.contains("tells nothing apart"), "{said:?}");
    assert!(!out.join("serving.yaml").exists());
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("tells nothing apart"));
}

#[tokio::test]
async fn what_looks_wrong_in_a_table_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("people.csv");
    let row = |it: usize| {
        format!("c-{},{},{}.5,{}\n", it * 7919 % 100_003, it % 10 * 100_000, it % 10, it % 2)
    };
    let rows: String = (0..300).map(row).collect();
    std::fs::write(&data, format!("customer,income,rate,is_fraud\n{rows}")).unwrap();
    let (data, out) = (data.display().to_string(), folder.path().join("knn").display().to_string());
    let said = say(&["train", "knn", "--data", &data, "--out", &out, "--json"]).await.ok();
    let warnings = said.json()["warnings"].to_string();
    for expected in
        ["`customer` looks like an identifier", "`is_fraud` looks like a label", "--scale"]
    {
        assert!(warnings.contains(expected) && said.stderr.contains(expected), "{said:?}");
    }
    let more = ["--scale", "standard", "--drop", "customer,is_fraud"];
    let said =
        say(&[&["train", "knn", "--data", &data, "--out", &out][..], &more].concat()).await.ok();
    assert!(!said.stderr.contains("looks like a label"), "{said:?}");
}
