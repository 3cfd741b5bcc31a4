//! Files side by side: what differs is theirs, and not how each was read.

use serde_json::{Value, json};

use super::Files;
use crate::support::say;

fn of<'a>(told: &'a Value, column: &str) -> &'a Value {
    let columns = told["differences"][0]["columns"].as_array().unwrap();
    columns.iter().find(|it| it["column"] == column).unwrap()
}

#[tokio::test]
async fn one_column_is_one_thing_in_files_that_are_compared() {
    let files = Files::new();
    let a = files.write("a.csv", "code,x,gone\n7,1,\n10,2,\n12,3,NA\n");
    let b = files.write("b.csv", "code,x,gone\n007,1,5\n010,2,6\n012,3,\n");
    let said = say(&["explore", &a, &b, "--json"]).await.ok();
    let told = said.json();
    assert_eq!(of(&told, "code")["statistic"], "total-variation");
    assert_eq!(of(&told, "code")["note"], Value::Null);
    assert!(said.stderr.contains("column `code`") && said.stderr.contains("--number 'code'"));
    assert_eq!(of(&told, "gone")["note"], "no value in one of them");
    assert_eq!(of(&told, "gone")["missing"][0], 1.0);
    let said = say(&["explore", &a, &b, "--json", "--number", "code"]).await.ok();
    assert_eq!(of(&said.json(), "code")["distance"], 0.0);
    // Words in one of them are how they differ.
    let c = files.write("c.csv", "code,x\nseven,1\nten,2\ntwelve,3\n");
    let d = files.write("d.csv", "code,x\n1,1\n2,2\n3,3\n4,4\n5,5\n6,6\n");
    let told = say(&["explore", &c, &d, "--json"]).await.ok().json();
    assert_eq!(of(&told, "code")["note"], "text in the first, numbers in the second");
}

#[tokio::test]
async fn what_is_said_of_two_files_is_what_they_hold() {
    let files = Files::new();
    let a = files.write("a.csv", "zip,x,only\n02134,1,1\n02134,2,2\n01000,inf,\n");
    let b = files.write("b.csv", "zip,x\n01000,1\n01000,2\n01000,3\n");
    let out = files.at("page.html");
    let said = say(&["explore", &a, &b, "--out", &out]).await.ok();
    assert!(said.stdout.contains("02134 / 01000"), "{said:?}");
    assert!(said.stderr.contains("a: column `x`: 1 infinite"), "{said:?}");
    let told = say(&["explore", &a, &b, "--json"]).await.ok().json();
    let x = &told["data_sets"][0]["columns"][1];
    assert_eq!((&x["missing"], &x["infinite"]), (&json!(0), &json!(1)));
    assert_eq!(told["data_sets"][1]["columns"][1]["infinite"], Value::Null);
    assert_eq!(of(&told, "only")["missing"][1], 1.0);
}
