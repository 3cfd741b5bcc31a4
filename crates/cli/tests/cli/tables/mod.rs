//! What people bring: tables that other programs write, as a user gives them to `train`, `score`, `explore` and `replay`.

mod compared;
mod files;
mod written;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{PATIENCE, Said, Up, say, shadowline};
use serde_json::{Value, json};
use shadowline_datasets::Packing;
use shadowline_features::{Cells, RawColumn, TimeKind};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// A folder of files.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        self.at(name)
    }

    fn parquet(&self, name: &str, columns: Vec<(&str, Cells)>) -> String {
        let columns: Vec<RawColumn> =
            columns.into_iter().map(|(name, cells)| RawColumn::new(name, cells)).collect();
        self.write(name, shadowline_parquet_files::to_bytes(&columns).unwrap())
    }

    /// Trains a forest, as `--json` reports it.
    async fn train(&self, data: &str, out: &str, more: &[&str]) -> Value {
        self.try_train(data, out, &[&["--json"], more].concat()).await.ok().json()
    }

    async fn try_train(&self, data: &str, out: &str, more: &[&str]) -> Said {
        let out = self.at(out);
        say(&[&["train", "isolation-forest", "--data", data, "--out", &out], more].concat()).await
    }

    async fn score(&self, package: &str, data: &str, more: &[&str]) -> Said {
        let (package, out) = (self.at(package), self.at("scores.csv"));
        say(&[&["score", "--package", &package, "--data", data, "--out", &out], more].concat())
            .await
    }

    /// The lines of what was scored last.
    fn scores(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path("scores.csv")).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    }
}

/// Two columns of numbers, of which the first has another cell in one row.
fn numbers_but(row: usize, cell: &str) -> String {
    let mut text = "x,y\n".to_owned();
    for it in 0..60 {
        let x = if it == row { cell.to_owned() } else { format!("{}.5", it % 17) };
        text.push_str(&format!("{x},{}\n", it % 7));
    }
    text
}

#[tokio::test]
async fn a_column_of_numbers_is_never_silently_text() {
    let files = Files::new();
    for word in ["NA", "null", "None", "N/A", "-", "#N/A", "<NA>", ".", r"\N", "NaN", "?", ""] {
        let data = files.write("t.csv", numbers_but(5, word));
        let report = files.train(&data, "p", &["--missing", "keep"]).await;
        let x = json!({"name": "x", "type": "number", "missing": 1});
        assert_eq!(report["columns"][0], x, "`{word}`");
        let said = files.try_train(&data, "p", &[]).await;
        assert_eq!(said.status.code(), Some(1));
        let found = if word.is_empty() { "no value".to_owned() } else { format!("`{word}`") };
        assert!(said.stderr.contains(&format!("column `x` has {found} in row 5")), "{said:?}");
        assert!(said.stderr.contains("--missing"), "{said:?}");
    }
    for word in ["\"1,234.5\"", "1_000", "$5", "5%", "unknown"] {
        let data = files.write("t.csv", numbers_but(5, word));
        let said = files.try_train(&data, "p", &["--missing", "keep"]).await;
        assert_eq!(said.status.code(), Some(1), "`{word}`");
        let word = word.trim_matches('"');
        for part in ["column `x`: 59 of its 60 cells", &format!("`{word}` in row 5"), "--text 'x'"]
        {
            assert!(said.stderr.contains(part), "{part}: {said:?}");
        }
    }
    let data = files.write("t.csv", numbers_but(5, "unknown"));
    let report = files.train(&data, "p", &["--missing", "keep", "--na", "unknown,-999"]).await;
    assert_eq!(report["columns"][0]["missing"], 1);
    // The package knows the words of its training.
    let others = files.write("o.csv", "x,y\nunknown,1\n-999,2\n3.5,3\n");
    let said = files.score("p", &others, &["--json"]).await.ok().json();
    assert_eq!((&said["scored"], &said["missing_values"]), (&json!(3), &json!(2)));
    let report = files.train(&data, "p", &["--text", "x"]).await;
    assert_eq!(report["columns"][0]["type"], "text");
    let said = files.try_train(&data, "p", &["--text", "z"]).await;
    assert!(said.stderr.contains("no column `z`"), "{said:?}");
}

