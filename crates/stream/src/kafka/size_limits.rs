//! How large the records of a topic may be: the broker says it only by refusing them.
//!
//! `max.message.bytes` of a topic is the limit of a batch, and can be lowered under a producer that has records for it.
//! The broker refuses a batch as a whole, so nobody knows which of its records is too large, or whether one is.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rdkafka::message::{Headers as _, OwnedHeaders};

/// What a batch has beside its records, and a record beside key, value and headers, at most.
const OVERHEAD_BYTES: u64 = 61 + 40;
const HEADER_OVERHEAD_BYTES: u64 = 10;

/// The limits of the topics that have refused a batch.
#[derive(Debug, Default)]
pub(super) struct SizeLimits(Mutex<BTreeMap<Arc<str>, Limit>>);

#[derive(Debug, Clone, Copy, Default)]
struct Limit {
    /// `None` until the broker was asked.
    bytes: Option<u64>,
    /// Batches were refused since the limit is known, of which no record was too large: only one by one are they sure.
    one_by_one: bool,
    /// Is to be asked for again.
    is_old: bool,
}

/// How batches are made, so that no topic refuses one as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BatchLimit {
    pub(super) bytes: u64,
    pub(super) one_by_one: bool,
}

/// As large as a batch of this record alone can be.
pub(super) fn batch_bytes(key_and_value_bytes: u64, headers: &OwnedHeaders) -> u64 {
    let header = |it: rdkafka::message::Header<'_, &[u8]>| {
        it.key.len() as u64 + it.value.map_or(0, |it| it.len() as u64) + HEADER_OVERHEAD_BYTES
    };
    OVERHEAD_BYTES + key_and_value_bytes + headers.iter().map(header).sum::<u64>()
}

impl SizeLimits {
    /// Notes that the broker has refused a batch, and returns the limit if the record of this size is too large for
    /// it; otherwise nobody knows yet.
    pub(super) fn refused(&self, topic: &Arc<str>, batch_bytes: u64) -> Option<u64> {
        let mut limits = self.0.lock();
        let limit = limits.entry(topic.clone()).or_default();
        match limit.bytes {
            Some(bytes) if bytes < batch_bytes => return Some(bytes),
            Some(_) => limit.one_by_one = true,
            None => {}
        }
        limit.is_old = true;
        None
    }

    /// The topics whose limit must be asked for.
    pub(super) fn unknown(&self) -> Vec<Arc<str>> {
        let limits = self.0.lock();
        limits.iter().filter(|(_, it)| it.is_old).map(|(topic, _)| topic.clone()).collect()
    }

    /// Takes in what the broker says.
    pub(super) fn learn(&self, topic: &Arc<str>, bytes: u64) {
        let mut limits = self.0.lock();
        let limit = limits.entry(topic.clone()).or_default();
        // Another limit than before explains what was refused.
        limit.one_by_one &= limit.bytes == Some(bytes);
        limit.bytes = Some(bytes);
        limit.is_old = false;
    }

    /// The strictest of the limits, if there is any.
    pub(super) fn batch(&self) -> Option<BatchLimit> {
        let limits = self.0.lock();
        let bytes = limits.values().filter_map(|it| it.bytes).min()?;
        Some(BatchLimit { bytes, one_by_one: limits.values().any(|it| it.one_by_one) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_is_asked_before_a_record_is_called_too_large() {
        let (limits, topic) = (SizeLimits::default(), Arc::from("t"));
        assert_eq!(limits.batch(), None);
        assert_eq!(limits.refused(&topic, 900), None, "nobody knows the limit yet");
        assert_eq!(limits.unknown(), std::slice::from_ref(&topic));
        limits.learn(&topic, 1000);
        assert!(limits.unknown().is_empty());
        assert_eq!(limits.refused(&topic, 1001), Some(1000));
        assert_eq!(limits.batch(), Some(BatchLimit { bytes: 1000, one_by_one: false }));
    }

    #[test]
    fn batches_that_are_refused_without_a_reason_become_single_records() {
        let (limits, topic) = (SizeLimits::default(), Arc::from("t"));
        limits.refused(&topic, 900);
        limits.learn(&topic, 1000);
        limits.refused(&topic, 900);
        limits.learn(&topic, 1000);
        assert!(limits.batch().unwrap().one_by_one);
        limits.refused(&topic, 900);
        limits.learn(&topic, 800);
        assert!(!limits.batch().unwrap().one_by_one, "it was lowered again");
    }
}
