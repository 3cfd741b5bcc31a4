//! Which test programs have passed as they are, so that they need not run again.
//!
//! A program is as it was if its file is, and if no file of the repository but sources of Rust is newer than its
//! pass: tests read documents, manifests and data. What they read elsewhere is known by its place only.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde_json::{Value, json};

/// The packages whose tests read sources of Rust.
const READ_SOURCES: [&str; 1] = ["repo-tests"];

/// The folders in which no test reads anything that a person wrote.
const LEFT_OUT: [&str; 3] = ["target", "node_modules", "__pycache__"];

/// The passes of earlier runs, in a file.
#[derive(Debug)]
pub(crate) struct Passed {
    file: PathBuf,
    /// By the program's path: the stamp of its file, and when it passed, in nanoseconds since 1970.
    passes: BTreeMap<String, (String, u64)>,
    /// By the program's name: how long it last took, in milliseconds.
    took: BTreeMap<String, u64>,
    /// The newest file of the repository that is no source.
    newest: u64,
    /// What else the tests go by.
    surroundings: String,
}

impl Passed {
    /// Reads the passes of a file, none if there is none; `root` is the repository.
    pub(crate) fn read(file: &Path, root: &Path) -> anyhow::Result<Self> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let surroundings =
            ["SHADOWLINE_TESTS", "SHADOWLINE_DATASETS", "CI", "PATH"].map(variable).join("|");
        let text = std::fs::read_to_string(file).unwrap_or_default();
        // A file of another form is as good as none.
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut passes = BTreeMap::new();
        if document["surroundings"] == surroundings {
            for (program, pass) in document["passes"].as_object().into_iter().flatten() {
                if let (Some(stamp), Some(at)) = (pass["stamp"].as_str(), pass["at"].as_u64()) {
                    passes.insert(program.clone(), (stamp.to_owned(), at));
                }
            }
        }
        let took = document["took"].as_object().into_iter().flatten();
        let took = took.filter_map(|(name, it)| Some((name.clone(), it.as_u64()?))).collect();
        Ok(Self { file: file.to_owned(), passes, took, newest: newest(root)?, surroundings })
    }

    /// Whether a program of a package passed, and nothing that it goes by has changed since.
    pub(crate) fn has(&self, program: &Path, package: &str) -> bool {
        let Some((was, at)) = self.passes.get(&*program.to_string_lossy()) else { return false };
        let is_same = stamp(program).is_ok_and(|it| it == *was);
        is_same && self.newest < *at && !READ_SOURCES.contains(&package)
    }

    /// How long a program took when it last ran; one that never did may take long.
    pub(crate) fn took(&self, name: &str) -> u64 {
        self.took.get(name).copied().unwrap_or(u64::MAX)
    }

    /// Notes how long a program took.
    pub(crate) fn note_time(&mut self, name: &str, took: Duration) {
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.took.insert(name.to_owned(), milliseconds);
    }

    /// Notes what programs came to that were started at a time.
    pub(crate) fn note(&mut self, program: &Path, started: SystemTime, has_passed: bool) {
        let key = program.to_string_lossy().into_owned();
        match stamp(program) {
            Ok(stamp) if has_passed => self.passes.insert(key, (stamp, nanoseconds(started))),
            _ => self.passes.remove(&key),
        };
    }

    /// Writes the file.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let passes: BTreeMap<&str, Value> = self
            .passes
            .iter()
            .map(|(program, (stamp, at))| (program.as_str(), json!({"stamp": stamp, "at": at})))
            .collect();
        let document =
            json!({"surroundings": self.surroundings, "passes": passes, "took": self.took});
        std::fs::write(&self.file, document.to_string())
            .with_context(|| format!("write `{}`", self.file.display()))
    }
}

fn stamp(program: &Path) -> anyhow::Result<String> {
    let metadata = std::fs::metadata(program)?;
    Ok(format!("{}:{}", metadata.len(), nanoseconds(metadata.modified()?)))
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// When the newest file below a folder was written that is no source of Rust.
fn newest(folder: &Path) -> anyhow::Result<u64> {
    let mut newest = 0;
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("list the folder `{}`", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if kind.is_dir() {
            if !is_hidden && !LEFT_OUT.iter().any(|it| name == *it) {
                newest = newest.max(self::newest(&entry.path())?);
            }
        } else if entry.path().extension() != Some(OsStr::new("rs")) {
            newest = newest.max(nanoseconds(entry.metadata()?.modified()?));
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_holds_until_the_program_or_a_file_that_is_no_source_changes() {
        let root = tempfile::tempdir().unwrap();
        let (program, notes) = (root.path().join("target/test"), root.path().join("target/passed"));
        std::fs::create_dir(root.path().join("target")).unwrap();
        std::fs::create_dir(root.path().join("docs")).unwrap();
        let write = |name: &str, at: u64| {
            let file = std::fs::File::create(root.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(at)).unwrap();
        };
        write("docs/operate.md", 10);
        write("target/test", 20);
        let read = || Passed::read(&notes, root.path()).unwrap();
        let mut passed = read();
        assert!(!passed.has(&program, "stream"));
        passed.note(&program, UNIX_EPOCH + Duration::from_secs(30), true);
        passed.note_time("stream: logs", Duration::from_millis(1500));
        passed.write().unwrap();
        assert_eq!((read().took("stream: logs"), read().took("a new one")), (1500, u64::MAX));
        assert!(read().has(&program, "stream"));
        assert!(!read().has(&program, "repo-tests"), "it reads sources");

        write("lib.rs", 40);
        assert!(read().has(&program, "stream"), "a source is in the program");
        write("docs/operate.md", 40);
        assert!(!read().has(&program, "stream"));
        write("docs/operate.md", 10);
        write("target/test", 25);
        assert!(!read().has(&program, "stream"));

        let mut passed = read();
        passed.note(&program, UNIX_EPOCH + Duration::from_secs(30), false);
        passed.write().unwrap();
        assert!(!read().has(&program, "stream"));
    }
}