#[tokio::test]
async fn infinite_numbers_follow_missing_and_fail_their_own_row() {
    let files = Files::new();
    let plain = files.write("plain.csv", "a,b\n1,1\n2,3\n3,2\n4,5\n5,4\n6,6\n");
    files.train(&plain, "p", &[]).await;
    let csv = files.write("inf.csv", "a,b\n1.0,1.0\ninf,3.0\n3.0,2.0\n");
    let columns = vec![
        ("a", Cells::Numbers(vec![1.0, f64::INFINITY, 3.0])),
        ("b", Cells::Numbers(vec![1.0, 3.0, 2.0])),
    ];
    let parquet = files.parquet("inf.parquet", columns);
    let mut scored = Vec::new();
    for data in [&csv, &parquet] {
        let said = files.score("p", data, &[]).await;
        assert_eq!(said.status.code(), Some(1));
        assert!(said.stderr.contains("1 of 3 rows could not be scored"), "{said:?}");
        scored.push(files.scores());
        assert!(scored[0][1].contains("field `a` is inf"), "{scored:?}");
        let said = files.try_train(data, "q", &[]).await;
        assert!(said.stderr.contains("column `a` has `inf` in row 1"), "{said:?}");
        let report = files.train(data, "q", &["--missing", "median"]).await;
        assert_eq!(report["columns"][0]["infinite"], 1);
    }
    assert_eq!(scored[0], scored[1]);
}

#[tokio::test]
async fn the_package_says_what_a_column_is_and_not_the_cells_of_a_batch() {
    let files = Files::new();
    let train = "x,code\n".to_owned()
        + &(0..90)
            .map(|it| match it % 3 {
                0 => format!("{},A{:02}\n", it % 11, it % 7),
                _ => format!("{},{:03}\n", it % 11, it / 3 % 9),
            })
            .collect::<String>();
    let rows: String = (0..40).map(|it| format!("{},{:03}\n", it % 11, it % 9)).collect();
    let train = files.write("train.csv", train);
    let test = files.write("test.csv", format!("x,code\n{rows}"));
    let report = files.train(&train, "p", &["--test", &test]).await;
    let scored = files.score("p", &test, &["--json"]).await.ok().json();
    assert_eq!(report["test"]["flagged"], scored["breaches"]);
    assert_eq!(scored["unseen_values"], 0);
    let all = files.scores();
    // A row among others and alone, and a file without any letter among its codes.
    for row in [0, 7, 23] {
        let line = rows.lines().nth(row).unwrap();
        let one = files.write(
            "one.csv",
            format!("note,code,x\n\"a, b\",{},{}\n", &line[line.len() - 3..], row % 11),
        );
        files.score("p", &one, &[]).await.ok();
        let score = |line: &str| line.split(',').nth(1).unwrap().to_owned();
        assert_eq!(score(&files.scores()[0]), score(&all[row]));
    }
}

#[tokio::test]
async fn a_test_of_which_no_row_has_a_score_is_a_failure() {
    let files = Files::new();
    let train = files.write("t.csv", numbers_but(60, ""));
    let test = files.write("test.csv", "x,y\none,1\ntwo,2\n");
    let said = files.try_train(&train, "p", &["--test", &test]).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("none of its 2 rows could be scored"), "{said:?}");
    assert!(said.stderr.contains("field `x` is `one`"), "{said:?}");
}

#[tokio::test]
async fn other_delimiters_are_recognised_or_refused() {
    let files = Files::new();
    for delimiter in [";", "\t", "|"] {
        let data = files.write("t.csv", numbers_but(60, "").replace(',', delimiter));
        assert_eq!(files.train(&data, "p", &[]).await["features"], 2);
    }
    let data = files.write("t.csv", numbers_but(60, "").replacen("x,y", "x", 1).replace(',', ";"));
    let said = files.try_train(&data, "p", &[]).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("semicolons") && said.stderr.contains("`0.5;0`"), "{said:?}");
    let data = files.write("t.csv", numbers_but(60, "").replace(',', "~"));
    assert_eq!(files.train(&data, "p", &["--delimiter", "~"]).await["features"], 2);
}

