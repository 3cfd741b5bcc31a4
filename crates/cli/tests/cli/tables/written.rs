//! Numbers that are written as truth values or times: only where training saw such.

use serde_json::json;
use shadowline_features::Cells;

use super::{Files, numbers_but};
use crate::support::{Up, say};

#[tokio::test]
async fn a_time_or_a_truth_value_is_no_number_of_a_plain_field() {
    let files = Files::new();
    let train = files.write("t.csv", numbers_but(60, ""));
    files.train(&train, "p", &[]).await;
    for cell in ["12:30", "2026-01-01", "2026-01-01 10:00:00Z", "True", "1 day", "P1D"] {
        let rows = files.write("rows.csv", format!("x,y\n1.5,1\n{cell},2\n2.5,3\n"));
        let said = files.score("p", &rows, &[]).await;
        assert_eq!(said.status.code(), Some(1), "{cell}");
        let scores = files.scores();
        assert!(scores[1].contains(&format!("field `x` is `{cell}`")), "{scores:?}");
        assert!(!scores[0].contains("field") && !scores[2].contains("field"), "{scores:?}");
    }
    let truths = Cells::Truths(vec![Some(true); 2]);
    let columns = vec![("x", truths), ("y", Cells::Integers(vec![Some(1); 2]))];
    let rows = files.parquet("rows.parquet", columns);
    let found = "the truth value `true`";
    assert_eq!(files.score("p", &rows, &[]).await.status.code(), Some(1));
    assert!(files.scores()[0].contains(found), "{:?}", files.scores());
    // The rows of --test are read the same way.
    let said = files.try_train(&train, "q", &["--test", &rows]).await;
    assert!(said.stderr.contains(found), "{said:?}");
}

#[tokio::test]
async fn a_time_of_another_kind_is_none() {
    let files = Files::new();
    let rows = |cell: &dyn Fn(u32) -> String| {
        let rows: String = (0..60).map(|it| format!("{},{}\n", cell(it), it % 7)).collect();
        format!("t,y\n{rows}")
    };
    let train = files.write("t.csv", rows(&|it| format!("{:02}:{:02}", it % 24, it % 60)));
    files.train(&train, "p", &[]).await;
    files.score("p", &train, &[]).await.ok();
    let longer = files.write("longer.csv", rows(&|_| "1 days 02:00:00".to_owned()));
    files.score("p", &longer, &[]).await.ok();
    // As live records have it.
    let seconds =
        files.write("seconds.csv", rows(&|it| (it % 24 * 3600 + it % 60 * 60).to_string()));
    files.score("p", &train, &[]).await.ok();
    let scored = files.scores();
    files.score("p", &seconds, &[]).await.ok();
    assert_eq!(files.scores(), scored);
    for cell in ["2026-01-01", "True"] {
        let others = files.write("others.csv", rows(&|_| cell.to_owned()));
        assert_eq!(files.score("p", &others, &[]).await.status.code(), Some(1), "{cell}");
        assert!(files.scores()[0].contains("a time of day, a duration or its seconds expected"));
    }
}

#[tokio::test]
async fn an_index_without_a_name_is_found_again() {
    let files = Files::new();
    let rows: String = (0..60).map(|it| format!("{it},{},{}\n", it % 17, it % 7)).collect();
    let nameless = files.write("t.csv", format!(",x,y\n{rows}"));
    let named = files.write("n.csv", format!("Unnamed: 0,x,y\n{rows}"));
    for data in [&nameless, &named] {
        let report = files.train(data, "p", &["--keep-index"]).await;
        assert_eq!(report["columns"][0]["name"], "Unnamed: 0");
        let mut scored = Vec::new();
        for rows in [&nameless, &named] {
            files.score("p", rows, &[]).await.ok();
            scored.push(files.scores());
        }
        assert_eq!(scored[0], scored[1]);
        let said = files.try_train(data, "q", &[]).await.ok();
        assert!(said.stderr.contains("`Unnamed: 0` (an index"), "{said:?}");
    }
}

#[tokio::test]
async fn rows_are_counted_in_their_file() {
    let files = Files::new();
    let mut text = "x,y,label\n".to_owned();
    for it in 0..90 {
        let label = if it == 80 { "" } else { ["a", "b"][it % 2] };
        let x = if it == 71 { 9_999 } else { it % 17 };
        text.push_str(&format!("{x},{},{label}\n", it % 7));
    }
    let data = files.write("t.csv", text);
    let out = files.at("p");
    let classifier = ["train", "logistic-regression", "--label", "label", "--data", &data];
    let said = say(&[&classifier[..], &["--rows", "20..90", "--out", &out]].concat()).await;
    assert!(said.stderr.contains("no value in row 80, counted from 0"), "{said:?}");
    files.train(&data, "p", &["--rows", "60..80", "--drop", "label"]).await;
    let page = std::fs::read_to_string(files.path("p/report.html")).unwrap();
    assert!(page.contains("\"rows\":[{\"row_idx\":71,"), "the worst row is not row 71");
}

