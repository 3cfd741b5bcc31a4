//! How producers and consumers work.

use std::sync::Arc;
use std::time::Duration;

/// How a consumer works.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// The group whose members share the partitions.
    pub group: String,
    pub topics: Vec<Arc<str>>,
    /// The most records given to the handler at once. It gets what is there, and never waits for more.
    pub max_batch: usize,
    /// How often [`Handler::tick`](crate::Handler::tick) is called.
    pub tick_every: Duration,
    pub client_id: String,
    /// How long a batch in flight may take when its partition must be let go or the loop must stop.
    /// Then the handler's future is dropped, and the batch comes again to the member that has the partition.
    pub drain_timeout: Duration,
    /// The wait before a batch is handled again: it doubles from the first to the second.
    pub retry_after: (Duration, Duration),
}

impl ConsumerOptions {
    pub fn new(group: impl Into<String>, topics: impl IntoIterator<Item = Arc<str>>) -> Self {
        let group = group.into();
        Self {
            client_id: group.clone(),
            group,
            topics: topics.into_iter().collect(),
            max_batch: 500,
            tick_every: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(5),
            retry_after: (Duration::from_millis(50), Duration::from_secs(5)),
        }
    }
}

/// How a producer works.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// Its name in the logs and metrics of the broker.
    pub client_id: String,
    /// How many records may wait for their acknowledgement; a further one waits for room.
    pub max_in_flight: usize,
    /// How long a record waits for others to go with it.
    pub linger: Duration,
    /// Larger records are refused at once.
    pub max_message_bytes: u64,
}

impl ProducerOptions {
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            max_in_flight: 10_000,
            linger: Duration::from_millis(2),
            max_message_bytes: crate::topics::DEFAULT_MAX_MESSAGE_BYTES,
        }
    }
}
