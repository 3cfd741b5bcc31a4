//! `explore`, `train` and `score` as a user types them, on the card-spending data.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{PATIENCE, Said, say, shadowline};
use serde_json::Value;
use shadowline_testkit::{data_set, quick_leaves_out};
use tokio::time::timeout;

/// The folder of public data; `None` without what is explored here, which has been said then.
fn data_sets() -> Option<PathBuf> {
    data_set("credit-spend").map(|_| shadowline_testkit::data_sets())
}

/// Runs the program where public data is found.
async fn say_with(data_sets: &Path, args: &[&str]) -> Said {
    let mut command = shadowline();
    command.args(args).env("SHADOWLINE_DATASETS", data_sets);
    let output = timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// What a page looks like once its scripts have run, in a browser without a window; none where there is no browser.
async fn in_browser(page: &Path) -> Option<String> {
    if quick_leaves_out("Chromium") {
        return None;
    }
    let profile = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu-sandbox",
            "--virtual-time-budget=20000",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args([
            "--enable-unsafe-swiftshader",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--dump-dom",
        ])
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await.unwrap() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(String::from_utf8(output.stdout).unwrap())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: needs Chromium");
            None
        }
        Err(error) => panic!("start Chromium: {error}"),
    }
}

/// The opening tag of the document, where the pages' scripts say how they have fared.
fn document_tag(html: &str) -> &str {
    let start = html.find("<html").unwrap();
    &html[start..start + html[start..].find('>').unwrap()]
}

