//! Every command of the documents is run, and prints what the documents say.
//!
//! How a document says what to run is in [`document`], where it runs in [`sandbox`].

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod alerts;
mod document;
mod links;
mod sandbox;

use std::collections::BTreeSet;

use document::{Block, Document, repository};
use sandbox::{Missing, skip};
use shadowline_testkit::quick_leaves_out;

/// Documents with commands; each has a test below.
const DOCUMENTS: [&str; 4] = [
    "docs/operate.md",
    "docs/prediction.md",
    "docs/tutorial-census.md",
    "docs/tutorial-credit-spend.md",
];

/// What a transcript may be of, and why no test can run it.
const NOT_RUN: [(&str, &str); 8] = [
    ("docker", "needs a Docker engine"),
    ("kubectl", "needs a Kubernetes cluster"),
    ("kustomize", "needs a Kubernetes cluster"),
    ("systemctl", "needs a machine with systemd"),
    ("sudo", "changes the machine"),
    ("make", "builds or starts what the test has built or started already"),
    ("export", "sets what is for a command that is not run, or what the test has set"),
    ("kafka-consumer-groups.sh", "needs the tools of Apache Kafka"),
];

/// What a document needs besides the programs.
#[derive(Debug, PartialEq, Eq)]
enum Needs {
    DataSet(&'static str),
    StackTools,
}

async fn check(name: &str, needs: &[Needs]) {
    if quick_leaves_out("long: the commands of a document") {
        return;
    }
    let folder = std::env::var("SHADOWLINE_DATASETS").unwrap_or_default();
    for need in needs {
        let Needs::DataSet(data_set) = need else {
            match sandbox::stack_tools().await {
                Ok(()) => continue,
                Err(Missing(missing)) => return skip(&missing),
            }
        };
        if !std::path::Path::new(&folder).join(data_set).is_dir() {
            return skip(&format!(
                "the data set `{data_set}` in the folder of SHADOWLINE_DATASETS, see datasets/README.md"
            ));
        }
    }
    if let Err(Missing(missing)) = sandbox::run(&Document::read(name)).await {
        skip(&missing);
    }
}

#[tokio::test]
async fn the_commands_of_operate_run() {
    check("docs/operate.md", &[Needs::StackTools]).await;
}

#[tokio::test]
async fn the_commands_of_the_prediction_service_run() {
    check("docs/prediction.md", &[Needs::DataSet("credit-spend")]).await;
}

#[tokio::test]
async fn the_commands_of_the_census_tutorial_run() {
    check("docs/tutorial-census.md", &[Needs::DataSet("adult")]).await;
}

#[tokio::test]
async fn the_commands_of_the_credit_spend_tutorial_run() {
    check("docs/tutorial-credit-spend.md", &[Needs::DataSet("credit-spend"), Needs::StackTools])
        .await;
}

#[test]
fn every_document_has_its_test() {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(repository().join("docs")).unwrap() {
        let name = format!("docs/{}", entry.unwrap().file_name().to_str().unwrap());
        if name.ends_with(".md") && !Document::read(&name).runs().is_empty() {
            found.insert(name);
        }
    }
    assert_eq!(found, DOCUMENTS.map(str::to_owned).into());
}

#[test]
fn what_is_not_run_cannot_be() {
    for name in DOCUMENTS {
        let document = Document::read(name);
        for block in &document.blocks {
            let Block::Console(commands) = block else { continue };
            for (line, command) in commands {
                let program = command.split_whitespace().next().unwrap_or_default();
                let reason = NOT_RUN.iter().find(|it| it.0 == program).map(|it| it.1);
                let reason = reason.unwrap_or_else(|| {
                    panic!("{name}:{line}: nothing hinders a test to run `{program}`; expected a block of sh")
                });
                println!("not run, {reason}: {name}:{line}: {command}");
            }
        }
    }
}
