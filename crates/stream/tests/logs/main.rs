//! What a log promises, checked on both of them.

#![expect(clippy::unwrap_used, reason = "a test has no better answer to an error")]

mod consuming;
mod lost;
mod made_again;
mod outage;
mod producing;
mod rebalancing;
mod refused;
mod size_limits;
mod tables;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use shadowline_stream::{Envelope, Log, OutRecord, Received, StartAt};

/// Long enough for a busy machine; nothing waits that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record whose value is a number.
fn numbered(topic: &Arc<str>, partition: u32, number: u64) -> OutRecord {
    OutRecord {
        topic: topic.clone(),
        partition: Some(partition),
        key: Some(Bytes::from(format!("key-{number}"))),
        value: Some(Bytes::from(number.to_string())),
        envelope: envelope(&number.to_string()),
    }
}

fn envelope(id: &str) -> Envelope {
    Envelope::new(id, "test.v1", "/test", Timestamp::UNIX_EPOCH)
}

/// The number in a record's value.
fn number(record: &Received) -> u64 {
    let value = record.value.as_deref().expect("it has a value");
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

/// Everything that is in a topic now.
async fn read_all(log: &Log, topic: &str) -> Vec<Received> {
    let mut reader = log.reader(topic, StartAt::Earliest).await.unwrap();
    tokio::time::timeout(PATIENCE, reader.read_to_end()).await.expect("the end is reached").unwrap()
}

/// The numbers of one partition, in order.
fn numbers_of(records: &[Received], partition: u32) -> Vec<u64> {
    records.iter().filter(|it| it.partition == partition).map(number).collect()
}
