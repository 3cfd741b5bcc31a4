//! What the documents point to is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::document::repository;

/// Every document that people read.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "docs/adr", "deploy", "datasets", "dashboards"] {
        let Ok(entries) = std::fs::read_dir(repository().join(folder)) else { continue };
        let paths = entries.map(|it| it.unwrap().path());
        found.extend(paths.filter(|it| it.extension().is_some_and(|it| it == "md")));
    }
    assert!(3 < found.len(), "{found:?}");
    found
}

/// The anchors of a document's headings, as GitHub makes them.
pub(crate) fn anchors(text: &str) -> BTreeSet<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut anchors = BTreeSet::new();
    let mut is_inside = false;
    for line in text.lines() {
        is_inside ^= line.starts_with("```");
        let Some(title) = line.strip_prefix('#').filter(|_| !is_inside) else { continue };
        let anchor = anchor(title.trim_start_matches('#').trim());
        let count = counts.entry(anchor.clone()).or_default();
        anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
        *count += 1;
    }
    anchors
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it.to_ascii_lowercase() }).collect()
}

/// The targets of `[text](target)`, without those on the net.
fn targets(text: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        is_inside ^= line.starts_with("```");
        if is_inside {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split([')', ' ']).next().unwrap_or_default();
            if !target.contains("://") && !target.is_empty() {
                targets.push(target);
            }
        }
    }
    targets
}

fn follow(document: &Path, target: &str) -> Result<(), String> {
    let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
    let path =
        if path.is_empty() { document.to_owned() } else { document.parent().unwrap().join(path) };
    if !path.exists() {
        return Err(format!("`{}` is not there", path.display()));
    }
    if fragment.is_empty() {
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let anchors = anchors(&text);
    if anchors.contains(fragment) {
        Ok(())
    } else {
        Err(format!("no heading of `{}` has the anchor; there are {anchors:?}", path.display()))
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut n_links = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for target in targets(&text) {
            n_links += 1;
            if let Err(error) = follow(&document, target) {
                panic!("{}: link `{target}`: {error}", document.display());
            }
        }
    }
    assert!(10 < n_links, "{n_links} links were found");
}

#[test]
fn anchors_are_those_of_github() {
    let text = "# A b\n## What `x_y` means, and why\n## A b\n```sh\n# no heading\n```\n";
    let expected = ["a-b", "a-b-1", "what-x_y-means-and-why"].map(str::to_owned);
    assert_eq!(anchors(text), expected.into());
    assert_eq!(targets("[a](b.md#c), [d](https://e) and ![f](g.svg \"h\")"), ["b.md#c", "g.svg"]);
}