#[tokio::test]
async fn exploration_prints_what_pandas_and_numpy_say() {
    let Some(data_sets) = data_sets() else { return };
    let explored = say_with(
        &data_sets,
        &["explore", "dataset:credit-spend", "dataset:credit-spend-test", "--json"],
    )
    .await
    .ok()
    .json();
    let [train, test] = explored["data_sets"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(train["shape"], serde_json::json!([64_227, 2]));
    assert_eq!(test["shape"], serde_json::json!([16_057, 2]));
    assert_eq!(train["head"].as_array().unwrap().len(), 5);
    assert_eq!(train["head"][0]["mean"], 0.564_877_144_170_012_1);
    let mean = &train["columns"][0];
    assert_eq!((&mean["name"], &mean["missing"]), (&Value::from("mean"), &Value::from(0)));
    let six = |value: &Value| format!("{:.6}", value.as_f64().unwrap());
    assert_eq!(six(&mean["describe"]["min"]), "-0.284889");
    assert_eq!(six(&mean["describe"]["max"]), "66.324763");
    assert_eq!(six(&train["columns"][1]["describe"]["max"]), "57.676982");
    assert_eq!(mean["histogram"]["counts"].as_array().unwrap()[..3], [63_844, 296, 25]);
    assert_eq!(mean["histogram"]["edges"].as_array().unwrap().len(), 21);
    assert!((mean["box"]["share_outside"].as_f64().unwrap() - 0.2943).abs() < 5e-5);
}

#[tokio::test]
async fn an_exploration_page_draws_all_of_its_charts() {
    let Some(data_sets) = data_sets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("spending.html");
    let files = ["train.csv", "test.csv"]
        .map(|it| data_sets.join("credit-spend").join(it).display().to_string());
    let out_text = out.display().to_string();
    let said = say(&["explore", &files[0], &files[1], "--out", &out_text]).await.ok();
    assert!(said.stdout.contains(&out_text), "{said:?}");
    let Some(html) = in_browser(&out).await else { return };
    let tag = document_tag(&html);
    assert!(tag.contains("data-ready=\"true\""), "{tag}");
    // The scatter plot, two histograms and the box plots; and no figure that the page computes otherwise.
    assert!(tag.contains("data-charts=\"4\"") && tag.contains("data-wrong=\"\""), "{tag}");
    for part in ["(64227, 2)", "(16057, 2)", "-0.284889", "66.324763", "29.43 %", "10.22 %"] {
        assert!(html.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_forest_of_the_spending_data_flags_as_many_as_scikit_learns() {
    let Some(data_sets) = data_sets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let train = async |out: &str, more: &[&str]| {
        let common = [
            "train",
            "isolation-forest",
            "--data",
            "dataset:credit-spend",
            "--test",
            "dataset:credit-spend-test",
            "--random-state",
            "16",
            "--json",
            "--out",
        ];
        say_with(&data_sets, &[&common[..], &[out], more].concat()).await.ok().json()
    };
    let base = train(&at("base"), &[]).await;
    assert_eq!(base["threshold"], 0.5);
    // scikit-learn 1.9.1 leaves 84.26 % of the rows inside, with trees of its own.
    let inside = 1.0 - base["flagged_share"].as_f64().unwrap();
    println!("{:.2} % of the training rows are inliers", 100.0 * inside);
    assert!((0.8226..=0.8626).contains(&inside), "{inside}");
    let strict = ["--contamination", "0.001", "--grid-range", "-2..70", "--compare", &at("base")];
    let report = train(&at("strict"), &strict).await;
    // At most 0.1 % of 64,227 rows, and ties stay below; scikit-learn flags 61 and, of the test rows, 13.
    let flagged = report["flagged"].as_u64().unwrap();
    let flagged_of_test = report["test"]["flagged"].as_u64().unwrap();
    println!("{flagged} training rows and {flagged_of_test} test rows are flagged");
    assert!((50..=65).contains(&flagged), "{flagged}");
    assert!((5..=25).contains(&flagged_of_test), "{flagged_of_test}");
    assert_eq!(report["test"]["rows"], 16_057);
    train(&at("again"), &["--name", "strict", "--contamination", "0.001"]).await;
    let bytes = |name: &str| std::fs::read(folder.path().join(name).join("model.slm")).unwrap();
    assert_eq!(bytes("strict"), bytes("again"), "the same data and seed are the same artefact");
    let Some(html) = in_browser(&folder.path().join("strict/report.html")).await else { return };
    let tag = document_tag(&html);
    // The scores, and the boundaries of two detectors.
    assert!(tag.contains("data-ready=\"true\"") && tag.contains("data-charts=\"3\""), "{tag}");
    assert!(
        html.contains(&format!("{flagged} (0.")),
        "the share of the flagged rows is on the page"
    );
}

/// What a person does with the line: takes it, and moves it a hundred pixels to the left.
const DRAG: &str = "<script>
const line = document.querySelector('.drag-line');
const at = line.getBoundingClientRect();
const event = (kind, x) => line.dispatchEvent(new PointerEvent(kind, {clientX: x, clientY: at.y + 5, pointerId: 1}));
const figures = () => document.querySelector('#at-line tbody').innerText;
document.documentElement.dataset.before = figures();
event('pointerdown', at.x);
event('pointermove', at.x - 100);
event('pointerup', at.x - 100);
document.documentElement.dataset.after = figures();
</script>";

#[tokio::test]
async fn the_line_of_a_report_can_be_dragged_and_the_figures_follow() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("wine");
    let out_text = out.display().to_string();
    let train = ["train", "isolation-forest", "--data", "dataset:wine", "--drop", "quality"];
    say(&[&train[..], &["--alert-budget", "0.01", "--out", &out_text]].concat()).await.ok();
    let page = out.join("dragged.html");
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert!(html.contains("What the detector found out about itself"));
    std::fs::write(&page, html.replace("</body>", &format!("{DRAG}</body>"))).unwrap();
    let Some(html) = in_browser(&page).await else { return };
    let tag = document_tag(&html);
    let of = |name: &str| {
        let start = tag.find(&format!("data-{name}=\"")).unwrap() + name.len() + 7;
        tag[start..].split('"').next().unwrap().to_owned()
    };
    assert_ne!(of("before"), of("after"), "{tag}");
    assert!(of("before").contains("training") && of("after").contains("training"), "{tag}");
}

/// A package of the wines, and a file with rows that it cannot score.
async fn small_package(folder: &Path) -> (String, String) {
    let rows: String =
        (0..40).map(|it| format!("{},{}\n", it % 7, if it % 2 == 0 { "a" } else { "b" })).collect();
    let train = folder.join("train.csv");
    std::fs::write(&train, format!("x,kind\n{rows}")).unwrap();
    let package = folder.join("small").display().to_string();
    let data = train.display().to_string();
    say(&["train", "isolation-forest", "--data", &data, "--out", &package]).await.ok();
    let rows = folder.join("rows.csv");
    std::fs::write(
        &rows,
        "note,kind,x\nfine,a,3\nfar,b,1e6\nno number,a,three\nmissing,a,\nunseen,c,3\n",
    )
    .unwrap();
    (package, rows.display().to_string())
}

#[tokio::test]
async fn rows_without_a_score_are_written_with_their_reason_and_fail_the_command() {
    let folder = tempfile::tempdir().unwrap();
    let (package, rows) = small_package(folder.path()).await;
    let out = folder.path().join("scores.csv");
    let out_text = out.display().to_string();
    let score = ["score", "--package", &package, "--data", &rows, "--out", &out_text, "--sklearn"];
    let said = say(&[&score[..], &["--json"]].concat()).await;
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(said.stderr.contains("2 of 5 rows could not be scored"), "{said:?}");
    let summary = said.json();
    assert_eq!(
        (&summary["scored"], &summary["unscored"], &summary["unseen_values"]),
        (&3.into(), &2.into(), &1.into())
    );
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|it| it.split(',').collect()).collect();
    assert_eq!(
        lines[0],
        [
            "row",
            "score",
            "p_value",
            "breach",
            "error",
            "score_samples",
            "decision_function",
            "predict"
        ]
    );
    assert_eq!(lines.len(), 6);
    let number = |text: &str| text.parse::<f64>().unwrap();
    for (row, cells) in lines[1..].iter().enumerate() {
        assert_eq!(cells[0], row.to_string());
        if cells[1].is_empty() {
            assert!(cells[4].contains("field `x` is"), "{cells:?}");
            continue;
        }
        let (score, decision) = (number(cells[1]), number(cells[6]));
        assert_eq!(number(cells[5]).to_bits(), (-score).to_bits());
        assert!((decision - (0.5 - score)).abs() < 1e-15);
        assert_eq!(cells[3], (0.5 < score).to_string());
        assert_eq!(cells[7], if decision < 0.0 { "-1" } else { "1" });
        assert!(0.0 < number(cells[2]) && number(cells[2]) <= 1.0);
    }
    assert!(lines[3][4].contains("`three`") && lines[4][4].contains("missing"), "{text}");
    let explained = [&score[..], &["--rows", "1..2", "--explain"]].concat();
    say(&explained).await.ok();
    let text = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|it| it.split(',').collect()).collect();
    assert_eq!(lines[0][8..], ["expected", "contribution_x", "contribution_kind"]);
    // The row keeps its number in the file, and the parts make the score.
    assert_eq!(lines[1][0], "1");
    let parts: f64 = lines[1][8..].iter().map(|it| number(it)).sum();
    assert!((parts - number(lines[1][1])).abs() < 1e-9, "{text}");
    let only = say(&[&score[..], &["--rows", "0..2"]].concat()).await.ok();
    assert!(only.stdout.contains("2 of 2 rows scored"), "{only:?}");
}

#[tokio::test]
async fn labels_give_the_area_under_the_curve() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labelled.csv");
    let mut text = "x,y,odd\n".to_owned();
    for it in 0..200 {
        text.push_str(&format!("{},{},no\n", it % 10, it % 7));
    }
    text.push_str("500,900,yes\n-800,700,yes\n");
    std::fs::write(&file, text).unwrap();
    let (data, out) = (file.display().to_string(), folder.path().join("out").display().to_string());
    let train = ["train", "knn", "--data", &data, "--test", &data, "--out", &out, "--label", "odd"];
    let report = say(&[&train[..], &["--positive", "yes", "--json"]].concat()).await.ok().json();
    assert_eq!((&report["auc"], &report["features"]), (&1.0.into(), &2.into()));
    // No row is labelled 1 or true, so without --positive there is no area.
    let report = say(&[&train[..], &["--json"]].concat()).await.ok().json();
    assert!(report.get("auc").is_none());
    let said = say(&[&train[..], &["--positive", "maybe"]].concat()).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("`maybe`: no row has it in `odd`"), "{said:?}");
}

