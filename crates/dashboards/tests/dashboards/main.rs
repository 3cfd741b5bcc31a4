//! Dashboards, rules and provisioning, as they are deployed: made from their source, and naming only what there is.

#![expect(clippy::unwrap_used, reason = "what a test reads is there, or the test has failed")]

mod files;
mod promql;
mod rules;
mod sql;

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
