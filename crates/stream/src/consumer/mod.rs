//! The consumer loop: one for both logs.
//!
//! What differs between the logs is a [`Member`](crate::member::Member) of a group: it says which partitions come and
//! go and hands over records. Everything else is here: where reading begins and what is missing before it (`changes`,
//! `lost`), when the handler is called and what is done when it fails (`batch`), and that a partition is only let go
//! when what was read of it is finished.

mod batch;
mod changes;
mod lost;
mod state;

use tokio_util::sync::CancellationToken;

use self::state::Consumer;
use crate::error::ConsumeError;
use crate::handler::Handler;
use crate::log::Log;
use crate::options::ConsumerOptions;

/// Reads topics as a member of a group, until it is told to stop.
///
/// A stop finishes the batch in flight, commits, and leaves the group. A log that cannot be
/// reached is waited for. Records that the log drops before they are read are counted, said and told to the
/// handler; a topic that was deleted and made again is read from its start.
///
/// # Errors
/// If the handler gives up, or the log refuses in a way that waiting does not cure.
pub async fn consume(
    log: &Log,
    options: ConsumerOptions,
    handler: &mut impl Handler,
    stop: CancellationToken,
) -> Result<(), ConsumeError> {
    log.metrics().joined(&options.group, &options.topics);
    let mut consumer = Consumer::join(log, &options, handler, stop).await?;
    let ended = consumer.run().await;
    consumer.leave().await;
    ended
}