#[tokio::test]
async fn what_cannot_be_trained_or_scored_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (package, rows) = small_package(folder.path()).await;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let check = async |args: &[&str], status: i32, expected: &str| {
        let said = say(args).await;
        assert_eq!(said.status.code(), Some(status), "{said:?}");
        assert!(said.stderr.contains(expected), "{said:?}");
    };
    let data = at("train.csv");
    let out = at("out");
    let forest = ["train", "isolation-forest", "--data", &data, "--out", &out];
    check(&[&forest[..], &["--max-features", "all"]].concat(), 1, "--max-features `all`").await;
    check(&[&forest[..], &["--max-features", "7"]].concat(), 1, "max_features is 7 of 2").await;
    check(&[&forest[..], &["--alert-budget", "0.0001"]].concat(), 1, "alert budget of 0.0001")
        .await;
    check(&[&forest[..], &["--grid-range", "7..2"]].concat(), 64, "`7..2` is not a range").await;
    check(
        &[&forest[..], &["--drop", "kind", "--compare", &package]].concat(),
        1,
        "decision boundaries",
    )
    .await;
    check(&[&forest[..], &["--test", "/nowhere.csv"]].concat(), 1, "--test").await;
    for cell in ["inf", "NaN"] {
        let file = at("not_finite.csv");
        std::fs::write(&file, format!("a,b\n1,x\n{cell},y\n,x\n")).unwrap();
        let args = ["train", "isolation-forest", "--data", &file, "--out", &out];
        check(&args, 1, &format!("column `a` has `{cell}` in row 1")).await;
    }
    let oblique = ["--missing", "keep", "--extension-level", "1"];
    check(&[&forest[..], &oblique].concat(), 1, "--missing keep").await;
    let knn = ["train", "knn", "--data", &data, "--out", &out];
    check(&[&knn[..], &["--missing", "keep"]].concat(), 1, "--missing keep").await;
    check(&[&knn[..], &["--metric", "minkowski"]].concat(), 1, "needs its power").await;
    check(&[&knn[..], &["--metric", "manhattan", "--p", "3"]].concat(), 1, "leave one of them out")
        .await;
    let scored = at("scores.csv");
    check(
        &["score", "--package", &at("none"), "--data", &rows, "--out", &scored],
        1,
        "serving.yaml",
    )
    .await;
    let other = at("other.csv");
    std::fs::write(&other, "a,b\n1,2\n").unwrap();
    check(
        &["score", "--package", &package, "--data", &other, "--out", &scored],
        1,
        "no column `x`",
    )
    .await;
    check(&["explore", "/nowhere.csv"], 1, "read `/nowhere.csv`").await;
}

