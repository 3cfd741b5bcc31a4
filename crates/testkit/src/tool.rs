//! Programs of others that tests run.

use std::path::{Path, PathBuf};

use crate::scope::quick_leaves_out;
use crate::skip::{say, skip};

/// Finds a program of others by any of its names, along the path and where Debian keeps what is for administrators;
/// `None` if it is not on this machine, which has been said then. `make quick` leaves out what needs one.
///
/// # Panics
/// In CI (`CI=true`) if it is not there.
pub fn tool(names: &[&str]) -> Option<PathBuf> {
    let shown = names.join(" or ");
    if quick_leaves_out(&shown) {
        return None;
    }
    let found = in_path(names);
    if found.is_none() {
        skip(&format!("{shown} (make stack-tools)"), &anyhow::anyhow!("it is not in PATH"));
    }
    found
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).chain(extra).collect();
    let mut paths = names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    paths.find(|it| it.is_file())
}

/// Returns a program in Go that `make stack-tools` installs; `None` if it is not there, which has been said then.
///
/// # Panics
/// In CI (`CI=true`) if it is not there, though there is a Go that could have built it.
pub fn go_tool(name: &str) -> Option<PathBuf> {
    let needs = format!("{name} (make stack-tools)");
    if quick_leaves_out(&needs) {
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = root.join(".stack/go/bin").join(name);
    if program.is_file() {
        return Some(program);
    }
    let why = anyhow::anyhow!("there is no {}", program.display());
    match in_path(&["go"]) {
        Some(_) => skip(&needs, &why),
        None => say(&format!("skipped: needs {needs} ({why}, and no Go to build it)")),
    }
    None
}

/// Returns the Python of one of the environments that `make stack-tools` makes, of clients and testers; `None` if it is
/// not there, which has been said then.
///
/// # Panics
/// In CI (`CI=true`) if it is not there.
pub fn python(environment: &str) -> Option<PathBuf> {
    let needs = format!("Python's environment `{environment}` (make stack-tools)");
    if quick_leaves_out(&needs) {
        return None;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = root.join(".stack/python").join(environment).join("bin/python");
    if python.is_file() {
        return Some(python);
    }
    skip(&needs, &anyhow::anyhow!("there is no {}", python.display()));
    None
}
