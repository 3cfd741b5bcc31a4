//! Dashboards, rules and provisioning, as they are deployed: made from their source, and naming only what there is.

mod files;
mod promql;
mod rules;
mod sql;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
