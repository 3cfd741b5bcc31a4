//! What is done with the records of a group, by the code that has the effects.

use shadowline_error::BoxError;

use crate::record::{Lost, Received, StartAt, TopicPartition};

/// What is done with the records of a group.
pub trait Handler: Send {
    /// Partitions came to this process. Says where to begin each one; those left out begin at
    /// [`StartAt::Committed`].
    fn assigned(
        &mut self,
        partitions: &[TopicPartition],
    ) -> impl Future<Output = Result<Vec<(TopicPartition, StartAt)>, HandlerError>> + Send {
        let _ = partitions;
        std::future::ready(Ok(Vec::new()))
    }

    /// Handles records; those of one partition are in order and follow those of the call before.
    ///
    /// A record's trace is the span of its processing, where that is traced, and else the one that it came with.
    ///
    /// `Ok` commits them. After [`HandlerError::Retry`] the same records come again, as far as
    /// their partitions are still here. When a partition must be let go and the future takes too
    /// long ([`crate::ConsumerOptions::drain_timeout`]), it is dropped where it waits.
    fn handle(
        &mut self,
        records: &[Received],
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// The log dropped records before they were read: they will never be handled. Is called before what comes after
    /// them is, with where the gap is; whatever depends on the records has to show that they are missing.
    ///
    /// After [`HandlerError::Retry`] the same comes again.
    fn lost(&mut self, lost: &[Lost]) -> impl Future<Output = Result<(), HandlerError>> + Send {
        let _ = lost;
        std::future::ready(Ok(()))
    }

    /// Partitions leave this process. What was handled of them is committed already, unless they
    /// were lost.
    fn revoked(&mut self, partitions: &[TopicPartition]) -> impl Future<Output = ()> + Send {
        let _ = partitions;
        std::future::ready(())
    }

    /// Is told after each change how many partitions this process has; 0 is a share, too, of a
    /// group with more members than partitions.
    fn rebalanced(&mut self, n_partitions: usize) {
        let _ = n_partitions;
    }

    /// Is called every [`crate::ConsumerOptions::tick_every`], with records or without, but never while
    /// another call runs.
    fn tick(&mut self) -> impl Future<Output = Result<(), HandlerError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Why a handler could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may work later: a database that is unavailable, a log that does not answer.
    #[error("temporary failure")]
    Retry(#[source] BoxError),
    /// It never will: the loop ends.
    #[error("permanent failure")]
    Fatal(#[source] BoxError),
}

impl HandlerError {
    pub fn retry(source: impl Into<BoxError>) -> Self {
        Self::Retry(source.into())
    }

    pub fn fatal(source: impl Into<BoxError>) -> Self {
        Self::Fatal(source.into())
    }
}
