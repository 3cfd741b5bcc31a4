//! Public data that tests may have at hand; none of it is committed.

use std::path::{Path, PathBuf};

use crate::skip::skip;

/// The folder of all data sets: the one that `SHADOWLINE_DATASETS` names, or the one beside the checkout.
pub fn data_sets() -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/datasets");
    std::env::var_os("SHADOWLINE_DATASETS").map_or(beside, PathBuf::from)
}

/// The folder of a data set; `None` if it is not on this machine, which has been said then.
///
/// # Panics
/// In CI (`CI=true`) if it is not there.
pub fn data_set(name: &str) -> Option<PathBuf> {
    let folder = data_sets().join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let why = anyhow::anyhow!("{} is no folder; see datasets/README.md", folder.display());
    skip(&format!("the data set {name}"), &why);
    None
}
