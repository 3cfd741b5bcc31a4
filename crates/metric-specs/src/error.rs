//! Why the service ends by itself.

use shadowline_store::StoreError;
use shadowline_stream::{ConsumeError, LogError, TopicError};

use crate::config::ConfigError;

/// Why the service stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum MetricSpecsError {
    /// Settings that do not go together.
    #[error("check the settings")]
    Settings(#[source] ConfigError),
    /// The database cannot be used as it is set.
    #[error("open the database")]
    Store(#[source] StoreError),
    /// The directory of the database cannot be made.
    #[error("make the directory `{dir}` for the database")]
    Directory {
        /// The directory.
        dir: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The log cannot be used as it is set.
    #[error("open the log")]
    Log(#[source] LogError),
    /// The topics are not as they must be.
    #[error("prepare the topics")]
    Topics(#[source] TopicError),
    /// Scores can no longer be read.
    #[error("apply scores")]
    Consume(#[source] ConsumeError),
    /// The HTTP port cannot be opened or served.
    #[error("serve HTTP")]
    Http(#[source] std::io::Error),
    /// The HTTP client for Alertmanager cannot be made.
    #[error("make the client for Alertmanager")]
    Client(#[source] reqwest::Error),
}