#[tokio::test]
async fn an_index_and_columns_that_tell_nothing_are_left_out_and_said() {
    let files = Files::new();
    for (name, features) in [("Unnamed: 0", 2), ("", 2), ("customer", 3)] {
        let mut text = format!("{name},x,y,none\n");
        for it in 0..60 {
            text.push_str(&format!("{it},{},{},\n", it % 17, it % 7));
        }
        let data = files.write("t.csv", text);
        let report = files.train(&data, "p", &[]).await;
        assert_eq!(report["features"], features, "`{name}`");
        let left = report["left_out"].as_array().unwrap();
        assert_eq!(left.last().unwrap(), &json!({"name": "none", "reason": "no value in any row"}));
        let said = files.try_train(&data, "p", &[]).await.ok();
        assert!(said.stderr.contains("left out: ") && said.stderr.contains("`none`"), "{said:?}");
        if name == "Unnamed: 0" {
            assert!(said.stderr.contains("--keep-index"), "{said:?}");
            assert_eq!(files.train(&data, "p", &["--keep-index"]).await["features"], 3);
        }
    }
}

#[tokio::test]
async fn one_table_means_the_same_from_every_program() {
    let files = Files::new();
    let rows = 0..120_i32;
    let truth = |it: i32| it % 3 == 0;
    let x = |it: i32| f64::from(it % 13) / 4.0;
    let text = |truths: [&str; 2], time: &dyn Fn(i32) -> String, span: &dyn Fn(i32) -> String| {
        let mut text = "x,b,t,d,kind\n".to_owned();
        for it in rows.clone() {
            let truth = truths[usize::from(truth(it))];
            text.push_str(&format!("{:?},{truth},{},{}, {}\n", x(it), time(it), span(it), it % 4));
        }
        text
    };
    let day = |it: i32| it % 28 + 1;
    let pandas =
        text(["False", "True"], &|it| format!("2026-02-{:02} 10:00:00.250000", day(it)), &|it| {
            format!("{} days 00:00:{:02}", it % 3, it % 60)
        });
    let polars =
        text(["false", "true"], &|it| format!("2026-02-{:02}T10:00:00.250000", day(it)), &|it| {
            format!("P{}DT{}S", it % 3, it % 60)
        });
    let digits = text(["0", "1"], &|it| format!("2026-02-{:02} 10:00:00.25", day(it)), &|it| {
        format!("{} days {:02}:{:02}:{:02}", it % 3, 0, 0, it % 60)
    });
    let base = 1_769_904_000.0;
    let columns = vec![
        ("kind", Cells::Texts(rows.clone().map(|it| format!(" {}", it % 4)).collect())),
        ("x", Cells::Numbers(rows.clone().map(x).collect())),
        ("b", Cells::Truths(rows.clone().map(|it| Some(truth(it))).collect())),
        (
            "t",
            Cells::Times(
                TimeKind::Timestamp,
                rows.clone()
                    .map(|it| base + f64::from(day(it) - 1) * 86_400.0 + 36_000.25)
                    .collect(),
            ),
        ),
        (
            "d",
            Cells::Times(
                TimeKind::Duration,
                rows.clone().map(|it| f64::from(it % 3) * 86_400.0 + f64::from(it % 60)).collect(),
            ),
        ),
    ];
    let data = [
        files.write("pandas.csv", pandas),
        files.write("polars.csv", polars),
        files.write("digits.csv", digits),
        files.parquet("t.parquet", columns),
    ];
    let report = files.train(&data[0], "p", &["--text", "kind"]).await;
    let types: Vec<&str> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["number", "truth value", "timestamp", "duration", "text"]);
    let mut scored = Vec::new();
    for file in &data {
        let said = files.score("p", file, &["--json"]).await.ok().json();
        assert_eq!(said["unseen_values"], 0, "{file}");
        scored.push(files.scores());
    }
    for other in &scored[1..] {
        assert_eq!(&scored[0], other);
    }
}

#[tokio::test]
async fn an_empty_line_of_the_only_column_is_a_missing_value() {
    let files = Files::new();
    let text = "x\n".to_owned() + &"1.0\n\n2.0\n3.0\n".repeat(20);
    let csv = files.write("t.csv", text);
    let cells = [1.0, f64::NAN, 2.0, 3.0].repeat(20);
    let parquet = files.parquet("t.parquet", vec![("x", Cells::Numbers(cells))]);
    files.train(&parquet, "p", &["--missing", "keep"]).await;
    files.score("p", &parquet, &[]).await.ok();
    let expected = files.scores();
    files.score("p", &csv, &[]).await.ok();
    assert_eq!((files.scores().len(), files.scores()), (80, expected));
}

