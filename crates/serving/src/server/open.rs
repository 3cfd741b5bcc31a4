//! What is opened before anything is served: the spool and the models.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use shadowline_contract::Signature;
use shadowline_segment_log::{Spool, SpoolOptions};
use shadowline_service::disk;
use tracing::warn;

use crate::backend::Backend;
use crate::config::Config;
use crate::error::ServeError;
use crate::metrics::ServingMetrics;
use crate::models::{Model, Models};

/// A model that is a function of this process.
pub(super) struct FunctionModel {
    pub(super) name: String,
    pub(super) version: NonZeroU64,
    pub(super) signature: Signature,
    pub(super) backend: Backend,
}

pub(super) async fn open_spool(config: &Config) -> Result<Spool, ServeError> {
    let dir = config.spool_dir();
    if let Some(room) = disk::room(&dir).filter(|it| it.size_bytes < config.spool.max_bytes) {
        let (max_bytes, size_bytes) = (config.spool.max_bytes, room.size_bytes);
        // The disk is full before the spool is, and what is said then is not what `when_full` means.
        warn!(dir = %dir.display(), max_bytes, size_bytes, "the disk is smaller than the setting spool.max_bytes");
    }
    let options = SpoolOptions {
        max_bytes: config.spool.max_bytes,
        segment_bytes: config.spool.segment_bytes,
    };
    let open = move || {
        shadowline_own_files::folder(&dir)
            .map_err(|source| ServeError::Directory { dir: dir.clone(), source })?;
        Spool::open(dir, &options).map_err(ServeError::Spool)
    };
    tokio::task::spawn_blocking(open).await?
}

pub(super) async fn open_models(
    config: &Config,
    functions: Vec<FunctionModel>,
    metrics: ServingMetrics,
) -> Result<Models, ServeError> {
    let dir = config.models_dir();
    let open = move || {
        let functions = functions
            .into_iter()
            .map(|FunctionModel { name, version, signature, backend }| {
                Model::new(name, version, signature, BTreeMap::new(), backend, &metrics)
            })
            .collect();
        Models::open(&dir, functions, metrics)
    };
    tokio::task::spawn_blocking(open).await?.map_err(ServeError::Models)
}
