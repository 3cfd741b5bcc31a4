//! A record as bytes in a segment.
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | time of writing, in microseconds since 1970 |
//! | 4 + length | key; a length of `u32::MAX` says that there is none |
//! | 4 + length | value, likewise |
//! | 4 | number of headers |
//! | 4 + length, 4 + length | name and value, for each header |
//!
//! Numbers are little endian. The frame around it, with its checksum, is the segment's.

use bytes::{Buf, Bytes};
use jiff::Timestamp;

use crate::{Envelope, OutRecord, Received, TopicPartition};

const NONE: u32 = u32::MAX;

/// Why bytes that passed their checksum are not a record.
#[derive(Debug, thiserror::Error)]
#[error("the record ends within its {part}")]
pub(super) struct DecodeError {
    part: &'static str,
}

/// What compaction looks at.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) timestamp_us: i64,
    pub(super) key: Option<Bytes>,
    pub(super) is_tombstone: bool,
}

/// The bytes of a record. The caller has refused a record larger than a length can say.
pub(super) fn encode(record: &OutRecord, written_at: Timestamp) -> Vec<u8> {
    let headers = record.envelope.to_headers();
    let n_bytes: usize = headers.iter().map(|(name, value)| 8 + name.len() + value.len()).sum();
    let [key_len, value_len] =
        [&record.key, &record.value].map(|it| it.as_ref().map_or(0, Bytes::len));
    let mut out = Vec::with_capacity(20 + key_len + value_len + n_bytes);
    out.extend_from_slice(&written_at.as_microsecond().to_le_bytes());
    for part in [&record.key, &record.value] {
        match part {
            Some(bytes) => put_long(&mut out, bytes),
            None => out.extend_from_slice(&NONE.to_le_bytes()),
        }
    }
    put_len(&mut out, headers.len());
    for (name, value) in &headers {
        put_long(&mut out, name.as_bytes());
        put_long(&mut out, value.as_bytes());
    }
    out
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    put_len(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn put_len(out: &mut Vec<u8>, len: usize) {
    let len = u32::try_from(len).expect("no part of a record is anywhere near 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
}

/// The record of these bytes. Its parts share their memory.
pub(super) fn decode(
    at: &TopicPartition,
    offset: u64,
    mut bytes: Bytes,
) -> Result<Received, DecodeError> {
    let timestamp_us = take_timestamp(&mut bytes)?;
    let key = take_optional(&mut bytes, "key")?;
    let value = take_optional(&mut bytes, "value")?;
    let n_headers = take_u32(&mut bytes, "headers")? as usize;
    let mut headers = Vec::with_capacity(n_headers.min(64));
    for _ in 0..n_headers {
        let name = take_long(&mut bytes, "headers")?;
        headers.push((name, take_long(&mut bytes, "headers")?));
    }
    let headers = headers
        .iter()
        // We wrote the names from strings; one that is none is not ours.
        .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, &**value)));
    Ok(Received {
        topic: at.topic.clone(),
        partition: at.partition,
        offset,
        envelope: Envelope::from_headers(headers),
        key,
        value,
        timestamp: Timestamp::from_microsecond(timestamp_us).ok(),
    })
}

/// Reads no further than compaction needs.
pub(super) fn summarize(mut bytes: Bytes) -> Result<Summary, DecodeError> {
    let timestamp_us = take_timestamp(&mut bytes)?;
    let key = take_optional(&mut bytes, "key")?;
    let is_tombstone = take_u32(&mut bytes, "value")? == NONE;
    Ok(Summary { timestamp_us, key, is_tombstone })
}

fn take(bytes: &mut Bytes, len: usize, part: &'static str) -> Result<Bytes, DecodeError> {
    if bytes.len() < len { Err(DecodeError { part }) } else { Ok(bytes.split_to(len)) }
}

fn take_timestamp(bytes: &mut Bytes) -> Result<i64, DecodeError> {
    Ok(take(bytes, 8, "time")?.get_i64_le())
}

fn take_long(bytes: &mut Bytes, part: &'static str) -> Result<Bytes, DecodeError> {
    let len = take_u32(bytes, part)? as usize;
    take(bytes, len, part)
}

fn take_u32(bytes: &mut Bytes, part: &'static str) -> Result<u32, DecodeError> {
    Ok(take(bytes, 4, part)?.get_u32_le())
}

fn take_optional(bytes: &mut Bytes, part: &'static str) -> Result<Option<Bytes>, DecodeError> {
    match take_u32(bytes, part)? {
        NONE => Ok(None),
        len => take(bytes, len as usize, part).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Origin;

    proptest! {
        #[test]
        fn a_record_comes_back_and_a_part_of_it_is_refused(
            key in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..50)),
            extension in ".{0,20}",
            micros in 0..4_000_000_000_000_000_i64,
        ) {
            let mut envelope = Envelope::new("id", "type", "/test", Timestamp::UNIX_EPOCH);
            envelope.origin = Some(Origin { instance: uuid::Uuid::from_u128(3), sequence: 9 });
            envelope.extensions = BTreeMap::from([("note".to_owned(), extension)]);
            let record = OutRecord {
                topic: "topic".into(),
                partition: None,
                key: key.map(Bytes::from),
                value: value.map(Bytes::from),
                envelope,
            };
            let written_at = Timestamp::from_microsecond(micros).unwrap();
            let bytes = Bytes::from(encode(&record, written_at));
            let at = TopicPartition::new("topic", 4);
            let read = decode(&at, 7, bytes.clone()).unwrap();
            prop_assert_eq!((read.partition, read.offset), (4, 7));
            prop_assert_eq!((&read.key, &read.value), (&record.key, &record.value));
            prop_assert_eq!(read.timestamp, Some(written_at));
            prop_assert_eq!(read.envelope.unwrap(), record.envelope);
            let summary = summarize(bytes.clone()).unwrap();
            prop_assert_eq!((summary.timestamp_us, summary.key), (micros, record.key));
            prop_assert_eq!(summary.is_tombstone, record.value.is_none());
            for len in 0..bytes.len() {
                prop_assert!(decode(&at, 7, bytes.slice(..len)).is_err(), "the first {len} bytes");
            }
        }
    }
}