#[tokio::test]
async fn a_forest_goes_out_and_comes_back_with_its_scores() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let rows: String =
        (0..300).map(|it| format!("{},{}\n", it % 17, f64::from(it % 23) / 3.0)).collect();
    let data = at("rows.csv");
    std::fs::write(&data, format!("x,y\n{rows}")).unwrap();
    let forest = ["train", "isolation-forest", "--data", &data, "--contamination", "0.05"];
    say(&[&forest[..], &["--out", &at("own")]].concat()).await.ok();
    let scores = async |package: &str| -> Vec<f64> {
        let out = at("scores.csv");
        say(&["score", "--package", &at(package), "--data", &data, "--out", &out]).await.ok();
        let text = std::fs::read_to_string(&out).unwrap();
        text.lines().skip(1).map(|it| it.split(',').nth(1).unwrap().parse().unwrap()).collect()
    };
    let own = scores("own").await;
    for (format, tolerance) in [("json", 0.0), ("onnx", 1e-6)] {
        let file = at(&format!("forest.{format}"));
        let said = say(&["export", &at("own"), "--to", format, "--out", &file]).await.ok();
        assert!(said.stdout.contains("features: x, y"), "{said:?}");
        let package = at(format);
        let import = ["import", "sklearn-forest", &file, "--data", &data, "--out", &package];
        let report = say(&[&import[..], &["--json"]].concat()).await.ok().json();
        assert_eq!((&report["rows"], &report["features"]), (&300.into(), &2.into()));
        for (own, other) in own.iter().zip(scores(format).await) {
            assert!((own - other).abs() <= tolerance, "{format}: {other} is not {own}");
        }
        let said = say(&[&import[..], &["--features", "x"]].concat()).await;
        assert_eq!(said.status.code(), Some(1));
        assert!(
            said.stderr.contains("the forest has 2 features, and --features names 1"),
            "{said:?}"
        );
    }
    let knn = ["train", "knn", "--data", &data, "--out", &at("knn")];
    say(&knn).await.ok();
    let said = say(&["export", &at("knn"), "--to", "onnx", "--out", &at("knn.onnx")]).await;
    assert!(said.stderr.contains("only isolation forests can be exported"), "{said:?}");
    let said = say(&["import", "sklearn-forest", &data, "--data", &data, "--out", &at("no")]).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("rows.csv"), "{said:?}");
}

#[tokio::test]
async fn the_anomalies_of_a_labelled_set_are_found() {
    let Some(data_sets) = data_sets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("cardio").display().to_string();
    let train = [
        "train",
        "isolation-forest",
        "--data",
        "dataset:adbench-cardio",
        "--label",
        "y",
        "--out",
        &out,
    ];
    let report = say_with(&data_sets, &[&train[..], &["--json"]].concat()).await.ok().json();
    assert_eq!((&report["rows"], &report["features"]), (&1_831.into(), &21.into()));
    // scikit-learn's mean of ten seeds is 0.93.
    assert!(0.88 < report["auc"].as_f64().unwrap(), "{report}");
}