#[tokio::test]
async fn a_column_that_is_constant_but_for_rounding_is_not_blown_up() {
    let files = Files::new();
    let train =
        files.write("t.csv", "x,c\n1,0.3\n2,0.30000000000000004\n3,0.3\n4,0.30000000000000004\n");
    let row = files.write("row.csv", "x,c\n2,0.3000001\n");
    for scale in ["standard", "minmax", "robust"] {
        let out = files.at("p");
        let knn = [
            "train",
            "knn",
            "--data",
            &train,
            "--out",
            &out,
            "--n-neighbors",
            "1",
            "--scale",
            scale,
        ];
        say(&knn).await.ok();
        files.score("p", &row, &[]).await.ok();
        let score: f64 = files.scores()[0].split(',').nth(1).unwrap().parse().unwrap();
        assert!(score < 1e-6, "{scale}: {score}");
    }
}

/// Runs the program with bytes on its standard input, as through a pipe.
async fn piped(args: &[&str], bytes: &[u8]) -> Said {
    let mut child = shadowline()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(bytes).await.unwrap();
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[tokio::test]
async fn pipes_and_packed_files_are_read_whole() {
    let files = Files::new();
    let text = numbers_but(60, "").replacen("x,y", "latitude,y", 1);
    let packed = Packing::Gzip.pack(text.as_bytes()).unwrap();
    let parquet = files.parquet(
        "t.parquet",
        vec![
            ("latitude", Cells::Numbers((0..9).map(f64::from).collect())),
            ("y", Cells::Integers(vec![Some(2); 9])),
        ],
    );
    let parquet = std::fs::read(parquet).unwrap();
    let out = files.at("p");
    for name in ["-", "/dev/stdin"] {
        for bytes in [text.as_bytes(), &packed, &parquet] {
            let args = ["train", "isolation-forest", "--data", name, "--out", &out, "--json"];
            let report = piped(&args, bytes).await.ok().json();
            assert_eq!(report["columns"][0]["name"], "latitude", "{name}");
        }
    }
    for packing in Packing::ALL {
        let data = files.write("rows", packing.pack(text.as_bytes()).unwrap());
        assert_eq!(files.train(&data, "p", &[]).await["rows"], 60);
    }
    let cut = files.write("cut.csv.gz", &packed[..packed.len() / 2]);
    let said = files.try_train(&cut, "p", &[]).await;
    assert!(said.stderr.contains("decompress gzip"), "{said:?}");
}

#[tokio::test]
async fn a_folder_of_parts_is_one_table() {
    let files = Files::new();
    for (year, rows) in [(2024, 0..30), (2025, 30..60)] {
        let text: String = rows.map(|it| format!("{},{}\n", it % 17, it % 7)).collect();
        files.write(&format!("parts/year={year}/a.csv"), format!("x,y\n{text}"));
    }
    files.write("parts/_SUCCESS", "");
    let report = files.train(&files.at("parts"), "p", &[]).await;
    assert_eq!((&report["rows"], &report["features"]), (&json!(60), &json!(3)));
    assert_eq!(report["columns"][2]["name"], "year");
}

#[tokio::test]
async fn an_output_is_what_it_says_and_replaces_nothing_else() {
    let files = Files::new();
    let data = files.write("t.csv", numbers_but(60, ""));
    files.train(&data, "p", &[]).await;
    files.score("p", &data, &[]).await.ok();
    let expected = std::fs::read_to_string(files.path("scores.csv")).unwrap();
    let package = files.at("p");
    let score = async |out: &str| {
        let out =
            if Path::new(out).is_absolute() || out == "-" { out.to_owned() } else { files.at(out) };
        say(&["score", "--package", &package, "--data", &data, "--out", &out]).await
    };
    score("scores.csv.gz").await.ok();
    let packed = std::fs::read(files.path("scores.csv.gz")).unwrap();
    assert_eq!(Packing::Gzip.unpack(&packed).unwrap(), expected.as_bytes());
    score("scores.parquet").await.ok();
    let bytes = std::fs::read(files.path("scores.parquet")).unwrap();
    let table = shadowline_parquet_files::from_bytes("scores.parquet", bytes).unwrap();
    assert_eq!(table.n_rows(), 60);
    assert_eq!(table.names().collect::<Vec<_>>(), ["row", "score", "p_value", "breach", "error"]);
    let said = score("-").await.ok();
    assert_eq!(said.stdout, expected);
    assert!(said.stderr.contains("60 of 60 rows scored"), "{said:?}");
    assert_eq!(score("/dev/stdout").await.ok().stdout, expected);
    score("/dev/null").await.ok();
    std::os::unix::fs::symlink("real.csv", files.path("link.csv")).unwrap();
    score("link.csv").await.ok();
    assert!(files.path("link.csv").is_symlink());
    assert_eq!(std::fs::read_to_string(files.path("real.csv")).unwrap(), expected);
    for out in ["t.csv", "p/model.slm", "p/serving.yaml"] {
        let said = score(out).await;
        assert_eq!(said.status.code(), Some(1), "{out}");
        assert!(said.stderr.contains("would overwrite what is read"), "{said:?}");
    }
    let said = score("scores.xlsx").await;
    assert!(said.stderr.contains("scores.xlsx"), "{said:?}");
    let said = say(&["explore", &data, "--out", &data]).await;
    assert!(said.stderr.contains("would overwrite what is read"), "{said:?}");
    assert_eq!(std::fs::read_to_string(&data).unwrap(), numbers_but(60, ""));
}

#[tokio::test]
async fn replay_sends_what_the_contract_says_and_fails_single_rows() {
    let files = Files::new();
    let codes: String =
        ["007,1,yes", "010,2,yes", "X12,3,no"].map(|it| format!("{it}\n").repeat(20)).concat();
    let train = files.write("train.csv", format!("code,n,label\n{codes}"));
    let out = files.at("codes");
    let model =
        ["train", "logistic-regression", "--data", &train, "--label", "label", "--out", &out];
    say(&model).await.ok();
    let forest = files.at("forest");
    let detector = ["train", "isolation-forest", "--data", &train, "--drop", "label,code"];
    let more = ["--contamination", "0.01", "--out", &forest];
    say(&[&detector[..], &more].concat()).await.ok();
    let up = Up::start(&files.path("data")).await;
    let endpoints = up.endpoints();
    let documents = [format!("{out}/serving.yaml"), format!("{forest}/serving.yaml")];
    say(&["apply", "-f", &documents[0], &documents[1], "--endpoints", &endpoints]).await.ok();
    let replay = async |text: &str| {
        let data = files.write("rows.csv", text);
        say(&["replay", "--model", "codes", "--data", &data, "--json", "--endpoints", &endpoints])
            .await
    };
    // Whole numbers as decimals, and codes that all look like numbers.
    let summary = replay("n,code\n1.0,007\n2.0,010\n").await.ok().json()["summary"].clone();
    assert_eq!((&summary["answered"], &summary["errors"]), (&json!(2), &json!(0)));
    let said = replay("n,code\n1,007\n,010\n2.5,007\n3,X12\n").await;
    assert_eq!(said.status.code(), Some(1));
    let summary = said.json()["summary"].clone();
    assert_eq!((&summary["answered"], &summary["not_sent"]), (&json!(2), &json!(2)));
    let example = summary["errors_by_code"]["NotSent"]["example"].as_str().unwrap();
    let expected = "row 1, counted from 0, column `n`: expected int64, got a missing value";
    assert_eq!(example, expected);
    let addresses: Value =
        serde_json::from_str(&std::fs::read_to_string(&endpoints).unwrap()).unwrap();
    let url = addresses["monitor_iforest"]["http"].as_str().unwrap();
    // The feature is found by its name, wherever it stands.
    let data = files.write("rows.csv", "note,n\n9999,1\n-9999,2\n9999,3\n");
    let asked = ["replay", "--prediction", url, "--data", &data, "--json"];
    let report = say(&asked).await.ok().json();
    assert_eq!(report["summary"]["inliers"], 3, "{report}");
    let data = files.write("rows.csv", "m,n2\n1,2\n");
    let asked = ["replay", "--prediction", url, "--data", &data, "--json"];
    let said = say(&asked).await;
    assert!(said.stderr.contains("the file has none of the model's features, n"), "{said:?}");
    assert_eq!(up.interrupt().await.code(), Some(0));
}
