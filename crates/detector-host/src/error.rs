//! Why a monitor that hosts detectors ends by itself.

use std::path::PathBuf;

use shadowline_monitor::MonitorError;
use shadowline_packages::{FolderError, RegistryError};
use shadowline_stream::LogError;

/// Why a monitor stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The log cannot be used as it is set.
    #[error("open the log")]
    Log(#[source] LogError),
    /// Scoring ended.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The detectors cannot be read.
    #[error("open the installed detectors")]
    Packages(#[source] RegistryError),
    /// A folder that the settings name is not a package.
    #[error("install package")]
    Folder(#[source] FolderError),
    /// A package that the settings name cannot be installed.
    #[error("install package `{}`", path.display())]
    Install {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: RegistryError,
    },
    /// A setting of another kind of monitor.
    #[error("setting `prediction`: {0} answers no predictions")]
    NoPredictions(&'static str),
    /// The HTTP port cannot be opened or served.
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
    /// A task of ours ended by a panic.
    #[error("a task failed")]
    Task(#[source] tokio::task::JoinError),
}
