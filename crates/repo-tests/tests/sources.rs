//! What holds for every Rust source: no file is too long, and the modules of a crate do not go round in circles.
//!
//! What does not hold yet is named here. A name whose reason has gone fails a test too, so these lists only shrink.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use shadowline_repo_tests::circles::circles;
use shadowline_repo_tests::modules::Modules;

/// The circles that still stand: the modules of a crate that lead to each other.
const CIRCLES: &[(&str, &[&str])] = &[];

/// More lines than this are more than one subject.
const MOST_LINES: usize = 600;

/// The files that are still longer, with the most lines that each may have.
const LONG_FILES: &[(&str, usize)] = &[];

#[test]
fn no_modules_go_round_in_circles() {
    let mut found = BTreeSet::new();
    for (name, folder) in crates() {
        let modules = Modules::read(&folder).expect("the sources of a crate");
        found.extend(circles(&modules).into_iter().map(|circle| (name.clone(), circle)));
    }
    let owned = |it: &&str| (*it).to_owned();
    let known: BTreeSet<(String, Vec<String>)> = CIRCLES
        .iter()
        .map(|(name, circle)| ((*name).to_owned(), circle.iter().map(owned).collect()))
        .collect();
    let come: Vec<_> = found.difference(&known).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    let list: String =
        found.iter().map(|(name, circle)| format!("    (\"{name}\", &{circle:?}),\n")).collect();
    assert!(
        come.is_empty() && gone.is_empty(),
        "come: {come:#?}\ngone, to be taken out of CIRCLES: {gone:#?}\nthe whole list would be\n{list}"
    );
}

#[test]
fn no_file_is_too_long() {
    let root = repository();
    let mut files = Vec::new();
    for (_, folder) in crates() {
        rust_files(&folder, &mut files);
    }
    let mut wrong = Vec::new();
    let mut long = BTreeSet::new();
    for file in files {
        let n_lines = std::fs::read_to_string(&file).expect("a source").lines().count();
        if n_lines <= MOST_LINES {
            continue;
        }
        let name = file.strip_prefix(&root).expect("below the repository").display().to_string();
        let most = LONG_FILES.iter().find(|(it, _)| *it == name).map_or(MOST_LINES, |(_, it)| *it);
        if most < n_lines {
            wrong.push(format!("{name} has {n_lines} lines; {most} are the most"));
        }
        long.insert(name);
    }
    let gone = LONG_FILES.iter().filter(|(it, _)| !long.contains(*it));
    wrong.extend(gone.map(|(it, _)| format!("{it} is not too long: take it out of LONG_FILES")));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Examples in documentation are run where a crate's manifest does not say that it has none.
#[test]
fn no_example_is_left_unrun() {
    let mut unrun = Vec::new();
    for (_, folder) in crates() {
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        if !manifest.contains("\ndoctest = false\n") {
            continue;
        }
        let mut files = Vec::new();
        rust_files(&folder.join("src"), &mut files);
        for file in files {
            let text = std::fs::read_to_string(&file).expect("a source");
            if has_example(&text) {
                unrun.push(file);
            }
        }
    }
    assert!(unrun.is_empty(), "take `doctest = false` out of the manifests of {unrun:#?}");
}

/// Whether a block of code in the documentation is one that would be run.
fn has_example(text: &str) -> bool {
    let lines = text.lines().map(str::trim_start);
    let comments = lines.filter_map(|it| it.strip_prefix("///").or_else(|| it.strip_prefix("//!")));
    let fences = comments.filter_map(|it| it.trim_start().strip_prefix("```"));
    // Every other one closes.
    fences.step_by(2).any(|it| it.is_empty() || it.starts_with("rust"))
}

#[test]
fn an_example_is_told_from_other_blocks() {
    assert!(has_example("/// ```\n/// a();\n/// ```\n"));
    assert!(has_example("//! ```text\n//! a\n//! ```\n    /// ```rust\n    /// ```\n"));
    assert!(!has_example("/// ```text\n/// a\n/// ```\n/// ```ignore\n/// ```\n"));
}

fn repository() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder.canonicalize().expect("the repository")
}

/// The folders of the crates, by their names.
fn crates() -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(repository().join("crates")).expect("the folder of crates");
    let folders = entries.flatten().filter(|it| it.path().join("Cargo.toml").is_file());
    folders.map(|it| (it.file_name().to_string_lossy().into_owned(), it.path())).collect()
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}
