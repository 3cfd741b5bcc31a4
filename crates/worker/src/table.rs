//! A compacted topic as the table it is.

use std::collections::BTreeMap;

use shadowline_error::chain;
use shadowline_service::health::Component;
use shadowline_stream::{Bytes, Log, LogError, TableEvent, TableReader};

use crate::RETRY_AFTER;

/// What becomes known of a table that is followed; a value is whatever its bytes were decoded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange<V> {
    /// The whole table, at first and whenever it was read anew.
    All(BTreeMap<Bytes, V>),
    /// A key has this value now.
    Upsert(Bytes, V),
    /// A key is gone.
    Delete(Bytes),
}

/// Reads a table as it is now.
///
/// # Errors
/// If there is no such topic, or the log fails.
pub async fn read_table<V>(
    log: &Log,
    topic: &str,
    mut decode: impl FnMut(&Bytes, &Bytes) -> V,
) -> Result<BTreeMap<Bytes, V>, LogError> {
    let mut table = TableReader::open(log, topic).await?;
    read_to_end(&mut table, &mut decode).await
}

/// Follows a table until the future is dropped, and reads it anew whenever the log fails; `apply` has every change.
///
/// While a table is read anew, what was known stays: no value is missing for a moment. The component fails until the
/// table is known for the first time; from then on a failure only degrades it.
pub async fn follow_table<V>(
    log: &Log,
    topic: &str,
    health: &Component,
    mut decode: impl FnMut(&Bytes, &Bytes) -> V,
    mut apply: impl FnMut(TableChange<V>),
) {
    let mut is_known = false;
    loop {
        let error = follow_once(log, topic, &mut decode, &mut |change| {
            if let TableChange::All(_) = &change {
                is_known = true;
                apply(change);
                health.ok();
            } else {
                apply(change);
            }
        })
        .await;
        let reason = chain(&error);
        if is_known {
            health.degraded(reason)
        } else {
            health.failing(reason)
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Comes back only with an error.
async fn follow_once<V>(
    log: &Log,
    topic: &str,
    decode: &mut impl FnMut(&Bytes, &Bytes) -> V,
    apply: &mut impl FnMut(TableChange<V>),
) -> LogError {
    let mut table = match TableReader::open(log, topic).await {
        Ok(table) => table,
        Err(error) => return error,
    };
    match read_to_end(&mut table, decode).await {
        Ok(all) => apply(TableChange::All(all)),
        Err(error) => return error,
    }
    loop {
        match table.next().await {
            Ok(TableEvent::Upsert { key, value }) => {
                let value = decode(&key, &value);
                apply(TableChange::Upsert(key, value));
            }
            Ok(TableEvent::Delete { key }) => apply(TableChange::Delete(key)),
            // It comes once, and has come.
            Ok(TableEvent::CaughtUp) => {}
            Err(error) => return error,
        }
    }
}

async fn read_to_end<V>(
    table: &mut TableReader,
    decode: &mut impl FnMut(&Bytes, &Bytes) -> V,
) -> Result<BTreeMap<Bytes, V>, LogError> {
    let mut all = BTreeMap::new();
    loop {
        match table.next().await? {
            TableEvent::Upsert { key, value } => {
                let value = decode(&key, &value);
                all.insert(key, value);
            }
            TableEvent::Delete { key } => {
                all.remove(&key);
            }
            TableEvent::CaughtUp => return Ok(all),
        }
    }
}
