//! Opening the directory of a log, and keeping it open.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::{Mutex, RwLock};
use shadowline_segment_log::{FileError, OpenError, lock_directory};
use tracing::info;

use super::housekeeping::Housekeeping;
use super::state::State;
use super::topic::{self, Topic, TopicOpenError};
use crate::metrics::Metrics;

/// The thread is ended before the log is closed.
#[derive(Debug)]
pub(super) struct OpenLog {
    _housekeeping: Housekeeping,
    pub(super) state: Arc<State>,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EmbeddedOpenError {
    #[error(
        "{} is in use: an embedded log belongs to one process, and one has it open", dir.display()
    )]
    InUse { dir: PathBuf },
    #[error("lock it")]
    Lock(#[source] OpenError),
    #[error("topic `{topic}`")]
    Topic { topic: String, source: TopicOpenError },
    #[error("start its thread")]
    Thread(#[source] std::io::Error),
    #[error(transparent)]
    File(#[from] FileError),
}

impl OpenLog {
    /// Blocks while every record is read to check it.
    pub(super) fn open(dir: PathBuf, metrics: Metrics) -> Result<Self, EmbeddedOpenError> {
        shadowline_own_files::folder(&dir).map_err(FileError::at("create directory", &dir))?;
        let directory = lock_directory(&dir).map_err(|error| match error {
            OpenError::Locked { dir } => EmbeddedOpenError::InUse { dir },
            other => EmbeddedOpenError::Lock(other),
        })?;
        let topics_dir = dir.join("topics");
        std::fs::create_dir_all(&topics_dir)
            .map_err(FileError::at("create directory", &topics_dir))?;
        let topics = open_topics(&topics_dir)?;
        info!(dir = %dir.display(), n_topics = topics.len(), "embedded log open");
        let state = Arc::new(State {
            dir,
            metrics,
            topics: RwLock::new(topics),
            groups: Mutex::default(),
            creating: Mutex::default(),
            _directory: directory,
        });
        let housekeeping = Housekeeping::start(state.clone()).map_err(EmbeddedOpenError::Thread)?;
        Ok(Self { _housekeeping: housekeeping, state })
    }
}

fn open_topics(dir: &Path) -> Result<HashMap<Arc<str>, Arc<Topic>>, EmbeddedOpenError> {
    let mut topics = HashMap::new();
    let now = SystemTime::from(topic::now());
    for entry in std::fs::read_dir(dir).map_err(FileError::at("list", dir))? {
        let path = entry.map_err(FileError::at("list", dir))?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        let opened = Topic::open(&path, name)
            .map_err(|source| EmbeddedOpenError::Topic { topic: name.to_owned(), source })?;
        if let Some(topic) = opened {
            topic.clean_up(now);
            topics.insert(topic.name.clone(), Arc::new(topic));
        }
    }
    Ok(topics)
}
