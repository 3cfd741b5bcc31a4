//! Why a monitor ends by itself.

use shadowline_stream::{ConsumeError, LogError, TopicError};

/// Why a monitor stopped without being told to.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// The log cannot be used as it is set.
    #[error("open the log")]
    Log(#[source] LogError),
    /// The topics are not as they must be.
    #[error("prepare the topics")]
    Topics(#[source] TopicError),
    /// Inferences can no longer be read or scored.
    #[error("score inferences")]
    Consume(#[source] ConsumeError),
}