#[tokio::test]
async fn a_spec_names_any_model_that_can_be_named() {
    let files = Files::new();
    let data = files.write("t.csv", numbers_but(60, ""));
    for watch in ["a: b", "x}", "", "7", "a\nb"] {
        let said = files.try_train(&data, "p", &["--watch", watch]).await;
        assert_eq!(said.status.code(), Some(64), "{watch}");
        assert!(said.stderr.contains("--watch"), "{said:?}");
    }
    let word = |name: &str| json!(name).to_string();
    for name in ["null", "yes", "true", "e1"] {
        let more = ["--name", name, "--watch", name, "--contamination", "0.05"];
        files.train(&data, name, &more).await;
        let spec = std::fs::read_to_string(files.path(name).join("spec.yaml")).unwrap();
        assert!(spec.contains(&format!("model: {{name: {}}}", word(name))), "{spec}");
        assert!(spec.contains(&format!("name: {}", word(&format!("{name}_outliers")))), "{spec}");
    }
}

#[tokio::test]
async fn the_very_file_of_a_training_can_be_replayed() {
    let files = Files::new();
    let mut text = "n,b,t,span,code,label\n".to_owned();
    for it in 0..60 {
        let n = if it % 9 == 0 { String::new() } else { (it % 13).to_string() };
        let (b, span) = (["True", "False"][it % 2], format!("0 days 00:00:{it:02}"));
        let (day, label) = (it % 28 + 1, ["a", "b"][it / 5 % 2]);
        text.push_str(&format!("{n},{b},2026-02-{day:02} 10:00:00,{span},{it:03},{label}\n"));
    }
    let train = files.write("t.csv", text);
    let out = files.at("m");
    let model = ["train", "logistic-regression", "--data", &train, "--label", "label"];
    say(&[&model[..], &["--missing", "median", "--out", &out]].concat()).await.ok();
    let forest = files.at("f");
    let drop = ["--drop", "label,code", "--missing", "keep", "--contamination", "0.01"];
    files.try_train(&train, "f", &drop).await.ok();
    let up = Up::start(&files.path("data")).await;
    let endpoints = up.endpoints();
    let documents = [format!("{out}/serving.yaml"), format!("{forest}/serving.yaml")];
    say(&["apply", "-f", &documents[0], &documents[1], "--endpoints", &endpoints]).await.ok();
    let replay = ["replay", "--model", "m", "--json", "--endpoints", &endpoints, "--data"];
    let summary = say(&[&replay[..], &[&train]].concat()).await.ok().json()["summary"].clone();
    assert_eq!((&summary["answered"], &summary["errors"]), (&json!(60), &json!(0)));
    // What the package says, a file cannot change: a time is no number, and no time of another kind.
    let row = "1,0,2026-02-01,0 days 00:00:01,007";
    for other in ["12:30,0,2026-02-01,0 days 00:00:01,007", "1,0,12:30,0 days 00:00:01,007"] {
        let rows = files.write("rows.csv", format!("n,b,t,span,code\n{row}\n{other}\n"));
        let summary = say(&[&replay[..], &[&rows]].concat()).await.json()["summary"].clone();
        assert_eq!((&summary["answered"], &summary["not_sent"]), (&json!(1), &json!(1)), "{other}");
    }
    for flag in [&["--text", "n"][..], &["--number", "nowhere"], &["--keep-index"]] {
        let said = say(&[&replay[..], &[&train], flag].concat()).await;
        assert_eq!(said.status.code(), Some(1));
        assert!(said.stderr.contains(flag[0]) && said.stderr.contains("contract"), "{said:?}");
    }
    let addresses: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&endpoints).unwrap()).unwrap();
    let url = addresses["monitor_iforest"]["http"].as_str().unwrap();
    let asked = ["replay", "--prediction", url, "--json", "--data"];
    let report = say(&[&asked[..], &[&train]].concat()).await.ok().json();
    assert_eq!(report["summary"]["answered"], 60, "{report}");
    let said = say(&[&asked[..], &[&train, "--text", "n"]].concat()).await;
    assert!(said.stderr.contains("--text: model `f` says what its features are"), "{said:?}");
    let rows = files.write("rows.csv", "n,b,t,span\n12:30,0,2026-02-01,0 days 00:00:01\n");
    let said = say(&[&asked[..], &[&rows]].concat()).await;
    assert_eq!(said.json()["summary"]["answered"], 0, "{said:?}");
    assert_eq!(up.interrupt().await.code(), Some(0));
}
