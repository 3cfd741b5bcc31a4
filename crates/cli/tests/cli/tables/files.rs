//! Files whose bytes may be taken for something else.

use super::{Files, numbers_but};
use crate::support::say;

#[tokio::test]
async fn a_column_may_be_called_as_a_format_is() {
    let files = Files::new();
    for name in ["PARENT_ID", "ORCID", "PAR1", "FEA1", "ARROW1", "BZh1", "SQLite format 3"] {
        let text = numbers_but(60, "").replacen('x', name, 1);
        let data = files.write("t.csv", text);
        let report = files.train(&data, "p", &[]).await;
        assert_eq!(report["columns"][0]["name"], name);
    }
}

#[tokio::test]
async fn a_delimiter_that_two_fit_is_asked_for() {
    let files = Files::new();
    let rows: String = (0..60).map(|it| format!("{it};{},{}\n", it % 7, it % 10)).collect();
    let data = files.write("t.csv", format!("date;value, kW\n{rows}"));
    let said = files.try_train(&data, "p", &[]).await;
    assert_eq!(said.status.code(), Some(1));
    assert!(said.stderr.contains("--delimiter"), "{said:?}");
    let said = files.try_train(&data, "p", &["--delimiter", ";"]).await;
    assert!(said.stderr.contains("column `value, kW`"), "{said:?}");
}

#[tokio::test]
async fn utf_16_is_read_and_latin_1_refused_by_its_byte() {
    let files = Files::new();
    let text = numbers_but(60, "").replacen('x', "größe", 1).replace(',', "\t");
    let units = || std::iter::once(0xfeff).chain(text.encode_utf16());
    for bytes in [
        units().flat_map(u16::to_le_bytes).collect::<Vec<u8>>(),
        units().flat_map(u16::to_be_bytes).collect(),
    ] {
        let data = files.write("t.csv", bytes);
        assert_eq!(files.train(&data, "p", &[]).await["columns"][0]["name"], "größe");
    }
    let data = files.write("t.csv", b"x,name\n1,a\n2,caf\xe9\n");
    let said = files.try_train(&data, "p", &[]).await;
    assert_eq!(said.status.code(), Some(1));
    for part in ["t.csv", "0xe9 at 16", "line 3", "Latin-1"] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
}

#[tokio::test]
async fn a_folder_may_have_columns_that_nobody_reads() {
    let files = Files::new();
    let text = numbers_but(60, "").replace('\n', ",,\n");
    files.write("parts/a.csv", &text);
    files.write("parts/b.csv", &text);
    let report = files.train(&files.at("parts"), "p", &[]).await;
    assert_eq!((report["rows"].as_u64(), report["features"].as_u64()), (Some(120), Some(2)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_of_a_shell_is_written_to() {
    let files = Files::new();
    let data = files.write("t.csv", numbers_but(60, ""));
    files.train(&data, "p", &[]).await;
    let program = env!("CARGO_BIN_EXE_shadowline");
    let (package, out) = (files.at("p"), files.at("head.csv"));
    let script = format!(
        "'{program}' score --package '{package}' --data '{data}' --out >(head -2 > '{out}'); wait $!"
    );
    let status = tokio::process::Command::new("bash").args(["-c", &script]).status().await;
    assert!(status.unwrap().success());
    let text = std::fs::read_to_string(out).unwrap();
    assert!(text.starts_with("row,score,") && text.lines().count() == 2, "{text}");
    say(&["score", "--package", &package, "--data", &data, "--out", "/dev/null"]).await.ok();
}
